/**
 * The leases a bot holds: what a reply of the farm says to start and to stop, and what to report next. Decides only; the
 * clock, the calls and the work are the bot's (`create-bot.ts`).
 */
import { Lease, LeaseState } from '../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import type { Any } from '../src/gen/google/protobuf/any.ts';
import { Code } from '../src/gen/google/rpc/code.ts';
import type { StationWork } from '../src/gen/stationgrid/v1/work.ts';

/** How a lease is reported COMPLETED. `code` is a google.rpc code and speaks of the lease, not of its tests. */
export type Completion = { readonly code: number; readonly message: string; readonly result: Any | null };

/**
 * Why work is stopped. CANCELLED: the farm said so. GONE: the farm no longer knows the lease. FENCED: the farm has been
 * silent too long and may have given the work away. DRAINED: the bot is leaving and will not wait.
 */
export type StopCause = 'CANCELLED' | 'GONE' | 'FENCED' | 'DRAINED';

export type HeldLease =
  // Offered, with no slot free for it; or about to be handed back, once a terminating request has said PENDING.
  | { readonly stage: 'OFFERED'; readonly id: string; readonly work: StationWork; readonly handedBack: boolean }
  | { readonly stage: 'ACCEPTED'; readonly id: string; readonly work: StationWork; readonly told: boolean }
  // `missed` is how many replies in a row left it out.
  | { readonly stage: 'RUNNING'; readonly id: string; readonly work: StationWork; readonly missed: number }
  | { readonly stage: 'STOPPING'; readonly id: string; readonly work: StationWork; readonly cause: StopCause }
  | {
      readonly stage: 'ENDED';
      readonly id: string;
      readonly ending: Completion | 'CANCELLED';
      readonly told: boolean;
    };

type Stage = HeldLease['stage'];
type Shown = 'PENDING' | 'ACTIVE' | 'CANCELLED' | 'ABSENT' | 'OTHER';
type Move = 'keep' | 'start' | 'stop' | 'miss' | 'acknowledge' | 'forget' | 'settle';

export type Order =
  | { readonly kind: 'start'; readonly id: string; readonly work: StationWork }
  | { readonly kind: 'stop'; readonly id: string };

export type LeaseBook = {
  readonly capacity: number;
  readonly leases: Map<string, HeldLease>;
  draining: boolean;
  /** Handed back by a drain: whatever a reply still shows, they are the farm's. */
  readonly returned: Set<string>;
  /** Grows whenever there is something new to tell the farm. */
  news: number;
};

/** Decides what a payload asks for: work this bot can do, or the completion that refuses it. */
export type Reader = (payload: Any | undefined, assignment: string) => StationWork | Completion;

export const createLeaseBook = (capacity: number): LeaseBook => ({
  capacity,
  leases: new Map(),
  draining: false,
  returned: new Set(),
  news: 0,
});

/**
 * What we hold against what the reply shows. The cells that may surprise:
 * - ACCEPTED, ACTIVE: only now does the work start. That reply proves that the farm committed our acceptance; had we
 *   started when we sent it, a lease withdrawn meanwhile could be running on another bot, on the same DUT.
 * - ACCEPTED, ABSENT: withdrawn before it started; nothing to stop.
 * - RUNNING, PENDING: the farm forgot our ACTIVE (a restored backup); we say it again and carry on.
 * - RUNNING, ABSENT: once may be a farm caught between two replicas; stopping hours of a run-in takes two.
 * - STOPPING, *: what the report says next depends on the work having stopped, not on the farm.
 * - ENDED, CANCELLED: the cancel crossed our completion; which of them came first is the farm's to say.
 */
// prettier-ignore
const moves: Readonly<Record<Stage, Readonly<Record<Shown, Move>>>> = {
  OFFERED:  { PENDING: 'keep', ACTIVE: 'keep',  CANCELLED: 'acknowledge', ABSENT: 'forget', OTHER: 'keep' },
  ACCEPTED: { PENDING: 'keep', ACTIVE: 'start', CANCELLED: 'acknowledge', ABSENT: 'forget', OTHER: 'keep' },
  RUNNING:  { PENDING: 'keep', ACTIVE: 'keep',  CANCELLED: 'stop',        ABSENT: 'miss',   OTHER: 'keep' },
  STOPPING: { PENDING: 'keep', ACTIVE: 'keep',  CANCELLED: 'keep',        ABSENT: 'keep',   OTHER: 'keep' },
  ENDED:    { PENDING: 'keep', ACTIVE: 'keep',  CANCELLED: 'keep',        ABSENT: 'settle', OTHER: 'keep' },
};

