/**
 * What base64, hashes, names and records cost an upload: UploadReport beside a plain stream to disk. The client sends the same
 * bytes to both, both fsync, and on both sides the bytes of the reports are counted, not what they take on the wire.
 */
import { randomBytes } from 'node:crypto';
import { defaultLimits } from '../../../src/core/limits.ts';
import { comparePairs, judge } from '../compare.ts';
import { openFactoryPair } from '../factory.ts';
import { callOverHttp, requestOf } from '../http-calls.ts';
import type { Bench, Measure } from '../measure.ts';
import { compared, count } from '../report.ts';

const MUST = 0.5;
const MB = 1_000_000;
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
      const next = newReports();
      const pairs = await comparePairs({
        pairs: bench.pairs,
        baseline: () => megabytesPerSecond(bench, bare, () => requestOf('PUT', next())),
        system: () => megabytesPerSecond(bench, door, () => requestOf('POST', next())),
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

/** The call as Python's `xmlrpc.client` writes it, base64 in lines. Each has a unit and a content of its own. */
const newReports = (): (() => Buffer) => {
  const lines = randomBytes(REPORT_BYTES).toString('base64').replaceAll(/.{76}/g, '$&\n');
  const content = Buffer.from(lines.slice(CONTENT_NUMBER_CHARS));
  let reports = 0;
  return () => {
    reports += 1;
    const number = String(reports).padStart(CONTENT_NUMBER_CHARS, '0');
    const [head, tail = ''] = callOf(number).split('|');
    return Buffer.concat([Buffer.from(`${head}${number}`), content, Buffer.from(tail)]);
  };
};

/** Digits are letters of base64. */
const CONTENT_NUMBER_CHARS = 8;

const callOf = (unit: string): string => {
  const values = [`<string>BENCH-${unit}</string>`, '<base64>\n|\n</base64>', '<nil/>', '<string>FAT</string>'];
  const params = values.map((value) => `<param>\n<value>${value}</value>\n</param>\n`).join('');
  return `<?xml version='1.0'?>\n<methodCall>\n<methodName>UploadReport</methodName>\n<params>\n${params}</params>\n</methodCall>\n`;
};

/** So many reports, and the time until the last is acknowledged: a time would fill the disk of a fast machine. */
const megabytesPerSecond = async ({ quick }: Bench, address: string, next: () => Buffer): Promise<number> => {
  const reports = quick ? 32 : 64;
  const startedMs = performance.now();
  let sent = 0;
  const kept = await callOverHttp(address, CONNECTIONS, () => {
    sent += 1;
    return sent > reports ? null : next();
  });
  if (kept !== reports) throw new Error(`${kept} of ${reports} reports were acknowledged`);
  return (reports * REPORT_BYTES * 1000) / MB / (performance.now() - startedMs);
};
