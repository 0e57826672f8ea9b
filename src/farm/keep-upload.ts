/** Keeps a whole file that a DUT uploaded: under its name, and on record, before the DUT hears so. */
import { Refusal } from '../core/refusal.ts';
import type { WholeKind } from '../core/upload.ts';
import {
  findSameReport,
  insertUploads,
  lockUploads,
  readBytesOfSerial,
  readLatestHash,
  type UploadRow,
} from '../store/uploads.ts';
import type { Queryable } from '../store/transaction.ts';
import { type FarmSeams, transact } from './farm.ts';

/** What is known of it before it has a name. */
export type FileUpload = Omit<UploadRow, 'startsAt' | 'adopted' | 'path' | 'kind'> & {
  readonly kind: WholeKind;
  /** Uploads under the same key come one after the other: the path of what shows the latest; null: a report, which shares its name with none. */
  readonly pathOf: string | null;
};

/**
 * Repeating it is harmless: a report that says the same of the same DUT is there once, and so is what an aux log's name
 * shows already.
 * @param place gives it its name, on disk and for good; may be asked again when the commit is. Where a name is to show the latest
 * it must be sure that nobody has changed it since: what it is given throws when the session, and with it our turn, is over.
 * @throws Refusal LIMIT_REACHED; whatever `place` throws.
 */
export const keepUpload = (
  farm: FarmSeams,
  upload: FileUpload,
  place: (isOurTurn: () => Promise<void>) => Promise<string>,
): Promise<'kept' | 'repeated'> => {
  const { pathOf, ...known } = upload;
  return transact(farm, async (db) => {
    await lockUploads(db, upload.depot, pathOf ?? meaningOf(upload));
    if (await isRepeat(db, upload)) return 'repeated';
    await checkQuota(farm, db, upload);
    // Whatever it answers: that it answers proves that the lock was held until then.
    const path = await place(async () => {
      await isRepeat(db, upload);
    });
    await insertUploads(db, [{ ...known, path, startsAt: null, adopted: false }]);
    return 'kept';
  });
};

const meaningOf = ({ sha256, serial, stage, reportName }: FileUpload): string =>
  JSON.stringify([sha256, serial, stage, reportName]);

const isRepeat = async (db: Queryable, upload: FileUpload): Promise<boolean> =>
  upload.pathOf === null
    ? (await findSameReport(db, upload)) !== null
    : (await readLatestHash(db, upload.depot, upload.pathOf)) === upload.sha256;

const QUOTA_WINDOW_MS = 24 * 60 * 60 * 1000;

/** One DUT that uploads without end must not take the disk from the others. */
const checkQuota = async (farm: FarmSeams, db: Queryable, { serial, bytes }: FileUpload): Promise<void> => {
  const { perSerialBytesMax } = farm.limits.uploads;
  if (serial === null) return;
  const kept = await readBytesOfSerial(db, serial, QUOTA_WINDOW_MS);
  if (kept + bytes <= perSerialBytesMax) return;
  throw new Refusal(
    'LIMIT_REACHED',
    'UPLOAD_QUOTA',
    `Unit ${JSON.stringify(serial)} has uploaded ${kept} bytes within 24 hours, and ${bytes} more are beyond limits.uploads.perSerialBytesMax of ${perSerialBytesMax}. ` +
      'Find out why it uploads so much, or raise the limit.',
    {},
    QUOTA_RETRY_MS,
  );
};

const QUOTA_RETRY_MS = 60_000;
