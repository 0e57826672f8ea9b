import { type Command, Option } from 'commander';
import { shapes } from '../load/shape.ts';
import { addresses, duration, positive, wholeNumber } from '../operands.ts';
import { asksFarm, type Enact } from './enact.ts';

const BOTS_MAX = 50_000;
const RATE_MAX = 100_000;
const TESTS_MAX = 1000;
const CONNECTIONS_MAX = 1000;

const loadHelp = `
It plays bots and a scheduler, on the farm's gRPC door, as strangers. Jobs are sent when they are due, whatever the farm
does, and measured from then. In the end every acknowledged job must have ended exactly once, by the farm's own books.

Its jobs ask for a property that only its own bots have. Its bots start no job of others, and an instance in which others
are at work is refused. Without --duts nothing is owed to a shopfloor. Where the farm asks for credentials, the bots get
tokens for the run, which takes the role of an admin.

Ctrl-C ends it early: running stations are cut short, queued jobs cancelled, sessions closed, the figures so far
printed. A second Ctrl-C ends at once, and leaves the rest to the farm's clocks.

Examples:
  stationgrid load --instance load --bots 200 --rate 50 --duration 1min --run-ms 2000
  stationgrid load --instance load --bots 1000 --rate 400 --shape ramp --duration 5min --json > ramp.json
  stationgrid load --server 10.0.0.1:50051,10.0.0.2:50051 --instance load --shape burst --period 30s --duration 3min
`;

export const loadGrammar = (parent: Command, enact: Enact): void => {
  asksFarm(parent.command('load').description('Put a farm under load, and measure it.'), {
    parse: addresses,
    flags: '--server <host:port,…>',
    meaning: "the gRPC doors of the farm's replicas, with commas between",
  })
    .option('--bots <n>', 'simulated bots', wholeNumber({ min: 1, max: BOTS_MAX }), 100)
    .option(
      '--rate <n>',
      'jobs a second: the rate of steady, the mean of burst, the peak of ramp and wave',
      positive(RATE_MAX),
      20,
    )
    .option('--duration <duration>', 'how long jobs are sent', duration, 30_000)
    .addOption(new Option('--shape <shape>', 'how arrivals are spread').choices(shapes).default('steady'))
    .option('--period <duration>', 'from burst to burst, from crest to crest', duration, 10_000)
    .option('--tests <n>', 'tests of each job', wholeNumber({ min: 1, max: TESTS_MAX }), 3)
    .option('--run-ms <n>', 'how long a station runs, in milliseconds', wholeNumber({ min: 1, max: 3_600_000 }), 1000)
    .addOption(
      new Option('--results <when>', 'tells results as each test ends, or all with the completion')
        .choices(['live', 'end'])
        .default('live'),
    )
    .option('--station <name>', 'the station that jobs name; one without a gate', 'LOAD')
    .option(
      '--connections <n>',
      'connections in all (default: one for 250 bots)',
      wholeNumber({ min: 1, max: CONNECTIONS_MAX }),
    )
    .option(
      '--settle <duration>',
      'once all jobs are sent, gives up when none ends for so long, and a station',
      duration,
      60_000,
    )
    .option(
      '--duts',
      "give each bot a DUT: jobs then owe calls to the line's shopfloor, which must not be the partner's own",
    )
    .option('--beside-other-work', 'start although others are at work in the instance')
    .option('--json', 'the same as --output json')
    .addHelpText('after', loadHelp)
    .action(enact(async () => (await import('../load.ts')).generateLoad));
};
