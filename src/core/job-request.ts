/** A job as somebody asks for it, and whether the farm takes it. Pure: what must be looked up comes later. */
import type { Limits } from './limits.ts';
import { type Line, ruleOf, type StationRule } from './line.ts';
import { bareKey, type Constraint } from './match.ts';
import { invalid } from './refusal.ts';
import { checkTask, type Task } from './task.ts';
import { bytesOf, checkName, checkText } from './text.ts';

/** What only the Remote Workers door shows of a job (reservations.proto). */
export type ReservationTicket = {
  /** `<instance>/reservations/<id>`, chosen by the client; unique in the farm. */
  readonly name: string;
  readonly groupId: string;
  /** Kept and shown; nothing is published. Null: none. */
  readonly pubsub: { readonly topicId: string; readonly publisherId: string } | null;
  /** As asked, so that whoever waits for matching bots knows for how long. Null: not asked. */
  readonly matchTimeoutMs: number | null;
};

export type JobRequest = {
  /** Chosen by the client, so that repeating is harmless for 24 h. Null: the farm makes one, and repeating is not. */
  readonly requestId: string | null;
  readonly instance: string;
  /** Equal to the work's station; empty for foreign work, which owes no shopfloor calls. */
  readonly station: string;
  readonly task: Task;
  /** The serials of the DUT it is pinned to, by name (`serials.mlb_serial_number`); empty: pinned to none. */
  readonly serials: Readonly<Record<string, string>>;
  readonly constraints: readonly Constraint[];
  readonly requestedBotId: string | null;
  /** Lower is sooner. */
  readonly priority: number;
  /** Jobs of one DUT under one route name run in enqueue order. Null: none. */
  readonly route: string | null;
  readonly onFailed: 'stop' | 'continue';
  /** Null: as the line or the farm says. */
  readonly attemptsMax: number | null;
  /** Null: no limit; so for all times below. */
  readonly queueTimeoutMs: number | null;
  readonly matchTimeoutMs: number | null;
  readonly executionTimeoutMs: number | null;
  /** Must have ended by then. */
  readonly expiresAt: Date | null;
  /** Null: it did not come as a reservation. */
  readonly reservation: ReservationTicket | null;
};

/** Priorities between −PRIORITY_MAX and PRIORITY_MAX (jobs.proto). */
const PRIORITY_MAX = 1_000_000;
/** More attempts than this are a mistake: each of them may hold a DUT for hours. */
const ATTEMPTS_MAX = 100;
/** Milliseconds that a date can still hold when added to now. */
const EXPIRES_AT_MAX_MS = Date.UTC(9999, 0);

/** The station's gate asks somebody: a line without a shopfloor has nobody to ask. */
export const isGated = (line: Line, rule: StationRule): boolean => rule.mode === 'gate' && line.shopfloorUrl !== null;

/** A request whose work names no test asks for all that the line lists for its station. */
export const withListedTests = (request: JobRequest, line: Line): JobRequest => {
  const { task } = request;
  if (task.kind !== 'work' || task.work.tests.length > 0) return request;
  const tests = ruleOf(line, request.station)?.tests ?? [];
  return { ...request, task: { kind: 'work', work: { ...task.work, tests } } };
};

/**
 * Takes the request or says why not.
 * @returns the rule of its station.
 * @throws Refusal INVALID, with words for whoever sent it.
 */
export const checkJobRequest = (
  request: JobRequest,
  { limits, line }: { readonly limits: Limits; readonly line: Line },
): StationRule => {
  const nameMax = limits.text.nameBytesMax;
  if (request.requestId !== null) checkName('The request id', request.requestId, nameMax);
  if (request.requestedBotId !== null) checkName('The requested bot id', request.requestedBotId, nameMax);
  checkTask(request.station, request.task, limits);
  checkConstraints(request.constraints, limits);
  checkSerials(request.serials, limits);
  checkNumbers(request, limits);
  if (request.reservation !== null) checkTicket(request.reservation, nameMax);
  const rule = ruleOfStation(line, request.station);
  checkPin(request, isGated(line, rule), nameMax);
  return rule;
};

/** @throws Refusal INVALID for a station that the line does not declare. */
export const ruleOfStation = (line: Line, station: string): StationRule => {
  const rule = ruleOf(line, station);
  if (rule !== null) return rule;
  const known = [...line.stations.keys()].join(', ');
  throw invalid(
    'STATION_UNKNOWN',
    `The line of instance '${line.instance}' has no station '${station}'; it declares ${known}. Use one of these, or declare the station in the line's configuration.`,
    { station },
  );
};

const checkPin = (request: JobRequest, gated: boolean, nameMax: number): void => {
  const isPinned = Object.keys(request.serials).length > 0;
  if (gated && !isPinned) {
    throw invalid(
      'GATE_WITHOUT_DUT',
      `Station '${request.station}' asks the shopfloor before it starts, so its job must say for which DUT. Give the DUT's serials.`,
    );
  }
  if (request.route === null) return;
  checkName('The route', request.route, nameMax);
  if (!isPinned) {
    throw invalid(
      'ROUTE_WITHOUT_DUT',
      `Route '${request.route}' orders the jobs of one DUT, and the job is pinned to none. Give the DUT's serials, or no route.`,
    );
  }
};

