/** The history of a DUT, oldest first, page by page. */
import { cursorOf, positionOf } from '../core/cursor.ts';
import { type CallView, readCallViews } from '../store/call-pages.ts';
import type { ResultNote } from '../store/result-notes.ts';
import type { ResultView } from '../store/result-views.ts';
import {
  readUnitAttempts,
  readUnitEvents,
  readUnitJobs,
  readUnitNotes,
  readUnitResults,
  readUnitUploads,
  type UnitAttempt,
  type UnitEvent,
  type UnitJob,
  type UnitUpload,
} from '../store/unit-entries.ts';
import {
  readUnitScope,
  readUnitTraces,
  type UnitEntryKind,
  type UnitPlace,
  type UnitScope,
  type UnitTrace,
} from '../store/unit-history.ts';
import type { Farm } from './farm.ts';
import { type DeviceAsked, type DeviceView, getDevice } from './get-device.ts';
import { type PageAsked, pageSizeOf } from './page.ts';

export type { UnitAttempt, UnitEvent, UnitJob, UnitUpload };

type What =
  | { readonly kind: 'JOB'; readonly job: UnitJob }
  | { readonly kind: 'ATTEMPT'; readonly attempt: UnitAttempt }
  | { readonly kind: 'RESULT'; readonly result: ResultView }
  | { readonly kind: 'UPLOAD'; readonly upload: UnitUpload }
  | { readonly kind: 'CALL'; readonly call: CallView }
  | { readonly kind: 'EVENT'; readonly event: UnitEvent }
  | { readonly kind: 'NOTE'; readonly note: ResultNote };

/** Something that happened to a unit. Its place never changes; what it says is as of now. */
export type UnitEntry = What & {
  readonly at: Date;
  /** Null: it belongs to none. */
  readonly jobId: number | null;
  /** Of that job; empty: of none. */
  readonly station: string;
};

export type UnitView = {
  readonly device: DeviceView;
  readonly entries: readonly UnitEntry[];
  /** Empty: this is the last page. */
  readonly nextPageToken: string;
  /** There is more of the unit than `limits.units` lets a history tell: the oldest is left out. */
  readonly olderLeftOut: boolean;
};

/** A page ends early when its results come to this, so that it still fits into one message. */
const PAGE_BYTES_MAX = 2 * 1024 * 1024;

/** Read at leisure, statement by statement. @throws Refusal NOT_FOUND; INVALID, also for a serial of two DUTs. */
export const getUnit = async (farm: Farm, asked: DeviceAsked & PageAsked): Promise<UnitView> => {
  const { units } = farm.limits;
  const size = pageSizeOf(farm.limits, asked);
  const device = await getDevice(farm, asked);
  // By the DUT's number: another of its serials goes on where this one ended.
  const question = ['unit', device.instance, device.id];
  const after = placeOf(question, asked.pageToken);
  const scope = await readUnitScope(farm.pool, device, units);
  const traces = await readUnitTraces(farm.pool, scope, { ...units, after, limit: size + 1 });
  const shown = fitting(traces.slice(0, size));
  const last = shown.at(-1);
  return {
    device,
    entries: await readEntries(farm, scope, shown),
    nextPageToken: last === undefined || shown.length === traces.length ? '' : cursorOf(question, positionIn(last)),
    olderLeftOut: scope.isCut,
  };
};

const positionIn = ({ atUs, rank, number, key }: UnitPlace) => [atUs, rank, number, key];

const placeOf = (question: readonly unknown[], pageToken: string): UnitPlace | null => {
  if (pageToken === '') return null;
  const [atUs, rank, number, key] = positionOf(question, pageToken, ['number', 'number', 'number', 'text']);
  return { atUs: Number(atUs), rank: Number(rank), number: Number(number), key: String(key) };
};

/** At least one, and then as many as fit. */
const fitting = (traces: readonly UnitTrace[]): readonly UnitTrace[] => {
  let bytes = 0;
  const tooMany = traces.findIndex((each, index) => (bytes += each.bytes) > PAGE_BYTES_MAX && index > 0);
  return tooMany === -1 ? traces : traces.slice(0, tooMany);
};

const readEntries = async (
  { pool }: Pick<Farm, 'pool'>,
  scope: UnitScope,
  traces: readonly UnitTrace[],
): Promise<readonly UnitEntry[]> => {
  const { since, stations } = scope;
  const numbersOf = (kind: UnitEntryKind) => traces.flatMap((each) => (each.kind === kind ? [each.number] : []));
  const keysOf = (kind: UnitEntryKind) => traces.flatMap((each) => (each.kind === kind ? [each.key] : []));
  const jobIds = [...new Set(traces.flatMap(({ jobId }) => (jobId === null ? [] : [jobId])))];
  const [jobs, attempts, results, uploads, calls, events, notes] = await Promise.all([
    readUnitJobs(pool, numbersOf('JOB'), since),
    readUnitAttempts(pool, keysOf('ATTEMPT'), jobIds, since),
    readUnitResults(pool, numbersOf('RESULT'), jobIds, since),
    readUnitUploads(pool, keysOf('UPLOAD')),
    readCallViews(pool, keysOf('CALL')),
    readUnitEvents(pool, numbersOf('EVENT'), jobIds, scope),
    readUnitNotes(pool, numbersOf('NOTE')),
  ]);
  const callsById = new Map(calls.map((call) => [call.id, call]));
  const readers: Readonly<Record<UnitEntryKind, (trace: UnitTrace) => What | null>> = {
    JOB: ({ number }) => some(jobs.get(number), (job) => ({ kind: 'JOB', job })),
    ATTEMPT: ({ key }) => some(attempts.get(key), (attempt) => ({ kind: 'ATTEMPT', attempt })),
    RESULT: ({ number }) => some(results.get(number), (result) => ({ kind: 'RESULT', result })),
    UPLOAD: ({ key }) => some(uploads.get(key), (upload) => ({ kind: 'UPLOAD', upload })),
    CALL: ({ key }) => some(callsById.get(key), (call) => ({ kind: 'CALL', call })),
    EVENT: ({ number }) => some(events.get(number), (event) => ({ kind: 'EVENT', event })),
    NOTE: ({ number }) => some(notes.get(number), (note) => ({ kind: 'NOTE', note })),
  };
  return traces.flatMap((trace) => {
    const what = readers[trace.kind](trace);
    // Its day was dropped between the two readings.
    if (what === null) return [];
    const { at, jobId } = trace;
    return [{ ...what, at, jobId, station: what.kind === 'CALL' ? what.call.station : stationOf(stations, jobId) }];
  });
};

const stationOf = (stations: UnitScope['stations'], jobId: number | null): string =>
  jobId === null ? '' : (stations.get(jobId) ?? '');

const some = <T>(found: T | undefined, as: (found: T) => What): What | null => (found === undefined ? null : as(found));
