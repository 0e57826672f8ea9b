/** Why a job is not running, in one code and in words that say what to do. Pure, over facts that were read. */
import type { Bar, DutFacts, ExplainFacts, Explanation, NotRunning, SessionFacts } from './explain-facts.ts';
import { hasEnded, type HeldBy } from './job.ts';
import { statusName, takesWork } from './bot-session.ts';

export type { ExplainFacts, Explanation } from './explain-facts.ts';

/** Candidates that are named; the code is decided over all of them. */
const CANDIDATES_MAX = 20;

export const explain = (facts: ExplainFacts): Explanation => {
  const { job } = facts;
  if (hasEnded(job.state))
    return plain(
      'ENDED',
      `The job has ended: ${job.state}${job.reason === null || job.reason === '' ? '' : `, ${job.reason}`}.`,
    );
  if (job.state !== 'QUEUED') return plain('RUNNING', runningWords(job));
  const candidates = facts.sessions.map((session) => ({ session, bar: barOf(facts, session) }));
  const { code, words } = queuedReason(facts, candidates);
  return {
    code,
    words,
    candidates: candidates.slice(0, CANDIDATES_MAX).map(({ session, bar }) => ({
      botId: session.botId,
      whyNot:
        bar?.words ??
        (code === 'RUNNABLE' ? 'nothing stands against it; it should take the job at its next poll' : words),
    })),
  };
};

const plain = (code: NotRunning, words: string): Explanation => ({ code, words, candidates: [] });

const runningWords = ({ state, botId, lease }: ExplainFacts['job']): string => {
  const bot = `bot '${botId ?? ''}'`;
  if (state === 'CANCELLING')
    return `The job is being cancelled: ${bot} has been told and has not acknowledged it yet.`;
  return lease?.state === 'PENDING'
    ? `The job was given to ${bot}, which has not started it yet.`
    : `The job is running on ${bot}.`;
};

type Considered = { readonly session: SessionFacts; readonly bar: Bar | null };

const queuedReason = (
  facts: ExplainFacts,
  candidates: readonly Considered[],
): { readonly code: NotRunning; readonly words: string } => {
  const { job, dut } = facts;
  const dutReason = dut === null ? null : dutWords(dut);
  if (job.heldBy !== null) {
    const words = `The job is held: ${job.heldReason ?? ''}. ${cureOf[job.heldBy]}`;
    // A gate may ask while no bot has the DUT.
    const waitsForDut = job.heldBy === 'GATE_TURN' && dutReason !== null && dutReason.code !== 'DUT_ABSENT';
    return { code: 'HELD', words: waitsForDut ? `${words} ${dutReason.words}` : words };
  }
  if (dutReason !== null) return dutReason;
  if (candidates.length === 0) return { code: 'NO_SUCH_BOT', words: nobodyWords(facts) };
  if (candidates.some(({ bar }) => bar === null)) {
    return {
      code: 'RUNNABLE',
      words: 'Nothing stands against the job: a bot that could take it is free. It should start at once.',
    };
  }
  for (const { kind, code, words } of barsByHope) {
    const barred = candidates.filter(({ bar }) => bar?.kind === kind).length;
    if (barred > 0) return { code, words: words(barred, candidates.length) };
  }
  // Every bar is of one of the kinds above.
  throw new Error('a bot is barred for a reason without a rank');
};

/** What an operator does about each hold. */
const cureOf: Readonly<Record<HeldBy, string>> = {
  ROUTE: 'It goes on by itself when the job before it has finished.',
  ROUTE_STOPPED: 'Look at the job that stopped the route; then cancel what is left of it and enqueue it anew.',
  GATE_TURN: 'The shopfloor is asked when its DUT is free and it is the next one there.',
  GATE: 'It goes on when the shopfloor has answered; if that takes long, look at the calls owed to it.',
  GATE_REFUSED: 'Mend what the shopfloor names and retry the gate, or override it with a reason.',
  DEVICE: 'Release the device when its record is in order.',
  ACTION: 'The shopfloor asked for it; release the device when that is done.',
};

