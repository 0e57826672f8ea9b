/**
 * The chart's alerts and dashboards against a farm that runs, in a real Prometheus: everything that is alerted goes wrong, is
 * alerted, is mended, and the alert ends. Spans of time are shortened (`shortened` in expressions.ts). Nothing here
 * waits for a time to pass; what is waited for is a sign.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { encodeCall } from '../../src/wire/xml-rpc.ts';
import { readPage } from '../docs/pages.ts';
import { debianPackage } from '../support/debian.ts';
import { eventually, freePort } from '../support/farm-site.ts';
import { alertNames, expressions, selectorsOf } from './expressions.ts';
import { bots } from './live/bots.ts';
import { bridge } from './live/bridge.ts';
import { audit, database, duties } from './live/database.ts';
import { narrowReplica, notOnThisMachine, replica } from './live/replicas.ts';
import { openStage, type Stage } from './live/stage.ts';

const ALL_MS = 240_000;

/** Debian's package of Prometheus, unpacked. */
let programs: string;
let skip: string | null = null;
let stage: Stage;
const factory = `127.0.0.1:${await freePort()}`;

beforeAll(async () => {
  const found = await debianPackage('prometheus');
  if (typeof found !== 'string') {
    skip = found.skip;
    return;
  }
  programs = found;
  stage = await openStage({ programs, factory });
}, ALL_MS);
beforeEach((context) => {
  if (skip !== null) context.skip(skip);
});
afterAll(() => stage?.close());

test('whatever goes wrong is alerted until it is mended', { timeout: ALL_MS }, async () => {
  const ends = await Promise.allSettled(
    [bridge, bots, database, duties, audit, replica, narrowReplica].map((goWrong) => goWrong(stage)),
  );
  expect(ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))).toEqual([]);
});

/** Expressions that read something of which there is no series. @throws when one is no PromQL. */
const blindSpots = async (): Promise<readonly string[]> => {
  const blind: string[] = [];
  for (const { by, expr } of expressions()) {
    await stage.prometheus.query(expr);
    for (const selector of selectorsOf(expr)) {
      if ((await stage.prometheus.series(selector)).length === 0) blind.push(`${by}: ${selector}`);
    }
  }
  return blind;
};

test(
  'every expression of an alert or a dashboard finds its series in the scrape of the farm',
  { timeout: ALL_MS },
  async () => {
    for (const call of [
      encodeCall('Ping', []),
      encodeCall('UploadReport', ['UNIT-1', Buffer.from('a report'), null, 'SMT']),
    ]) {
      expect((await fetch(`http://${factory}/`, { method: 'POST', body: call })).status).toBe(200);
    }
    await expect(stage.door.getJob(10n ** 12n)).rejects.toThrow();
    // What has just happened is in the next scrape.
    await eventually(async () => expect(await blindSpots()).toEqual([]));
  },
);

test('what is scraped is documented, and promtool finds nothing to say of it', { timeout: ALL_MS }, async () => {
  const page = await (await fetch(`${stage.farm.httpUrl}/metrics`)).text();
  const emitted = [...page.matchAll(/^# TYPE (\w+) /gm)].map(([, name = '']) => name);
  const { text } = readPage('docs/reference/metrics.md');
  expect(emitted.filter((name) => !text.includes(`\n| \`${name}\` `))).toEqual([]);
  const child = execFile(join(programs, 'usr/bin/promtool'), ['check', 'metrics']);
  let words = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (said: string) => (words += said));
  child.stdin?.end(page);
  const [code] = await once(child, 'close');
  expect({ code, words }).toEqual({ code: 0, words: '' });
});

test(
  'a farm of which nothing is left to be scraped is missed, and every alert there is was seen',
  { timeout: ALL_MS },
  async () => {
    const { farm, second, narrow, fires, ends, seen } = stage;
    await second.kill();
    await narrow.kill();
    expect(await farm.stop()).toBe(0);
    await fires('StationGridFarmDown', { job: 'stationgrid' });
    await farm.start();
    await ends('StationGridFarmDown');
    expect(alertNames.filter((name) => !seen.has(name))).toEqual(notOnThisMachine);
  },
);
