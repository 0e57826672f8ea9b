import type { Command } from 'commander';
import { type Enact, limited, outputOption } from './enact.ts';
import { configured } from './processes.ts';

export const eventsGrammar = (parent: Command, enact: Enact): void => {
  const events = parent
    .command('events')
    .description('See what DUTs told by Testlog that could not be taken in. Asks the database itself.');
  limited(
    configured(
      events.command('quarantined').description('List the events that were accepted and put aside, newest first.'),
    ),
  )
    .addOption(outputOption())
    .action(enact(async () => (await import('../events.ts')).listQuarantined));
};
