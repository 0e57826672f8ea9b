/** Does what the plan says to a farm, and undoes it. */
import type pg from 'pg';
import type { ControlCommand } from '../../src/reference-shopfloor/control.ts';
import { processClock } from '../../src/process-clock.ts';
import type { Member } from './members.ts';
import { type Disturbance, type Kind, ZOMBIE_MIN_MS } from './plan.ts';
import type { OwnPostgres } from './postgres.ts';
import type { Replica } from './replicas.ts';
import type { Flow, Way } from './tcp-proxy.ts';

export interface BotHost {
  readonly member: Member;
  readonly bots: readonly { readonly botId: string; readonly way: Way }[];
}

/** A time in which a bot's way was not open. */
export interface Silence {
  readonly botId: string;
  readonly fromWallMs: number;
  readonly toWallMs: number;
}

export interface Scene {
  readonly postgres: OwnPostgres;
  readonly replicas: readonly Replica[];
  readonly hosts: readonly BotHost[];
  readonly partner: Member;
  readonly partnerUrl: string;
  /** Aborted at the end of the run: what lasts, ends. */
  readonly signal: AbortSignal;
  readonly silences: Silence[];
  /** Hosts that were frozen until the farm had given up what they ran. */
  readonly made: { zombies: number };
  readonly noted: (kind: Kind) => void;
}

/** Done and undone; a kind that cannot be had here is left out without a word, for it was said at the start. */
type Act = (scene: Scene, disturbance: Disturbance, last: Last) => Promise<void>;
/** Resolves when the disturbance has lasted long enough. */
type Last = () => Promise<void>;

const chosen = <T>(of: readonly T[], which: number): T => {
  const one = of[which % of.length];
  if (one === undefined) throw new Error('there is nobody to disturb');
  return one;
};

const killed = async (member: Member, last: Last): Promise<void> => {
  await member.kill();
  await last();
  await member.start();
};
const frozen = async (member: Member, last: Last): Promise<void> => {
  member.freeze();
  await last();
  member.thaw();
};

const LOOK_MS = 250;
/** An outage of ours, or a slow machine, may keep the farm from giving anything out or up, for a while. */
const ZOMBIE_PATIENCE_MS = 40_000;
const LAST_PATIENCE_MS = 120_000;
const LAST_TRIES = 3;

/** Frozen with work in hand, and until the farm has given that work up: whoever wakes then is a zombie. */
async function zombified(
  scene: Scene,
  which: number,
  { signal, patienceMs, last }: { readonly signal: AbortSignal; readonly patienceMs: number; readonly last: Last },
): Promise<void> {
  const { member, bots } = chosen(scene.hosts, which);
  const ids = bots.map(({ botId }) => botId);
  const until = async (holds: (leases: Holding) => boolean, since: Date): Promise<Holding | null> => {
    const startedMs = processClock.monotonicMs();
    while (!signal.aborted && processClock.monotonicMs() - startedMs < patienceMs) {
      // Nobody answers while PostgreSQL is away.
      const leases = await scene.postgres.ask((db) => readHolding(db, ids, since)).catch(() => null);
      if (leases !== null && holds(leases)) return leases;
      await processClock.sleep(LOOK_MS, signal);
    }
    return null;
  };
  if ((await until(({ active }) => active > 0, new Date())) === null) return;
  const frozenAt = new Date();
  member.freeze();
  await last();
  // What it had just said may have ended its work, and then there is nothing to be given up.
  const left = await until(({ lost, open }) => lost > 0 || open === 0, frozenAt);
  member.thaw();
  if (left !== null && left.lost > 0) scene.made.zombies += 1;
}

/** How many leases some bots hold, and how many of those they held at some time were given up since. */
interface Holding {
  readonly active: number;
  readonly open: number;
  readonly lost: number;
}

async function readHolding(db: pg.Client, botIds: readonly string[], since: Date): Promise<Holding> {
  const { rows } = await db.query<Holding>(
    `select count(*) filter (where state = 'ACTIVE')::integer as active,
            count(*) filter (where state in ('PENDING', 'ACTIVE', 'CANCELLING'))::integer as open,
            count(*) filter (where state = 'LOST' and granted_at < $2 and closed_at > $2)::integer as lost
     from leases where bot_id = any($1::text[])`,
    [botIds, since],
  );
  const [holding] = rows;
  if (holding === undefined) throw new Error('a count returned no row');
  return holding;
}

/** Half of them: the ways of every other host, or every other way of each. */
const waysOf = ({ hosts }: Scene, { which, manner }: Disturbance): BotHost['bots'] =>
  manner < 0.5
    ? chosen(hosts, which).bots
    : hosts.flatMap(({ bots }) => bots.filter((_, index) => (index + which) % 3 === 0));

/** Opened again, or reset: what was held comes late in the first case, and never in the other. */
const held = async (scene: Scene, disturbance: Disturbance, flow: Flow, last: Last): Promise<void> => {
  const ways = waysOf(scene, disturbance);
  const fromWallMs = Date.now();
  for (const { way } of ways) way.set(flow);
  await last();
  for (const { way } of ways) {
    if (disturbance.which % 2 === 0) way.cut();
    way.set('open');
  }
  const toWallMs = Date.now();
  scene.silences.push(...ways.map(({ botId }) => ({ botId, fromWallMs, toWallMs })));
};