/** The bot refuses or returns what it has not started: the farm tries again, here or elsewhere. */
const notStarted: Completion = {
  code: Code.UNAVAILABLE,
  message: 'The bot was told to stop before it had started this work.',
  result: null,
};
const cutShort: Completion = {
  code: Code.UNAVAILABLE,
  message: 'The bot was told to stop at once, and stopped this work unfinished.',
  result: null,
};

const toShown = (lease: Lease | undefined): Shown => {
  switch (lease?.state) {
    case undefined:
      return 'ABSENT';
    case LeaseState.PENDING:
      return 'PENDING';
    case LeaseState.ACTIVE:
      return 'ACTIVE';
    case LeaseState.CANCELLED:
      return 'CANCELLED';
    default:
      return 'OTHER';
  }
};

function put(book: LeaseBook, lease: HeldLease, { news }: { news: boolean }): void {
  book.leases.set(lease.id, lease);
  if (news) book.news += 1;
}

const end = (book: LeaseBook, id: string, ending: Completion | 'CANCELLED'): void =>
  put(book, { stage: 'ENDED', id, ending, told: false }, { news: true });

/** Leases that occupy a slot. An ended one does not: its work is over and only the farm has yet to hear of it. */
const isBusy = (lease: HeldLease): boolean => lease.stage !== 'OFFERED' && lease.stage !== 'ENDED';

export const freeSlots = (book: LeaseBook): number => book.capacity - [...book.leases.values()].filter(isBusy).length;

/**
 * The list for the next request. It remembers what it told: a lease that a reply leaves out is settled only if the
 * request of that reply had reported its end. Requests must go one at a time.
 * @param resultsBytesMax completions whose results go beyond it wait for the next request; the first never waits.
 */
export function report(book: LeaseBook, resultsBytesMax: number): Lease[] {
  let resultsBytes = 0;
  return [...book.leases.values()].map((lease) => {
    switch (lease.stage) {
      case 'OFFERED':
        if (book.draining) book.leases.set(lease.id, { ...lease, handedBack: true });
        return Lease.create({ id: lease.id, state: LeaseState.PENDING });
      case 'ACCEPTED':
        book.leases.set(lease.id, { ...lease, told: true });
        return Lease.create({ id: lease.id, state: LeaseState.ACTIVE });
      // Still ACTIVE while it stops: CANCELLED and silence mean that the DUT is free, and it is not yet.
      case 'RUNNING':
      case 'STOPPING':
        return Lease.create({ id: lease.id, state: LeaseState.ACTIVE });
      case 'ENDED': {
        const bytes = bytesOf(lease.ending);
        const isLate = bytes > 0 && resultsBytes > 0 && resultsBytes + bytes > resultsBytesMax;
        if (isLate) return Lease.create({ id: lease.id, state: LeaseState.ACTIVE });
        resultsBytes += bytes;
        book.leases.set(lease.id, { ...lease, told: true });
        return toEndedLease(lease.id, lease.ending);
      }
    }
  });
}

/** Of the result it carries; only work that has run has one. */
const bytesOf = (ending: Completion | 'CANCELLED'): number =>
  ending === 'CANCELLED' ? 0 : (ending.result?.value.length ?? 0);

function toEndedLease(id: string, ending: Completion | 'CANCELLED'): Lease {
  if (ending === 'CANCELLED') return Lease.create({ id, state: LeaseState.CANCELLED });
  const { code, message, result } = ending;
  const lease = Lease.create({ id, state: LeaseState.COMPLETED, status: { code, message } });
  return result === null ? lease : { ...lease, result };
}

/** Takes in the reply to the latest request. */
export function settle(book: LeaseBook, reply: readonly Lease[], read: Reader): Order[] {
  const shown = new Map(reply.map((lease) => [lease.id, lease]));
  const orders: Order[] = [];
  for (const lease of [...book.leases.values()]) {
    const order = step(book, lease, moves[lease.stage][toShown(shown.get(lease.id))]);
    if (order !== null) orders.push(order);
  }
  for (const lease of reply) if (!book.leases.has(lease.id)) meet(book, lease, read);
  accept(book);
  return orders;
}

