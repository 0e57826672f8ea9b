import { describe, expect, test } from 'vitest';
import { createLog, type LogFields } from '../src/log.ts';

const written = (format: 'auto' | 'json' | 'pretty', options: { level?: 'debug' | 'info'; isTTY?: boolean } = {}) => {
  const lines: string[] = [];
  const stream = { write: (line: string) => lines.push(line), isTTY: options.isTTY ?? false };
  return { log: createLog({ level: options.level ?? 'info', format }, stream), lines };
};
const jsonOf = (fields: LogFields, message = 'words'): Record<string, unknown> => {
  const { log, lines } = written('json');
  log.info(fields, message);
  return JSON.parse(lines[0]!) as Record<string, unknown>;
};

const CODE = 'ab12'.repeat(18);

describe('JSON', () => {
  test('one object a line, with level, time, words and the ids of every parent', () => {
    const { log, lines } = written('json');
    log.child({ replica: 'r1' }).child({ botId: 'bot-3' }).warn({ leaseId: 'l1' }, 'lease lost');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^\{.*\}\n$/);
    expect(JSON.parse(lines[0]!)).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      replica: 'r1',
      botId: 'bot-3',
      leaseId: 'l1',
      msg: 'lease lost',
    });
  });

  test('lines below the level are not written, by children neither', () => {
    const { log, lines } = written('json');
    log.debug({}, 'no');
    log.child({ a: 1 }).debug({}, 'no');
    expect(lines).toEqual([]);
    const talkative = written('json', { level: 'debug' });
    talkative.log.child({ a: 1 }).debug({}, 'yes');
    expect(talkative.lines).toHaveLength(1);
  });

  test('an error keeps its stack, its code and its cause', () => {
    const error = Object.assign(new Error('outer', { cause: new Error('inner') }), { code: 'ECONNREFUSED' });
    expect(jsonOf({ err: error })['err']).toMatchObject({
      type: 'Error',
      message: 'outer',
      code: 'ECONNREFUSED',
      stack: expect.stringContaining('log.test.ts'),
      cause: { message: 'inner' },
    });
  });

  test('what JSON does not know is made readable, and what has no end is cut', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    const line = jsonOf({ n: 10n, map: new Map([['a', 1]]), set: new Set([1]), bytes: new Uint8Array(3), circle });
    expect(line).toMatchObject({ n: '10', map: { a: 1 }, set: [1], bytes: '3 bytes' });
    expect(JSON.stringify(line)).toContain('…');
    expect((jsonOf({ long: 'x'.repeat(100_000) })['long'] as string).length).toBeLessThan(10_000);
    expect(jsonOf({ many: Array.from({ length: 10_000 }, () => 1) })['many']).toHaveLength(200);
  });
});

describe('secrets and registration codes', () => {
  test.each<[string, LogFields]>([
    ['a registration code by its key', { ubind_attribute: 'CODE-1' }],
    ['deep in a device record', { call: { data: [{ 'vpd.rw.gbind_attribute': 'CODE-1' }] } }],
    ['in a map', { data: new Map([['vpd.rw.ubind_attribute', 'CODE-1']]) }],
    ['the device secret', { 'vpd.ro.stable_device_secret_DO_NOT_SHARE': 'CODE-1' }],
    ['a password', { db: { password: 'CODE-1' } }],
    ['a header', { headers: { authorization: 'CODE-1' } }],
    ['a token', { accessToken: 'CODE-1' }],
    ['the database URL', { databaseUrl: 'CODE-1' }],
    ['credentials in a URL', { url: 'postgresql://farm:CODE-1@db.example/farm' }],
    ['a URL in an error', { err: new Error('cannot reach http://farm:CODE-1@mes.example/') }],
    ['a bearer token in text', { text: 'sent Bearer CODE-1-abcdefghijklmnop' }],
  ])('%s is hidden', (_, fields) => {
    const line = JSON.stringify(jsonOf(fields));
    expect(line).not.toContain('CODE-1');
    expect(line).toContain('***');
  });

  test('codes are known by their form too, in fields, words and parents', () => {
    const base64url = `=${'aZ09_-'.repeat(10)}`;
    const { log, lines } = written('json');
    log.child({ body: `<string>${CODE}</string>` }).info({ reply: base64url }, `code ${CODE} sent`);
    expect(lines[0]).not.toContain(CODE);
    expect(lines[0]).not.toContain(base64url.slice(1));
  });

  test.each([
    { leaseId: '6f9619ff-8b86-4d01-b42d-00c04fc964ff' },
    { sha256: 'ab12'.repeat(16) },
    { pageToken: 'next' },
    { url: 'http://mes.example:8090/' },
    { serial: 'A1234' },
  ])('%j is no secret', (fields) => {
    expect(jsonOf(fields)).toMatchObject(fields);
  });
});

describe('for people', () => {
  test('one plain line: time, level, words, ids', () => {
    const { log, lines } = written('pretty');
    log.child({ botId: 'bot-3' }).warn({ waitedMs: 12, why: 'two words' }, 'lease lost');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} WARN {2}lease lost {2}botId=bot-3 waitedMs=12 why="two words"\n$/);
  });

  test('auto is pretty and coloured on a terminal, JSON elsewhere', () => {
    const terminal = written('auto', { isTTY: true });
    terminal.log.info({}, 'hello');
    expect(terminal.lines[0]).toContain('\u001b[32mINFO \u001b[0m hello');
    const pipe = written('auto');
    pipe.log.info({}, 'hello');
    expect(pipe.lines[0]).toMatch(/^\{/);
  });

  test('an error is its words on the line and its stack below', () => {
    const { log, lines } = written('pretty');
    log.error({ err: new Error('no route') }, 'call failed');
    expect(lines[0]).toMatch(/ERROR call failed {2}err="no route" type=Error\nError: no route\n {4}at /);
  });

  test('what a bot says cannot steer the terminal or fake a line', () => {
    const { log, lines } = written('pretty');
    log.info({ botId: 'x\u001b[2J', note: 'a\nb', c1: '\u009b2J' }, 'said \u001b]0;title\u0007\n00:00:00 INFO  forged');
    expect(lines[0]!.slice(0, -1)).not.toMatch(/\p{Cc}/u);
  });
});
