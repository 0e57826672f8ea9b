/** While one address does everything bad it can, a thousand honest bots keep their sessions and their leases. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Job, JobState } from '../../src/gen/stationgrid/v1/jobs.ts';
import { type FarmDoor, LINE, openFarmDoor } from '../support/farm-door.ts';
import { openSite, type Site, type StandingFarm } from '../support/farm-site.ts';
import { type FieldBot, type FieldLease, type FieldReply, openFieldBot } from './field-bot.ts';

const BOTS = 1_000;
const CONNECTIONS = 4;
const ARRIVING_AT_ONCE = 50;
/** So many of them hold a lease all along, and as many others are given one meanwhile. */
const HOLDING = 100;
/** Longer than a session lives that is not heard of. */
const ATTACK_SECONDS = 12;
/** Ends what hangs. */
const TEST_MS = 600_000;

let site: Site;
let farm: StandingFarm;
let door: FarmDoor;
let connections: readonly FieldBot[];
beforeAll(async () => {
  site = await openSite({
    lines: () => [{ instance: LINE }],
    // Whoever is starved for the time of the attack is lost, and everything slow is found out within it.
    set: [
      // Ticks as far apart as a thousand bots' renewals are worth.
      ...['replica.tick=1500ms', 'replica.silentMax=3s', 'replica.amnestyAfter=6s'],
      ...['session.ttl=10s', 'session.lostAfter=11s', 'session.fence=3500ms'],
      ...['doors.handshake=1s', 'grpc.request=2s', 'http.headers=1s', 'http.check=500ms'],
    ].map((setting) => `limits.${setting}`),
  });
  farm = await site.farm();
  await farm.start();
  door = openFarmDoor(farm);
  connections = Array.from({ length: CONNECTIONS }, (_, number) => openFieldBot(farm.address, number));
});
afterAll(async () => {
  for (const one of [door, ...connections]) one.close();
  await site.close();
});

/** As every bot does where the farm cannot answer just now; anything else is thrown. */
const untilAnswered = async <T>(ask: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
    }
  }
};

/** One bot of a thousand: it polls, starts what it is given, and completes it when it is told to. */
const openBot = (via: FieldBot, botId: string) => {
  let mayFinish = false;
  let isStopped = false;
  let tellStarted = (): void => undefined;
  let tellDone = (): void => undefined;
  const started = new Promise<void>((resolve) => (tellStarted = resolve));
  const done = new Promise<void>((resolve) => (tellDone = resolve));
  const step = ({ id, state }: FieldLease): FieldLease => {
    if (state === 'PENDING') return { id, state: 'ACTIVE' };
    return mayFinish ? { id, state: 'COMPLETED', status: { code: 0 } } : { id, state };
  };
  const poll = async (session: FieldReply): Promise<void> => {
    let held: readonly FieldLease[] = [];
    while (!isStopped) {
      const { leases } = await untilAnswered(() => via.update({ ...session, leases: held }));
      if (leases.some(({ state }) => state === 'ACTIVE')) tellStarted();
      // What was completed is no longer listed once that is kept.
      if (held.some(({ state }) => state === 'COMPLETED') && leases.length === 0) tellDone();
      held = leases.map(step);
    }
  };
  return {
    botId,
    started,
    done,
    /** Resolves when it is there, with the promise of all its polls. */
    arrive: async (): Promise<{ readonly polls: Promise<void> }> => {
      const session = await untilAnswered(() => via.create(LINE, { bot_id: botId, status: 'OK' }));
      return { polls: poll(session) };
    },
    finish: () => (mayFinish = true),
    stop: () => (isStopped = true),
  };
};

const workFor = (botId: string) => ({
  station: '',
  requestedBotId: botId,
  payload: { typeUrl: 'type.example.com/field.Work', value: Buffer.from('go') },
});

const enqueueFor = async (bots: readonly { readonly botId: string }[]): Promise<readonly bigint[]> =>
  (await door.enqueueAll(bots.map(({ botId }) => workFor(botId)))).map(({ id }) => id);