const dutWords = (dut: DutFacts): { readonly code: NotRunning; readonly words: string } | null => {
  const name = `DUT ${dut.id}`;
  if (dut.heldReason !== null) {
    return { code: 'HELD', words: `${name} is held: ${dut.heldReason}. Release the device when that is mended.` };
  }
  if (dut.leasedTo !== null) {
    return {
      code: 'DUT_BUSY',
      words: `${name} is in use by job ${dut.leasedTo.jobId} on bot '${dut.leasedTo.botId}'. It is next when that has ended.`,
    };
  }
  if (dut.settlingReason !== null) {
    return {
      code: 'DUT_SETTLING',
      words: `${name} settles after an unclean end (${dut.settlingReason}). It is free when its bot is back and reports in a new session, or a while later, or when an operator releases the device.`,
    };
  }
  if (dut.asked) {
    return {
      code: 'DUT_ASKED',
      words: `A job of ${name} ended while it asked the shopfloor for leave to start. ${name} is free when that is answered; if it takes long, look at the calls owed for it.`,
    };
  }
  if (!dut.declared) {
    return {
      code: 'DUT_ABSENT',
      words: `No connected bot has ${name}. Connect it to a bot, and see that the bot declares its serials.`,
    };
  }
  return null;
};

const nobodyWords = ({ job, dut, connected, requestedIsConnected }: ExplainFacts): string => {
  if (job.requestedBotId !== null && !requestedIsConnected) {
    return `The job wants bot '${job.requestedBotId}', which is not connected. Start that bot, or enqueue the job for another.`;
  }
  if (connected === 0) return 'No bot is connected to this instance. Start one.';
  const whom =
    job.requestedBotId !== null
      ? `bot '${job.requestedBotId}'`
      : dut === null
        ? 'any connected bot'
        : 'the bot that has the DUT';
  return `The job wants ${wishes(job.constraints)}, and that is not among the properties of ${whom}. Give a bot these properties, or enqueue the job with others.`;
};

const wishes = (constraints: ExplainFacts['job']['constraints']): string =>
  constraints.map(({ key, allowedValues }) => `${key} = ${allowedValues.join(' or ')}`).join(', ') || 'its DUT';

/** The kinds of bars, the one that ends soonest by itself first: that is the reason that counts. */
const barsByHope: readonly {
  readonly kind: Bar['kind'];
  readonly code: NotRunning;
  readonly words: (barred: number, of: number) => string;
}[] = [
  {
    kind: 'busy',
    code: 'ALL_BUSY',
    words: (n, of) =>
      `No bot is free: ${n} of the ${of} that could take the job are busy. It starts when one of them is done.`,
  },
  {
    kind: 'dut',
    code: 'DUT_BUSY',
    words: (n, of) =>
      `${n} of the ${of} bots that could take the job have a DUT that is not free. It starts when one is.`,
  },
  {
    kind: 'notReady',
    code: 'NOT_READY',
    words: (n, of) =>
      `${n} of the ${of} bots that could take the job say that they are not OK, or are not heard of. Look at them.`,
  },
  {
    kind: 'drained',
    code: 'DRAINED',
    words: (n, of) =>
      `${n} of the ${of} bots that could take the job are drained or quarantined. Undrain or release one.`,
  },
  {
    kind: 'avoided',
    code: 'BOT_AVOIDED',
    words: (n) =>
      `Each of the ${n} bots that could take the job has refused it before, and is not asked again. Read their words in the job's events, and connect another bot.`,
  },
];

/** What stands between this bot and the job, the most lasting first; null: nothing. */
export const barOf = (
  { job, dut }: { readonly job: Pick<ExplainFacts['job'], 'avoidedBots'>; readonly dut: object | null },
  bot: SessionFacts,
): Bar | null => {
  if (job.avoidedBots.includes(bot.botId)) return { kind: 'avoided', words: 'it refused this job before' };
  if (bot.quarantineReason !== null) return { kind: 'drained', words: `it is quarantined: ${bot.quarantineReason}` };
  if (bot.drainNote !== null) return { kind: 'drained', words: `it is drained: ${bot.drainNote}` };
  if (!bot.isHeard) return { kind: 'notReady', words: 'it has not been heard of for longer than its time to live' };
  if (!takesWork(bot.status)) return { kind: 'notReady', words: `it says it is ${statusName(bot.status)}` };
  if (bot.capacity === 0) return { kind: 'notReady', words: 'it says that it takes nothing: its capacity is 0' };
  if (bot.openLeases >= bot.capacity) {
    return { kind: 'busy', words: `it is busy with ${bot.openLeases} of ${bot.capacity} leases` };
  }
  if (dut === null && bot.dutBlock !== null) return { kind: 'dut', words: bot.dutBlock };
  return null;
};
