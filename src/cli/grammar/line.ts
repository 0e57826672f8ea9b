import type { Command } from 'commander';
import { listed } from '../operands.ts';
import type { Enact } from './enact.ts';

const importHelp = `
The groups of the list's first level become the stations, named by their local \`station\` where they have one (RunIn is RUNIN on
the wire), else by their id. Test ids are the list's own paths. What it inherits is looked for beside it. A list that is
resolved already, as an array of nodes with paths, is taken too.

Examples:
  stationgrid line import main.test_list.json --include generic/ --output line.yaml
  stationgrid serve --config line.yaml
  stationgrid job enqueue --station SMT --serial serials.mlb_serial_number=MLB-0001   # all tests of the station
`;

export const lineGrammar = (parent: Command, enact: Enact): void => {
  const line = parent.command('line').description('Make lines for the configuration.');
  line
    .command('import')
    .description('Turn a Chrome OS factory test list (JSON) into a line: its stations, their tests, in order.')
    .argument('<file>', 'the test list, such as main.test_list.json')
    .option('--include <dir>', 'a folder with lists that it inherits; repeatable', listed)
    .option('--instance <name>', 'the instance (default: the name of the list)')
    .option('--shopfloor <url>', "the partner's service (default: none)")
    .option('--output <file>', 'where to write it (default: standard output)')
    .addHelpText('after', importHelp)
    .action(enact(async () => (await import('../line-import.ts')).importLine));
};
