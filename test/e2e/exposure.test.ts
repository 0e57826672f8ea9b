/** Which doors `serve` opens, and which it refuses to: tried by the real command. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Client, credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Running, start } from '../../src/cli/demo/processes.ts';
import { type ListJobsResponse, JobsService } from '../../src/gen/stationgrid/v1/jobs.ts';
import { openAuthority, writeIssued } from '../support/certificates.ts';
import { eventually, openSite, type Site } from '../support/farm-site.ts';

const COMMAND = fileURLToPath(new URL('../../src/cli/stationgrid.mjs', import.meta.url));
const OVERRIDE = '--i-know-that-anyone-on-this-network-can-falsify-results';
const CANNOT_START = 78;

const authority = openAuthority();
let folder: string;
let site: Site;
let certificate: string;
let key: string;
beforeAll(async () => {
  // It has an embedded PostgreSQL, which its processes share.
  site = await openSite({ lines: () => [{ instance: 'line-1' }] });
  folder = mkdtempSync(join(tmpdir(), 'stationgrid-exposure-'));
  ({ certificate, key } = writeIssued(folder, 'farm', authority.server()));
});
afterAll(async () => {
  await site.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs to its end. */
const serve = async (words: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const child = spawn(process.execPath, [COMMAND, 'serve', '--http', '127.0.0.1:0', ...words], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  return { said: await text(child.stderr), code: await ended };
};

test.for<[string, readonly string[], Readonly<Record<string, string>>, RegExp]>([
  ['a wide gRPC door', ['--grpc', '0.0.0.0:0'], {}, /doors.grpc \(0.0.0.0:0\) can be reached by other machines/],
  ['a wide HTTP door', ['--http', '[::]:0'], {}, /doors.http \(\[::\]:0\) can be reached by other machines/],
  [
    'a plain wide door that asks for tokens',
    ['--grpc', '0.0.0.0:0', '--set', 'auth.botTokens=true'],
    {},
    /since there is no TLS: set `tls.certificate` and `tls.key`/,
  ],
  [
    'a door behind a proxy that asks for nothing',
    ['--grpc', '0.0.0.0:0', '--set', 'tls=terminated-by-proxy'],
    {},
    /since nobody is asked for credentials: set `auth`/,
  ],
  [
    'the long word in production',
    ['--grpc', '0.0.0.0:0', OVERRIDE],
    { NODE_ENV: 'production' },
    /is refused where NODE_ENV is production/,
  ],
])('%s does not open: exit 78, and what to do', async ([, words, env, said]) => {
  const ended = await serve(words, env);
  expect(ended.said).toMatch(said);
  expect(ended.code).toBe(CANNOT_START);
});

test('files of TLS that cannot be used do not open a door: exit 78, and which file', async () => {
  const open = join(folder, 'open.key');
  writeFileSync(open, 'no key at all');
  chmodSync(open, 0o644);
  const files = ['--set', `tls.certificate=${certificate}`, '--set', `tls.key=${open}`];
  const ended = await serve(['--grpc', '127.0.0.1:0', '--data', site.folder, ...files]);
  expect(ended.said).toMatch(/TLS cannot be used: others may read the key .*open.key \(mode 0644\); run: chmod 600/);
  expect(ended.code).toBe(CANNOT_START);
});

/** @returns the process, and what it said by each of the patterns. */
const serving = async (name: string, words: readonly string[], patterns: readonly RegExp[]) => {
  const doors = ['--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0', '--data', site.folder, '--log-format', 'json'];
  const running: Running = start(name, ['serve', ...doors, ...words], join(folder, `${name}.log`));
  const said = await Promise.all(patterns.map((pattern) => running.said(pattern)));
  return { running, said: said.map(([, at = '']) => at) };
};

const stop = async ({ child, ended }: Running): Promise<number | string> => {
  child.kill('SIGTERM');
  return ended;
};

const fetchSecurely = (url: string, ca: string): Promise<{ readonly status: number; readonly body: string }> =>
  new Promise((resolve, reject) => {
    get(url, { ca, agent: false }, (answer) => {
      text(answer).then((body) => resolve({ status: answer.statusCode ?? 0, body }), reject);
    }).once('error', reject);
  });

test('with TLS every door speaks it, a new certificate is taken up, and the door for operations shows what probes need', async () => {
  const files = ['--set', `tls.certificate=${certificate}`, '--set', `tls.key=${key}`];
  const { running, said } = await serving(
    'secure',
    // Bound wide, though nobody is asked for credentials: it shows nothing secret.
    [...files, '--ops', '0.0.0.0:0', '--set', 'limits.doors.certificatesCheck=50ms'],
    [/^gRPC (.*)$/, /^HTTP (https:.*)\/$/, /^ops (https:.*)\/$/],
  );
  const [grpc = '', http = '', ops = ''] = said;
  const opsUrl = ops.replace('0.0.0.0', '127.0.0.1');
  await eventually(async () => expect((await fetchSecurely(`${http}/readyz`, authority.certificate)).status).toBe(200));
  const client = new Client(grpc, credentials.createSsl(Buffer.from(authority.certificate)));
  const listed = await new Promise<ListJobsResponse>((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = JobsService.listJobs;
    const all = { instance: 'line-1', states: [], station: '', route: '', serial: '', pageSize: 1, pageToken: '' };
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, all, (error, reply) => {
      if (error === null) resolve(reply!);
      else reject(error);
    });
  });
  expect(listed.jobs).toEqual([]);
  client.close();

  const metrics = await fetchSecurely(`${opsUrl}/metrics`, authority.certificate);
  expect(metrics.body).toMatch(/^stationgrid_tls_certificate_expires_timestamp_seconds \d{10}$/m);
  expect(metrics.body).toMatch(/^stationgrid_connections\{door="http"\} /m);
  expect((await fetchSecurely(`${opsUrl}/livez`, authority.certificate)).body).toBe('ok\n');
  for (const path of ['/', '/api/v1/instances/line-1/jobs', '/console'])
    expect((await fetchSecurely(`${opsUrl}${path}`, authority.certificate)).status, path).toBe(404);

  const renewed = openAuthority('another');
  writeIssued(folder, 'farm', renewed.server());
  await eventually(async () => expect((await fetchSecurely(`${http}/livez`, renewed.certificate)).status).toBe(200));
  expect(await stop(running)).toBe(0);
});

test('the long word opens a wide door, and what that means is in the log', async () => {
  const { running } = await serving('open', ['--grpc', '0.0.0.0:0', OVERRIDE], [/^gRPC (0\.0\.0\.0:\d+)$/]);
  expect(await stop(running)).toBe(0);
  const log = readFileSync(running.logPath, 'utf8');
  expect(log).toMatch(/"level":"warn".*anyone on this network can falsify results/);
});
