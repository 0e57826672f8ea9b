/**
 * What becomes of enqueues that share a commit, decided in memory over what was read under the locks. Each caller's jobs
 * are taken all or none, and a refused caller leaves nothing behind for the next one to stumble over.
 */
import type { JobRequest } from '../core/job-request.ts';
import type { Limits } from '../core/limits.ts';
import type { StationRule } from '../core/line.ts';
import { bareKey } from '../core/match.ts';
import { invalid, Refusal } from '../core/refusal.ts';
import type { Begun } from '../core/trace.ts';
import type { Serial } from '../store/devices.ts';
import type { SeenRequest } from '../store/enqueue.ts';

/** A checked request on its way in. */
export type Asked = {
  readonly request: JobRequest;
  readonly rule: StationRule;
  readonly gated: boolean;
  readonly fingerprint: string;
  /** Null: not traced. */
  readonly trace: Begun | null;
};

/** A DUT that jobs are pinned to; its id is null until its record is made. */
export type Dut = { readonly instance: string; id: number | null };

/** A job that is to be made. */
export type Planned = Asked & { readonly dut: Dut | null };

/** One request's answer: a job that a former request made, or one of the new ones. */
export type Slot = { readonly kind: 'known'; readonly jobId: number } | { readonly kind: 'new'; readonly job: Planned };

/** What is known, under the locks, of what the callers ask for. */
export type Known = {
  readonly seen: readonly SeenRequest[];
  readonly reservations: ReadonlySet<string>;
  readonly serials: readonly (Serial & { readonly instance: string; readonly deviceId: number })[];
  /** Serials a device has already. */
  readonly serialCounts: ReadonlyMap<number, number>;
  /** Queued jobs by instance. */
  readonly queued: ReadonlyMap<string, number>;
  readonly limits: Limits;
};

export type Plan = {
  /** In the order of the callers. */
  readonly answers: readonly (readonly Slot[] | Refusal)[];
  /** In the order asked for. */
  readonly jobs: readonly Planned[];
  readonly newSerials: readonly (Serial & { readonly dut: Dut })[];
};

/** What stands so far, and how to take back what the caller in hand has added, should one of its jobs be refused. */
type Book = {
  readonly slots: Map<string, { readonly fingerprint: string; readonly slot: Slot }>;
  readonly names: Map<string, true>;
  readonly duts: Map<string, Dut>;
  readonly serialCounts: Map<Dut, number>;
  readonly queued: Map<string, number>;
  readonly added: Map<string, Serial & { readonly dut: Dut }>;
  readonly jobs: Map<Planned, true>;
  undo: (() => void)[];
};

const put = <K, V>(book: Book, map: Map<K, V>, key: K, value: V): void => {
  const former = map.get(key);
  book.undo.push(() => (former === undefined ? map.delete(key) : map.set(key, former)));
  map.set(key, value);
};

export const requestKey = (request: { readonly instance: string; readonly requestId: string | null }): string =>
  JSON.stringify([request.instance, request.requestId]);

const serialKey = (instance: string, { name, value }: Serial): string => JSON.stringify([instance, name, value]);

/** The serials a request is pinned by, under their bare names, in a fixed order. */
export const serialsOf = (request: JobRequest): readonly Serial[] =>
  Object.entries(request.serials)
    .map(([name, value]) => ({ name: bareKey(name), value }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));

export const planEnqueues = (callers: readonly (readonly Asked[])[], known: Known): Plan => {
  const book = openBook(known);
  const answers = callers.map((asked): readonly Slot[] | Refusal => {
    book.undo = [];
    try {
      return asked.map((each) => take(book, known.limits, each));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      for (const takeBack of book.undo.reverse()) takeBack();
      return error;
    }
  });
  return { answers, jobs: [...book.jobs.keys()], newSerials: [...book.added.values()] };
};

const openBook = (known: Known): Book => {
  const byId = new Map<number, Dut>();
  const duts = new Map<string, Dut>();
  const serialCounts = new Map<Dut, number>();
  for (const { deviceId, instance, ...serial } of known.serials) {
    const dut = byId.get(deviceId) ?? { instance, id: deviceId };
    byId.set(deviceId, dut);
    duts.set(serialKey(instance, serial), dut);
    serialCounts.set(dut, known.serialCounts.get(deviceId) ?? 1);
  }
  const slots = new Map(
    known.seen.map((seen) => [
      requestKey(seen),
      { fingerprint: seen.fingerprint, slot: { kind: 'known', jobId: seen.jobId } as const },
    ]),
  );
  const names = new Map([...known.reservations].map((name) => [name, true as const]));
  return {
    slots,
    names,
    duts,
    serialCounts,
    queued: new Map(known.queued),
    added: new Map(),
    jobs: new Map(),
    undo: [],
  };
};

