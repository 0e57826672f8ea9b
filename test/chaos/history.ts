/** What a bot's side saw: a line for each fact, written before the bot goes on, so that kill -9 takes none of them away. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { z } from 'zod';

/** A test result as the bot made it; the token is new at every run of a test. */
const saidResult = z.strictObject({ testId: z.string(), status: z.number(), token: z.string() });
export type SaidResult = z.output<typeof saidResult>;

const about = { bot: z.string(), lease: z.string() };
const run = { bot: z.string(), dut: z.string(), job: z.string(), attempt: z.number() };

const factSchema = z.discriminatedUnion('kind', [
  /** A test took hold of the DUT, and let it go: by itself, or because it was told to stop. */
  z.strictObject({ kind: z.literal('begin'), ...run, run: z.string() }),
  z.strictObject({ kind: z.literal('end'), ...run, run: z.string(), how: z.enum(['done', 'stopped']) }),
  /** A completion is about to be sent; then what the farm's answer showed of that lease. `ABSENT`: acknowledged. */
  z.strictObject({ kind: z.literal('completing'), ...about, code: z.number(), results: z.array(saidResult) }),
  z.strictObject({ kind: z.literal('completed'), ...about, shown: z.string() }),
  /** Results reported on the way, and the farm's word that it has them. */
  z.strictObject({ kind: z.literal('reported'), ...about, results: z.array(saidResult), fenced: z.boolean() }),
  /** The bot stopped the work by itself: the farm had been silent too long. */
  z.strictObject({ kind: z.literal('fenced'), ...about }),
  /** The bot left, and why. */
  z.strictObject({ kind: z.literal('left'), bot: z.string(), why: z.string() }),
  /** The whole host was not running from then until now: stopped, or starved. */
  z.strictObject({ kind: z.literal('away'), sinceMs: z.number() }),
]);
export type Fact = z.output<typeof factSchema>;

const stampSchema = z.object({
  /** Milliseconds on the machine's monotonic clock, the same one in every process. */
  atMs: z.number(),
  /** Milliseconds since 1970, by the clock that the database reads too. */
  wallMs: z.number(),
});
export type Stamped = Fact & z.output<typeof stampSchema>;

const NS_PER_MS = 1_000_000;

export const machineMs = (): number => Number(process.hrtime.bigint()) / NS_PER_MS;

export interface History {
  readonly note: (fact: Fact) => void;
  readonly close: () => void;
}

export function openHistory(path: string): History {
  const file = openSync(path, 'a');
  return {
    note: (fact) => void writeSync(file, `${JSON.stringify({ atMs: machineMs(), wallMs: Date.now(), ...fact })}\n`),
    close: () => closeSync(file),
  };
}

/** All facts of a host, over its lives. A line that the host was killed in the middle of is left out. */
export function readHistory(path: string): readonly Stamped[] {
  const text = readFileSync(path, 'utf8');
  return text.split('\n').flatMap((line) => {
    if (!line.endsWith('}')) return [];
    const { atMs, wallMs, ...fact } = stampSchema.loose().parse(JSON.parse(line));
    return [{ ...factSchema.parse(fact), atMs, wallMs }];
  });
}
