/** Streams of the HTTP door: so many in all and of one caller, none for longer than its reader reads or may read. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Refusal } from '../../core/refusal.ts';
import { credentialsEnded } from '../../farm/admit.ts';
import type { Home } from '../../farm/home.ts';
import { callerOf, principalOf } from './admit-requests.ts';
import { problemOf, refusalProblem } from './problem.ts';
import { formFor, type Piece, type StreamForm } from './stream-form.ts';

type Pieces = AsyncGenerator<Piece, void, void>;

export type Streams = {
  /**
   * Answers with what `begin` yields. What cannot be begun is refused with its own status, before the stream.
   * @param begin is given what ends the stream early.
   */
  readonly answer: (
    request: FastifyRequest,
    reply: FastifyReply,
    begin: (signal: AbortSignal) => Pieces,
  ) => Promise<FastifyReply>;
};

type Seams = Pick<Home, 'clock' | 'limits' | 'log'>;

/** @param closing aborts when the door closes. */
export const createStreams = (home: Seams, closing: AbortSignal): Streams => {
  const enter = createPlaces(home);
  return {
    answer: async (request, reply, begin) => {
      enter(request, reply);
      const until = request.caller?.known.until ?? closing;
      const pieces = begin(whileAll([closing, until], reply));
      const first = await pieces.next();
      const form = formFor(request.headers.accept);
      const out = new PassThrough();
      // Of a reader that leaves nobody needs to hear; an error that nobody hears would end the process.
      out.on('error', () => undefined);
      void write({ out, form, first, pieces }, home, (error) => {
        if (until.aborted && until !== closing) return refusalProblem(credentialsEnded(until));
        if (closing.aborted) return refusalProblem(leaving());
        return error === null
          ? null
          : problemOf(error, (bug) => home.log.error({ err: bug }, 'a stream failed by a fault of ours'));
      });
      void reply.headers({ 'cache-control': 'no-store', 'x-accel-buffering': 'no' }).type(form.type).send(out);
      // The reader knows that it is heard, though nothing may happen for hours.
      reply.raw.flushHeaders();
      return reply;
    },
  };
};

/** Counts those that are open. What is given takes a place, which is free again when the request is over. */
const createPlaces = ({ limits }: Seams): ((request: FastifyRequest, reply: FastifyReply) => void) => {
  const { openMax, perCallerMax } = limits.streams;
  const byCaller = new Map<string, number>();
  let open = 0;
  return (request, { raw }) => {
    // The reader left before it was known who it is: there will be no other end of it to hear of.
    if (raw.destroyed) return;
    const caller = principalOf(request).kind === 'open' ? request.ip : callerOf(request);
    const own = byCaller.get(caller) ?? 0;
    if (open >= openMax) throw tooMany(`This replica already serves ${openMax} streams, which is its limit.`);
    if (own >= perCallerMax)
      throw tooMany(`You already have ${perCallerMax} streams of this replica, which is the limit.`);
    open += 1;
    byCaller.set(caller, own + 1);
    raw.once('close', () => {
      open -= 1;
      const left = (byCaller.get(caller) ?? 1) - 1;
      if (left === 0) byCaller.delete(caller);
      else byCaller.set(caller, left);
    });
  };
};

type Writing = {
  readonly out: PassThrough;
  readonly form: StreamForm;
  readonly first: IteratorResult<Piece, void>;
  readonly pieces: Pieces;
};

/** @param why the problem a stream ends with, given what it failed with; null: it has come to its end. */
const write = async (
  { out, form, first, pieces }: Writing,
  { clock, limits }: Seams,
  why: (error: unknown) => ReturnType<typeof refusalProblem> | null,
): Promise<void> => {
  const { heartbeatMs, stallMs } = limits.streams;
  const say = async (text: string): Promise<void> => {
    if (out.write(text)) return;
    const drained = new AbortController();
    const heard = (event: string): Promise<boolean> =>
      once(out, event, { signal: drained.signal }).then(
        () => true,
        () => true,
      );
    const stalls = clock.sleep(stallMs, drained.signal).then(() => false);
    const went = await Promise.race([heard('drain'), heard('close'), stalls]);
    drained.abort();
    if (!went) throw tooSlow(stallMs);
  };
  let failed: unknown = null;
  try {
    let cursor = '';
    let next = Promise.resolve(first);
    await say(form.opening);
    for (;;) {
      const came = await withBeat(next, clock, heartbeatMs);
      if (out.destroyed) return;
      if (came === null) await say(form.beat?.(cursor) ?? '');
      else if (came.done === true) break;
      else {
        ({ cursor } = came.value);
        next = pieces.next();
        next.catch(() => undefined);
        await say(form.piece(came.value));
      }
    }
  } catch (error) {
    failed = error;
  } finally {
    void pieces.return();
  }
  const problem = why(failed);
  out.end(problem === null ? form.end : form.problem(problem));
  // Whoever reads on hears the last words; whoever does not is not waited for.
  if (failed !== null) await clock.sleep(stallMs).then(() => out.destroy());
};

/** Null: nothing came for so long. */
const withBeat = async <T>(next: Promise<T>, clock: Seams['clock'], beatMs: number): Promise<T | null> => {
  const came = new AbortController();
  const beat = clock.sleep(beatMs, came.signal).then(() => null);
  try {
    return await Promise.race([next, beat]);
  } finally {
    came.abort();
  }
};

/** Aborts when one of them does, or the reader has gone; and then holds on to none of them. */
const whileAll = (signals: readonly AbortSignal[], { raw }: FastifyReply): AbortSignal => {
  const over = new AbortController();
  const end = (): void => {
    over.abort();
    for (const signal of signals) signal.removeEventListener('abort', end);
  };
  for (const signal of signals) signal.addEventListener('abort', end, { once: true });
  raw.once('close', end);
  if (raw.destroyed || signals.some(({ aborted }) => aborted)) end();
  return over.signal;
};

const tooMany = (what: string): Refusal =>
  new Refusal('LIMIT_REACHED', 'TOO_MANY_STREAMS', `${what} Close some, or ask from time to time instead.`);

const tooSlow = (stallMs: number): Refusal =>
  new Refusal(
    'LIMIT_REACHED',
    'STREAM_TOO_SLOW',
    `Nothing of this stream was read for ${stallMs / 1000} s. Read on from the last cursor, faster, or ask for fewer events.`,
  );

const leaving = (): Refusal =>
  new Refusal(
    'UNAVAILABLE',
    'SHUTTING_DOWN',
    'This replica is shutting down. Watch again, from the last cursor: any replica can go on with it.',
  );
