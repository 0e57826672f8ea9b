import { Metadata, status } from '@grpc/grpc-js';
import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type Canned, type CannedFarm, refusal, startCannedFarm } from './canned-farm.ts';
import { runCli } from './run-cli.ts';

const farms: CannedFarm[] = [];
afterEach(() => {
  for (const farm of farms.splice(0)) farm.stop();
});

const ask = async (words: readonly string[], canned: Canned) => {
  const farm = await startCannedFarm(canned);
  farms.push(farm);
  const { code, stdout, stderr } = await runCli([...words, '--server', farm.address]);
  expect(stdout).toBe('');
  return { code, stderr: stderr.replaceAll(farm.address, 'FARM') };
};

const refusing = (error: Error): Canned => ({
  getJob: () => {
    throw error;
  },
});

// prettier-ignore
test.each([
  ['a refusal, with its reason', refusal(status.NOT_FOUND, 'There is no job 17 in instance "".', { reason: 'JOB_UNKNOWN' }), 3,
    'error: There is no job 17 in instance "". (NOT_FOUND, JOB_UNKNOWN)\n' +
    'Check the name and --instance; the `list` commands show what there is.\n'],
  ['a refusal that may pass later', refusal(status.RESOURCE_EXHAUSTED, 'The queue is full.', { reason: 'QUEUE_FULL', retrySeconds: 5 }), 3,
    'error: The queue is full. (RESOURCE_EXHAUSTED, QUEUE_FULL)\nTry again in 5 s.\n'],
  ['a farm without its database', refusal(status.UNAVAILABLE, 'The database does not answer.', { reason: 'DATABASE' }), 4,
    'error: The database does not answer. (UNAVAILABLE, DATABASE)\nTry again shortly; nothing was changed.\n'],
  ['a defect of the farm', refusal(status.INTERNAL, 'internal error'), 70,
    'error: the farm at FARM failed: internal error (INTERNAL)\nIts log says more; please report it.\n'],
] as const)('tells of %s', async (_, error, code, stderr) => {
  expect(await ask(['job', 'get', '17'], refusing(error))).toEqual({ code, stderr });
});

test('details that some proxy has mangled cost only themselves', async () => {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from('not a message \xff'));
  const error = Object.assign(new Error('no'), { code: status.ABORTED, details: 'no', metadata });
  const { code, stderr } = await ask(['job', 'get', '17'], refusing(error));
  expect(code).toBe(3);
  expect(stderr).toMatch(/^error: no \(ABORTED\)\nTry again/);
});

test('a server that is no farm says so', async () => {
  const { code, stderr } = await ask(['bots', 'list'], refusing(new Error('unused')));
  expect(code).toBe(3);
  expect(stderr).toContain('UNIMPLEMENTED');
  expect(stderr).toContain('Is --server a StationGrid farm');
});

test('an unreachable farm: how to start one', async () => {
  const port = await freePort();
  const { code, stderr } = await runCli(['job', 'list', '--server', `127.0.0.1:${String(port)}`]);
  expect(code).toBe(4);
  expect(stderr).toBe(
    `error: no farm answers at 127.0.0.1:${String(port)}: connect ECONNREFUSED 127.0.0.1:${String(port)}\n` +
      'Start one with `stationgrid serve`, or name it with --server HOST:PORT (or STATIONGRID_SERVER).\n',
  );
});

test('an enqueue that was not answered tells how to repeat it harmlessly', async () => {
  const port = await freePort();
  const words = ['job', 'enqueue', '--station', 'FAT', '--request-id', 'r-7', '--server', `127.0.0.1:${String(port)}`];
  const { code, stderr } = await runCli(words);
  expect(code).toBe(4);
  expect(stderr).toContain('repeat the command with --request-id r-7: nothing is enqueued twice.');
});