const command = async ({ partnerUrl }: Scene, what: ControlCommand): Promise<void> => {
  // A partner that is down obeys nobody, and comes back without its rules.
  await fetch(`${partnerUrl}control`, { method: 'POST', body: JSON.stringify(what) }).catch(() => undefined);
};
const lying = async (scene: Scene, faults: ControlCommand['faults'], last: Last): Promise<void> => {
  await command(scene, { addFaults: faults });
  await last();
  await command(scene, { faults: [] });
};
const LIES = (manner: number): ControlCommand['faults'] => [
  { kind: 'fault', text: 'the line is closed for lunch', probability: 0.2 + 0.2 * manner },
  { kind: 'garbage', probability: 0.2 },
  { kind: 'drop-after-applying', probability: 0.3 },
  { kind: 'refuse', ms: manner < 0.3 ? 700 : 0, probability: 0.1 },
];
/** Some beyond what the farm waits for an answer. */
const SLOWNESS: ControlCommand['faults'] = [
  { kind: 'slow', ms: 1_500, probability: 0.3 },
  { kind: 'slow', ms: 300 },
];

const acts: Readonly<Record<Kind, Act>> = {
  'kill a replica': ({ replicas }, { which }, last) => killed(chosen(replicas, which).member, last),
  'kill a bot host': ({ hosts }, { which }, last) => killed(chosen(hosts, which).member, last),
  'freeze a replica': ({ replicas }, { which }, last) => frozen(chosen(replicas, which).member, last),
  'freeze a bot host': (scene, { which }, last) =>
    zombified(scene, which, { signal: scene.signal, patienceMs: ZOMBIE_PATIENCE_MS, last }),
  'kill the partner': ({ partner }, _, last) => killed(partner, last),
  'kill PostgreSQL': async ({ postgres }, _, last) => {
    await postgres.crash();
    await last();
    await postgres.start();
  },
  'no connections left': async ({ postgres }, _, last) => {
    const giveBack = await postgres.exhaust();
    await last();
    await giveBack();
  },
  'disk full': async ({ postgres }, _, last) => {
    if (postgres.fillDisk === null) return;
    await postgres.fillDisk();
    await last();
    postgres.freeDisk();
    await postgres.start();
  },
  'cut connections': (scene, disturbance) => {
    for (const { way } of waysOf(scene, disturbance)) way.cut();
    return Promise.resolve();
  },
  'half-open connections': (scene, disturbance, last) => held(scene, disturbance, 'half-open', last),
  'one-way connections': (scene, disturbance, last) =>
    held(scene, disturbance, disturbance.manner * 4 - Math.floor(disturbance.manner * 4) < 0.5 ? 'deaf' : 'mute', last),
  'the partner lies': (scene, { manner }, last) => lying(scene, LIES(manner), last),
  'the partner is slow': (scene, _, last) => lying(scene, SLOWNESS, last),
};

/** What two disturbances must not do to one thing at a time. */
const subjectOf = ({ kind, which }: Disturbance, scene: Scene): string => {
  switch (kind) {
    case 'kill a replica':
    case 'freeze a replica':
      return chosen(scene.replicas, which).member.name;
    case 'kill a bot host':
    case 'freeze a bot host':
      return chosen(scene.hosts, which).member.name;
    case 'kill PostgreSQL':
    case 'no connections left':
    case 'disk full':
      return 'PostgreSQL';
    case 'cut connections':
    case 'half-open connections':
    case 'one-way connections':
      return 'the network';
    case 'kill the partner':
    case 'the partner lies':
    case 'the partner is slow':
      return 'the partner';
  }
};

/**
 * Carries the plan out. Resolves when the run's time is over and all that was done is undone; and not before there was a
 * zombie, without which a run proves nothing: the last one has all the time that a slow machine may need.
 */
export async function disturb(scene: Scene, plan: readonly Disturbance[]): Promise<void> {
  const startedMs = processClock.monotonicMs();
  const busy = new Map<string, Promise<void>>();
  const under = async (disturbance: Disturbance, before: Promise<void>): Promise<void> => {
    await before;
    if (scene.signal.aborted) return;
    scene.noted(disturbance.kind);
    await acts[disturbance.kind](scene, disturbance, () => processClock.sleep(disturbance.forMs, scene.signal));
  };
  for (const disturbance of plan) {
    await processClock.sleep(startedMs + disturbance.atMs - processClock.monotonicMs(), scene.signal);
    if (scene.signal.aborted) break;
    const subject = subjectOf(disturbance, scene);
    busy.set(subject, under(disturbance, busy.get(subject) ?? Promise.resolve()));
  }
  await Promise.all(busy.values());
  const signal = new AbortController().signal;
  const last = (): Promise<void> => processClock.sleep(ZOMBIE_MIN_MS);
  for (let which = 0; which < LAST_TRIES && scene.made.zombies === 0; which += 1) {
    scene.noted('freeze a bot host');
    await zombified(scene, which, { signal, patienceMs: LAST_PATIENCE_MS, last });
  }
}
