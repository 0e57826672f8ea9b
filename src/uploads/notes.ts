/** Notes of what is being named, so that a crash between the name and the record leaves nothing that nobody knows of. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { nthName, type ReportPath, type WholeKind } from '../core/upload.ts';
import { blobPath, statOf } from './disk.ts';
import { isOverBy, type ProcessMark, wordOf } from './process-mark.ts';

/** What the record will say of it, but for where it is. */
export type Noted = {
  readonly id: string;
  readonly instance: string;
  readonly kind: WholeKind;
  readonly bytes: number;
  readonly sha256: string;
  readonly serial: string | null;
  readonly stage: string | null;
  readonly reportName: string | null;
  readonly peer: string;
};

export type Note = { readonly where: ReportPath | string; readonly noted: Noted };

/** Whatever is under way tells the process that is at it. */
export const noteName = (own: ProcessMark, id: string): string => `${wordOf(own)}-${id}`;

/**
 * What is as old as this, and of a process that cannot be seen from here, was left behind: longer than an upload may take. That process
 * may be another host's, whose uploads are under way, or of this one before it was started anew: nothing tells these apart.
 */
const LEFT_BEHIND_MS = 24 * 60 * 60 * 1000;

export type Leftover = Noted & { readonly depot: string; readonly path: string };

/**
 * What processes that are dead have left behind: files with a name, which are whole, are to be put on record by `adopt`;
 * what has no name yet is removed. No DUT was told that any of it was kept.
 */
export const clearLeftovers = async (
  { root, id: depot }: { readonly root: string; readonly id: string },
  {
    own,
    now,
    adopt,
  }: {
    readonly own: ProcessMark;
    readonly now: Date;
    readonly adopt: (
      found: readonly Leftover[],
    ) => Promise<{ readonly adopted: number; readonly spare: readonly string[] }>;
  },
): Promise<{ readonly adopted: number; readonly removed: number }> => {
  const folder = join(root, 'incoming');
  const left: string[] = [];
  for (const name of await readdir(folder))
    if ((await isOverBy(name.replace(/-.*$/s, ''), own)) ?? (await isOld(join(folder, name), now))) left.push(name);
  const notes = (
    await Promise.all(left.filter((name) => name.endsWith('.json')).map((name) => readNote(join(folder, name))))
  ).filter((note) => note !== null);
  const found: Leftover[] = [];
  for (const note of notes) {
    const path = await placeOf(root, note);
    if (path !== null) found.push({ ...note.noted, depot, path });
    else await removeNameless(root, note.noted);
  }
  const { adopted, spare } = await adopt(found);
  for (const path of spare) await rm(join(root, path), { force: true });
  // Notes go last: a crash in here finds them again.
  for (const name of [...left.filter((each) => !each.endsWith('.json')), ...left])
    await rm(join(folder, name), { force: true });
  return { adopted, removed: notes.length - found.length + spare.length };
};

/** Since it came here: a content that is being forgotten was written long before. */
const isOld = async (path: string, now: Date): Promise<boolean> => {
  const there = await statOf(path);
  return there !== null && now.getTime() - there.ctimeMs >= LEFT_BEHIND_MS;
};

/** Null: cut off, so that nothing was named either. */
const readNote = async (path: string): Promise<Note | null> => {
  try {
    return toNote(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return null;
  }
};

/** Where it stands; null: it has no name. */
const placeOf = async (root: string, { where, noted }: Note): Promise<string | null> => {
  const blob = await statOf(join(root, blobPath(noted.sha256)));
  if (blob === null) return null;
  if (typeof where === 'string') return (await statOf(join(root, where)))?.ino === blob.ino ? where : null;
  for (let n = 1; ; n += 1) {
    const path = nthName(where, n);
    const there = await statOf(join(root, path));
    if (there === null) return null;
    if (there.ino === blob.ino) return path;
  }
};

/** A content that nothing names. Were it named in this very moment, whoever does so would have its own copy of the bytes. */
const removeNameless = async (root: string, { sha256 }: Noted): Promise<void> => {
  const blob = join(root, blobPath(sha256));
  if ((await statOf(blob))?.nlink === 1) await rm(blob, { force: true });
};

/** This very program wrote it, whole or not at all. */
function toNote(written: unknown): Note {
  return written as Note;
}
