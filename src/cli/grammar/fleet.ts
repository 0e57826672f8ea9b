import type { Command } from 'commander';
import { duration, farmNumber } from '../operands.ts';
import { asksFarm, type Enact, limited } from './enact.ts';

export const botsGrammar = (parent: Command, enact: Enact): void => {
  const bots = parent.command('bots').description('See the bots of a farm, and take them out of work or back.');
  limited(asksFarm(bots.command('list').description('List bots by id.')))
    .option('--pattern <pattern>', 'only ids that match: * for any characters, ? for one')
    .option('--connected', 'only bots with a live session')
    .action(enact(async () => (await import('../bots.ts')).listBots));
  asksFarm(bots.command('get').description('Show one bot: what it is, what it holds, why it gets no work.'))
    .argument('<bot>', 'its id')
    .action(enact(async () => (await import('../bots.ts')).getBot));
  asksFarm(bots.command('events').description('Show what a bot posted lately, newest first.'))
    .argument('<bot>', 'its id')
    .action(enact(async () => (await import('../bots.ts')).botEvents));
  asksFarm(
    bots.command('drain').description('Let matching bots, present and future, finish and give them nothing new.'),
  )
    .argument('<pattern>', 'over bot ids: * for any characters, ? for one')
    .requiredOption('--note <words>', 'why, for everybody to see')
    .option('--for <duration>', 'ends by itself after this (default: until undrained)', duration)
    .action(enact(async () => (await import('../bots.ts')).drainBots));
  asksFarm(bots.command('undrain').description('End a drain.'))
    .argument('<pattern>', 'as it was given to drain')
    .action(enact(async () => (await import('../bots.ts')).undrainBots));
  asksFarm(bots.command('quarantine').description('Give one bot no work until it is released.'))
    .argument('<bot>', 'its id')
    .requiredOption('--reason <words>', 'why, for the record')
    .action(enact(async () => (await import('../bots.ts')).quarantineBot));
  asksFarm(bots.command('release').description('End a quarantine.'))
    .argument('<bot>', 'its id')
    .option('--reason <words>', 'why, for the record', '')
    .action(enact(async () => (await import('../bots.ts')).releaseBot));
};

export const devicesGrammar = (parent: Command, enact: Enact): void => {
  const devices = parent.command('devices').description('See the record of a DUT, and release it.');
  asksFarm(devices.command('get').description('Show the record of the DUT with a serial.'))
    .argument('<serial>', "the serial's value")
    .option('--name <name>', "the serial's name, such as serials.serial_number (default: any)", '')
    .action(enact(async () => (await import('../devices.ts')).getDevice));
  asksFarm(devices.command('release').description('End the hold of a DUT, or its settling after an unclean end.'))
    .argument('<id>', "the farm's number for the DUT, which `devices get` shows", farmNumber)
    .requiredOption('--reason <words>', 'why, for the record')
    .action(enact(async () => (await import('../devices.ts')).releaseDevice));
};

/** A unit's whole life, as a rule. */
const UNIT_ENTRIES_DEFAULT = 1000;

export const unitGrammar = (parent: Command, enact: Enact): void => {
  limited(
    asksFarm(
      parent
        .command('unit')
        .description(
          'Show what became of one unit, oldest first; or, with --station, whether it may run that station now: exit code 1 when not.',
        ),
    ),
    UNIT_ENTRIES_DEFAULT,
  )
    .argument('<serial>', "the value of any of the unit's serials")
    .option('--name <name>', "the serial's name, such as serials.serial_number (default: any)", '')
    .option('--station <station>', 'no history: say whether the unit may run this station now, and why not')
    .action(enact(async () => (await import('../unit.ts')).showUnit));
};
