import { existsSync } from 'node:fs';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files of more than ten seconds or so, the longest first. One of them that begins last keeps the run waiting with one worker idle; on
 * a clean clone vitest knows no durations, and goes by the length of the text.
 */
const LONGEST = [
  'sim/sim',
  'chaos/chaos',
  'interleavings/interleavings',
  'docs/how-to',
  'docs/how-to-own-farms',
  'store/migrate-killed',
  'e2e/workers',
  'sim/determinism',
  'upgrade/upgrade',
  'cli/load',
  'store/embedded-postgres',
  'e2e/attack',
  'e2e/vanishing-bot',
  'e2e/kills',
  'e2e/leader',
  'e2e/takeover-kill',
  'fuzz/fuzz',
  'farm/keep-history',
  'e2e/factory-uploads',
  'canaries',
  'bench/bench',
  'fronts/authorisation',
  'e2e/cold-copy',
  'fronts/factory/uploads',
  'e2e/field-clients',
  'cli/shopfloor-check',
  'store/embedded-postgres-users',
  'e2e/traces',
  'e2e/bot-tokens',
  'fronts/factory/instalog',
  'e2e/exposure',
  'cli/answers',
  'e2e/demo',
  'cli/errors',
  'fronts/factory/dut-life',
  'uploads/rsync-daemon',
  'e2e/two-replicas',
  'e2e/doctor',
  'e2e/promotion',
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