function step(book: LeaseBook, lease: HeldLease, move: Move): Order | null {
  const { id } = lease;
  if (lease.stage === 'OFFERED' && lease.handedBack) {
    // A terminating request said PENDING and was answered.
    book.leases.delete(id);
    book.returned.add(id);
    return null;
  }
  if (lease.stage === 'RUNNING' && move !== 'miss' && lease.missed > 0) book.leases.set(id, { ...lease, missed: 0 });
  switch (move) {
    case 'keep':
      return null;
    case 'start':
      if (lease.stage !== 'ACCEPTED') return null;
      put(book, { stage: 'RUNNING', id, work: lease.work, missed: 0 }, { news: false });
      return { kind: 'start', id, work: lease.work };
    case 'acknowledge':
      end(book, id, 'CANCELLED');
      return null;
    case 'stop':
      return stop(book, id, 'CANCELLED');
    case 'miss':
      if (lease.stage !== 'RUNNING') return null;
      if (lease.missed > 0) return stop(book, id, 'GONE');
      put(book, { ...lease, missed: 1 }, { news: false });
      return null;
    case 'settle':
      if (lease.stage === 'ENDED' && lease.told) book.leases.delete(id);
      return null;
    case 'forget':
      book.leases.delete(id);
      return null;
  }
}

/** A lease this bot does not hold. One shown ACTIVE is not ours to run: it is left out, and the farm takes it back. */
function meet(book: LeaseBook, lease: Lease, read: Reader): void {
  const shown = toShown(lease);
  if (shown === 'CANCELLED') end(book, lease.id, 'CANCELLED');
  if (shown !== 'PENDING' || book.returned.has(lease.id)) return;
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- an admin task is known by it alone.
  const work = read(lease.payload, lease.assignment);
  if ('code' in work) end(book, lease.id, work);
  else put(book, { stage: 'OFFERED', id: lease.id, work, handedBack: false }, { news: book.draining });
}

/**
 * Offers become acceptances in the order in which they were listed, as far as there are slots. One for a DUT on which something
 * runs, or is being stopped, waits until that has ended, whatever the farm knows of it.
 */
function accept(book: LeaseBook): void {
  if (book.draining) return;
  for (const lease of book.leases.values()) {
    if (lease.stage !== 'OFFERED' || isDutBusy(book, lease.work)) continue;
    if (freeSlots(book) <= 0) return;
    put(book, { stage: 'ACCEPTED', id: lease.id, work: lease.work, told: false }, { news: true });
  }
}

const isDutBusy = (book: LeaseBook, { serials }: StationWork): boolean =>
  [...book.leases.values()].some(
    (other) =>
      (other.stage === 'ACCEPTED' || other.stage === 'RUNNING' || other.stage === 'STOPPING') &&
      Object.entries(serials).some(([name, value]) => other.work.serials[name] === value),
  );

/** Running work is to stop. Null when it does not run. */
export function stop(book: LeaseBook, id: string, cause: StopCause): Order | null {
  const lease = book.leases.get(id);
  if (lease?.stage !== 'RUNNING') return null;
  put(book, { stage: 'STOPPING', id, work: lease.work, cause }, { news: false });
  return { kind: 'stop', id };
}

/** The work has ended, by itself or because it was stopped. */
export function ended(book: LeaseBook, id: string, completion: Completion): void {
  const lease = book.leases.get(id);
  if (lease?.stage === 'RUNNING') end(book, id, completion);
  if (lease?.stage !== 'STOPPING') return;
  switch (lease.cause) {
    case 'CANCELLED':
      end(book, id, 'CANCELLED');
      return;
    case 'DRAINED':
      end(book, id, cutShort);
      return;
    case 'GONE':
    case 'FENCED':
      book.leases.delete(id);
      book.news += 1;
  }
}

/** No new work from here on. What was not started goes back; what runs goes on. */
export function drain(book: LeaseBook): void {
  book.draining = true;
  book.news += 1;
  for (const lease of [...book.leases.values()]) {
    if (lease.stage !== 'ACCEPTED') continue;
    // Never told, it is still PENDING for the farm. Told, the farm may hold it ACTIVE, and only an ending gives it back.
    if (lease.told) end(book, lease.id, notStarted);
    else put(book, { stage: 'OFFERED', id: lease.id, work: lease.work, handedBack: false }, { news: true });
  }
}

/** Whether the farm has yet to answer something that we told or must confirm. */
export const awaitsAnswer = (book: LeaseBook): boolean =>
  [...book.leases.values()].some(
    (lease) =>
      lease.stage === 'ACCEPTED' ||
      lease.stage === 'ENDED' ||
      (lease.stage === 'OFFERED' && book.draining) ||
      (lease.stage === 'RUNNING' && lease.missed > 0),
  );
