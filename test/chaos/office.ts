/** The people of a run: a scheduler that enqueues and sometimes cancels, and an operator who settles what waits for one. */
import { withFarm, type FarmDoor } from '../../src/cli/connect.ts';
import { type Job, JobsService, JobState } from '../../src/gen/stationgrid/v1/jobs.ts';
import { CallState, ShopfloorService } from '../../src/gen/stationgrid/v1/shopfloor.ts';
import { processClock } from '../../src/process-clock.ts';
import type { Chance } from './chance.ts';
import { INSTANCE, MLB, boardOf, requestOf, STATIONS, type Work } from './line.ts';
import type { Balancer } from './replicas.ts';

const ROUND_MS = 1_000;
const JOBS_A_UNIT = 2;
/** Of one test; a job has two, and must outlast a sign of life, but not the patience with a silent bot. */
const TEST_MS = { min: 500, max: 2_500 };
const FAILS = 0.1;
const CANCELS = 0.3;
const PAGE = 1_000;
const OPEN_STATES = [JobState.QUEUED, JobState.LEASED, JobState.CANCELLING];

export interface Office {
  /** Enqueues no more, but what was begun is enqueued to its end. */
  readonly close: () => void;
  /** Request ids of the jobs that the farm said it has, with the number it gave them. */
  readonly acknowledged: () => ReadonlyMap<string, bigint>;
  /** What is left to do; null: nobody could be asked. */
  readonly open: () => { readonly jobs: number; readonly calls: number; readonly unsaid: number } | null;
  readonly stop: () => Promise<void>;
}

export function openOffice(
  balancer: Balancer,
  chance: Chance,
  { units, seed }: { readonly units: number; readonly seed: number },
): Office {
  const stopping = new AbortController();
  const waiting: Work[] = [];
  const acknowledged = new Map<string, bigint>();
  const turns = new Map<number, number>();
  let isClosed = false;
  let drawn = 0;
  let open: ReturnType<Office['open']> = null;

  const draw = (unit: number): Work => {
    drawn += 1;
    const turn = turns.get(unit) ?? 0;
    turns.set(unit, turn + 1);
    return {
      request: `chaos-${seed}-${drawn}`,
      unit,
      station: STATIONS[turn % STATIONS.length] ?? STATIONS[0],
      ms: chance.between(TEST_MS.min, TEST_MS.max),
      fails: chance.happens(FAILS),
    };
  };
  const enqueue = async (farm: FarmDoor): Promise<void> => {
    // One that was not answered keeps its request id: it may have been taken all the same.
    for (let work = waiting[0]; work !== undefined; work = waiting[0]) {
      const { id } = await farm.ask(JobsService.enqueueJob, requestOf(work));
      acknowledged.set(work.request, id);
      waiting.shift();
    }
  };
  const plan = (jobs: readonly Job[]): void => {
    const atUnit = new Map<string, number>();
    for (const { serials } of jobs) {
      const board = serials[MLB] ?? '';
      atUnit.set(board, (atUnit.get(board) ?? 0) + 1);
    }
    for (let unit = 0; unit < units; unit += 1) {
      for (let n = atUnit.get(boardOf(unit)) ?? 0; n < JOBS_A_UNIT; n += 1) waiting.push(draw(unit));
    }
  };
  const operate = async (farm: FarmDoor, jobs: readonly Job[]): Promise<number> => {
    const all = { instance: INSTANCE, serial: '', jobId: 0n, pageSize: PAGE, pageToken: '' };
    const states = [CallState.OWED, CallState.DEAD];
    const { calls } = await farm.ask(ShopfloorService.listCalls, { ...all, states });
    for (const { id, state } of calls) {
      if (state === CallState.DEAD) await farm.ask(ShopfloorService.retryCall, { instance: INSTANCE, id });
    }
    for (const { id, heldBy } of jobs) {
      if (heldBy !== 'GATE_REFUSED') continue;
      await farm.ask(JobsService.retryGate, {
        instance: INSTANCE,
        id,
        reason: 'the partner may have come to its senses',
      });
    }
    return calls.length;
  };
  const round = async (): Promise<void> => {
    const { member: _member, grpc } = balancer.choose();
    const server = `${grpc.host}:${grpc.port}`;
    await withFarm({ server, instance: INSTANCE, output: 'json' }, async (farm) => {
      await enqueue(farm);
      const all = { instance: INSTANCE, station: '', route: '', serial: '', pageSize: PAGE, pageToken: '' };
      const { jobs } = await farm.ask(JobsService.listJobs, { ...all, states: OPEN_STATES });
      const calls = await operate(farm, jobs);
      if (isClosed) {
        open = { jobs: jobs.length, calls, unsaid: waiting.length };
        return;
      }
      plan(jobs);
      if (jobs.length > 0 && chance.happens(CANCELS)) {
        const { id } = chance.one(jobs);
        await farm.ask(JobsService.cancelJob, { instance: INSTANCE, id, reason: 'nobody needs it any more' });
      }
      await enqueue(farm);
    });
  };
  const work = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      // Whoever could not be asked, or said no to what a former round saw, is asked again.
      await round().catch(() => {
        open = null;
      });
      await processClock.sleep(ROUND_MS, stopping.signal);
    }
  };
  const working = work();

  return {
    close: () => {
      isClosed = true;
      open = null;
    },
    acknowledged: () => acknowledged,
    open: () => open,
    stop: async () => {
      stopping.abort();
      await working;
    },
  };
}
