/** Files that DUTs are given by name: kept in versions, turned at once, and as the record says whatever dies in between. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { dirname, join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import type { Limits } from '../../../src/core/limits.ts';
import { activateParameter } from '../../../src/farm/activate-parameter.ts';
import type { ParameterShelf } from '../../../src/farm/parameter-shelf.ts';
import { openFactory, type TestFactory } from '../factory/open-factory.ts';
import { openDoor, rowsOf, type TestDoor } from './open-door.ts';

type Both = { readonly factory: TestFactory; readonly door: TestDoor; readonly shelf: ParameterShelf };

const opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const open = async (
  options: { readonly limits?: { readonly [Group in keyof Limits]?: Partial<Limits[Group]> }; told?: string[] } = {},
): Promise<Both> => {
  const factory = await openFactory();
  const { depot, database } = factory;
  const shelf = { ...depot.parameters, depot: depot.id };
  const door = await openDoor({ ...options, database, parameters: { depot, shelf, instance: 'line-1' } });
  opened.push(
    () => factory.close(),
    () => door.close(),
  );
  return { factory, door, shelf };
};

const ROOT = '/api/v1/instances/line-1/parameters';
const PATH = 'fw/board.conf';
const AT = `${ROOT}/${encodeURIComponent(PATH)}`;
const OCTETS = { 'content-type': 'application/octet-stream' };
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

const upload = ({ door }: Both, text: string, query = '') =>
  door.send('POST', `${AT}/versions${query}`, { body: Buffer.from(text), headers: OCTETS });
const activate = ({ door }: Both, version: number, reason = '') =>
  door.send('POST', `${AT}/activate`, { body: { version, reason } });
const rollBack = ({ door }: Both) => door.send('POST', `${AT}/roll-back`, { body: {} });

/** What a DUT gets; null: a fault. */
const given = async ({ factory }: Both): Promise<string | null> => {
  const said = await factory.call('GetParameter', PATH);
  return said.kind === 'value' ? Buffer.from(said.value as Uint8Array).toString() : null;
};

const put = ({ factory }: Both, text: string): void => {
  const path = join(factory.folder, 'parameters', PATH);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
};

const listed = async ({ door }: Both) => rowsOf(await door.send('GET', ROOT), 'parameters');

test('a version is given to DUTs from its activation on, and no longer once it is rolled back', async () => {
  const told: string[] = [];
  const both = await open({ told });
  expect(await upload(both, 'one', '?note=first')).toMatchObject({
    status: 201,
    json: { path: PATH, version: 1, bytes: 3, sha256: sha256('one') },
  });
  expect(await given(both)).toBeNull();
  expect(await listed(both)).toMatchObject([{ path: PATH, state: 'INACTIVE', activeVersion: null, versions: 1 }]);
  expect(await activate(both, 1, 'go')).toMatchObject({ status: 200, json: { state: 'ACTIVE', activeVersion: 1 } });
  expect(await given(both)).toBe('one');
  expect(await both.factory.call('ListParameters', 'fw/*')).toEqual({ kind: 'value', value: [PATH] });
  await upload(both, 'two');
  expect(await given(both)).toBe('one');
  await activate(both, 2);
  expect(await given(both)).toBe('two');
  expect(await rollBack(both)).toMatchObject({ json: { activeVersion: 1 } });
  expect(await given(both)).toBe('one');
  expect(await rollBack(both)).toMatchObject({ json: { activeVersion: 2 } });
  const { json } = await both.door.send('GET', AT);
  expect(json).toMatchObject({
    path: PATH,
    state: 'ACTIVE',
    activeVersion: 2,
    versions: [
      { version: 2, sha256: sha256('two'), origin: 'UPLOADED' },
      { version: 1, sha256: sha256('one'), note: 'first' },
    ],
    activations: [{ version: 2 }, { version: 1 }, { version: 2 }, { version: 1, reason: 'go' }],
  });
  expect(told.filter((each) => each.includes('parameter'))).toEqual(
    expect.arrayContaining([expect.stringContaining('activate-parameter')]),
  );
});

