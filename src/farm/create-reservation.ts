/** Work enqueued through the Remote Workers Reservations API (R-RES-1), as a job like any other. */
import { barOf } from '../core/explain.ts';
import { checkJobRequest, type JobRequest, withListedTests } from '../core/job-request.ts';
import { canonicalConstraints, type Constraint } from '../core/match.ts';
import { invalid, Refusal } from '../core/refusal.ts';
import type { Task } from '../core/task.ts';
import { readCandidates } from './candidates.ts';
import { enqueueJob, type EnqueueingFarm } from './enqueue-job.ts';
import { lineFor } from './instance.ts';
import { type ReservationName, type ReservationView, toReservationView } from './reservation-view.ts';

export type ReservationAsked = ReservationName & {
  /** A StationWork payload is a station's work; anything else goes to the bot as it is. */
  readonly task: Task;
  /** The DUT a station's work is for, when it is for a particular one. */
  readonly serials: Readonly<Record<string, string>>;
  readonly constraints: readonly Constraint[];
  readonly requestedBotId: string | null;
  readonly priority: number;
  /** Must have ended by then. Null: no limit; so for the execution timeout. */
  readonly expiresAt: Date | null;
  readonly executionTimeoutMs: number | null;
  /** 0: refuse it at once when no matching bot is free. Null: no limit. */
  readonly queuingTimeoutMs: number | null;
  /** How long it may go without a matching bot online. Null: refuse it at once when none is. */
  readonly matchTimeoutMs: number | null;
  readonly groupId: string;
  readonly pubsub: { readonly topicId: string; readonly publisherId: string } | null;
};

/** A queuing timeout of 0 found a free bot; the grant itself takes a moment. */
const GRANT_GRACE_MS = 10_000;

/**
 * @throws Refusal INVALID; ALREADY_EXISTS when the name is taken; WRONG_STATE, NO_MATCHING_BOT; LIMIT_REACHED, ALL_BUSY.
 */
export const createReservation = async (
  farm: EnqueueingFarm,
  asked: ReservationAsked,
  traceparent: string | null = null,
): Promise<ReservationView> => {
  const line = lineFor(farm, asked.instance);
  checkReservationName(asked);
  const request = toRequest(asked);
  checkJobRequest(withListedTests(request, line), { limits: farm.limits, line });
  if (asked.matchTimeoutMs === null || asked.queuingTimeoutMs === 0) await checkBots(farm, asked);
  return toReservationView(await enqueueJob(farm, request, traceparent));
};

const checkReservationName = ({ instance, name }: ReservationName): void => {
  const prefixes = instance === '' ? ['reservations/', '/reservations/'] : [`${instance}/reservations/`];
  const prefix = prefixes.find((each) => name.startsWith(each));
  const id = prefix === undefined ? '' : name.slice(prefix.length);
  if (id !== '' && !id.includes('/')) return;
  throw invalid(
    'RESERVATION_NAME',
    `${JSON.stringify(name)} is no name of a reservation of instance ${JSON.stringify(instance)}. Name it ${prefixes[0] ?? ''}<id>, with an id of your choice such as a uuid.`,
  );
};

const toRequest = (asked: ReservationAsked): JobRequest => {
  const { instance, name, task, serials, constraints, requestedBotId, priority, groupId, pubsub } = asked;
  const { expiresAt, executionTimeoutMs, matchTimeoutMs, queuingTimeoutMs } = asked;
  return {
    // Its name is what makes repeating harmless: a second one is refused, and its client then gets the first.
    requestId: null,
    instance,
    station: task.kind === 'work' ? task.work.station : '',
    task,
    serials,
    constraints,
    requestedBotId,
    priority,
    route: null,
    onFailed: 'stop',
    attemptsMax: null,
    queueTimeoutMs: queuingTimeoutMs === 0 ? GRANT_GRACE_MS : queuingTimeoutMs,
    matchTimeoutMs,
    executionTimeoutMs,
    expiresAt,
    reservation: { name, groupId, pubsub, matchTimeoutMs },
  };
};

/** A look before the leap: bots come and go, so what it lets through may still wait. */
const checkBots = async (farm: EnqueueingFarm, asked: ReservationAsked): Promise<void> => {
  const { instance, requestedBotId } = asked;
  const constraints = canonicalConstraints(asked.constraints);
  const sessions = await readCandidates(farm, { instance, constraints, requestedBotId, deviceId: null });
  if (sessions.length === 0 && asked.matchTimeoutMs === null) {
    throw new Refusal(
      'WRONG_STATE',
      'NO_MATCHING_BOT',
      `No bot that is connected to instance '${instance}' matches the reservation. Start one, change the constraints, or give a match timeout to wait for one.`,
    );
  }
  if (asked.queuingTimeoutMs !== 0) return;
  if (sessions.some((session) => barOf({ job: { avoidedBots: [] }, dut: null }, session) === null)) return;
  throw new Refusal(
    'LIMIT_REACHED',
    'ALL_BUSY',
    `None of the ${sessions.length} bots that match the reservation is free, and its queuing timeout is 0. Try again later, or give a queuing timeout to wait.`,
  );
};
