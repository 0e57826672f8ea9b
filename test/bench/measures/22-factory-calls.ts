/** What XML-RPC, admission and accounts cost a small call: the factory door beside node's own HTTP server. */
import { comparePairs, judge } from '../compare.ts';
import { openFactoryPair, PING } from '../factory.ts';
import { callOverHttp, requestOf } from '../http-calls.ts';
import type { Measure } from '../measure.ts';
import { compared, rate } from '../report.ts';
import { runSeconds } from '../side.ts';

const MUST = 0.5;
const CONNECTIONS = 32;
const TIME = Buffer.from(PING.toString().replace('Ping', 'GetTime'));
/** In turn. */
const REQUESTS = [requestOf('POST', PING), requestOf('POST', TIME)];

export const measure: Measure = {
  id: 22,
  name: 'small calls at the factory door against a bare node HTTP echo',
  inQuick: false,
  run: async (bench) => {
    const { door, bare, close } = await openFactoryPair(bench);
    try {
      const pairs = await comparePairs({
        pairs: bench.pairs,
        baseline: () => perSecond(bare, runSeconds(bench)),
        system: () => perSecond(door, runSeconds(bench)),
      });
      return {
        ...compared(pairs, rate),
        must: '≥ 0.5',
        aim: '0.7',
        verdict: judge(pairs.ratio, { must: MUST, better: 'higher' }, pairs.baselineSpread),
      };
    } finally {
      await close();
    }
  },
};

const perSecond = async (address: string, seconds: number): Promise<number> => {
  const startedMs = performance.now();
  let sent = 0;
  const calls = await callOverHttp(address, CONNECTIONS, () => {
    sent += 1;
    return performance.now() - startedMs < seconds * 1000 ? (REQUESTS[sent % REQUESTS.length] ?? null) : null;
  });
  return (calls * 1000) / (performance.now() - startedMs);
};
