/** The partner's side: play it, check it, tell it again. */
import { type Command, Option } from 'commander';
import { didYouMean } from '../../config/nearest.ts';
import { DEFECT_NAMES, DEFECTS } from '../../reference-shopfloor/defect-names.ts';
import { duration, named, wholeNumber } from '../operands.ts';
import { type Enact, outputOption } from './enact.ts';

const PORT_MAX = 65_535;
const CONCURRENCY_MAX = 1000;

const defectsHelp = `
Defects, for --defect:
${Object.entries(DEFECTS)
  .map(([name, meaning]) => `  ${name.padEnd(24)}${meaning}`)
  .join('\n')}
`;

const checkHelp = `
Of a URL it asks some fifty calls about one unit, in a few seconds. They are real calls: the service sees the unit start at
the station, have results, end and be finalised. Its serial says STATIONGRID-CHECK, so that nobody takes it for a real one.
Where only known units are taken, name one that exists for tests with --serial. Registration codes are never sent.

A check is a \`must\` when the farm loses, repeats or cannot send calls without it; a \`should\` when a stock DUT, or a bad
day, will ask for it. Exit codes: 0 no \`must\` failed (with --strict: nothing failed), 1 otherwise, 4 nobody answers there, 5 the
time was over before all was asked.

Examples:
  stationgrid shopfloor check http://mes.example:8090/
  stationgrid shopfloor check jsonrpc:http://mes.example/rpc --serial serials.mlb_serial_number=TEST-1 -o json
  stationgrid shopfloor check journal.jsonl --ended
`;

const replayHelp = `
What a journal keeps is sent: method, serials, station, test id, status and event. Other data, and the details of results, it
does not keep. ActivateRegCode is left out. The keys are made of those in the journal, so that a second replay changes nothing
at a service that remembers them, and none meets the key of a call that was first sent with other bytes. Calls of one DUT go in order, one at a time; when one is left without an answer, so is the rest
of that DUT.

Exit codes: 0 every call ended as in the journal, 1 some did not, 4 nobody answers there.
`;

export const shopfloorGrammar = (parent: Command, enact: Enact): void => {
  const shopfloor = parent
    .command('shopfloor')
    .description("The partner's side: play one for trying things out, check a real one, tell it again.");
  serveGrammar(shopfloor, enact);
  shopfloor
    .command('print')
    .description('Print a journal.')
    .argument('<journal>', 'the file')
    .addOption(outputOption())
    .action(enact(async () => (await import('../shopfloor.ts')).printJournal));
  shopfloor
    .command('check')
    .description(
      "Check a partner's service by its URL, or a journal: every DUT's calls in order, none applied twice. Exit code 1 if not.",
    )
    .argument('<journal|url>', "the file; or the service's address, as http://host:port/ or with jsonrpc: before it")
    .option('--ended', 'of a journal: all work is done, so that an attempt without its closing call is wrong')
    .option(
      '--serial <name=value>',
      'of a service: the unit to tell of; repeatable (default: serials.mlb_serial_number=STATIONGRID-CHECK-…)',
      named('a serial as name=value, such as serials.mlb_serial_number=TEST-1'),
    )
    .option('--station <name>', 'of a service: the station to tell of (default: SMT)')
    .option('--slow <duration>', 'of a service: an answer that takes longer is too slow (default: 2s)', duration)
    .option('--timeout <duration>', 'of a service: what was not asked by then is skipped (default: 60s)', duration)
    .option('--strict', 'of a service: exit code 1 for any failed check')
    .addOption(outputOption())
    .addHelpText('after', checkHelp)
    .action(enact(async () => (await import('../shopfloor.ts')).check));
  shopfloor
    .command('replay')
    .description("Send a journal's calls to a service again, and say what ended differently.")
    .argument('<journal>', 'the file')
    .argument('<url>', "the service's address")
    .option('--from <seq>', 'only from this line on', wholeNumber({ min: 1, max: Number.MAX_SAFE_INTEGER }), 1)
    .option('--to <seq>', 'only up to this line', wholeNumber({ min: 1, max: Number.MAX_SAFE_INTEGER }))
    .option('--device <serial>', 'only this DUT, as the journal names it')
    .option('--all', 'also what was repeated or refused then (default: what was applied)')
    .addOption(
      new Option('--keys <which>', 'made of those in the journal, those themselves, or new ones at each replay')
        .choices(['derived', 'same', 'new'])
        .default('derived'),
    )
    .option('--concurrency <n>', 'so many DUTs at once', wholeNumber({ min: 1, max: CONCURRENCY_MAX }), 16)
    .option('--dry-run', 'print what would be sent')
    .addOption(outputOption())
    .addHelpText('after', replayHelp)
    .action(enact(async () => (await import('../shopfloor-replay.ts')).replayJournal));
};

const serveGrammar = (shopfloor: Command, enact: Enact): void => {
  shopfloor
    .command('serve', { isDefault: true })
    // A slip in the name of another command ends up here.
    .allowExcessArguments()
    .hook('preAction', (_, serve) => refuseWords(serve))
    .description('Answer the Shopfloor Service API until stopped (the default), in XML-RPC and JSON-RPC.')
    .option('--host <address>', 'where it listens', '127.0.0.1')
    .option('--port <n>', 'where it listens; 0 for any free one', wholeNumber({ min: 0, max: PORT_MAX }), 8090)
    .option('--journal <file>', 'appends every call to this file (default: keeps them in memory)')
    .option('--replies <file>', 'what it answers, as YAML or JSON')
    .option('--faults <file>', 'what goes wrong, as YAML or JSON: a list of rules')
    .option('--seed <n>', "of the faults' probabilities", wholeNumber({ min: 0, max: 2 ** 31 }), 1)
    .option('--forgets-keys', 'applies a repeated call again, as services without idempotency do')
    .option('--json-text', 'takes every argument as a JSON text and answers with one, for URLs that begin with json:')
    .addOption(
      new Option('--defect <names...>', 'mistakes it makes all the time, for `shopfloor check` to find').choices(
        DEFECT_NAMES,
      ),
    )
    .addHelpText('after', defectsHelp)
    .action(enact(async () => (await import('../shopfloor.ts')).serveShopfloor));
};

const refuseWords = (command: Command): void => {
  const [word] = command.args;
  const known = (command.parent?.commands ?? []).map((other) => other.name());
  if (word !== undefined) command.error(`error: unknown command '${word}'${didYouMean(word, known)}`);
};