test('the same content is the same version, and its activation is one', async () => {
  const both = await open();
  expect((await upload(both, 'one')).status).toBe(201);
  expect(await upload(both, 'one')).toMatchObject({ status: 200, json: { version: 1 } });
  await Promise.all(Array.from({ length: 5 }, () => activate(both, 1)));
  const { json } = await both.door.send('GET', AT);
  expect(rowsOf({ json } as never, 'versions')).toHaveLength(1);
  expect(rowsOf({ json } as never, 'activations')).toHaveLength(1);
});

test('what was put there by hand is given as ever, and becomes a version when another takes its place', async () => {
  const both = await open();
  put(both, 'by hand');
  expect(await given(both)).toBe('by hand');
  expect(await listed(both)).toMatchObject([{ path: PATH, state: 'BY_HAND', versions: 0, sha256: sha256('by hand') }]);
  await upload(both, 'one');
  expect(await given(both)).toBe('by hand');
  await activate(both, 1);
  expect(await given(both)).toBe('one');
  await rollBack(both);
  expect(await given(both)).toBe('by hand');
  expect((await both.door.send('GET', AT)).json).toMatchObject({ versions: [{ version: 2, origin: 'FOUND' }, {}] });
});

test('what is changed or removed by hand is shown, changes no version, and is healed by an activation', async () => {
  const both = await open();
  await upload(both, 'one');
  await activate(both, 1);
  put(both, 'edited');
  expect(await listed(both)).toMatchObject([{ state: 'CHANGED', activeVersion: 1, sha256: sha256('edited') }]);
  await activate(both, 1);
  expect(await given(both)).toBe('one');
  rmSync(join(both.factory.folder, 'parameters', PATH));
  expect(await listed(both)).toMatchObject([{ state: 'MISSING', activeVersion: 1, bytes: null }]);
  await activate(both, 1);
  expect(await given(both)).toBe('one');
  expect((await both.door.send('GET', AT)).json).toMatchObject({
    versions: [{ origin: 'FOUND', sha256: sha256('edited') }, {}],
  });
});

test('whoever reads while versions are turned gets all of one', async () => {
  const both = await open();
  const texts = ['a', 'b', 'c'].map((letter) => letter.repeat(200_000));
  for (const text of texts) await upload(both, text);
  await activate(both, 1);
  const turns = Array.from({ length: 12 }, (_, n) => activate(both, 1 + (n % 3)));
  const reads = Array.from({ length: 40 }, () => given(both));
  for (const turned of await Promise.all(turns)) expect(turned.status).toBe(200);
  for (const read of await Promise.all(reads)) expect(texts).toContain(read);
  const { json } = await both.door.send('GET', AT);
  expect(json).toMatchObject({ state: 'ACTIVE' });
  expect(await given(both)).toBe(texts[Number(json['activeVersion']) - 1]);
  expect(readdirSync(join(both.factory.folder, 'incoming'))).toEqual([]);
});

test('a process whose session ended meanwhile turns nothing', async () => {
  const both = await open();
  const { door, shelf } = both;
  for (const text of ['one', 'two']) await upload(both, text);
  const holders = async () => {
    const { rows } = await door.database.pool.query<{ pid: number }>(
      `select pid from pg_locks where locktype = 'advisory' and granted
         and database = (select oid from pg_database where datname = current_database())`,
    );
    return rows.map(({ pid }) => pid);
  };
  const late: ParameterShelf = {
    ...shelf,
    alone: async (path, work) => {
      await door.database.pool.query('select pg_terminate_backend($1)', [(await holders())[0]]);
      await vi.waitFor(async () => expect(await holders()).toEqual([]), { timeout: 60_000 });
      expect((await activate(both, 2)).status).toBe(200);
      return shelf.alone(path, work);
    },
  };
  const change = { instance: 'line-1', path: PATH, version: 1, reason: '', by: '' };
  await expect(activateParameter(door.farm, late, change)).rejects.toThrow();
  expect(await given(both)).toBe('two');
  expect((await door.send('GET', AT)).json).toMatchObject({ state: 'ACTIVE', activeVersion: 2 });
});

test('one that dies between the file and the record is seen, and the same again puts it right', async () => {
  const both = await open();
  const { door, shelf } = both;
  for (const text of ['one', 'two']) await upload(both, text);
  await activate(both, 1);
  const dying: ParameterShelf = {
    ...shelf,
    give: async (path, content) => {
      await shelf.give(path, content);
      throw new Error('killed');
    },
  };
  const change = { instance: 'line-1', path: PATH, version: 2, reason: '', by: '' };
  await expect(activateParameter(door.farm, dying, change)).rejects.toThrow('killed');
  expect(await listed(both)).toMatchObject([{ state: 'CHANGED', activeVersion: 1, sha256: sha256('two') }]);
  await activateParameter(door.farm, shelf, change);
  expect(await listed(both)).toMatchObject([{ state: 'ACTIVE', activeVersion: 2 }]);
});

