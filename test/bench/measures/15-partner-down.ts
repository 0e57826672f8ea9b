/** A partner that is away delays no job: assignments with a million calls waiting, beside those with a partner that answers. */
import { comparePairs, judge } from '../compare.ts';
import { freePort } from '../free-port.ts';
import { furnishOwed } from '../history.ts';
import { benchLimits, benchLine } from '../line.ts';
import type { Measure } from '../measure.ts';
import { newPaces, openPlant, pace } from '../plant.ts';
import { compared, rate } from '../report.ts';
import { openPartner } from '../shopfloor.ts';
import { runSeconds } from '../side.ts';

const MUST = 0.95;
const CALLS = 1_000_000;
const LANES = 10_000;
const QUEUED = 1_000;

export const measure: Measure = {
  id: 15,
  name: 'assign and complete with the partner down and 1,000,000 calls waiting, against partner up',
  inQuick: false,
  run: async (bench) => {
    const calls = bench.quick ? CALLS / 10 : CALLS;
    const partner = await openPartner(bench);
    const nobody = `http://127.0.0.1:${await freePort()}/`;
    const changes = { limits: benchLimits, pump: true };
    const up = await openPlant(bench, {
      name: 'partner_up',
      queued: QUEUED,
      changes: { ...changes, lines: [benchLine(partner.url)] },
    });
    const down = await openPlant(bench, {
      name: 'partner_down',
      queued: QUEUED,
      changes: { ...changes, lines: [benchLine(nobody)] },
    });
    try {
      await furnishOwed(down.ownerUrl, { jobId: await down.finishOne(), calls, lanes: LANES });
      const seconds = runSeconds(bench);
      const pairs = await comparePairs({
        pairs: bench.pairs,
        baseline: () => pace(up, seconds, newPaces()),
        system: () => pace(down, seconds, newPaces()),
      });
      return {
        ...compared(pairs, rate),
        more: { calls },
        must: '≥ 0.95',
        aim: '1',
        verdict: judge(pairs.ratio, { must: MUST, better: 'higher' }, pairs.baselineSpread),
      };
    } finally {
      await down.close();
      await up.close();
      await partner.close();
    }
  },
};