const jobsOf = async (ids: readonly bigint[]): Promise<readonly Job[]> =>
  (await door.jobs()).filter(({ id }) => ids.includes(id));

/** Of one metric, the sum of its samples whose labels have this text in them. */
const counted = async (metric: string, labels = ''): Promise<number> => {
  const page = await (await fetch(`${farm.httpUrl}/metrics`)).text();
  return page
    .split('\n')
    .filter((line) => line.startsWith(metric) && line.includes(labels))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
};

type Attack = Readonly<Record<string, { readonly opened: number; readonly ended: number; readonly said: number }>>;

const attack = async (): Promise<Attack> => {
  const script = fileURLToPath(new URL('attacker.ts', import.meta.url));
  const ports = [farm.address, farm.httpUrl].map((at) => at.split(':').at(-1) ?? '');
  const child = spawn(process.execPath, [script, ...ports, String(ATTACK_SECONDS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return toAttack(JSON.parse(await text(child.stdout)));
};

test(
  'an attack from one address costs a thousand bots of others no session and no lease',
  { timeout: TEST_MS },
  async () => {
    const bots = Array.from({ length: BOTS }, (_, index) => openBot(connections[index % CONNECTIONS]!, `bot-${index}`));
    const polling: Promise<void>[] = [];
    let refuse: (error: unknown) => void = () => undefined;
    /** A bot that is refused anything ends the test. */
    const refused = new Promise<never>((_, reject) => (refuse = reject));
    const unless = <T>(wanted: Promise<T>): Promise<T> => Promise.race([refused, wanted]);
    for (let from = 0; from < BOTS; from += ARRIVING_AT_ONCE) {
      const arriving = bots.slice(from, from + ARRIVING_AT_ONCE).map((bot) => bot.arrive());
      for (const { polls } of await unless(Promise.all(arriving))) {
        polls.catch(refuse);
        polling.push(polls);
      }
    }
    const [holding, working] = [bots.slice(0, HOLDING), bots.slice(HOLDING, 2 * HOLDING)];
    for (const bot of working) bot.finish();
    const kept = await enqueueFor(holding);
    await unless(Promise.all(holding.map(({ started }) => started)));

    const attacked = attack();
    const startedMs = performance.now();
    const given = await enqueueFor(working);
    await unless(Promise.all(working.map(({ done }) => done)));
    const tookMs = performance.now() - startedMs;
    process.stdout.write(`${HOLDING} jobs were done in ${tookMs.toFixed(0)} ms of the attack\n`);
    const how = await unless(attacked);
    process.stdout.write(`the attack: ${JSON.stringify(how)}\n`);
    for (const bot of holding) bot.finish();
    await unless(Promise.all(holding.map(({ done }) => done)));

    const ended = await jobsOf([...kept, ...given]);
    expect(ended.filter(({ state }) => state === JobState.FINISHED)).toHaveLength(2 * HOLDING);
    expect(ended.filter(({ attempts }) => attempts !== 1)).toEqual([]);
    expect(await counted('stationgrid_sessions_closed_total')).toBe(0);
    expect(await counted('stationgrid_sessions_created_total')).toBe(BOTS);
    expect(await counted('stationgrid_leases_closed_total', 'LOST')).toBe(0);
    // It was an attack, and the farm put an end to each kind of it.
    expect(Object.keys(how)).toHaveLength(9);
    for (const [kind, { ended, said }] of Object.entries(how))
      expect(kind === 'half-sent request' ? said : ended, kind).toBeGreaterThan(0);
    expect(how['resets']!.said).toBeGreaterThan(10);
    expect(await counted('stationgrid_connections_refused_total', 'door="grpc"')).toBeGreaterThan(0);

    for (const bot of bots) bot.stop();
    expect(await farm.stop()).toBe(0);
    await Promise.all(polling);
  },
);

const isUnavailable = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === status.UNAVAILABLE;

function toAttack(printed: unknown): Attack {
  return printed as Attack;
}
