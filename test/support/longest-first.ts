import { existsSync } from 'node:fs';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files of more than ten seconds or so, the longest first. One of them that begins last keeps the run waiting with one worker idle; on
 * a clean clone vitest knows no durations, and goes by the length of the text.
 */
const LONGEST = [
  'sim/sim',
  'docs/how-to',
  'docs/how-to-own-farms',
  'chaos/chaos',
  'interleavings/interleavings',
  'e2e/workers',
  'e2e/factory-uploads',
  'canaries',
  'bench/bench',
  'cli/load',
  'e2e/cold-copy',
  'sim/determinism',
  'store/migrate-killed',
  'store/embedded-postgres',
  'e2e/promotion',
  'fronts/factory/instalog',
  'fronts/factory/uploads',
  'cli/answers',
  'cli/errors',
  'e2e/kills',
  'e2e/attack',
  'e2e/vanishing-bot',
  'e2e/demo',
  'upgrade/upgrade',
  'e2e/takeover-kill',
  'farm/keep-history',
  'fuzz/fuzz',
  'e2e/bot-tokens',
  'e2e/field-clients',
  'e2e/exposure',
  'cli/watch',
  'store/embedded-postgres-users',
  'fronts/authorisation',
  'fuzz/fixtures',
].map((name) => `${name}.test.ts`);

const tests = new URL('../', import.meta.url);

/** Starts what lasts long before what does not; the order changes no outcome. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const gone = LONGEST.filter((name) => !existsSync(new URL(name, tests)));
    if (gone.length > 0) throw new Error(`test/support/longest-first.ts names what is not there: ${gone.join(', ')}`);
    const others = await super.sort(files);
    const rank = new Map(LONGEST.map((name, index) => [new URL(name, tests).pathname, index]));
    const rankOf = ({ moduleId }: TestSpecification): number => rank.get(moduleId) ?? LONGEST.length;
    return others.toSorted((a, b) => rankOf(a) - rankOf(b));
  }
}
