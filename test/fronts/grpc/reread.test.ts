import { expect, test } from 'vitest';
import { newSession, type Session } from '../../../src/farm/sessions.ts';
import { createReread } from '../../../src/fronts/grpc/reread.ts';
import { UpdateBotSessionRequest } from '../../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';

const NAME = 'line-1/3f0c';
const session = (): Session =>
  newSession(
    {
      name: NAME,
      instance: 'line-1',
      botId: 'bot-1',
      attachEpoch: 1,
      quarantineReason: null,
      erring: false,
      unsettled: false,
      status: 1,
      version: '',
      capacity: 1,
      properties: '{}',
      deviceIds: [],
    },
    0,
  );
const request = (version: string, name = NAME): Buffer =>
  Buffer.from(
    UpdateBotSessionRequest.encode(
      UpdateBotSessionRequest.fromPartial({ name, botSession: { name, version } }),
    ).finish(),
  );

const setUp = () => {
  const sessions = new Map([[NAME, session()]]);
  let reads = 0;
  const read = createReread(
    (name) => sessions.get(name),
    (bytes) => {
      reads += 1;
      return UpdateBotSessionRequest.decode(bytes);
    },
  );
  return { sessions, read, reads: () => reads };
};

test('the same bytes of a session are read once', () => {
  const { read, reads } = setUp();
  const first = read(request('1'));
  expect(first.botSession?.version).toBe('1');
  expect(read(request('1'))).toBe(first);
  expect(reads()).toBe(1);
});

test('other bytes are read anew, and the old ones are forgotten', () => {
  const { read, reads } = setUp();
  read(request('1'));
  expect(read(request('2')).botSession?.version).toBe('2');
  expect(read(request('1')).botSession?.version).toBe('1');
  expect(reads()).toBe(3);
});

test('what was kept goes with its session', () => {
  const { sessions, read, reads } = setUp();
  read(request('1'));
  sessions.set(NAME, session());
  read(request('1'));
  expect(reads()).toBe(2);
});

test.each([
  ['of a session that is not at home here', request('1', 'line-1/other')],
  ['longer than what is kept', request('x'.repeat(4_096))],
  ['with a name longer than is looked for', request('1', `line-1/${'x'.repeat(128)}`)],
  ['with nothing in it', Buffer.alloc(0)],
  ['that does not begin with a name', Buffer.concat([Buffer.from([0x1a, 0]), request('1')])],
])('a request %s is read each time', (_what, bytes) => {
  const { read, reads } = setUp();
  read(bytes);
  read(bytes);
  expect(reads()).toBe(2);
});

test('what cannot be read is not kept', () => {
  const { read, reads } = setUp();
  const broken = Buffer.concat([request('1'), Buffer.from([0xff])]);
  expect(() => read(broken)).toThrow();
  expect(() => read(broken)).toThrow();
  expect(reads()).toBe(2);
});
