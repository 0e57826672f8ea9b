/**
 * Every secret of a farm holds a canary here. It works, fails, is asked badly, loses its database and shows whatever it
 * can show; then everything that anybody could read is searched for them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { processClock } from '../src/process-clock.ts';
import { startEmbeddedPostgres } from '../src/store/embedded-postgres.ts';
import { SUPERUSER } from '../src/store/embedded/cluster.ts';
import { cliProgram, type CliEnd, runCli } from './cli/run-cli.ts';
import { eventually } from './support/farm-site.ts';
import { urlOf } from './support/test-server.ts';

const LINE = 'line-1';
const BOARD = 'serials.mlb_serial_number=MLB-1';
const MARK = 'seen-beside-a-code';
const ISSUER = 'https://id.example/';
const FARM = 'stationgrid-canaries';
const canary = (): string => `CANARY${randomBytes(9).toString('hex')}`;
/** As Chrome OS has them: 72 hexadecimal digits, by their key and by their form. */
const registrationCode = (): string => randomBytes(36).toString('hex');

/** What must not be seen, by name. */
const secrets: Record<string, string> = {
  'the database password': canary(),
  'the shopfloor password': canary(),
  'a registration code': registrationCode(),
  'another registration code': registrationCode(),
};

let folder: string;
/** One of its own: farms refuse the run's, which would lose commits in a crash. */
let database: Awaited<ReturnType<typeof startEmbeddedPostgres>>;
/** Everything that a person or a program was shown. */
const shown: { readonly where: string; readonly text: string }[] = [];
const show = (where: string, text: string): string => {
  shown.push({ where, text });
  return text;
};
const running: ChildProcess[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stationgrid-canaries-'));
  // For root, PostgreSQL runs as another user, who must get in.
  chmodSync(folder, 0o711);
  const log = { info: () => undefined, warn: () => undefined };
  const dataDir = join(folder, 'data');
  database = await startEmbeddedPostgres({ dataDir, log, clock: processClock, newId: randomUUID });
});
afterAll(async () => {
  for (const child of running) child.kill('SIGKILL');
  await letIn(true);
  await database.stop();
  rmSync(folder, { recursive: true, force: true });
});

const secretFile = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};

/** A command that runs on; all it says is kept. Resolves with the first words that fit. */
const serving = (words: readonly string[], said: RegExp): Promise<string> => {
  const env = { PATH: process.env['PATH'], HOME: folder, TMPDIR: process.env['TMPDIR'], TZ: 'UTC' };
  const child = spawn(process.execPath, [cliProgram, ...words], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  return new Promise((resolve, reject) => {
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        show(words[0]!, text);
        output += text;
        const [, found] = said.exec(output) ?? [];
        if (found !== undefined) resolve(found);
      });
    child.once('close', (code) => reject(new Error(`${words.join(' ')} ended with ${String(code)}:\n${output}`)));
  });
};

/** Runs a command and keeps what it says; `secret`: its standard output is one, and is not kept. */
const cli = async (words: readonly string[], env: Record<string, string>, secret = false): Promise<CliEnd> => {
  const end = await runCli(words, { env });
  show(`stationgrid ${words.join(' ')}`, secret ? end.stderr : end.stdout + end.stderr);
  return end;
};

/** Whether the database lets anybody in; who is in is thrown out when it does not. */
const letIn = async (isOpen: boolean): Promise<void> => {
  const name = new URL(database.url).pathname.slice(1);
  const client = new pg.Client(urlOf(database.url, { user: SUPERUSER, database: 'postgres' }));
  await client.connect();
  try {
    await client.query(`alter database ${name} with allow_connections ${String(isOpen)}`);
    if (!isOpen)
      await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
  } finally {
    await client.end();
  }
};

const withPassword = (url: string, password: string): string => url.replace(/\/\/([^:@/]*)@/, `//$1:${password}@`);

