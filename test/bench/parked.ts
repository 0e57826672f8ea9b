/**
 * Many bots that wait, and few jobs: each job goes to a parked poll, and its bot parks again. Between two runs the polls
 * stay parked.
 */
import { OK } from '../../src/core/bot-session.ts';
import { canonicalProperties, propertiesText } from '../../src/core/match.ts';
import { enqueueJobs } from '../../src/farm/enqueue-job.ts';
import type { Home } from '../../src/farm/home.ts';
import { addSession, newSession } from '../../src/farm/sessions.ts';
import { ask, settle } from './backlog.ts';
import { callOnce, WARM_MS, type Worker } from './crew.ts';
import { benchJob, benchLimits, benchLine, INSTANCE } from './line.ts';
import type { Bench } from './measure.ts';

/** Jobs on their way at any time; fewer than the fewest bots. */
const AT_ONCE = 64;

export type Parked = {
  /** Milliseconds of this machine for each job, when it does nothing else. */
  readonly msPerJob: (seconds: number) => Promise<number>;
  readonly close: () => Promise<void>;
};

export const openParked = async (
  { site }: Bench,
  given: { readonly name: string; readonly sessions: number; readonly classes: number },
): Promise<Parked> => {
  const { url, ownerUrl, drop } = await site.database(given.name);
  const limits = { ...benchLimits, poll: { parkedMax: given.sessions } };
  const { home, close } = await site.openFarm(url, { lines: [benchLine()], limits });
  const workers = await seat(home, ownerUrl, given);
  await settle(ownerUrl);
  const leaving = new AbortController();
  const shift = newShift(home, given.classes);
  const running = Promise.all(
    workers.map(async (worker) => {
      while (!leaving.signal.aborted) shift.done((await callOnce(worker, leaving.signal)).completed);
    }),
  );
  // Whoever waits for the end of a run is told when a bot has failed.
  running.catch(shift.fail);
  return {
    msPerJob: shift.work,
    close: async () => {
      leaving.abort();
      await running;
      await close();
      await drop();
    },
  };
};

/** The rows and the memory that `createBotSession` leaves, for many bots at once. They have no DUTs: none is owed calls. */
const seat = async (
  home: Home,
  ownerUrl: string,
  { sessions, classes }: { readonly sessions: number; readonly classes: number },
): Promise<Worker[]> => {
  const seats = Array.from({ length: sessions }, (_, number) => {
    const properties = propertiesText(canonicalProperties([['class', classOf(number, classes)]]));
    return { name: `${INSTANCE}/${home.newId()}`, botId: `bot-${number}`, properties };
  });
  const made = [INSTANCE, JSON.stringify(seats)];
  const rows = `jsonb_to_recordset($2::jsonb) as r(name text, "botId" text, properties jsonb)`;
  await ask(ownerUrl, `insert into bots (instance, bot_id) select $1, r."botId" from ${rows}`, made);
  await ask(
    ownerUrl,
    `insert into bot_sessions (name, instance, bot_id, state, status, capacity, leases_allowed, properties, home_replica,
                               expires_at)
     select r.name, $1, r."botId", 'OPEN', ${OK}, 1, 1, r.properties, $3::uuid, farm_now() + interval '1 hour' from ${rows}`,
    [...made, home.replica],
  );
  return seats.map(({ name, botId, properties }) => {
    const self = { status: OK, version: '', capacity: 1, properties, duts: [] };
    const row = { ...self, name, instance: INSTANCE, botId, attachEpoch: 1, quarantineReason: null, deviceIds: [] };
    addSession(home.sessions, newSession({ ...row, erring: false, unsettled: false }, home.clock.monotonicMs()));
    return { home, botId, name, self, leases: [] };
  });
};

const classOf = (number: number, classes: number): string => `class-${number % classes}`;

/** Jobs come while a run lasts, one for each that was done, in turn for every class. */
const newShift = (home: Home, classes: number) => {
  let isOpen = false;
  let counting = false;
  let enqueued = 0;
  let under = 0;
  let jobs = 0;
  let owed = 0;
  let enqueuing = false;
  let tell = (): void => undefined;
  let fail: (error: unknown) => void = () => undefined;
  const pay = async (): Promise<void> => {
    enqueuing = true;
    while (owed > 0) {
      const batch = Array.from({ length: owed }, () => benchJob(classOf((enqueued += 1), classes)));
      owed = 0;
      await enqueueJobs(home, batch);
    }
    enqueuing = false;
  };
  const owe = (n: number): void => {
    owed += n;
    under += n;
    if (!enqueuing) pay().catch((error: unknown) => fail(error));
  };
  const run = async (seconds: number): Promise<number> => {
    jobs = 0;
    isOpen = true;
    owe(AT_ONCE);
    await sleep(WARM_MS);
    const startedMs = performance.now();
    counting = true;
    await sleep(seconds * 1000);
    counting = false;
    const tookMs = performance.now() - startedMs;
    const over = new Promise<void>((resolve) => {
      tell = resolve;
    });
    isOpen = false;
    if (under > 0) await over;
    return tookMs / jobs;
  };
  return {
    fail: (error: unknown) => fail(error),
    done: (n: number): void => {
      if (n === 0) return;
      under -= n;
      if (counting) jobs += n;
      if (isOpen) owe(n);
      else if (under === 0) tell();
    },
    work: (seconds: number): Promise<number> =>
      new Promise((resolve, reject) => {
        fail = reject;
        run(seconds).then(resolve, reject);
      }),
  };
};

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