const take = (book: Book, limits: Limits, asked: Asked): Slot => {
  const { request, fingerprint } = asked;
  const key = requestKey(request);
  const former = request.requestId === null ? undefined : book.slots.get(key);
  if (former !== undefined) {
    if (former.fingerprint === fingerprint) return former.slot;
    throw new Refusal(
      'ALREADY_EXISTS',
      'REQUEST_ID_REUSED',
      `The request id '${request.requestId ?? ''}' was used within the last 24 h for a job that is not the same. Repeat that request as it was, or choose a new id.`,
    );
  }
  takeName(book, request);
  takeRoom(book, limits, request.instance);
  const job: Planned = { ...asked, dut: dutOf(book, limits, request) };
  put(book, book.jobs, job, true);
  const slot: Slot = { kind: 'new', job };
  if (request.requestId !== null) put(book, book.slots, key, { fingerprint, slot });
  return slot;
};

const takeName = (book: Book, { reservation }: JobRequest): void => {
  if (reservation === null) return;
  if (book.names.has(reservation.name)) {
    throw new Refusal(
      'ALREADY_EXISTS',
      'RESERVATION_EXISTS',
      `There is a reservation '${reservation.name}' already. Get it, or choose another name.`,
    );
  }
  put(book, book.names, reservation.name, true);
};

const takeRoom = (book: Book, limits: Limits, instance: string): void => {
  const { queuedMax } = limits.jobs;
  const queued = book.queued.get(instance) ?? 0;
  if (queued >= queuedMax) {
    throw new Refusal(
      'LIMIT_REACHED',
      'QUEUE_FULL',
      `Instance '${instance}' has ${queued} jobs in its queue and may have ${queuedMax}; nothing was enqueued. Wait until some have run, cancel some, or raise jobs.queuedMax.`,
    );
  }
  put(book, book.queued, instance, queued + 1);
};

/** The DUT that the serials name: known by any of them, and then known by all of them; or a new one. */
const dutOf = (book: Book, limits: Limits, request: JobRequest): Dut | null => {
  const serials = serialsOf(request);
  if (serials.length === 0) return null;
  const owned = serials.map((serial) => ({ serial, dut: book.duts.get(serialKey(request.instance, serial)) ?? null }));
  const [first, ...others] = owned.filter((each) => each.dut !== null);
  const other = others.find((each) => each.dut !== first?.dut);
  if (first !== undefined && other !== undefined) throw twoDuts(first, other);
  const dut = first?.dut ?? { instance: request.instance, id: null };
  for (const { serial, dut: owner } of owned) if (owner === null) addSerial(book, limits, dut, serial);
  return dut;
};

const addSerial = (book: Book, limits: Limits, dut: Dut, serial: Serial): void => {
  const count = (book.serialCounts.get(dut) ?? 0) + 1;
  if (count > limits.devices.serialsMax) {
    throw new Refusal(
      'LIMIT_REACHED',
      'TOO_MANY_SERIALS',
      `${nameOf(dut)} has ${count - 1} serials already, and ${serial.name} '${serial.value}' would be one more than a DUT may have. Pin the job by a serial it is known by.`,
    );
  }
  const key = serialKey(dut.instance, serial);
  put(book, book.serialCounts, dut, count);
  put(book, book.duts, key, dut);
  put(book, book.added, key, { ...serial, dut });
};

type Owned = { readonly serial: Serial; readonly dut: Dut | null };

const twoDuts = (a: Owned, b: Owned): Refusal =>
  invalid(
    'SERIALS_OF_TWO_DUTS',
    `The serials belong to two DUTs: ${ownership(a)}, ${ownership(b)}. Give the serials of one DUT, or mend the record that is wrong.`,
  );

const ownership = ({ serial, dut }: Owned): string => `${serial.name} '${serial.value}' to ${nameOf(dut)}`;

const nameOf = (dut: Dut | null): string =>
  dut === null || dut.id === null ? 'a DUT of this same batch' : `DUT ${dut.id}`;
