/** What an upload of events leaves behind: nothing, or all of it. */
import { request } from 'node:http';
import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { enveloped, eventField, type Field, FORM, formOf, MULTI, put, testRun } from './instalog-form.ts';
import { openFactory, type TestFactory } from './open-factory.ts';

const opened: TestFactory[] = [];
const open = async (options: Parameters<typeof openFactory>[0] = {}): Promise<TestFactory> => {
  const factory = await openFactory(options);
  opened.push(factory);
  return factory;
};
afterEach(async () => {
  for (const factory of opened.splice(0)) await factory.close();
});

const LOG = { path: '/a', mimeType: 'text/plain' };
/** An event with its one attachment before it. */
const withLog = (uuid: string, log: string): readonly Field[] => [
  { name: `log of ${uuid}`, value: log },
  eventField(enveloped(testRun(uuid, { testRunId: uuid, attachments: { log: LOG } }), { log: `log of ${uuid}` })),
];

const countsOf = async ({ database }: TestFactory): Promise<unknown> => {
  const { rows } = await database.pool.query(
    `select (select count(*)::int from testlog_events) as events, (select count(*)::int from uploads) as uploads,
            (select count(*)::int from quarantined_events) as aside`,
  );
  return rows[0];
};

const kept = (factory: TestFactory): readonly string[] =>
  [...factory.files('umpire_data').values(), ...factory.files('blobs').values()].toSorted();

describe('a form that is refused leaves nothing', () => {
  const good = [...withLog('u-1', 'one'), ...withLog('u-2', 'x'.repeat(100_000))];
  const forms: readonly (readonly [what: string, Buffer])[] = [
    ['cut off', formOf(good).subarray(0, -20)],
    ['a part too many', formOf([...good, { name: 'stray', value: 'x' }])],
    ['one name twice', formOf([...good, { name: 'a', value: 'x' }, { name: 'a', value: 'y'.repeat(100_000) }])],
    ['wrong after an event that is put aside', formOf([...good, eventField('{'), { name: 'stray', value: 'x' }])],
  ];
  test.for(forms)('%s', async ([, form]) => {
    const factory = await open();
    const said = await factory.post(form, '/instalog', { 'content-type': FORM, ...MULTI });
    expect(said.status).toBe(400);
    expect(await countsOf(factory)).toEqual({ events: 0, uploads: 0, aside: 0 });
    expect([kept(factory), factory.files('incoming').size]).toEqual([[], 0]);
  });

  test('and so does one whose client leaves', async () => {
    const factory = await open();
    const form = formOf(good);
    const headers = { 'content-type': FORM, 'content-length': form.length + 1, ...MULTI };
    const asking = request(`${factory.url}/instalog`, { method: 'POST', headers });
    asking.on('error', () => undefined);
    asking.write(form);
    // The large attachment lies on disk, so all before it has been read.
    await expect.poll(() => factory.files('incoming').size).toBeGreaterThan(0);
    asking.destroy();
    await expect.poll(() => factory.files('incoming').size).toBe(0);
    expect(await countsOf(factory)).toEqual({ events: 0, uploads: 0, aside: 0 });
    expect(kept(factory)).toEqual([]);
  });
});

describe('an upload that is larger than a batch', () => {
  test('is several commits, and what waits through one is kept with its event', async () => {
    const factory = await open({ limits: { testlog: { batchBytesMax: 3000 } } });
    // It waits from before the first commit until after the last but one.
    const early: Field = { name: 'log of u-9', value: 'early '.repeat(100) };
    const between = ['u-1', 'u-2', 'u-3', 'u-4'].flatMap((uuid) => withLog(uuid, `${uuid} `.repeat(300)));
    const [, last] = withLog('u-9', '');
    const said = await put(factory, [early, ...between, ...(last === undefined ? [] : [last])]);
    expect([said.status, await said.text()]).toEqual([200, expect.anything()]);
    expect(await countsOf(factory)).toEqual({ events: 5, uploads: 5, aside: 0 });
    expect([...factory.files('umpire_data/instalog_attachments').values()].toSorted()).toEqual(
      [early.value, ...['u-1', 'u-2', 'u-3', 'u-4'].map((uuid) => `${uuid} `.repeat(300))].toSorted(),
    );
    expect(factory.files('incoming').size).toBe(0);
  });

  test('many large attachments do not wait as so many open files', async () => {
    const factory = await open();
    const logs = Array.from({ length: 200 }, (_, n): Field => ({ name: `p-${n}`, value: `${n} `.repeat(40_000) }));
    let most = 0;
    const look = setInterval(() => {
      most = Math.max(most, readdirSync('/proc/self/fd').length);
    }, 1);
    const before = readdirSync('/proc/self/fd').length;
    const said = await put(factory, [...logs, eventField('{')]).finally(() => {
      clearInterval(look);
    });
    expect(said.status).toBe(200);
    expect(await countsOf(factory)).toEqual({ events: 0, uploads: 200, aside: 1 });
    expect(most - before).toBeLessThan(100);
  });
});

