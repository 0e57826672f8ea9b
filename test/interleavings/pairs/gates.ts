/** Jobs at the gates of their stations: who asks, what is answered, what lapses. */
import { enqueueJob } from '../../../src/farm/enqueue-job.ts';
import { lapseGates } from '../../../src/farm/lapse-gates.ts';
import { openGates } from '../../../src/farm/open-gates.ts';
import { overrideGate } from '../../../src/farm/override-gate.ts';
import { retryGate } from '../../../src/farm/retry-gate.ts';
import { skipCall } from '../../../src/farm/skip-call.ts';
import { board, connect, type TestHome } from '../../support/bot-calls.ts';
import { jobRequest, mlb } from '../../support/job-requests.ts';
import type { Pair } from '../cross.ts';
import { cancel, claim, record, refuse } from '../moves.ts';
import type { Scene } from '../stage.ts';
import { callsAre, jobIs, told } from '../words.ts';

const CLEARED_MS = 600_000;

/** A job at the gated station, which has its turn and has not asked. */
const atGate = async ({ c, pool }: Pick<Scene, 'c' | 'pool'>) => {
  const { id } = await enqueueJob(c, jobRequest({ station: 'GATED', serials: mlb('U1') }));
  const [dut = { id: 0 }] = (await pool.query<{ id: number }>('select id from devices')).rows;
  return { job: id, dut: dut.id };
};

/** The same, which has asked. */
const asking = async (scene: Pick<Scene, 'c' | 'pool'>) => {
  const gated = await atGate(scene);
  await openGates(scene.c, [gated.dut]);
  return gated;
};

/** The same, which was given leave; that time is over. */
const lapsed = async (scene: Pick<Scene, 'c' | 'pool' | 'at'>) => {
  const gated = await asking(scene);
  await record(scene.c, await claim(scene.c));
  await scene.at(CLEARED_MS + 1);
  return gated;
};

const open = (home: TestHome, dut: number): Promise<string> => openGates(home, [dut]).then(() => 'looked');
const overrule = (home: TestHome, jobId: number): Promise<string> =>
  overrideGate(home, { instance: 'line-1', jobId, reason: 'by the line lead' }).then(() => 'overridden');
const retry = (home: TestHome, jobId: number): Promise<string> =>
  retryGate(home, { instance: 'line-1', jobId, reason: '' }).then(() => 'retried');
const lapse = (home: TestHome): Promise<string> => lapseGates(home).then((count) => `${count} lapsed`);

/** Where the job stands, and what its DUT's shopfloor is owed. */
const stands =
  ({ read }: Scene, job: number) =>
  async (): Promise<string> =>
    `${await jobIs(read, job)}; ${await callsAre(read)}`;

