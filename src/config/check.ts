/** What a schema of single keys cannot say: keys that must fit each other. Who may reach the doors: exposure.ts. */
import { type Secret, withoutCredentials } from '../core/secret.ts';
import { defaultLimits, EMBEDDED_CONNECTIONS_MAX, type Limits } from '../core/limits.ts';
import { roleMisfits } from './given-database.ts';
import { linesOf, shopfloorUrls } from './lines.ts';
import type { WrittenLine } from './schema.ts';
import { durationText } from './units.ts';

type Checked = {
  readonly databaseUrl: Secret | null;
  readonly ownerDatabaseUrl: Secret | null;
  readonly instances: 'declared' | 'any';
  readonly lines: readonly WrittenLine[];
  readonly limits: Limits;
  readonly workers: number;
};

export const misfits = (config: Checked): readonly string[] => [
  ...limitMisfits(config.limits),
  ...workersMisfits(config),
  ...roleMisfits(config),
  ...repeats(config.lines.map((line) => line.instance)).map(
    (instance) => `lines: instance \`${instance}\` is declared twice; give each line its own, or merge them`,
  ),
  ...credentialMisfits(config),
  ...config.lines.flatMap((line, index) => [
    ...repeats(line.stations.map((station) => station.name)).map(
      (name) => `lines[${String(index)}].stations: \`${name}\` is listed twice; keep one`,
    ),
    ...line.stations.flatMap(({ name, tests }) =>
      repeats(tests.map(({ testId }) => testId)).map(
        (testId) =>
          `lines[${String(index)}], station ${name}: test \`${testId}\` is listed twice; give each an id of its own`,
      ),
    ),
    ...lostAfterMisfits(config, line, `lines[${String(index)}]`),
  ]),
];

/** Lines that tell one shopfloor share its breaker and its connections, so that they must come to it as one. */
const credentialMisfits = (config: Checked): readonly string[] => {
  const called = shopfloorUrls(config);
  return config.lines.flatMap(({ shopfloor }, index) => {
    if (shopfloor === null) return [];
    const url = shopfloor.url.reveal();
    return called.get(withoutCredentials(url))?.reveal() === url
      ? []
      : [
          `lines[${String(index)}].shopfloor.url: another line calls the same shopfloor with other credentials; use the same`,
        ];
  });
};

const repeats = (names: readonly string[]): readonly string[] => [
  ...new Set(names.filter((name, index) => names.indexOf(name) !== index)),
];

/** Bots stop by themselves so long before lostAfter, or, where that is short, with this part of it left (bot/fence.ts). */
const BOT_FENCE_MS = defaultLimits.session.fenceMs;
const BOT_FENCE_PARTS = 3;

const limitMisfits = ({ session, replica, leadership, workers, lanes, calls, text }: Limits): readonly string[] => {
  const rules: readonly (readonly [boolean, string])[] = [
    [
      session.ttlMs >= 2 * replica.tickMs,
      'limits.session.ttl must be at least two limits.replica.tick, or sessions expire between renewals',
    ],
    [
      replica.amnestyAfterMs >= 2 * replica.tickMs,
      'limits.replica.amnestyAfter must be at least two limits.replica.tick, or every late tick looks like an outage',
    ],
    [
      replica.silentMaxMs >= 2 * replica.tickMs,
      'limits.replica.silentMax must be at least two limits.replica.tick, or every late tick sends polls to the database',
    ],
    [
      replica.silentMaxMs < Math.min(session.fenceMs, BOT_FENCE_MS, session.lostAfterMs / BOT_FENCE_PARTS),
      `limits.replica.silentMax must be shorter than limits.session.fence, than ${durationText(BOT_FENCE_MS)} and than a ` +
        'third of limits.session.lostAfter, or bots work on what the farm has given to others',
    ],
    [
      session.lostAfterMs > session.fenceMs,
      'limits.session.lostAfter must be longer than limits.session.fence, or bots stop work they just began',
    ],
    [session.lostAfterMs >= session.ttlMs, 'limits.session.lostAfter must not be shorter than limits.session.ttl'],
    [
      lanes.leaseMs > calls.timeoutMs,
      "limits.lanes.lease must be longer than limits.calls.timeout, or a lane's next owner overtakes a call",
    ],
    [lanes.backoffMinMs <= lanes.backoffMaxMs, 'limits.lanes.backoffMin must not exceed limits.lanes.backoffMax'],
    [
      leadership.takeoverMs >= 2_000,
      'limits.leadership.takeover must be at least 2 s, or a leader that is only busy is taken for one that is gone',
    ],
    [
      workers.backoffMinMs <= workers.backoffMaxMs,
      'limits.workers.backoffMin must not exceed limits.workers.backoffMax',
    ],
    [
      workers.silentMs > workers.answerMs,
      'limits.workers.silent must be longer than limits.workers.answer, or a worker is killed before it can answer',
    ],
    [text.pageDefault <= text.pageMax, 'limits.text.pageDefault must not exceed limits.text.pageMax'],
  ];
  return rules.filter(([holds]) => !holds).map(([, words]) => words);
};

/** Beside its pool a worker has connections to listen for wakes, to stand for leadership, and to show that it is there. */
const CONNECTIONS_BESIDE_POOL = 3;
/** For the primary, for people and for their tools. */
const CONNECTIONS_LEFT = 10;

/** While workers are replaced there is one more of them than configured. */
const workersMisfits = ({ workers, limits, databaseUrl }: Checked): readonly string[] => {
  const { max } = limits.workers;
  if (workers > max) return [`workers: ${workers} are more than limits.workers.max, which is ${max}`];
  const taken = (workers + 1) * (limits.postgres.poolMax + CONNECTIONS_BESIDE_POOL) + CONNECTIONS_LEFT;
  if (workers === 1 || databaseUrl !== null || taken <= EMBEDDED_CONNECTIONS_MAX) return [];
  return [
    `workers: ${workers}, and one more while they are replaced, may take ${taken} connections with those left for people, ` +
      `and the embedded PostgreSQL has ${EMBEDDED_CONNECTIONS_MAX}; ` +
      'give fewer workers, a smaller limits.postgres.poolMax, or a server of your own by databaseUrl',
  ];
};

/** A station may wait longer for its bot than others, never shorter than a session lives or a bot needs to stop. */
const lostAfterMisfits = (config: Checked, line: WrittenLine, where: string): readonly string[] => {
  const { ttlMs, fenceMs, lostAfterMs } = config.limits.session;
  const leastMs = Math.max(ttlMs, fenceMs + 1000, BOT_FENCE_PARTS * config.limits.replica.silentMaxMs + 1000);
  const rules = linesOf(config)(line.instance);
  return [...(rules?.stations.values() ?? []), ...(rules === null ? [] : [rules.anyStation])]
    .filter((rule) => rule.lostAfterMs !== lostAfterMs && rule.lostAfterMs < leastMs)
    .map((rule) => {
      const whose = rule.station === '' ? `${where}.stationDefaults` : `${where}, station ${rule.station}`;
      return `${whose}: lostAfter ${durationText(rule.lostAfterMs)} is too short; make it ${durationText(leastMs)} or more`;
    });
};
