/** The journal: one JSON line for each call, on the disk before the call is answered. */
import { open, readFile, truncate } from 'node:fs/promises';
import { z } from 'zod';

/** What the shopfloor did with a call. Only `applied` has an effect. */
const outcome = z.enum(['applied', 'repeated', 'fault', 'key-reused']);

const journalLineSchema = z.strictObject({
  /** 1, 2, 3, … without a gap. */
  seq: z.int().positive(),
  at: z.iso.datetime(),
  method: z.string(),
  /** The `Idempotency-Key`; null where the caller sent none. */
  key: z.string().nullable(),
  /** The device's key: the first serial it was known by. Null for a call about no device. */
  device: z.string().nullable(),
  /** The serials the call named or gave, from which a restart learns them again. */
  serials: z.record(z.string(), z.string()),
  station: z.string().nullable(),
  testId: z.string().nullable(),
  status: z.string().nullable(),
  event: z.string().nullable(),
  outcome,
  faultCode: z.int().nullable(),
  bodySha256: z.string(),
});

export type JournalLine = z.output<typeof journalLineSchema>;
export type JournalEntry = Omit<JournalLine, 'seq'>;

export interface Journal {
  /** Resolves when the line is on the disk. After a write failed every later one fails too, with the same words. */
  append(entry: JournalEntry): Promise<void>;
  lines(): Promise<readonly JournalLine[]>;
  close(): Promise<void>;
}

/** A journal in memory holds no more than this, about a gigabyte. */
const MEMORY_LINES_MAX = 2_000_000;

/** @param path null keeps the journal in memory. Refuses a file that holds anything but a journal. */
export async function openJournal(path: string | null): Promise<Journal> {
  return path === null ? openMemoryJournal() : openFileJournal(path);
}

/** The lines of a journal file that no shopfloor is writing now, or one that does: a last line without end is left out. */
export async function readJournal(path: string): Promise<readonly JournalLine[]> {
  const text = await readFile(path, 'utf8');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .flatMap((line, index) => (line === '' ? [] : [toJournalLine(line, `${path}:${index + 1}`)]));
}

function toJournalLine(line: string, where: string): JournalLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = null;
  }
  const read = journalLineSchema.safeParse(value);
  if (read.success) return read.data;
  throw new Error(`${where} is no line of a shopfloor journal. Give another --journal, or move that file away.`);
}

function openMemoryJournal(): Journal {
  const lines: JournalLine[] = [];
  return {
    append(entry) {
      if (lines.length >= MEMORY_LINES_MAX) {
        return Promise.reject(new Error(`the journal in memory is full (${MEMORY_LINES_MAX} lines); give it a file`));
      }
      lines.push({ seq: lines.length + 1, ...entry });
      return Promise.resolve();
    },
    lines: () => Promise.resolve([...lines]),
    close: () => Promise.resolve(),
  };
}

interface Waiting {
  readonly text: string;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

async function openFileJournal(path: string): Promise<Journal> {
  let seq = await mendAndCount(path);
  const file = await open(path, 'a', 0o600);
  let waiting: Waiting[] = [];
  let broken: Error | null = null;
  let flushing: Promise<void> | null = null;

  // While one fsync runs the next lines gather, and share the one after it.
  async function flush(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        if (broken !== null) throw broken;
        await file.appendFile(batch.map(({ text }) => text).join(''));
        await file.datasync();
        for (const { resolve } of batch) resolve();
      } catch (cause) {
        broken ??= new Error(`the journal ${path} cannot be written`, { cause });
        for (const { reject } of batch) reject(broken);
      }
    }
    flushing = null;
  }

  return {
    append: (entry) =>
      new Promise((resolve, reject) => {
        seq += 1;
        waiting.push({ text: `${JSON.stringify({ seq, ...entry })}\n`, resolve, reject });
        flushing ??= flush();
      }),
    lines: () => readJournal(path),
    async close() {
      await flushing;
      await file.close();
    },
  };
}

/** Cuts off a last line that a crash left half written: its call was never answered. Returns the last number used. */
async function mendAndCount(path: string): Promise<number> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
    throw error;
  }
  const whole = bytes.lastIndexOf('\n') + 1;
  // A file of one long line without an end may be anything: nothing of it is cut away.
  if (whole === 0 && bytes.length > 0 && bytes[0] !== '{'.charCodeAt(0)) toJournalLine('', `${path}:1`);
  const lines = await readJournal(path);
  if (whole < bytes.length) await truncate(path, whole);
  return lines.at(-1)?.seq ?? 0;
}
