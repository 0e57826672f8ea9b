import { type Command, Option } from 'commander';
import { choices, duration, farmNumber, named, namedList, wholeNumber } from '../operands.ts';
import { jobStates } from '../state-words.ts';
import { asksFarm, type Enact, limited } from './enact.ts';

const PRIORITY_MAX = 1_000_000;
const COUNT_MAX = 100_000;

const enqueueExamples = `
Examples:
  stationgrid job enqueue --station FAT --serial serials.mlb_serial_number=MLB-0001 \\
    --test 'generic_main:FAT.Camera=./camera-test --frames 10' --test generic_main:FAT.Audio=./audio-test --wait
  stationgrid job enqueue --work runin.yaml --serial serials.serial_number=SN-0042 --route main --on-failed stop
  stationgrid job enqueue --station RUNIN --handler soak=simulate --count 10 -o json

A work file (YAML or JSON) is a StationWork:
  station: RUNIN
  executionTimeout: 8h
  tests:
    - testId: generic_main:RUNIN.Stress
      command: { argv: [stressapptest, -s, '3600'], env: { CORES: '4' } }
      timeout: 2h
    - testId: generic_main:RUNIN.Battery
      handler: battery
      args: { cycles: 3 }
`;

const enqueue = (parent: Command, enact: Enact): Command =>
  asksFarm(parent.command('enqueue').description('Enqueue one job, or several alike.'))
    .option('--station <name>', 'the station to run; wins over that of --work')
    .option(
      '--serial <name=value>',
      'pins the job to the DUT with this serial; repeatable',
      named('a serial as name=value, such as serials.serial_number=SN-0042'),
    )
    .option(
      '--test <id=command>',
      'a test and the program that runs it, through no shell; repeatable',
      namedList("a test as id=command, such as 'generic_main:FAT.Camera=./camera-test --frames 10'"),
    )
    .option(
      '--handler <id=name>',
      "a test and the bot's own function that runs it; repeatable",
      namedList('a test as id=handler, such as generic_main:FAT.Camera=camera'),
    )
    .option('--work <file>', 'the work from a YAML or JSON file, - for standard input; --test and --handler add to it')
    .option(
      '--constraint <key=v1,v2>',
      'a property the bot must have, with any of these values; repeatable',
      namedList('a constraint as key=value or key=v1,v2, such as pool=line1'),
    )
    .option('--bot <id>', 'only this bot')
    .option('--priority <n>', 'lower is sooner', wholeNumber({ min: -PRIORITY_MAX, max: PRIORITY_MAX }), 0)
    .option('--route <name>', 'jobs of one DUT under one route name run in enqueue order')
    .addOption(
      new Option('--on-failed <what>', 'the rest of the route, if it does not pass').choices(['stop', 'continue']),
    )
    .option('--attempts <n>', "attempts allowed (default: the station's)", wholeNumber({ min: 1, max: 1000 }))
    .option('--queue-timeout <duration>', 'fails when queued this long', duration)
    .option('--execution-timeout <duration>', 'fails when it runs this long', duration)
    .option('--request-id <id>', 'repeating an enqueue with the same id within 24 h enqueues nothing new')
    .option('--count <n>', 'so many jobs alike', wholeNumber({ min: 1, max: COUNT_MAX }))
    .option('--wait', 'wait until all have ended; exit code 1 unless all passed')
    .option('--timeout <duration>', 'with --wait: give up waiting after this', duration)
    .addHelpText('after', enqueueExamples)
    .action(enact(async () => (await import('../enqueue.ts')).enqueueJobs));

const reasoned = (command: Command): Command => command.option('--reason <words>', 'why, for the record', '');

export const jobGrammar = (parent: Command, enact: Enact): void => {
  const job = parent.command('job').description('Enqueue station work and follow it.');
  enqueue(job, enact);
  limited(asksFarm(job.command('list').description('List jobs, newest first.')))
    .option('--state <states>', `only these: ${jobStates.join(', ')}; repeatable`, choices(jobStates))
    .option('--station <name>', 'only this station')
    .option('--route <name>', 'only this route')
    .option('--serial <value>', 'only the DUT with this serial')
    .action(enact(async () => (await import('../job.ts')).listJobs));
  asksFarm(job.command('get').description('Show one job with the results of its last attempt.'))
    .argument('<id>', "the job's number", farmNumber)
    .action(enact(async () => (await import('../job.ts')).getJob));
  asksFarm(job.command('watch').description('Follow a job until it has ended; exit code 1 unless it passed.'))
    .argument('<id>', "the job's number", farmNumber)
    .option('--timeout <duration>', 'give up watching after this', duration)
    .action(enact(async () => (await import('../watch.ts')).watchJob));
  reasoned(asksFarm(job.command('cancel').description('Ask to cancel a job; its bot is told.')))
    .argument('<id>', "the job's number", farmNumber)
    .action(enact(async () => (await import('../job.ts')).cancelJob));
  asksFarm(job.command('why').description('Say why a job is not running, and what to do about it.'))
    .argument('<id>', "the job's number", farmNumber)
    .action(enact(async () => (await import('../job.ts')).explainJob));
  reasoned(
    asksFarm(job.command('retry-gate').description('Ask the shopfloor again for leave to start a job it refused.')),
  )
    .argument('<id>', "the job's number", farmNumber)
    .action(enact(async () => (await import('../job.ts')).retryGate));
  asksFarm(job.command('override-gate').description("Start a job against the shopfloor's refusal."))
    .argument('<id>', "the job's number", farmNumber)
    .requiredOption('--reason <words>', 'why, for the record')
    .action(enact(async () => (await import('../job.ts')).overrideGate));
};
