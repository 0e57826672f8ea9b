/** Finished jobs by the million, as the farm leaves them. */
import { type Copy, load, type Loading } from './copies.ts';
import { INSTANCE } from './line.ts';

/** A DUT has as many jobs as it has stations and repeats. */
const JOBS_A_DUT = 50;
const CALLS_A_JOB = 3;

export type HistoryParts = {
  /** A finished job whose calls are owed; they are copied as delivered. Their journal, which no assignment reads, is not. */
  readonly jobId: number;
  readonly jobs: number;
  /** Copies are spread over these sessions and their bots. */
  readonly sessionNames: readonly string[];
};

export const furnishHistory = (ownerUrl: string, parts: HistoryParts): Promise<void> =>
  load(ownerUrl, ['jobs', 'leases', 'test_results', 'shopfloor_calls', 'farm_events'], async (loading) => {
    await loading.ask(MAKE_DAYS);
    const { job, device, dut } = await lastIds(loading, parts.jobId);
    const duts = Math.ceil(parts.jobs / JOBS_A_DUT);
    for (const copy of dutCopies({ after: device, dut, duts, calls: CALLS_A_JOB * JOBS_A_DUT, owed: false }))
      await loading.copy(copy);
    for (const copy of jobCopies(parts, { job, device, duts })) await loading.copy(copy);
  });

/** As long as history is kept by default. */
const DAYS = 90;

const MAKE_DAYS = `
  select make_history_day(which, (farm_now() at time zone 'UTC')::date - back)
  from unnest(array['finished_jobs', 'closed_leases', 'test_results', 'settled_calls', 'farm_events']) which,
       generate_series(0, ${DAYS - 1}) back`;

/** Copies are spread evenly over the days. */
const onItsDay = (time: string): string => `${time} - (g % ${DAYS}) * interval '1 day'`;

export type OwedParts = {
  /** A finished job whose calls are owed: what is copied. */
  readonly jobId: number;
  readonly calls: number;
  /** Of how many DUTs. */
  readonly lanes: number;
};

/** Calls by the million that wait for a partner, evenly in so many lanes, all of them due. */
export const furnishOwed = (ownerUrl: string, { jobId, calls, lanes }: OwedParts): Promise<void> =>
  load(ownerUrl, ['shopfloor_calls'], async (loading) => {
    const { device, dut } = await lastIds(loading, jobId);
    const jobsALane = Math.ceil(calls / CALLS_A_JOB / lanes);
    const id = `md5('owed ' || g || ' ' || p.method)::uuid`;
    for (const copy of dutCopies({ after: device, dut, duts: lanes, calls: CALLS_A_JOB * jobsALane, owed: true }))
      await loading.copy(copy);
    await loading.copy({
      table: 'shopfloor_calls',
      where: `p.job_id = ${jobId}`,
      each: { id, device_id: deviceOf(device, lanes), position: positionOf(lanes) },
      copies: jobsALane * lanes,
      order: id,
    });
  });

type Last = { readonly job: number; readonly device: number; readonly dut: number };

const lastIds = async (loading: Loading, jobId: number): Promise<Last> => {
  const [last] = await loading.ask(
    `select (select max(id) from jobs) as job, (select max(id) from devices) as device,
            (select device_id from leases where job_id = ${jobId}) as dut`,
  );
  return { job: Number(last?.['job']), device: Number(last?.['device']), dut: Number(last?.['dut']) };
};

/** The DUT of copy `g`, and the place of each of its three calls in the lane. */
const deviceOf = (after: number, duts: number): string => `${after} + 1 + (g - 1) % ${duts}`;
const positionOf = (duts: number): string =>
  `${CALLS_A_JOB} * ((g - 1) / ${duts}) + case p.method when 'NotifyStart' then 1 when 'UpdateTestResult' then 2 else 3 end`;

const dutCopies = (made: {
  /** The ids follow this one. */
  readonly after: number;
  readonly dut: number;
  readonly duts: number;
  readonly calls: number;
  readonly owed: boolean;
}): readonly Copy[] => {
  const { after, dut, duts, calls, owed } = made;
  const id = `${after} + g`;
  const lane = {
    device_id: id,
    next_position: String(calls + 1),
    head_position: owed ? '1' : String(calls + 1),
    due_at: owed ? 'farm_now()' : 'null',
  };
  const serial = { device_id: id, value: `'DUT-' || ${id}`, added: `1000000 + ${id}` };
  return [
    { table: 'devices', where: `p.id = ${dut}`, each: { id }, copies: duts },
    { table: 'device_serials', where: `p.device_id = ${dut}`, each: serial, copies: duts },
    { table: 'lanes', where: `p.device_id = ${dut}`, each: lane, copies: duts },
  ];
};

const jobCopies = (
  { jobId, jobs, sessionNames }: HistoryParts,
  after: { readonly job: number; readonly device: number; readonly duts: number },
): readonly Copy[] => {
  const job = `${after.job} + g`;
  const lease = `md5('lease ' || g)::uuid`;
  const call = `md5('call ' || g || ' ' || p.method)::uuid`;
  const device = deviceOf(after.device, after.duts);
  const number = `g % ${sessionNames.length}`;
  const session = `(array[${sessionNames.map((name) => `'${name}'`).join(',')}])[${number} + 1]`;
  const bot = `'bot-' || ${number}`;
  const ofJob = `p.job_id = ${jobId}`;
  const copies = jobs;
  return [
    {
      table: 'jobs',
      where: `p.id = ${jobId}`,
      each: { id: job, request_id: 'gen_random_uuid()::text', bot_id: bot, ended_at: onItsDay('p.ended_at') },
      copies,
    },
    {
      table: 'leases',
      where: ofJob,
      each: {
        ...{ id: lease, job_id: job, device_id: device, session_name: session, bot_id: bot },
        closed_at: onItsDay('p.closed_at'),
      },
      copies,
      order: lease,
    },
    {
      table: 'test_results',
      where: ofJob,
      each: { id: '1000000 + g', job_id: job, lease_id: lease, at: onItsDay('p.at') },
      copies,
    },
    {
      table: 'shopfloor_calls',
      where: ofJob,
      each: {
        ...{ id: call, job_id: job, lease_id: lease, device_id: device, position: positionOf(after.duts) },
        ...{
          state: `'DELIVERED'`,
          body: `'${BODY}'`,
          sends: '1',
          answer: `'{}'::jsonb`,
          settled_at: onItsDay('p.owed_at'),
        },
      },
      copies,
      order: call,
    },
    {
      table: 'farm_events',
      where: ofJob,
      each: {
        id: '100000000 + 10 * g + p.id % 10',
        job_id: job,
        lease_id: `case when p.lease_id is not null then ${lease} end`,
        bot_id: `case when p.bot_id is not null then ${bot} end`,
        device_id: `case when p.device_id is not null then ${device} end`,
        at: onItsDay('p.at'),
      },
      copies,
    },
    // One row of the many that say how many have finished.
    {
      table: 'tallies',
      where: `p.id = (select min(id) from tallies where instance = '${INSTANCE}' and state = 'FINISHED')`,
      each: { n: String(jobs) },
      copies: 1,
    },
  ];
};

/** As long as the body of such a call is; nobody reads it. */
const BODY = 'x'.repeat(600);