it('shows none of its secrets, whatever happens', { timeout: 240_000 }, async () => {
  const [code, otherCode] = [secrets['a registration code']!, secrets['another registration code']!];
  const replies = {
    deviceData: {
      GetDeviceInfo: { 'vpd.rw.ubind_attribute': code },
      UpdateTestResult: { 'vpd.rw.gbind_attribute': otherCode },
    },
    atStart: { FAT: { 'vpd.rw.ubind_attribute': code, 'factory.mark': MARK } },
  };
  const shopfloor = await serving(
    ['shopfloor', '--port', '0', '--replies', secretFile('replies.json', JSON.stringify(replies))],
    /^(http:\S+)/m,
  );
  const shopfloorUrl = shopfloor.replace('//', `//farm:${secrets['the shopfloor password']!}@`);

  // A key of the farm's own, and JWTs by it.
  const keyFile = join(folder, 'signing-key.json');
  const jwks = await cli(['jwt', 'key', '--out', keyFile], {});
  expect(jwks.code, jwks.stderr).toBe(0);
  secrets['the signing key'] = (JSON.parse(readFileSync(keyFile, 'utf8')) as { d: string }).d;
  const sign = async (...roles: readonly string[]): Promise<string> => {
    const words = ['jwt', 'sign', '--key', keyFile, '--issuer', ISSUER, '--audience', FARM, '--subject', 'ada'];
    const { stdout, stderr } = await cli([...words, ...roles.flatMap((role) => ['--role', role])], {}, true);
    expect(stderr).toBe('');
    return stdout.trim();
  };
  const [admin, viewer] = [await sign('*:admin'), await sign(`${LINE}:viewer`)];
  const [, adminClaims = '', adminSignature = ''] = admin.split('.');
  Object.assign(secrets, { 'the admin’s claims': adminClaims, 'the admin’s signature': adminSignature });
  const jwtFile = secretFile('ada.jwt', admin);

  const config = {
    databaseUrlFile: secretFile('database-url', withPassword(database.ownerUrl, secrets['the database password']!)),
    doors: { grpc: '127.0.0.1:0', http: '127.0.0.1:0' },
    auth: {
      botTokens: true,
      jwt: { issuer: ISSUER, audience: FARM, algorithms: ['ES256'], jwksFile: secretFile('jwks.json', jwks.stdout) },
    },
    log: { level: 'debug', format: 'json' },
    limits: { replica: { tick: '500ms', amnestyAfter: '3s' }, lanes: { backoffMin: '50ms', backoffMax: '200ms' } },
    lines: [{ instance: LINE, shopfloor: { urlFile: secretFile('shopfloor-url', shopfloorUrl) } }],
  };
  const configFile = secretFile('farm.yaml', JSON.stringify(config));
  const http = (await serving(['serve', '--config', configFile], /HTTP (http:\S+)\//)).replace(/\/$/, '');
  const grpc = /^gRPC (\S+)$/m.exec(shown.map(({ text }) => text).join(''))![1]!;
  const farm = { STATIONGRID_SERVER: grpc, STATIONGRID_INSTANCE: LINE };
  const asAda = { ...farm, STATIONGRID_TOKEN_FILE: jwtFile };

  // Tokens: made, rotated, revoked, wrong.
  const tokenFile = join(folder, 'fat-1.token');
  const made = await cli(['bot', 'token', 'create', 'fat-1', '--out', tokenFile], asAda);
  expect(made.code, made.stderr).toBe(0);
  const spent = (await cli(['bot', 'token', 'create', 'fat-2'], asAda, true)).stdout.trim();
  expect(spent).toMatch(/^sgbot_/);
  await cli(['bot', 'token', 'revoke', 'fat-2'], asAda);
  const secretOf = (token: string): string => token.trim().slice(-43);
  secrets['a token'] = secretOf(readFileSync(tokenFile, 'utf8'));
  secrets['a revoked token'] = secretOf(spent);
  secrets['a token, as bytes'] = Buffer.from(secrets['a token'], 'base64url').toString('hex');

  // Work, some of it failing, and the partner's answers.
  void serving(
    [
      'bot',
      '--server',
      grpc,
      '--bot-id',
      'fat-1',
      '--instance',
      LINE,
      '--token-file',
      tokenFile,
      '--simulate',
      'canary',
      '--serial',
      BOARD,
    ],
    /(?!)/,
  ).catch(() => undefined);
  const job = (outcome: 'PASSED' | 'FAILED') =>
    secretFile(
      `${outcome}.json`,
      JSON.stringify({
        station: 'FAT',
        tests: [{ testId: 'generic_main:FAT.Probe', handler: 'simulate', args: { durationMs: 10, outcome } }],
      }),
    );
  const passed = ['job', 'enqueue', '--work', job('PASSED'), '--serial', BOARD, '--wait', '--timeout', '2min'];
  expect((await cli(passed, asAda)).code).toBe(0);
  const failed = await cli(
    ['job', 'enqueue', '--work', job('FAILED'), '--serial', BOARD, '--wait', '--timeout', '2min'],
    asAda,
  );
  expect(failed.code, failed.stderr).toBe(1);

  // Bad credentials and bad requests, with the secrets in them.
  const get = async (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<number> => {
    const answer = await fetch(`${http}${path}`, { method, headers });
    show(`${method} ${path}`, [JSON.stringify([...answer.headers]), await answer.text()].join('\n'));
    return answer.status;
  };
  const bearer = (text: string): Record<string, string> => ({ authorization: `Bearer ${text}` });
  const jobs = `/api/v1/instances/${LINE}/jobs`;
  const tampered = `${admin.slice(0, -2)}AA`;
  for (const text of [spent, tampered, `sgbot_${secrets['a token']}`, secrets['the shopfloor password']!, `${admin}.x`])
    expect(await get(jobs, bearer(text))).toBe(401);
  expect(await get(`/api/v1/instances/${LINE}/bots/fat-1/tokens`, bearer(viewer), 'POST')).toBe(403);
  expect(await get('/api/v1/nothing', bearer(admin))).toBe(404);
  expect(await get(`${jobs}?pageSize=x`, bearer(admin))).toBe(400);
  for (const path of [
    '/',
    '/livez',
    '/readyz',
    '/metrics',
    '/api/v1/whoami',
    jobs,
    `/api/v1/instances/${LINE}/bot-tokens`,
  ])
    await get(path, path === jobs ? {} : bearer(admin));
  for (const token of [spent, tampered])
    expect((await cli(['job', 'list'], { ...farm, STATIONGRID_TOKEN: token })).code).not.toBe(0);

  // Whatever the commands show.
  for (const words of [
    ['whoami'],
    ['bot', 'token', 'list'],
    ['bots', 'get', 'fat-1'],
    ['job', 'list', '-o', 'json'],
    ['job', 'get', '2', '-o', 'json'],
    ['calls', 'list', '-o', 'json'],
    ['results', 'list', '2', '-o', 'json'],
  ])
    await cli(words, asAda);
  for (const words of [
    ['config', 'print', '--config', configFile],
    ['db', 'status', '--config', configFile],
    ['db', 'doctor', '--config', configFile],
    ['db', 'status', '--database', withPassword(database.ownerUrl, secrets['the database password']!)],
  ])
    await cli(words, {});

  // The partner goes, the database goes, and comes back.
  running[0]!.kill('SIGKILL');
  await letIn(false);
  await eventually(async () => expect(await get('/readyz')).toBe(503));
  await cli(['job', 'list'], asAda);
  await cli(['db', 'status', '--config', configFile], {});
  await letIn(true);
  await eventually(async () => expect(await get('/readyz')).toBe(200));
  expect((await cli(passed, asAda)).code).toBe(0);

  const ended = new Promise((resolve) => running[1]!.once('close', resolve));
  running[1]!.kill('SIGTERM');
  await ended;

  // The log said much; none of it a secret.
  expect(shown.length).toBeGreaterThan(40);
  for (const [name, secret] of Object.entries(secrets))
    expect(
      shown.filter(({ text }) => text.includes(secret)).map(({ where, text }) => `${name}: ${where}: ${text}`),
    ).toEqual([]);

  // A code is not even kept: it would stand beside a serial number. That it came is seen by what came with it.
  expect(await foundInTables(secrets)).toEqual([]);
  expect(await foundInTables({ 'what came with the codes': MARK })).toContain('what came with the codes: devices.data');
});

/** `secret: table.column` for each column that holds one. */
const foundInTables = async (sought: Readonly<Record<string, string>>): Promise<readonly string[]> => {
  const client = new pg.Client(database.ownerUrl);
  await client.connect();
  try {
    const { rows: columns } = await client.query<{ table: string; column: string }>(
      `select table_name as table, column_name as column from information_schema.columns
       where table_schema = 'public' order by 1, 2`,
    );
    expect(columns.length).toBeGreaterThan(50);
    const found: string[] = [];
    for (const { table, column } of columns) {
      const { rows } = await client.query<{ text: string | null }>(`select "${column}"::text as text from "${table}"`);
      for (const [name, secret] of Object.entries(sought))
        if (rows.some(({ text }) => text?.includes(secret))) found.push(`${name}: ${table}.${column}`);
    }
    return found;
  } finally {
    await client.end();
  }
};
