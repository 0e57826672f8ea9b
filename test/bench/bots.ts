/** Bots as the bench plays them: messages encoded ahead, and what is read of the replies. */
import { setTimeout as wait } from 'node:timers/promises';
import { Duration } from '../../src/gen/google/protobuf/duration.ts';
import { BatchEnqueueJobsRequest, EnqueueJobRequest, JobsService } from '../../src/gen/stationgrid/v1/jobs.ts';
import {
  BotSession,
  BotsService,
  BotStatus,
  CreateBotSessionRequest,
  LeaseState,
  UpdateBotSessionRequest,
} from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { StationResult, TestStatus } from '../../src/gen/stationgrid/v1/work.ts';
import { type Connection, methodOf } from './connection.ts';

export const LINE = 'line-1';
export const STATION = 'FAT';
export const TEST_ID = `generic_main:${STATION}.Probe`;

export const CREATE = methodOf(BotsService.createBotSession.path);
export const UPDATE = methodOf(BotsService.updateBotSession.path);
/** As a bot's long poll has it: held for 45 s at most, and answered well before that deadline. */
export const POLL = methodOf(BotsService.updateBotSession.path, { timeoutSeconds: 60 });
export const ENQUEUE = methodOf(JobsService.enqueueJob.path);
export const BATCH_ENQUEUE = methodOf(JobsService.batchEnqueueJobs.path);

/** So many names, from `bot-<from>` on. */
export const botIds = (n: number, from = 0): readonly string[] =>
  Array.from({ length: n }, (_, at) => `bot-${from + at}`);

/** A bot of one DUT, as a station has it; the DUT's serial is made of the bot's name. */
export const newBot = (botId: string): BotSession =>
  BotSession.fromPartial({
    botId,
    status: BotStatus.OK,
    version: '1.0.0',
    worker: {
      devices: [
        {
          handle: 'dut',
          properties: [
            { key: 'serials.mlb_serial_number', value: `MLB-${botId}` },
            { key: 'model', value: 'rex' },
          ],
        },
      ],
      properties: [{ key: 'label:station', value: STATION }],
    },
  });

export const createRequest = (botId: string): Uint8Array =>
  CreateBotSessionRequest.encode({ parent: LINE, botSession: newBot(botId) }).finish();

export const updateRequest = (botSession: BotSession): Uint8Array =>
  UpdateBotSessionRequest.encode({
    name: botSession.name,
    botSession,
    updateMask: undefined,
  }).finish();

export const sessionIn = (reply: Uint8Array): BotSession => BotSession.decode(reply);

/** The session with all of its leases in this state, as a bot that keeps the farm's reply sends it back. */
export const reporting = (session: BotSession, state: LeaseState): BotSession => ({
  ...session,
  leases: session.leases.map((lease) => ({ ...lease, state })),
});

const passed = {
  typeUrl: 'type.googleapis.com/stationgrid.v1.StationResult',
  value: Buffer.from(
    StationResult.encode(
      StationResult.fromPartial({ results: [{ testId: TEST_ID, status: TestStatus.PASSED }] }),
    ).finish(),
  ),
};

/** The session with all of its leases done, and their one test passed. */
export const completing = (session: BotSession): BotSession => {
  const done = reporting(session, LeaseState.COMPLETED);
  return { ...done, leases: done.leases.map((lease) => ({ ...lease, payload: undefined, result: passed })) };
};

/** One test, as small as station work gets. @param botId for whom the job is; null: for any bot. */
export const jobRequest = (botId: string | null): EnqueueJobRequest =>
  EnqueueJobRequest.fromPartial({
    job: {
      instance: LINE,
      station: STATION,
      requestedBotId: botId ?? '',
      task: {
        $case: 'work',
        value: {
          station: STATION,
          tests: [
            {
              testId: TEST_ID,
              run: { $case: 'handler', value: 'simulate' },
              timeout: Duration.fromPartial({ seconds: 60n }),
            },
          ],
        },
      },
    },
  });

/** Creates sessions, some at a time. In the order of the names. */
export const createSessions = (
  connections: readonly Connection[],
  names: readonly string[],
): Promise<readonly BotSession[]> =>
  inTurns(names, CREATED_AT_ONCE, async (botId, at) =>
    sessionIn(await persistently(() => connections[at % connections.length]!.ask(CREATE, createRequest(botId)))),
  );

const CREATED_AT_ONCE = 32;

/** A bot that is turned away comes again, as a real one does. */
const persistently = async (ask: () => Promise<Buffer>): Promise<Buffer> => {
  for (let tries = 1; tries < TRIES_MAX; tries += 1) {
    try {
      return await ask();
    } catch {
      await wait(RETRY_MS);
    }
  }
  return ask();
};

const TRIES_MAX = 20;
const RETRY_MS = 200;

/** Gives each bot a job of its own and lets it begin. The sessions as the farm answered: each with one ACTIVE lease. */
export const startLeases = async (
  connections: readonly Connection[],
  sessions: readonly BotSession[],
): Promise<readonly BotSession[]> => {
  const update = async (session: BotSession, at: number): Promise<BotSession> =>
    sessionIn(await connections[at % connections.length]!.ask(UPDATE, updateRequest(session)));
  for (let from = 0; from < sessions.length; from += BATCH) {
    const requests = sessions.slice(from, from + BATCH).map(({ botId }) => jobRequest(botId));
    await connections[0]!.ask(BATCH_ENQUEUE, BatchEnqueueJobsRequest.encode({ requests }).finish());
  }
  const granted = await inTurns(sessions, 50, update);
  return inTurns(granted, 50, (session, at) => update(reporting(session, LeaseState.ACTIVE), at));
};

/** Jobs in one BatchEnqueueJobs: its message fits into one frame. */
const BATCH = 50;

/** Works on all of a list, so many at a time, and gives what came of each in the list's order. */
export const inTurns = async <A, B>(
  list: readonly A[],
  atOnce: number,
  work: (each: A, at: number) => Promise<B>,
): Promise<readonly B[]> => {
  const done: B[] = [];
  let next = 0;
  const go = async (): Promise<void> => {
    for (let at = next++; at < list.length; at = next++) done[at] = await work(list[at]!, at);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, list.length) }, go));
  return done;
};
