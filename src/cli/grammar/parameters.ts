import type { Command } from 'commander';
import { wholeNumber } from '../operands.ts';
import { asksHttpFarm, type Enact, limited } from './enact.ts';

const versionNumber = wholeNumber({ min: 1, max: 2 ** 31 - 1 });

export const parametersGrammar = (parent: Command, enact: Enact): void => {
  const parameters = parent
    .command('parameters')
    .description('Keep versions of the files that DUTs are given by name, and say which one they get.');
  limited(
    asksHttpFarm(parameters.command('list').description('List them by path: what DUTs are given, and since when.')),
  ).action(enact(async () => (await import('../parameters.ts')).listParameters));
  asksHttpFarm(parameters.command('show').description('Show the versions of one, and which was active when.'))
    .argument('<path>', 'what DUTs call it')
    .action(enact(async () => (await import('../parameters.ts')).showParameter));
  asksHttpFarm(
    parameters.command('upload').description('Keep a file as a new version. DUTs get it once it is activated.'),
  )
    .argument('<file>', 'what is sent')
    .option('--as <path>', 'what DUTs call it (default: the name of the file)')
    .option('--note <words>', 'what it is, for the record', '')
    .option('--activate', 'give it to DUTs from now on')
    .action(enact(async () => (await import('../parameters.ts')).uploadParameter));
  asksHttpFarm(parameters.command('activate').description('Give DUTs this version from now on.'))
    .argument('<path>', 'what DUTs call it')
    .argument('<version>', 'its number, which `parameters show` lists', versionNumber)
    .option('--reason <words>', 'why, for the record', '')
    .action(enact(async () => (await import('../parameters.ts')).activateParameter));
  asksHttpFarm(
    parameters
      .command('roll-back')
      .description('Give DUTs the version that was active before. Doing it twice is as not at all.'),
  )
    .argument('<path>', 'what DUTs call it')
    .option('--reason <words>', 'why, for the record', '')
    .action(enact(async () => (await import('../parameters.ts')).rollBackParameter));
};
