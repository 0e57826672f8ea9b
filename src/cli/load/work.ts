/** The jobs of a run and the results of their stations; and how a bot of the run tells its own jobs from anybody else's. */
import type { Worker } from '../../gen/google/devtools/remoteworkers/v1test2/worker.ts';
import type { Any } from '../../gen/google/protobuf/any.ts';
import { EnqueueJobRequest, Job } from '../../gen/stationgrid/v1/jobs.ts';
import { StationResult, StationWork, Test, TestResult, TestStatus } from '../../gen/stationgrid/v1/work.ts';
import { toDuration } from '../to-duration.ts';
import type { Plan } from './plan.ts';

/** The property of a run's bots that its jobs ask for; its value is the run. */
export const RUN_KEY = 'load';
/** Begins the ids of a run's bots. */
export const BOT_PREFIX = 'load-';
/** Under this a job carries its number in the run. */
const NUMBER = 'number';

/** Under this name a bot with a DUT declares its serial, which is the bot's id. */
const SERIAL_KEY = 'serials.load_serial_number';

/** What a bot of the run declares. Without a DUT its jobs owe a shopfloor nothing; with one they owe what the line says. */
export const workerOf = ({ run, duts }: Pick<Plan, 'run' | 'duts'>, botId: string): Worker => {
  const dut = duts ? [{ key: SERIAL_KEY, value: botId }] : [];
  const properties = [{ key: RUN_KEY, value: run }, ...dut];
  return { devices: [{ handle: 'primary', properties }], properties: [], configs: [], metadata: [] };
};

/** Pinned to no DUT: each runs on that of the bot that takes it, if that has one. */
export const createRequests = (plan: Plan): ((number: number) => EnqueueJobRequest) => {
  const { run, instance, station, tests: count } = plan;
  const tests = Array.from({ length: count }, (_, index) =>
    Test.fromPartial({ testId: testIdOf(station, index), run: { $case: 'handler', value: 'load' } }),
  );
  const constraints = [{ key: RUN_KEY, allowedValues: [run] }];
  return (number) => ({
    requestId: `${BOT_PREFIX}${run}-${String(number)}`,
    job: {
      ...Job.create(),
      ...{ instance, station, constraints },
      task: {
        $case: 'work',
        value: {
          ...StationWork.create(),
          station,
          tests: tests.map((test, at) => (at > 0 ? test : numbered(test, run, number))),
        },
      },
    },
  });
};

const testIdOf = (station: string, index: number): string => `${station}.Test${String(index + 1)}`;

const numbered = (test: Test, run: string, number: number): Test => ({
  ...test,
  args: { [RUN_KEY]: run, [NUMBER]: number },
});

/** Whose work a lease carries: a job of this run, by its number; or null: somebody else's. */
export const numberOf = (payload: Any | undefined, run: string): number | null => {
  if (payload?.typeUrl.endsWith('/stationgrid.v1.StationWork') !== true) return null;
  const args = StationWork.decode(payload.value).tests[0]?.args;
  const number: unknown = args?.[NUMBER];
  return args?.[RUN_KEY] === run && typeof number === 'number' ? number : null;
};

/** Whether a job of the farm's books is one of a run; of any run when `run` is null. */
export const isOurs = ({ constraints }: Pick<Job, 'constraints'>, run: string | null): boolean =>
  constraints.some(({ key, allowedValues }) => key === RUN_KEY && (run === null || allowedValues.includes(run)));

/** What a station of so many tests found, each with the time that it took: all is well. */
export const createResults = ({
  station,
  tests,
  runMs,
}: Pick<Plan, 'station' | 'tests' | 'runMs'>): readonly TestResult[] =>
  Array.from({ length: tests }, (_, index) =>
    TestResult.fromPartial({
      testId: testIdOf(station, index),
      status: TestStatus.PASSED,
      duration: toDuration(runMs / tests),
    }),
  );

/** What a completion carries. */
export const packResults = (results: readonly TestResult[]): Any => ({
  typeUrl: 'type.googleapis.com/stationgrid.v1.StationResult',
  value: Buffer.from(StationResult.encode({ results, logsTail: '' }).finish()),
});