export const gatePairs: readonly Pair[] = [
  {
    name: 'open / open',
    ready: async (scene) => {
      const { job, dut } = await atGate(scene);
      return { a: () => open(scene.a, dut), b: () => open(scene.b, dut), stands: stands(scene, job) };
    },
    ends: [['looked', 'looked', 'QUEUED GATE; NotifyStart OWED']],
  },
  {
    name: 'open / open, for two jobs of one DUT',
    ready: async (scene) => {
      const { dut } = await atGate(scene);
      await enqueueJob(scene.c, jobRequest({ station: 'GATED', serials: mlb('U1') }));
      return {
        a: () => open(scene.a, dut),
        b: () => open(scene.b, dut),
        stands: () => scene.read(`select held_by from jobs order by id`),
      };
    },
    ends: [['looked', 'looked', 'GATE, GATE_TURN']],
  },
  {
    name: 'open / cancel',
    ready: async (scene) => {
      const { job, dut } = await atGate(scene);
      return { a: () => open(scene.a, dut), b: () => cancel(scene.b, job), stands: stands(scene, job) };
    },
    ends: [
      ['looked', 'CANCELLED', 'CANCELLED; NotifyStart OWED'],
      ['looked', 'CANCELLED', 'CANCELLED; '],
    ],
  },
  {
    name: 'open / grant of another job of the DUT',
    ready: async (scene) => {
      const bot = await connect(scene.b, 'x', { duts: [board('U1')] });
      const { job, dut } = await atGate(scene);
      await enqueueJob(scene.c, jobRequest({ station: 'SMT', serials: mlb('U1') }));
      return { a: () => open(scene.a, dut), b: () => bot.poll().then(told), stands: stands(scene, job) };
    },
    ends: [
      ['looked', 'PENDING', 'QUEUED GATE; NotifyStart OWED'],
      ['looked', 'PENDING', 'QUEUED GATE_TURN; '],
    ],
  },
  {
    name: 'yes / cancel',
    ready: async (scene) => {
      const { job } = await asking(scene);
      const call = await claim(scene.a);
      return { a: () => record(scene.a, call), b: () => cancel(scene.b, job), stands: stands(scene, job) };
    },
    ends: [['let go', 'CANCELLED', 'CANCELLED; NotifyStart DELIVERED, GATED OWED']],
  },
  {
    name: 'no / cancel',
    ready: async (scene) => {
      const { job } = await asking(scene);
      const call = await claim(scene.a);
      return { a: () => refuse(scene.a, call), b: () => cancel(scene.b, job), stands: stands(scene, job) };
    },
    ends: [['let go', 'CANCELLED', 'CANCELLED; NotifyStart GATE_REFUSED']],
  },
  {
    name: 'yes / override',
    ready: async (scene) => {
      const { job } = await asking(scene);
      const call = await claim(scene.a);
      return { a: () => record(scene.a, call), b: () => overrule(scene.b, job), stands: stands(scene, job) };
    },
    ends: [
      ['let go', 'GATE_NOT_ASKED', 'QUEUED; NotifyStart DELIVERED'],
      ['let go', 'overridden', 'QUEUED; NotifyStart DELIVERED'],
    ],
  },
  {
    name: 'no / override',
    ready: async (scene) => {
      const { job } = await asking(scene);
      const call = await claim(scene.a);
      return { a: () => refuse(scene.a, call), b: () => overrule(scene.b, job), stands: stands(scene, job) };
    },
    ends: [['let go', 'overridden', 'QUEUED; NotifyStart GATE_REFUSED']],
  },
  {
    name: 'override / lapse',
    ready: async (scene) => {
      const { job } = await lapsed(scene);
      return { a: () => overrule(scene.a, job), b: () => lapse(scene.b), stands: stands(scene, job) };
    },
    ends: [['GATE_NOT_ASKED', '1 lapsed', 'QUEUED GATE_TURN; NotifyStart DELIVERED, GATED OWED']],
  },
  {
    name: 'lapse / lapse',
    ready: async (scene) => {
      const { job } = await lapsed(scene);
      return { a: () => lapse(scene.a), b: () => lapse(scene.b), stands: stands(scene, job) };
    },
    ends: [
      ['1 lapsed', '0 lapsed', 'QUEUED GATE_TURN; NotifyStart DELIVERED, GATED OWED'],
      ['0 lapsed', '1 lapsed', 'QUEUED GATE_TURN; NotifyStart DELIVERED, GATED OWED'],
    ],
  },
  {
    name: 'lapse / cancel',
    ready: async (scene) => {
      const { job } = await lapsed(scene);
      return { a: () => lapse(scene.a), b: () => cancel(scene.b, job), stands: stands(scene, job) };
    },
    ends: [
      ['1 lapsed', 'CANCELLED', 'CANCELLED; NotifyStart DELIVERED, GATED OWED'],
      ['0 lapsed', 'CANCELLED', 'CANCELLED; NotifyStart DELIVERED, GATED OWED'],
    ],
  },
  {
    name: 'grant of a cleared job / cancel',
    ready: async (scene) => {
      const bot = await connect(scene.a, 'x', { duts: [board('U1')] });
      const { job } = await asking(scene);
      await record(scene.c, await claim(scene.c));
      return { a: () => bot.poll().then(told), b: () => cancel(scene.b, job), stands: stands(scene, job) };
    },
    ends: [
      ['PENDING', 'CANCELLING', 'CANCELLING; NotifyStart DELIVERED'],
      ['nothing', 'CANCELLED', 'CANCELLED; NotifyStart DELIVERED, GATED OWED'],
    ],
  },
  {
    name: 'retry of a refused gate / retry of it',
    ready: async (scene) => {
      const { job } = await asking(scene);
      await refuse(scene.c, await claim(scene.c));
      return { a: () => retry(scene.a, job), b: () => retry(scene.b, job), stands: stands(scene, job) };
    },
    ends: [
      ['retried', 'GATE_NOT_REFUSED', 'QUEUED GATE; NotifyStart GATE_REFUSED, NotifyStart OWED'],
      ['GATE_NOT_REFUSED', 'retried', 'QUEUED GATE; NotifyStart GATE_REFUSED, NotifyStart OWED'],
    ],
  },
  {
    name: 'retry of a refused gate / override of it',
    ready: async (scene) => {
      const { job } = await asking(scene);
      await refuse(scene.c, await claim(scene.c));
      return { a: () => retry(scene.a, job), b: () => overrule(scene.b, job), stands: stands(scene, job) };
    },
    ends: [
      ['retried', 'overridden', 'QUEUED; NotifyStart GATE_REFUSED, NotifyStart OWED'],
      ['GATE_NOT_REFUSED', 'overridden', 'QUEUED; NotifyStart GATE_REFUSED'],
      ['retried', 'GATE_NOT_ASKED', 'QUEUED GATE; NotifyStart GATE_REFUSED, NotifyStart OWED'],
    ],
  },
  {
    name: 'skip of a question / claim of it',
    ready: async (scene) => {
      const { job } = await asking(scene);
      const id = await scene.read('select id from shopfloor_calls');
      return {
        a: () => skipCall(scene.a, { instance: 'line-1', id, reason: 'told by phone' }).then(() => 'skipped'),
        b: () => claim(scene.b).then((call) => call?.method ?? 'nothing'),
        stands: stands(scene, job),
      };
    },
    ends: [
      ['skipped', 'nothing', 'QUEUED GATE_REFUSED; NotifyStart SKIPPED'],
      ['CALL_UNDER_WAY', 'NotifyStart', 'QUEUED GATE; NotifyStart OWED under way'],
    ],
  },
];
