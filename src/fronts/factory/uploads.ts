/** What DUTs upload: to the depot, on record, and only then acknowledged. */
import { createHash } from 'node:crypto';
import type { Limits } from '../../core/limits.ts';
import { invalid, Refusal } from '../../core/refusal.ts';
import {
  auxLogPath,
  csvPath,
  csvRow,
  type CsvCell,
  eventLogPath,
  type ReportName,
  reportPath,
  type WholeKind,
} from '../../core/upload.ts';
import { type Appended, appendUploads } from '../../farm/append-uploads.ts';
import { type Batcher, createBatcher, tooBusy } from '../../farm/batcher.ts';
import type { FarmSeams } from '../../farm/farm.ts';
import { createGangway } from '../../farm/gangway.ts';
import { keepUpload } from '../../farm/keep-upload.ts';
import { outageRefusal } from '../../farm/outage.ts';
import type { Depot } from '../../uploads/depot.ts';
import { diskRefusal } from '../../uploads/disk.ts';
import type { Received } from '../../uploads/received.ts';
import type { FactoryCounts } from './counts.ts';

export type Uploads = {
  readonly report: (peer: string, blob: Received, name: ReportName) => Promise<void>;
  readonly auxLog: (peer: string, contents: Received, name: string) => Promise<void>;
  /** @param path its own, for good. @param serial of the DUT; null: nobody knows. */
  readonly attachment: (peer: string, contents: Received, path: string, serial: string | null) => Promise<void>;
  readonly event: (peer: string, chunk: Received, name: string) => Promise<void>;
  readonly csvRow: (peer: string, cells: readonly CsvCell[], name: string) => Promise<void>;
};

type Piece = Appended & Pick<Received, 'read'>;
type Fate = 'kept' | 'repeated';

export type UploadParts = {
  readonly farm: FarmSeams;
  readonly depot: Depot;
  /** Whose DUTs they are. */
  readonly instance: string;
  readonly counts: FactoryCounts;
};

export const createUploads = ({ farm, depot, instance, counts }: UploadParts): Uploads => {
  const through = createGangway(farm.limits.uploads.atOnceMax);
  const appenders = createAppenders(farm.limits.uploads, (file, pieces) =>
    through(() =>
      appendUploads(farm, { ...file, depot: depot.id, instance }, pieces, (work) => depot.alone(file.path, work)),
    ),
  );

  const keep = async (
    kind: WholeKind,
    received: Received,
    given: { readonly where: Parameters<Depot['placing']>[1]; readonly name: ReportName; readonly peer: string },
  ): Promise<void> => {
    const { where, name, peer } = given;
    const { bytes, sha256 } = received;
    const noted = { id: farm.newId(), instance, kind, bytes, sha256, ...name, peer };
    await received.settle();
    const placing = depot.placing(received, where, noted);
    const pathOf = typeof where === 'string' ? where : null;
    let fate: Fate | null = null;
    try {
      fate = await through(() => keepUpload(farm, { ...noted, depot: depot.id, pathOf }, placing.place));
      counts.uploaded(kind, fate, bytes);
    } finally {
      await placing.over(fate !== null);
    }
  };

  const append = async (file: AppendFile, piece: Omit<Piece, 'id'>): Promise<void> => {
    const { appendBytesMax } = farm.limits.uploads;
    if (piece.bytes > appendBytesMax)
      throw invalid(
        'UPLOAD_TOO_LARGE',
        `The piece has ${piece.bytes} bytes, and ${appendBytesMax} are the limit. Send it in parts.`,
      );
    const fate = await appenders.push(file, { ...piece, id: farm.newId() });
    counts.uploaded(file.kind, fate, piece.bytes);
  };

  return {
    report: (peer, blob, name) => keep('REPORT', blob, { where: reportPath(name, farm.clock.now()), name, peer }),
    auxLog: (peer, contents, name) =>
      keep('AUX_LOG', contents, { where: auxLogPath(name, farm.clock.now()), name: NO_NAME, peer }),
    attachment: (peer, contents, path, serial) =>
      keep('ATTACHMENT', contents, { where: path, name: { ...NO_NAME, serial }, peer }),
    event: (peer, { bytes, sha256, read }, name) =>
      append({ kind: 'EVENT_LOG', path: eventLogPath(name, farm.clock.now()) }, { bytes, sha256, read, peer }),
    csvRow: (peer, cells, name) => append({ kind: 'CSV', path: csvPath(name) }, { ...textPiece(csvRow(cells)), peer }),
  };
};

const NO_NAME: ReportName = { serial: null, stage: null, reportName: null };

const textPiece = (text: string) => {
  const bytes = Buffer.from(text);
  return {
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    read: async function* () {
      yield await Promise.resolve(bytes);
    },
  };
};

type AppendFile = { readonly kind: 'EVENT_LOG' | 'CSV'; readonly path: string };

type Appenders = { readonly push: (file: AppendFile, piece: Piece) => Promise<Fate> };

/** Pieces of one file share commits, in the order in which they came. */
const createAppenders = (
  { appendBatchBytesMax, appendsWaitingMax }: Limits['uploads'],
  run: (file: AppendFile, pieces: readonly Piece[]) => Promise<readonly Fate[]>,
): Appenders => {
  const batchers = new Map<string, Batcher<Piece, Fate>>();
  const open = (file: AppendFile): Batcher<Piece, Fate> =>
    createBatcher({
      run: (pieces) => run(file, pieces),
      rowsOf: ({ bytes }) => bytes + 1,
      rowsMax: appendBatchBytesMax,
      waitingMax: appendsWaitingMax,
      onFull: () => tooBusy(`the uploads to ${JSON.stringify(file.path)}`, appendsWaitingMax),
      isOutage: (error) => outageRefusal(error) !== null || diskRefusal(error) !== null || error instanceof Refusal,
    });
  return {
    push: async (file, piece) => {
      const batcher = batchers.get(file.path) ?? open(file);
      batchers.set(file.path, batcher);
      try {
        return await batcher.push(piece);
      } finally {
        // Whoever waits holds it; it is in the map as long as anybody may.
        if (batcher.waiting() === 0)
          void batcher.settled().then(() => {
            if (batcher.waiting() === 0 && batchers.get(file.path) === batcher) batchers.delete(file.path);
          });
      }
    },
  };
};
