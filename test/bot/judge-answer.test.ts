import { expect, test } from 'vitest';
import { judgeAnswer, type Asked } from '../../bot/judge-answer.ts';
import { BotSession, BotStatus } from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';

const poll: Asked = {
  ...{ call: 'update', isIdle: true, status: BotStatus.OK, deadlineMs: 50_000, tookMs: 49_000, wasCut: false },
};

// prettier-ignore
test.each<[string, number, Partial<Asked>, string]>([
  ['no work until the deadline',               4,  {},                                 'quiet'],
  ['a deadline that passed at once',           4,  { tookMs: 10 },                     'outage'],
  ['a busy call that hung',                    4,  { isIdle: false },                  'outage'],
  ['a call we cut',                            1,  { wasCut: true },                   'quiet'],
  ['a call somebody else cut',                 1,  {},                                 'outage'],
  ['a farm that restarts',                     14, {},                                 'outage'],
  ['a farm with a bug',                        13, {},                                 'outage'],
  ['a session that expired or was replaced',   15, {},                                 'session-lost'],
  ['a session nobody knows',                   3,  {},                                 'session-lost'],
  ['a restart while we join',                  14, { call: 'create', isIdle: false },  'outage'],
  ['an instance nobody knows',                 3,  { call: 'create', isIdle: false },  'refused'],
  ['a token that is not for this bot',         7,  { call: 'create', isIdle: false },  'denied'],
  ['a token that holds no longer',             16, {},                                 'denied'],
])('%s', (_, code, asked, kind) => {
  expect(judgeAnswer({ kind: 'failed', code, message: '' }, { ...poll, ...asked }).kind).toBe(kind);
});

test('OK with BOT_TERMINATING is a dead session, unless we said so first', () => {
  const reply = BotSession.create({ name: 'line/1', status: BotStatus.BOT_TERMINATING });
  expect(judgeAnswer({ kind: 'answered', reply }, poll).kind).toBe('session-lost');
  expect(judgeAnswer({ kind: 'answered', reply }, { ...poll, status: reply.status }).kind).toBe('answered');
});