const checkNumbers = (request: JobRequest, limits: Limits): void => {
  const { priority, attemptsMax, expiresAt } = request;
  if (!Number.isInteger(priority) || Math.abs(priority) > PRIORITY_MAX) {
    throw invalid(
      'PRIORITY_OUT_OF_RANGE',
      `The priority is ${priority}; it must be a whole number from -${PRIORITY_MAX} to ${PRIORITY_MAX}, lower for sooner.`,
    );
  }
  if (attemptsMax !== null && !(Number.isInteger(attemptsMax) && attemptsMax >= 1 && attemptsMax <= ATTEMPTS_MAX)) {
    throw invalid(
      'ATTEMPTS_OUT_OF_RANGE',
      `The attempts allowed must be from 1 to ${ATTEMPTS_MAX}, not ${attemptsMax}.`,
    );
  }
  checkDuration('The queue timeout', request.queueTimeoutMs, limits.jobs.queuingTimeoutMaxMs);
  checkDuration('The match timeout', request.matchTimeoutMs, limits.jobs.queuingTimeoutMaxMs);
  checkDuration('The execution timeout', request.executionTimeoutMs, limits.jobs.executionTimeoutMaxMs);
  if (expiresAt !== null && !(expiresAt.getTime() >= 0 && expiresAt.getTime() < EXPIRES_AT_MAX_MS)) {
    throw invalid('TIME_OUT_OF_RANGE', 'The expiry is no date between 1970 and 9999. Send a point in time.');
  }
};

const checkDuration = (what: string, ms: number | null, maxMs: number): void => {
  if (ms === null) return;
  if (!Number.isFinite(ms) || ms < 0 || ms > maxMs) {
    throw invalid(
      'DURATION_OUT_OF_RANGE',
      `${what} is ${ms / 1000} s; it must be from 0 to ${maxMs / 1000} s. Ask for less, or raise the farm's limit.`,
    );
  }
};

const checkTicket = ({ name, groupId, pubsub }: ReservationTicket, nameMax: number): void => {
  checkName('The reservation name', name, nameMax);
  for (const [what, text] of [
    ['The group id', groupId],
    ['The topic id', pubsub?.topicId ?? ''],
    ['The publisher id', pubsub?.publisherId ?? ''],
  ] as const) {
    if (text !== '') checkName(what, text, nameMax);
  }
};

const checkConstraints = (constraints: readonly Constraint[], limits: Limits): void => {
  const { constraintsMax, constraintsBytesMax, allowedValuesMax } = limits.jobs;
  if (constraints.length > constraintsMax) {
    throw invalid(
      'TOO_MANY_CONSTRAINTS',
      `The job has ${constraints.length} constraints; at most ${constraintsMax} are allowed. Leave some out.`,
    );
  }
  for (const { key, allowedValues } of constraints) {
    if (bareKey(key) === '') throw invalid('CONSTRAINT_WITHOUT_KEY', 'A constraint has no key. Name the property.');
    checkText('The key of a constraint', key, limits.session.propertyBytesMax);
    if (allowedValues.length === 0) {
      throw invalid(
        'CONSTRAINT_WITHOUT_VALUES',
        `The constraint on '${key}' allows no value, so no bot could match. Give one.`,
      );
    }
    if (allowedValues.length > allowedValuesMax) {
      throw invalid(
        'TOO_MANY_VALUES',
        `The constraint on '${key}' allows ${allowedValues.length} values; at most ${allowedValuesMax} may be listed.`,
      );
    }
    for (const value of allowedValues)
      checkText(`A value of the constraint on '${key}'`, value, limits.session.propertyBytesMax);
  }
  const bytes = bytesOf(JSON.stringify(constraints));
  if (bytes > constraintsBytesMax) {
    throw invalid(
      'CONSTRAINTS_TOO_LONG',
      `The constraints have ${bytes} bytes; at most ${constraintsBytesMax} are allowed. List fewer values, or give such bots a property of their own.`,
    );
  }
};

/** As the shopfloor and the bots name them. */
const SERIAL_NAME = /^(label:)?serials\.[_a-zA-Z0-9]+$/;

const checkSerials = (serials: Readonly<Record<string, string>>, limits: Limits): void => {
  const named = Object.entries(serials);
  if (named.length > limits.devices.serialsMax) {
    throw invalid(
      'TOO_MANY_SERIALS',
      `The job names ${named.length} serials; at most ${limits.devices.serialsMax} are allowed.`,
    );
  }
  for (const [name, value] of named) {
    checkText('The name of a serial', name, limits.text.nameBytesMax);
    if (!SERIAL_NAME.test(name)) {
      throw invalid(
        'SERIAL_NAME',
        `'${name}' is no name of a serial. Serials are named like serials.mlb_serial_number or serials.serial_number.`,
      );
    }
    checkName(`The serial ${name}`, value, limits.text.nameBytesMax);
  }
};
