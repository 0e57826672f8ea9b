import { createHash } from 'node:crypto';
import type { Handler, HandlerContext } from './handler.ts';
import type { Outcome } from './test-record.ts';

const outcomes: readonly Outcome[] = ['PASSED', 'FAILED', 'SKIPPED', 'FAILED_AND_WAIVED'];

/**
 * A test that only pretends: for the demo and for load. Its outcome, its values and nothing else depend on the seed, the
 * unit's serials, the test and the attempt, so that a run can be repeated and a second attempt can end otherwise.
 *
 * Arguments, all optional: `seed` (instead of the bot's), `durationMs`, `failRate` (0 to 1), `outcome` (forces one),
 * `measurements` (a list of `{name, unit, min, max}`, measured inside their limits by a test that passes).
 */
export const simulate =
  (botSeed: string): Handler =>
  async (context) => {
    const { args, clock, signal } = context;
    const random = createRandom(seedOf(args.seed ?? botSeed, context));
    const outcome = chooseOutcome(args, random);
    const durationMs = toNumber(args.durationMs) ?? 0;
    if (durationMs > 0) await clock.sleep(durationMs, signal);
    if (signal.aborted) throw new Error('stopped');
    for (const { name, unit, min, max } of toMeasurements(args.measurements)) {
      const value = Number((min + random() * (max - min)).toPrecision(6));
      context.measure(name, outcome === 'FAILED' ? max + Math.abs(max - min) + 1 : value, { unit, min, max });
    }
    context.log(`simulated ${outcome}`);
    return { status: outcome, errorMessage: outcome.startsWith('FAILED') ? 'a simulated fault' : '' };
  };

function chooseOutcome(args: Readonly<Record<string, unknown>>, random: () => number): Outcome {
  const drawn = random() < (toNumber(args.failRate) ?? 0) ? 'FAILED' : 'PASSED';
  return outcomes.find((outcome) => outcome === args.outcome) ?? drawn;
}

const seedOf = (seed: unknown, { test, attempt, serials }: HandlerContext): string =>
  JSON.stringify([String(seed), Object.entries(serials).sort(), test.testId, attempt]);

/** Numbers from 0 to 1 drawn from a text: counter-mode SHA-256, slow and the same everywhere. */
function createRandom(seed: string): () => number {
  let drawn = 0;
  return () => {
    const bytes = createHash('sha256').update(`${drawn} ${seed}`).digest();
    drawn += 1;
    return bytes.readUInt32BE(0) / 2 ** 32;
  };
}

const toNumber = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;

type Simulated = { readonly name: string; readonly unit: string; readonly min: number; readonly max: number };

function toMeasurements(listed: unknown): Simulated[] {
  if (!Array.isArray(listed)) return [];
  return listed.flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) return [];
    const { name, unit, min, max } = entry as Record<string, unknown>;
    if (typeof name !== 'string') return [];
    const least = toNumber(min) ?? 0;
    return [{ name, unit: typeof unit === 'string' ? unit : '', min: least, max: toNumber(max) ?? least + 1 }];
  });
}
