/** All checks in the order of a unit's visit to a station, each judged by itself. */
import { answerChecks, faultChecks, replyTags } from './answer-checks.ts';
import { type Check, type Finding, skipped } from './check.ts';
import { argumentChecks, leavingChecks, methodChecks, speaks } from './method-checks.ts';
import type { Partner } from './partner.ts';
import { httpChecks, postWipe, repeatChecks, timeChecks } from './transport-checks.ts';

export const checks: readonly Check[] = [
  speaks,
  ...methodChecks,
  ...argumentChecks,
  ...faultChecks,
  ...repeatChecks,
  ...httpChecks,
  replyTags,
  ...timeChecks,
  ...leavingChecks,
  postWipe,
  ...answerChecks,
];

export type Judged = {
  readonly check: Check;
  readonly finding: Finding;
  readonly ms: number;
};

/** What a check that was not run, or not to its end, says when the time is over. */
export const OUT_OF_TIME = 'the time was over';

/** @param onStart before each check, with how many are done. */
export const runChecks = async (
  partner: Partner,
  onStart: (done: number, check: Check) => void,
): Promise<readonly Judged[]> => {
  const judged: Judged[] = [];
  for (const check of checks) {
    onStart(judged.length, check);
    const startMs = partner.clock.monotonicMs();
    const finding = await judge(partner, check, judged);
    judged.push({ check, finding, ms: partner.clock.monotonicMs() - startMs });
  }
  return judged;
};

const isOver = ({ signal }: Partner): boolean => signal.aborted;

const judge = async (partner: Partner, check: Check, before: readonly Judged[]): Promise<Finding> => {
  if (isOver(partner)) return skipped(OUT_OF_TIME);
  if (check.xmlOnly === true && !partner.isPlainXml) return skipped('only for services in plain XML-RPC');
  const missing = before.find(({ check: { id }, finding }) => check.needs.includes(id) && finding.kind !== 'passed');
  if (missing !== undefined) return skipped(`says nothing before ${missing.check.id} passes`);
  const finding = await check.run(partner);
  return isOver(partner) && finding.kind === 'failed' ? skipped(OUT_OF_TIME) : finding;
};
