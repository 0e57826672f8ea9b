/** A bot that sends each of its calls to another replica than the one before. */
import { status } from '@grpc/grpc-js';
import { ReportTestResultsRequest, ResultsService } from '../../src/gen/stationgrid/v1/results.ts';
import { JobState } from '../../src/gen/stationgrid/v1/jobs.ts';
import { TestStatus } from '../../src/gen/stationgrid/v1/work.ts';
import { type FarmDoor, LINE, MLB, testIdOf } from '../support/farm-door.ts';
import type { FieldBot, FieldLease, FieldReply, FieldSession } from './field-bot.ts';

/** A replica as such a bot knows it: as a bot, and as one that reports results while a station runs. */
export interface Stop {
  readonly bot: FieldBot;
  readonly door: FarmDoor;
}

export interface Wandering {
  readonly board: string;
  /** The stations of its jobs, in the order in which it is given them. */
  readonly stations: readonly string[];
  readonly jobs: readonly bigint[];
  /** Where the next call goes. */
  readonly next: () => Stop;
  /** Whether it keeps at it for now, rather than complete the newest of so many leases. */
  readonly lingers?: (leases: number) => boolean;
}

/** Shorter than the farm's own hold, so that it moves on while it waits. */
const POLL_MS = 3_000;
const TRIES_MAX = 20;
const SAID_AGAIN: ReadonlySet<number | undefined> = new Set([status.DEADLINE_EXCEEDED, status.UNAVAILABLE]);

/** As any bot does, it says the same again, elsewhere, when no answer came in time: on a slow machine none may. */
async function persist(next: () => Stop, session: FieldSession): Promise<FieldReply> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await next().bot.update(session, POLL_MS);
    } catch (error) {
      if (tries === TRIES_MAX || !SAID_AGAIN.has(toCode(error))) throw error;
    }
  }
}

function toCode(error: unknown): number | undefined {
  return (error as { readonly code?: number }).code;
}

/** Works until all these jobs have finished. Returns the leases it was given, in order. */
export async function wander({ board, stations, jobs, next, lingers }: Wandering): Promise<readonly string[]> {
  const worker = { devices: [{ handle: 'dut', properties: [{ key: MLB, value: board }] }] };
  const self = { bot_id: `wanderer-${board.toLowerCase()}`, status: 'OK', worker };
  const given: string[] = [];
  let reply: FieldReply = await next().bot.create(LINE, self);
  let isEnded = false;
  while (!isEnded) {
    const leases: FieldLease[] = [];
    for (const { id, state } of reply.leases) {
      if (state === 'PENDING' && !given.includes(id)) given.push(id);
      const isDone = state === 'ACTIVE' && lingers?.(given.length) !== true;
      leases.push({ id, state: isDone ? 'COMPLETED' : 'ACTIVE' });
      if (!isDone) continue;
      const testId = testIdOf(stations[given.indexOf(id)]!);
      const results = [{ testId, status: TestStatus.PASSED }];
      // Reported while it runs, and to another replica than the completion, which then has nothing new to say.
      const report = ReportTestResultsRequest.fromPartial({ session: reply.name, leaseId: id, results });
      await next().door.ask(ResultsService.reportTestResults, report);
    }
    reply = await persist(next, { ...self, name: reply.name, leases });
    if (reply.leases.length > 0 || leases.length > 0) continue;
    const states = await Promise.all(jobs.map((id) => next().door.getJob(id)));
    isEnded = states.every(({ state }) => state === JobState.FINISHED);
  }
  return given;
}
