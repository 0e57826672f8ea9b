import type { Command } from 'commander';
import { configured } from './processes.ts';
import { type Enact, limited, outputOption } from './enact.ts';

export const auditGrammar = (parent: Command, enact: Enact): void => {
  const audit = parent
    .command('audit')
    .description('See who asked what of the farm, and check that nobody rewrote it. Asks the database itself.');
  configured(
    audit
      .command('verify')
      .description('Check the chains of the audit; exit code 1 if a record was changed, left out or cut off.'),
  )
    .option('--against <file>', 'also check what an earlier `audit verify --output json` saw')
    .addOption(outputOption())
    .action(enact(async () => (await import('../audit.ts')).verify));
  limited(configured(audit.command('list').description('List what was asked and what was denied, newest first.')))
    .addOption(outputOption())
    .action(enact(async () => (await import('../audit.ts')).listAudit));
};