// prettier-ignore
test.each([
  [['jbo'], "unknown command 'jbo'\n(Did you mean job?)"],
  [['job', 'lsit'], "unknown command 'lsit'\n(Did you mean list?)"],
  [['shopfloor', 'chek'], "unknown command 'chek'; did you mean `check`?"],
  [['job', 'list', '--stat', 'QUEUED'], "unknown option '--stat'\n(Did you mean --state?)"],
  [['job', 'get'], "missing required argument 'id'"],
  [['job', 'get', 'seventeen'], 'Write the number that the farm gave it, such as 17.'],
  [['job', 'list', '--state', 'DONE'], 'Write one of QUEUED, LEASED, CANCELLING, FINISHED, FAILED, CANCELLED.'],
  [['job', 'watch', '1', '--timeout', 'soon'], 'Write a duration from 1 ms to 24 d, such as 90s, 5min or 2h.'],
  [['job', 'enqueue', '--serial', 'SN-1'], 'Write a serial as name=value, such as serials.serial_number=SN-0042.'],
  [['job', 'enqueue'], 'no station is named\nName it with --station'],
  [['bots', 'drain', '*'], "required option '--note <words>' not specified"],
  [['bots', 'list', '--server', 'farm'], 'Write HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051.'],
  [['calls', 'list', '-o', 'xml'], 'Allowed choices are table, json.'],
] as const)('refuses %j before anything is done', async (words, stderr) => {
  const end = await runCli(words);
  expect(end.code).toBe(2);
  expect(end.stdout).toBe('');
  expect(end.stderr).toContain(stderr);
});

// prettier-ignore
test.each([
  ['tests: [{ test_id: a, handler: x, timeuot: 3 }]', 'tests.0: unknown key `timeuot`; did you mean `timeout`?'],
  ['tests: [{ testId: a }]', 'tests.0: say how it is run: either `command` or `handler`'],
  ['tests: [{ testId: a, handler: x, timeout: soon }]', '`soon` is not understood'],
  ['{"tests": [', 'is neither YAML nor JSON'],
] as const)('refuses the work file %j', async (input, words) => {
  const end = await runCli(['job', 'enqueue', '--station', 'FAT', '--work', '-'], { input });
  expect(end.code).toBe(2);
  expect(end.stderr).toContain(words);
});

test('help and version are answers, on standard output', async () => {
  const help = await runCli(['--help']);
  expect(help.code).toBe(0);
  expect(help.stdout).toContain('Exit codes:\n  0   Done.\n');
  expect(help.stdout).toMatch(/\n {2}78 {2}The configuration/);
  const version = await runCli(['--version']);
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+/);
  const bare = await runCli(['job']);
  expect(bare.code).toBe(2);
});

test('a wrong configuration names every problem, and what to do', async () => {
  const { code, stderr } = await runCli(['config', 'print', '--set', 'limits.session.tll=1s', '--http', 'nowhere']);
  expect(code).toBe(78);
  expect(stderr).toMatch(/^error: the configuration is wrong:\n/);
  expect(stderr).toContain('unknown key `limits.session.tll`');
  expect(stderr).toContain('`nowhere` is no address');
  expect(stderr).toMatch(/\n`stationgrid config reference` tells every key.\n$/);
});

test('config print shows what is in force, secrets hidden', async () => {
  const { code, stdout } = await runCli(['config', 'print'], {
    env: { STATIONGRID_DATABASE_URL: 'postgresql://u:secret@db/x' },
  });
  expect(code).toBe(0);
  expect(stdout).toContain('databaseUrl: "***"');
  expect(stdout).not.toContain('secret');
});

test.each([
  ['--database', 'postgresql://u:hush@db/x'],
  ['--database', 'postgresql://u:hush@/x?host=/tmp'],
  ['--database', 'postgresql://u@db/x?password=hush'],
  ['--set', 'databaseUrl=postgresql://u:hush@db/x'],
])('a password on the command line is refused, with where it may stand: %s %s', async (...words) => {
  const { code, stdout, stderr } = await runCli(['config', 'print', ...words]);
  expect(code).toBe(78);
  expect(stderr).toContain('STATIONGRID_DATABASE_URL');
  expect(stderr).toContain('databaseUrlFile');
  expect(stdout + stderr).not.toContain('hush');
});

test('an address without a password may stand on the command line', async () => {
  const { code } = await runCli(['config', 'print', '--database', 'postgresql://u@db/x']);
  expect(code).toBe(0);
});

/** A port that was free a moment ago. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 1));
    });
  });