test('what is not what it should be is refused in words, and leaves nothing', async () => {
  const both = await open({ limits: { parameters: { fileBytesMax: 100_000, versionsMax: 2, pathsMax: 1 } } });
  const { door, factory } = both;
  expect(await upload(both, 'one', `?sha256=${sha256('two')}`)).toMatchObject({
    status: 400,
    json: { reason: 'PARAMETER_GARBLED' },
  });
  expect(await upload(both, 'x'.repeat(20_000_000))).toMatchObject({
    status: 400,
    json: { reason: 'PARAMETER_TOO_LARGE' },
  });
  expect(await door.send('POST', `${AT}/versions`, { body: {} })).toMatchObject({
    status: 400,
    json: { reason: 'BAD_BODY' },
  });
  for (const path of ['../x', '/etc/x', 'a//b', 'a\\b', '.'])
    expect(
      await door.send('POST', `${ROOT}/${encodeURIComponent(path)}/versions`, {
        body: Buffer.from('x'),
        headers: OCTETS,
      }),
    ).toMatchObject({ status: 400, json: { reason: 'UPLOAD_NAME_BAD' } });
  expect(await activate(both, 1)).toMatchObject({ status: 404, json: { reason: 'NO_SUCH_PARAMETER' } });
  expect(await door.send('GET', AT)).toMatchObject({ status: 404, json: { reason: 'NO_SUCH_PARAMETER' } });
  await upload(both, 'one');
  expect(await activate(both, 7)).toMatchObject({ status: 404, json: { reason: 'NO_SUCH_VERSION' } });
  await activate(both, 1);
  expect(await rollBack(both)).toMatchObject({ status: 409, json: { reason: 'NOTHING_TO_ROLL_BACK' } });
  await upload(both, 'two');
  expect(await upload(both, 'three')).toMatchObject({ status: 429, json: { reason: 'TOO_MANY_PARAMETERS' } });
  expect(await door.send('POST', `${ROOT}/other/versions`, { body: Buffer.from('x'), headers: OCTETS })).toMatchObject({
    status: 429,
    json: { reason: 'TOO_MANY_PARAMETERS' },
  });
  expect(await door.send('GET', '/api/v1/instances/line-2/parameters')).toMatchObject({
    status: 404,
    json: { reason: 'NO_PARAMETERS' },
  });
  expect(readdirSync(join(factory.folder, 'incoming'))).toEqual([]);
});

test('an upload that breaks off leaves nothing', async () => {
  const both = await open();
  const { door, factory } = both;
  const request = http.request({
    ...{ port: door.door.port, host: '127.0.0.1', method: 'POST', path: `${AT}/versions`, agent: false },
    headers: { ...OCTETS, 'content-length': 1_000_000 },
  });
  request.on('error', () => undefined);
  request.write(Buffer.alloc(900_000));
  const incoming = () => readdirSync(join(factory.folder, 'incoming')).length;
  await vi.waitFor(() => expect(incoming()).toBe(1), { timeout: 60_000 });
  request.destroy();
  await vi.waitFor(() => expect(incoming()).toBe(0), { timeout: 60_000 });
  expect((await door.send('GET', AT)).status).toBe(404);
  expect(door.logged).toEqual([]);
});

test('a list goes on page by page', async () => {
  const both = await open();
  for (const name of ['c', 'a', 'b'])
    await both.door.send('POST', `${ROOT}/${name}/versions`, { body: Buffer.from(name), headers: OCTETS });
  const first = await both.door.send('GET', `${ROOT}?pageSize=2`);
  const second = await both.door.send('GET', `${ROOT}?pageSize=2&pageToken=${first.json.nextPageToken}`);
  expect([first, second].map((page) => rowsOf(page, 'parameters').map(({ path }) => path))).toEqual([
    ['a', 'b'],
    ['c'],
  ]);
  expect(second.json.nextPageToken).toBe('');
});
