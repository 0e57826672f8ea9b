/**
 * The folder where uploads are kept. What a whole file holds is under its hash in `blobs/`; the name that people look for is
 * a hard link to it. The kernel refuses a link under a name that is taken, so that nothing can ever be overwritten.
 *
 *     blobs/ab/ab12…       every content, once
 *     umpire_data/…        the names, as the original Factory Server gives them
 *     incoming/            what is under way, and notes of what is being named: both are looked at from time to time
 *     aside/               tails of files that no record explains
 *     locks/               files that a process is writing into
 *     parameters/          what DUTs are given by name
 */
import { constants } from 'node:fs';
import { copyFile, link, mkdir, open, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../core/clock.ts';
import { Refusal } from '../core/refusal.ts';
import { storableTail } from '../core/text.ts';
import { nthName, type ReportPath } from '../core/upload.ts';
import { appendTo, type Appending } from './append.ts';
import { blobPath, codeOf, makeFolder, statOf, syncFolder } from './disk.ts';
import { closeLogs, createForgotten, type Forgotten } from './forgotten.ts';
import { createRoom, type RoomLeft, type RoomLimits } from './room.ts';
import { type FileLockSeams, openFileLocks } from './file-lock.ts';
import { type Note, noteName, type Noted } from './notes.ts';
import { ownMark } from './process-mark.ts';
import { createShelf, type Shelf } from './parameter-shelf.ts';
import { receive, type Received, type Receiving } from './received.ts';

type Say = (facts: Readonly<Record<string, unknown>>, sentence: string) => void;

export type DepotSeams = {
  /** The folder itself; it is made where it is not there. */
  readonly root: string;
  readonly newId: () => string;
  readonly clock: Clock;
  readonly limits: FileLockSeams['limits'] & RoomLimits;
  readonly log: { readonly warn: Say };
};

export type Placing = {
  /**
   * Gives the file its name, for good, and says it. Asking again gives the same.
   * @param isOurTurn throws when another may have changed what shows the latest.
   */
  readonly place: (isOurTurn: () => Promise<void>) => Promise<string>;
  /** To be told when it is on record, or when nobody knows: whoever clears up after this process finds out. */
  readonly over: (isRecorded: boolean) => Promise<void>;
};

export type Depot = {
  /** Whose files these are, in the record: another folder has another. */
  readonly id: string;
  readonly root: string;
  readonly room: () => Promise<RoomLeft>;
  readonly receive: () => Receiving;
  readonly forgotten: Forgotten;
  /** So much is in the folder, of uploads on record and of logs. Where that is too much, rsync takes none meanwhile. */
  readonly measured: (bytes: number) => Promise<void>;
  /** Files that DUTs are given by name. */
  readonly parameters: Shelf;
  /** Of what is settled. @param where a report's place among its namesakes, or the path of which this becomes the latest. */
  readonly placing: (received: Received, where: ReportPath | string, noted: Noted) => Placing;
  /**
   * Runs the work while no other process writes into this file. What it is given appends: `from` is where the record says that
   * the file ends, which is to be asked in there. @throws Refusal UNAVAILABLE.
   */
  readonly alone: <T>(path: string, work: (append: Append) => Promise<T>) => Promise<T>;
};

/** @returns where the bytes begin: at `from`, or at the end of a file that somebody has cut. */
export type Append = (from: number, appending: readonly Appending[]) => Promise<number>;

/** A report with more namesakes than this comes from a DUT that does not stop. */
const NAMESAKES_MAX = 10_000;

export const openDepot = async (seams: DepotSeams): Promise<Depot> => {
  await mkdir(seams.root, { recursive: true, mode: 0o750 });
  const root = await realpath(seams.root);
  for (const folder of ['blobs', 'incoming', 'aside', 'locks', 'umpire_data']) await makeFolder(root, folder);
  const incoming = join(root, 'incoming');
  const ownPath = (): string => `${own(seams.newId())}.part`;
  const room = createRoom(root, seams.limits);
  const locks = await openFileLocks({ ...seams, folder: join(root, 'locks') });
  const mark = await ownMark();
  const own = (id: string): string => join(incoming, noteName(mark, id));
  return {
    id: await depotId(root, seams.newId),
    root,
    room: room.left,
    parameters: createShelf({ root, locks, ownPath }),
    forgotten: createForgotten(root, ownPath),
    measured: async (bytes) => {
      room.measured(bytes);
      await closeLogs(root, await room.check().then(() => false, isRefusal));
    },
    receive: () => receive(ownPath(), room),
    placing: (received, where, noted) => {
      const note = `${own(noted.id)}.json`;
      const blob = blobPath(received.sha256);
      let isNoted = false;
      const keepBlob = async (): Promise<void> => {
        if (!isNoted) await writeFile(note, JSON.stringify({ where, noted } satisfies Note));
        isNoted = true;
        await makeFolder(root, dirname(blob));
        const there = await statOf(join(root, blob));
        if (there?.size !== received.bytes) await received.moveTo(join(root, blob));
        await syncFolder(dirname(join(root, blob)));
      };
      const name = async (isOurTurn: () => Promise<void>): Promise<string> => {
        await keepBlob();
        if (typeof where !== 'string') return nameReport(root, blob, { report: where, by: `${own(noted.id)}.copy` });
        return locks.alone(where, async (stillMine) => {
          await isOurTurn();
          stillMine();
          return showLatest(root, blob, { path: where, by: `${own(noted.id)}.link` });
        });
      };
      return {
        place: (isOurTurn) =>
          name(isOurTurn).catch((error: unknown) => {
            // The content was there already, and whoever clears up after a crash has just found it without a name.
            if (codeOf(error) === 'ENOENT') return name(isOurTurn);
            throw error;
          }),
        over: async (isRecorded) => {
          if (isRecorded) room.took(received.bytes);
          await received.discard();
          if (isRecorded || !isNoted) await rm(note, { force: true });
        },
      };
    },
    alone: (path, work) =>
      locks.alone(path, (stillMine) =>
        work(async (from, appending) => {
          await room.check();
          await makeFolder(root, dirname(path));
          const aside = join(root, 'aside', `${asideName(path)}-${seams.newId()}`);
          const { startsAt, asideBytes } = await appendTo(join(root, path), { from, appending, aside, stillMine });
          room.took(appending.reduce((sum, { bytes }) => sum + bytes, 0));
          tellStrange(seams.log, { path, from, startsAt, aside, asideBytes });
          return startsAt;
        }),
      ),
  };
};

/** With an id behind it, a name that every file system takes: the end of the path. */
const asideName = (path: string): string => storableTail(path.replaceAll('/', '__'), ASIDE_BYTES);
const ASIDE_BYTES = 150;

/** There is no room. Anything else is told. */
const isRefusal = (error: unknown): true => {
  if (error instanceof Refusal) return true;
  throw error;
};

type Strange = {
  readonly path: string;
  readonly from: number;
  readonly startsAt: number;
  readonly aside: string;
  readonly asideBytes: number;
};

const tellStrange = ({ warn }: DepotSeams['log'], { path, from, startsAt, aside, asideBytes }: Strange): void => {
  if (asideBytes > 0)
    warn({ path, aside, bytes: asideBytes }, 'a file of uploads was longer than its record: the rest was put aside');
  if (startsAt !== from)
    warn({ path, from, startsAt }, 'a file of uploads is shorter than its record: somebody has cut it');
};

const nameReport = async (
  root: string,
  blob: string,
  { report, by }: { readonly report: ReportPath; readonly by: string },
): Promise<string> => {
  const folder = await makeFolder(root, report.folder);
  for (let n = 1; n <= NAMESAKES_MAX; n += 1) {
    const path = nthName(report, n);
    if (!(await linkNew(join(root, blob), join(root, path), by))) continue;
    await syncFolder(folder);
    return path;
  }
  throw new Refusal(
    'LIMIT_REACHED',
    'UPLOAD_NAMESAKES',
    `There are ${NAMESAKES_MAX} reports of this name, all different, from within one second. Send the report again later.`,
  );
};

/** False: something else has the name. A name that this very content has already is as good as a new one. */
const linkNew = async (blob: string, path: string, by: string): Promise<boolean> => {
  try {
    await link(blob, path);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST') return (await statOf(blob))?.ino === (await statOf(path))?.ino;
    if (code !== 'EMLINK') throw error;
    // A file has so many names and no more: from here on a copy has them.
    await copyFile(blob, by);
    const copy = await open(by, 'r+');
    await copy.sync().finally(() => copy.close());
    await rename(by, blob);
    return linkNew(blob, path, by);
  }
};

const showLatest = async (
  root: string,
  blob: string,
  { path, by }: { readonly path: string; readonly by: string },
): Promise<string> => {
  const folder = await makeFolder(root, dirname(path));
  await rm(by, { force: true });
  await linkNew(join(root, blob), by, `${by}.copy`);
  await rename(by, join(root, path));
  await syncFolder(folder);
  return path;
};

/** A folder knows itself by a word of its own, so that it can be moved, and that two hosts' are told apart. */
const depotId = async (root: string, newId: () => string): Promise<string> => {
  const path = join(root, 'depot-id');
  const fresh = `${path}-${newId()}`;
  const file = await open(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o644);
  await file.writeFile(newId());
  await file.sync().finally(() => file.close());
  await link(fresh, path).catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error;
  });
  await rm(fresh);
  await syncFolder(root);
  return readFile(path, 'utf8');
};
