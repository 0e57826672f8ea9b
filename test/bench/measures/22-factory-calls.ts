/** What XML-RPC, admission and accounts cost a small call: the factory door beside node's own HTTP server. */
import { comparePairs, judge, median } from '../compare.ts';
import { openFactoryPair, PING } from '../factory.ts';
import { callOverHttp, requestOf } from '../http-calls.ts';
import type { Measure } from '../measure.ts';
import type { Usage } from '../probe.ts';
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
    const { door, bare, usage, close } = await openFactoryPair(bench);
    const seconds = runSeconds(bench);
    const echo = sideOf(bare, usage.bare, seconds);
    const farm = sideOf(door, usage.door, seconds);
    try {
      const pairs = await comparePairs({ pairs: bench.pairs, baseline: echo.run, system: farm.run });
      return {
        ...compared(pairs, rate),
        // Of the servers' processes alone: the client's share of the machine left out.
        more: { cpuRatio: echo.cpuMs() / farm.cpuMs() },
        must: '≥ 0.5',
        aim: '0.7',
        verdict: judge(pairs.ratio, { must: MUST, better: 'higher' }, pairs.baselineSpread),
      };
    } finally {
      await close();
    }
  },
};

const sideOf = (address: string, usage: () => Promise<Usage>, seconds: number) => {
  const cpu: number[] = [];
  return {
    /** Calls a second. */
    run: async (): Promise<number> => {
      const before = await usage();
      const startedMs = performance.now();
      let sent = 0;
      const calls = await callOverHttp(address, CONNECTIONS, () => {
        sent += 1;
        return performance.now() - startedMs < seconds * 1000 ? (REQUESTS[sent % REQUESTS.length] ?? null) : null;
      });
      const tookMs = performance.now() - startedMs;
      cpu.push(((await usage()).cpuMs - before.cpuMs) / calls);
      return (calls * 1000) / tookMs;
    },
    /** Processor time of the server, ms a call: the median of its runs. */
    cpuMs: (): number => median(cpu),
  };
};
