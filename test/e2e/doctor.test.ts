/** `stationgrid doctor` beside a farm that serves, in TLS and on its own PostgreSQL: by the real command. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Running, start, stop } from '../../src/cli/demo/processes.ts';
import { startReferenceShopfloor } from '../../src/reference-shopfloor/reference-shopfloor.ts';
import { runCli } from '../cli/run-cli.ts';
import { openAuthority, writeIssued } from '../support/certificates.ts';
import { freePort } from '../support/farm-site.ts';
import { wallClock } from '../support/wall-clock.ts';

const STOP_MS = 60_000;
const DAY_MS = 86_400_000;
const CANARY = 'canary-of-the-doctor';

let folder: string;
let config: string;
let authority: string;
let grpc: string;
let farm: Running;
let closeShopfloor: () => Promise<void>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), `stationgrid-test-${process.pid}-doctor-`));
  // For root, PostgreSQL runs as another user, who must get in.
  chmodSync(folder, 0o711);
  const shopfloor = await startReferenceShopfloor({ clock: wallClock, port: 0, journalPath: null });
  closeShopfloor = () => shopfloor.stop();
  const issuer = openAuthority();
  const files = writeIssued(folder, 'farm', issuer.server({ validTo: new Date(Date.now() + 90 * DAY_MS) }));
  authority = join(folder, 'authority.pem');
  writeFileSync(authority, issuer.certificate);
  grpc = `127.0.0.1:${await freePort()}`;
  const [http, ops, factory] = [await freePort(), await freePort(), await freePort()];
  config = join(folder, 'farm.yaml');
  const written = {
    data: join(folder, 'data'),
    tls: files,
    doors: {
      grpc,
      http: `127.0.0.1:${http}`,
      ops: `127.0.0.1:${ops}`,
      factory: `127.0.0.1:${factory}`,
      names: ['localhost'],
    },
    factory: { rsync: 'none' },
    limits: { uploads: { freeBytesMin: '1 KiB' } },
    lines: [{ instance: 'line-1', shopfloor: { url: shopfloor.url.replace('//', `//me:${CANARY}@`) } }],
  };
  writeFileSync(config, JSON.stringify(written));
  farm = start('farm', ['serve', '--config', config], join(folder, 'log'));
  await farm.said(/^factory /);
});
afterAll(async () => {
  await stop(farm, STOP_MS);
  await closeShopfloor();
  rmSync(folder, { recursive: true, force: true });
});

const doctor = (...words: readonly string[]) =>
  runCli(['doctor', '--config', config, '--timeout', '30s', ...words], { env: { STATIONGRID_TOKEN: CANARY } });

test('finds nothing to mend at a farm that serves, and shows no secret', async () => {
  const { code, stdout, stderr } = await doctor('--json');
  const { checks } = toReport(stdout);
  const unsound = checks.filter(({ verdict }) => verdict !== 'ok').map(({ id }) => id);
  // No name has to be asked for, --server was not given, one role and no JWTs: the disk of this machine is its own affair.
  const expected = [
    'dns',
    'server.name',
    'tls.authorities',
    'auth.keys',
    'database.owner',
    'disk.data',
    'disk.uploads',
  ];
  expect(
    unsound.filter((id) => !expected.includes(id)),
    stdout,
  ).toEqual([]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).not.toContain(CANARY);
  expect(checks.find(({ id }) => id === 'port.factory')?.saw).toMatch(/is a farm's$/);
});

test('goes the way of bots with --server, and says what is wrong of it', async () => {
  const port = grpc.split(':').at(-1) ?? '';
  const trusted = await doctor('--server', `localhost:${port}`, '--ca', authority, '-o', 'json');
  const verdicts = new Map(toReport(trusted.stdout).checks.map(({ id, verdict }) => [id, verdict]));
  for (const id of ['server', 'server.tls', 'server.name', 'server.h2', 'server.health'])
    expect([id, verdicts.get(id)]).toEqual([id, 'ok']);
  const plain = await doctor('--server', `localhost:${port}`);
  expect(plain.code).toBe(1);
  expect(plain.stdout).toMatch(/^server\.h2 +FAIL /m);
  expect(plain.stdout).toMatch(/^server\.h2: It speaks HTTP\/2.*\n {2}Saw: .*\n {2}Why: .*\n {2}Mend: /m);
});

test('a configuration that is wrong is all that it tells of', async () => {
  const { code, stdout } = await doctor('--set', 'limits.calls.timeout=soon');
  expect(code).toBe(1);
  expect(stdout).toMatch(/^CHECK +VERDICT +MS +SAW\nconfiguration +FAIL /);
  expect(stdout).toMatch(/\n0 ok, 0 to look at, 1 failed, 0 skipped\.\n$/);
});

test('with --strict what is to be looked at counts', async () => {
  const room = ['--set', 'limits.postgres.poolMax=100000'];
  expect((await doctor(...room)).code).toBe(0);
  expect((await doctor(...room, '--strict')).code).toBe(1);
  expect((await doctor('--server', 'nonsense')).code).toBe(2);
});

function toReport(text: string) {
  return JSON.parse(text) as {
    readonly checks: readonly { readonly id: string; readonly verdict: string; readonly saw: string }[];
  };
}