describe('an event that no batch may fail for', () => {
  const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
  const old = (value: string): string =>
    JSON.stringify(testRun('u-1', { apiVersion: '0.1', arguments: { a: { value: 0 } } })).replace('0}}', `${value}}}`);
  const named = (id: string, mimeType = 'text/plain'): readonly Field[] => {
    const run = testRun('u-1', { attachments: { [id]: { path: '/a', mimeType } } });
    return [{ name: 'p', value: 'log' }, eventField(enveloped(run, { [id]: 'p' }))];
  };
  const events: readonly (readonly [what: string, readonly Field[], asides: RegExp])[] = [
    ['nested deep', [eventField(old(deep))], /too deep/],
    [
      'that lists what is no number',
      [eventField(testRun('u-1', { parameters: { a: { type: 'measurement', data: nulls(150_000) } } }))],
      /lists too much|numericValue/,
    ],
    ['whose attachment has a name that is too long', named('a'.repeat(300)), /300 bytes/],
    ['whose attachment has no name', named(''), /attachment is empty/],
    ['with a media type that is too long', named('a', `a/${'b'.repeat(300)}`), /media type/],
    ['with a media type that cannot be kept', named('a', 'a/\0'), /media type/],
  ];
  test.for(events)('%s: it is put aside', async ([, fields, why]) => {
    const factory = await open();
    expect((await put(factory, [...withLog('u-0', 'one'), ...fields])).status).toBe(200);
    expect(await countsOf(factory)).toMatchObject({ events: 1, aside: 1 });
    const { rows } = await factory.database.pool.query<{ reason: string }>('select reason from quarantined_events');
    expect(rows.map(({ reason }) => reason)).toEqual([expect.stringMatching(why)]);
    expect(factory.files('incoming').size).toBe(0);
  });
});

const nulls = (count: number): readonly object[] => Array.from({ length: count }, () => ({ numericValue: null }));

describe('what the database cannot hold', () => {
  const asides = async ({ database }: TestFactory) =>
    (await database.pool.query('select reason, attachments from quarantined_events order by id')).rows;

  test.for(['\u0000', 'a\0', '\u{1F600}'])('%j where JSON should be is put aside', async (odd) => {
    const factory = await open();
    expect((await put(factory, [eventField(odd)])).status).toBe(200);
    expect(await asides(factory)).toMatchObject([{ reason: expect.stringContaining('no JSON') }]);
  });

  test('is replaced in the id of an attachment, of a good event and of a bad one', async () => {
    const factory = await open();
    const run = testRun('u-1', { attachments: { 'a\0': LOG } });
    const good = [{ name: 'p', value: 'one' }, eventField(enveloped(run, { 'a\0': 'p' }))];
    expect(
      (await put(factory, [...good, { name: `b"; name*=utf-8''b%00; x="`, value: 'two' }, eventField('{')])).status,
    ).toBe(200);
    const { rows } = await factory.database.pool.query('select attachments from testlog_events');
    expect(rows.map(({ attachments }) => Object.keys(attachments as object))).toEqual([['a\uFFFD']]);
    expect((await asides(factory)).map(({ attachments }) => Object.keys(attachments as object))).toEqual([['b\uFFFD']]);
  });
});
