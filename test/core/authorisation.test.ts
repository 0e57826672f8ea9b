import { expect, test } from 'vitest';
import { authorise, rules, type Verb } from '../../src/core/authorisation.ts';
import type { Principal } from '../../src/core/principal.ts';

const member = (...grants: readonly string[]): Principal => ({
  kind: 'member',
  name: 'member:m',
  grants: grants.map((text) => {
    const [instance = '', role = ''] = text.split(' ');
    return { instance, role: role as 'viewer' };
  }),
});
const bot: Principal = { kind: 'bot', name: 'bot:a/b', bot: { instance: 'a', botId: 'b' } };
const at = (instance: string, botId: string | null = null) => ({ instance, botId });

// prettier-ignore
test.each([
  ['a role where it was given',                        member('a viewer'),              'get-job',             [at('a')],                 'allowed'],
  ['and nowhere else',                                 member('a viewer'),              'get-job',             [at('b')],                 'forbidden'],
  ['a role for every instance anywhere',               member('* viewer'),              'get-job',             [at('b')],                 'allowed'],
  ['no instance that is called as every instance is',  member('a viewer'),              'get-job',             [at('*')],                 'forbidden'],
  ['a request about two instances only with both',     member('a submitter'),           'enqueue-job',         [at('a'), at('b')],        'forbidden'],
  ['such a request with both',                         member('a admin', 'b submitter'), 'enqueue-job',        [at('a'), at('b')],        'allowed'],
  ['a request about nothing to whom it concerns',      member('a submitter'),           'enqueue-job',         [],                        'allowed'],
  ['and to nobody else',                               member('a viewer'),              'enqueue-job',         [],                        'forbidden'],
  ['a partner to compare notes',                       member('a bridge'),              'list-calls',          [at('a')],                 'allowed'],
  ['and no more',                                      member('a bridge'),              'list-jobs',           [at('a')],                 'forbidden'],
  ['no role to work as a bot, whatever it is called',  member('a bot', 'a admin'),      'update-bot-session',  [at('a', 'b')],            'forbidden'],
  ['a bot its own work',                               bot,                             'update-bot-session',  [at('a', 'b')],            'allowed'],
  ["not another's, which is not there",                bot,                             'update-bot-session',  [at('a', 'c')],            'not yours'],
  ['nor under the same name in another instance',      bot,                             'report-test-results', [at('b')],                 'not yours'],
  ["no new session under another's name",              bot,                             'create-bot-session',  [at('a', 'c')],            'forbidden'],
  ['no bot what people do',                            bot,                             'get-job',             [at('a')],                 'forbidden'],
  ['nor by asking about nothing',                      bot,                             'enqueue-job',         [],                        'forbidden'],
  ['whoever is known to ask who it is',                bot,                             'who-am-i',            [],                        'allowed'],
  ['metrics to a viewer of anything',                  member('z viewer'),              'read-metrics',        [],                        'allowed'],
  ['metrics to no bot',                                bot,                             'read-metrics',        [],                        'forbidden'],
  ['nobody to ask who it is',                          { kind: 'nobody' },              'who-am-i',            [],                        'unknown caller'],
  ['health to nobody in particular',                   { kind: 'nobody' },              'read-health',         [],                        'allowed'],
  ['everything where nobody is asked',                 { kind: 'open' },                'skip-call',           [at('a')],                 'allowed'],
] as const satisfies readonly (readonly [string, Principal, Verb, readonly ReturnType<typeof at>[], string])[])(
  'grants %s',
  (_, principal, verb, targets, kind) => {
    expect(authorise(principal, verb, targets).kind).toBe(kind);
  },
);

test('what operators and admins change is audited, and nothing that bots do', () => {
  const audited = Object.values(rules).filter((rule) => rule.audited);
  expect(audited.every(({ of }) => of === 'instance')).toBe(true);
  expect(
    Object.entries(rules)
      .filter(
        ([verb, { roles, audited: isAudited }]) =>
          !roles.includes('viewer') &&
          !roles.includes('bot') &&
          roles.length > 0 &&
          !isAudited &&
          !/^(list|get)-/.test(verb),
      )
      .map(([verb]) => verb),
  ).toEqual(['enqueue-job', 'create-reservation']);
});
