/** What a DUT tells by Testlog, free of any wire. */
import { createHash } from 'node:crypto';
import type { TestResult } from './test-result.ts';

export type RunStatus = 'STARTING' | 'RUNNING' | 'UNKNOWN' | 'PASS' | 'FAIL';

/** One run of one test, as one event tells it. */
export type ToldRun = {
  readonly testRunId: string;
  readonly testName: string;
  readonly testType: string;
  readonly status: RunStatus;
  /** By the DUT's clock, in seconds since 1970, as are all times here. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly durationS: number | null;
  /** Null: it has not ended, or nobody knows how. */
  readonly result: TestResult | null;
};

export type KeptAttachment = { readonly sha256: string; readonly bytes: number; readonly path: string };
export type KeptAttachments = Readonly<Record<string, KeptAttachment>>;

export type ToldEvent = {
  readonly type: 'station.test_run' | 'station.status' | 'station.init' | 'station.message';
  readonly uuid: string;
  readonly seq: number | null;
  readonly dutTime: number;
  readonly serials: readonly { readonly name: string; readonly value: string }[];
  /** Null: the event is of no run. */
  readonly testRunId: string | null;
  /** Null: it is no test_run. */
  readonly run: ToldRun | null;
  readonly event: Readonly<Record<string, unknown>>;
  readonly attachments: KeptAttachments;
};

/** One that could not be taken in: as it came, or where it was put. */
export type BadEvent = {
  readonly sha256: string;
  readonly bytes: number;
  readonly reason: string;
  /** Null: it is in a file. */
  readonly event: Uint8Array | null;
  readonly path: string | null;
  readonly attachments: KeptAttachments;
};

/** Of two events of one run the further one stands; a run that ended is further than one that goes on. */
export const progressOf = (status: RunStatus): number => progress[status];

const progress: Readonly<Record<RunStatus, number>> = { STARTING: 0, RUNNING: 1, UNKNOWN: 2, PASS: 3, FAIL: 3 };

/** In DUT software a test is named `list:STATION.group.test`. */
export const isOfStation = (testName: string, station: string): boolean => {
  const path = testName.slice(testName.indexOf(':') + 1);
  const [group = ''] = path.split('.');
  return plain(group) === plain(station);
};

/** `RunIn` is RUNIN, and RUN_IN. */
const plain = (name: string): string => name.replaceAll(/[^\p{L}\p{N}]/gu, '').toUpperCase();

/** Where an attachment lies. Ids are the DUT's words: what cannot be the name of a file is told by its hash. */
export const attachmentPath = (of: 'testlog' | 'quarantine', event: string, id: string): string =>
  `umpire_data/instalog_attachments/${of}/${fileName(event)}/${fileName(id)}`;

const fileName = (name: string): string =>
  /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/.test(name) ? name : `sha256-${createHash('sha256').update(name).digest('hex')}`;

/** Every text of it as the database can keep it. It has no more levels than its schema has. */
export const storable = (value: unknown): unknown => {
  if (typeof value === 'string') return value.toWellFormed().replaceAll('\0', '\uFFFD');
  if (Array.isArray(value)) return value.map(storable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [storable(key), storable(member)]));
};
