/** What base64, hashes, names and records cost an upload: UploadReport beside a plain stream to disk. Both fsync. */
import { randomBytes } from 'node:crypto';
import { defaultLimits } from '../../../src/core/limits.ts';
import { comparePairs, judge } from '../compare.ts';
import { openFactoryPair } from '../factory.ts';
import { callOverHttp, requestOf } from '../http-calls.ts';
import type { Bench, Measure } from '../measure.ts';
import { compared, count } from '../report.ts';

const MUST = 0.5;
const MB = 1_000_000;
/** One report; what it comes to is counted, not what it takes on the wire. */
const REPORT_BYTES = 4 * MB;
/** As many as one replica records at once. */
const CONNECTIONS = defaultLimits.uploads.atOnceMax;

export const measure: Measure = {
  id: 23,
  name: 'reports uploaded at the factory door against a plain stream to disk',
  inQuick: false,
  run: async (bench) => {
    const { door, bare, close } = await openFactoryPair(bench);
    try {
      const report = randomBytes(REPORT_BYTES);
      const plain = requestOf('PUT', report);
      const upload = uploadOf(report);
      const pairs = await comparePairs({
        pairs: bench.pairs,
        baseline: () => megabytesPerSecond(bench, bare, () => plain),
        system: () => megabytesPerSecond(bench, door, upload),
      });
      return {
        ...compared(pairs, (value) => `${count(value)} MB/s`),
        must: '≥ 0.5',
        aim: '0.7',
        verdict: judge(pairs.ratio, { must: MUST, better: 'higher' }, pairs.baselineSpread),
      };
    } finally {
      await close();
    }
  },
};

/** A report of a unit of its own each time: the same one of the same unit is kept but once. */
const uploadOf = (report: Buffer): (() => Buffer) => {
  const content = report.toString('base64');
  let units = 0;
  return () => {
    units += 1;
    const values = [`<string>BENCH-${units}</string>`, `<base64>${content}</base64>`, '<nil/>', '<string>FAT</string>'];
    const params = values.map((value) => `<param><value>${value}</value></param>`).join('');
    const call = `<methodCall><methodName>UploadReport</methodName><params>${params}</params></methodCall>`;
    return requestOf('POST', Buffer.from(`<?xml version="1.0"?>${call}`));
  };
};

/** So many reports, and the time until the last is acknowledged: a time would fill the disk of a fast machine. */
const megabytesPerSecond = async ({ quick }: Bench, address: string, next: () => Buffer): Promise<number> => {
  const reports = quick ? 16 : 40;
  const startedMs = performance.now();
  let sent = 0;
  const kept = await callOverHttp(address, CONNECTIONS, () => {
    sent += 1;
    return sent > reports ? null : next();
  });
  if (kept !== reports) throw new Error(`${kept} of ${reports} reports were acknowledged`);
  return (reports * REPORT_BYTES * 1000) / MB / (performance.now() - startedMs);
};
