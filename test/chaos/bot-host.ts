/**
 * A host with many DUT bots, in one process: `node bot-host.ts SPEC`. The bots are the real SDK over real connections, one
 * for each. What they send, hear and do stands in the host's history before they go on.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { createBot } from '../../bot/create-bot.ts';
import { createGrpcTransport } from '../../bot/grpc-transport.ts';
import type { Handler } from '../../bot/handler.ts';
import { defaultLimits } from '../../bot/limits.ts';
import type { Log } from '../../bot/log.ts';
import { machine } from '../../bot/machine.ts';
import type { Answer, CallBounds, Transport } from '../../bot/transport.ts';
import { type BotSession, type Lease, LeaseState } from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { StationResult, type TestResult } from '../../src/gen/stationgrid/v1/work.ts';
import { type History, machineMs, openHistory, type SaidResult } from './history.ts';
import { botLimits } from './times.ts';

export const hostSpecSchema = z.strictObject({
  instance: z.string(),
  history: z.string(),
  bots: z.array(
    z.strictObject({
      botId: z.string(),
      /** Of its own way to the farm. */
      server: z.string(),
      /** The main boards of the DUTs that it can work on, its own first. */
      boards: z.array(z.string()),
    }),
  ),
});
export type HostSpec = z.output<typeof hostSpecSchema>;
type BotSpec = HostSpec['bots'][number];

/** How often the host looks whether it was away, and from when on it says so. */
const LOOK_MS = 200;
const AWAY_MS = 1_500;
const TOKEN = 'token';

const limits = { ...defaultLimits, ...botLimits };

/** Works on the DUT for as long as it is told, and leaves a token that is in no other run. */
const workOn =
  (history: History, botId: string): Handler =>
  async ({ test, attempt, args, serials, signal, clock, measure }) => {
    const run = randomUUID();
    const dut = serials['serials.mlb_serial_number'] ?? '';
    const about = { bot: botId, dut, job: String(args['request']), attempt, run };
    history.note({ kind: 'begin', ...about });
    await clock.sleep(Number(args['durationMs']), signal);
    history.note({ kind: 'end', ...about, how: signal.aborted ? 'stopped' : 'done' });
    measure(TOKEN, run);
    const fails = args['fails'] === test.testId;
    return { status: fails ? 'FAILED' : 'PASSED', errorMessage: fails ? 'it was told to fail' : '' };
  };

const said = ({ testId, status, measurements }: TestResult): SaidResult => {
  const token = measurements.find(({ name }) => name === TOKEN)?.value;
  return { testId, status, token: token?.$case === 'text' ? token.value : '' };
};

const resultsOf = ({ result }: Lease): readonly SaidResult[] =>
  result === undefined ? [] : StationResult.decode(result.value).results.map(said);

const nameOf = (state: LeaseState | undefined): string =>
  state === undefined
    ? 'ABSENT'
    : (Object.entries(LeaseState).find(([, number]) => number === state)?.[0] ?? String(state));

type SessionCall<Q> = (request: Q, bounds: CallBounds) => Promise<Answer<BotSession>>;

/** The same way to the farm, watched. */
function watched(through: Transport, bot: string, history: History): Transport {
  const watch =
    <Q>(call: SessionCall<Q>, leasesOf: (request: Q) => readonly Lease[]): SessionCall<Q> =>
    async (request, bounds) => {
      const ending = leasesOf(request).filter(({ state }) => state === LeaseState.COMPLETED);
      for (const lease of ending) {
        const code = lease.status?.code ?? 0;
        history.note({ kind: 'completing', bot, lease: lease.id, code, results: [...resultsOf(lease)] });
      }
      const answer = await call(request, bounds);
      if (answer.kind === 'failed') return answer;
      for (const { id } of ending) {
        const shown = nameOf(answer.reply.leases.find((lease) => lease.id === id)?.state);
        history.note({ kind: 'completed', bot, lease: id, shown });
      }
      return answer;
    };
  return {
    ...through,
    createBotSession: watch(through.createBotSession, ({ botSession }) => botSession?.leases ?? []),
    updateBotSession: watch(through.updateBotSession, ({ botSession }) => botSession?.leases ?? []),
    reportTestResults: async (request, bounds) => {
      const answer = await through.reportTestResults(request, bounds);
      if (answer.kind === 'answered') {
        const { fenced } = answer.reply;
        history.note({ kind: 'reported', bot, lease: request.leaseId, results: request.results.map(said), fenced });
      }
      return answer;
    },
  };
}

const logOf =
  (bot: string, history: History): Log =>
  (level, message, fields = {}) => {
    if (message.includes('silent too long')) history.note({ kind: 'fenced', bot, lease: String(fields['lease']) });
    if (level === 'info') return;
    process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, bot, message, ...fields })}\n`);
  };

async function host({ instance, history: path, bots }: HostSpec): Promise<number> {
  const history = openHistory(path);
  const running = bots.map((spec) => ({ spec, ...begin(instance, spec, history) }));
  const drain = (): void => {
    for (const { bot } of running) bot.drain();
  };
  process.on('SIGTERM', drain);
  let seenMs = machineMs();
  const looking = setInterval(() => {
    const now = machineMs();
    if (now - seenMs > AWAY_MS) history.note({ kind: 'away', sinceMs: seenMs });
    seenMs = now;
  }, LOOK_MS);
  const reasons = await Promise.all(
    running.map(async ({ spec, ended }) => {
      const why = await ended;
      history.note({ kind: 'left', bot: spec.botId, why });
      return why;
    }),
  );
  clearInterval(looking);
  history.close();
  return reasons.every((why) => why === 'drained') ? 0 : 1;
}

function begin(instance: string, { botId, server, boards }: BotSpec, history: History) {
  const { clock } = machine;
  const transport = watched(createGrpcTransport({ address: server, clock, limits }), botId, history);
  const [first, ...more] = boards.map((board) => ({ mlb_serial_number: board }));
  const bot = createBot({
    ...{ instance, botId, transport, limits, version: 'chaos', log: logOf(botId, history) },
    ...(first === undefined ? {} : { serials: first }),
    devices: more.map((serials, index) => ({ handle: `dut-${index + 2}`, serials })),
    handlers: { work: workOn(history, botId) },
  });
  return { bot, ended: bot.run(new AbortController().signal).finally(() => transport.close()) };
}

if (import.meta.main) {
  process.exitCode = await host(hostSpecSchema.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'))));
}
