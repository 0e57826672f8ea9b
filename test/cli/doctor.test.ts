/** Each check of `stationgrid doctor` with what it is content with, and with what it is not: on real files and servers. */
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { lookup } from 'node:dns/promises';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { Server, ServerCredentials, ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { certificateChecks } from '../../src/cli/doctor/certificates.ts';
import { type Check, ok } from '../../src/cli/doctor/check.ts';
import { databaseChecks } from '../../src/cli/doctor/database.ts';
import { diskChecks } from '../../src/cli/doctor/disks.ts';
import { nameChecks } from '../../src/cli/doctor/names.ts';
import { partnerChecks } from '../../src/cli/doctor/partners.ts';
import { portChecks } from '../../src/cli/doctor/ports.ts';
import { runChecks } from '../../src/cli/doctor/run-checks.ts';
import type { Site, Way } from '../../src/cli/doctor/site.ts';
import { wayInChecks } from '../../src/cli/doctor/way-in.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import { startReferenceShopfloor } from '../../src/reference-shopfloor/reference-shopfloor.ts';
import { expired, openAuthority, type Wanted, writeIssued } from '../support/certificates.ts';
import { type EmptyDatabase, emptyDatabase, type FreshDatabase, freshDatabase } from '../support/database.ts';
import { wallClock } from '../support/wall-clock.ts';

/** Longer than anything here takes on a slow and busy machine. */
const PATIENCE_MS = 30_000;
const DAY_MS = 86_400_000;

let folder: string;
const undo: (() => unknown)[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'stationgrid-doctor-'));
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A configuration that is right, as the command would read it. */
const configOf = (written: object = {}): Config => {
  const file = join(folder, 'farm.yaml');
  writeFileSync(file, JSON.stringify(written), { mode: 0o600 });
  const loaded = loadConfig({ file });
  if (loaded.kind === 'bad') throw new Error(loaded.problems.join('\n'));
  return loaded.config;
};

const PLAIN: Way = { by: 'own', address: { host: '127.0.0.1', port: 1 }, tls: null, token: null };

const siteOf = (written: object = {}, more: Partial<Site> = {}): Site => ({
  config: configOf(written),
  way: PLAIN,
  clock: wallClock,
  ...more,
});

/** The verdicts by id, and what was seen. */
const judge = async (checks: readonly Check[]): Promise<Readonly<Record<string, readonly [string, string]>>> => {
  const judged = await runChecks(checks, { clock: wallClock, boundMs: PATIENCE_MS });
  return Object.fromEntries(judged.map(({ check, finding: { kind, saw } }) => [check.id, [kind, saw] as const]));
};

const portOf = async (server: net.Server): Promise<number> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
};

test('a check that has no end is ended', async () => {
  let aborted = false;
  const endless: Check = {
    ...{ id: 'endless', what: '', why: '', mend: '' },
    run: (signal) => {
      signal.addEventListener('abort', () => (aborted = true));
      return new Promise(() => undefined);
    },
  };
  const quick: Check = { ...endless, id: 'quick', run: () => ok('at once') };
  const judged = await runChecks([endless, quick], { clock: wallClock, boundMs: 20 });
  expect(judged.map(({ finding }) => finding)).toEqual([
    { kind: 'fail', saw: 'no end within 20 ms' },
    { kind: 'ok', saw: 'at once' },
  ]);
  expect(aborted).toBe(true);
});

describe('names', () => {
  test('none are in use: there is nothing to ask', async () => {
    expect(await judge(nameChecks(siteOf()))).toEqual({ dns: ['skipped', expect.anything()] });
  });

  test('one that nobody knows', async () => {
    const written = { databaseUrl: 'postgresql://me:hush@db.invalid/farm' };
    expect(await judge(nameChecks(siteOf(written)))).toEqual({
      'dns.db.invalid': ['fail', expect.stringMatching(/, for databaseUrl$/)],
    });
  });

  test('one that this machine knows', async ({ skip }) => {
    const name = hostname();
    const address = await lookup(name).catch(() => null);
    if (address === null) return skip('this machine does not know its own name');
    const lines = [{ instance: 'l', shopfloor: { url: `http://${name}/` } }];
    const judged = await judge(nameChecks(siteOf({ lines })));
    expect(judged).toEqual({ [`dns.${name.toLowerCase()}`]: ['ok', expect.stringContaining('for shopfloor.url')] });
  });
});

describe('the files of tls', () => {
  const authority = openAuthority();
  const other = openAuthority('another');

  const judgeFiles = (wanted: Wanted, change: (files: { certificate: string; key: string }) => object = () => ({})) => {
    const files = writeIssued(folder, 'farm', authority.server(wanted));
    return judge(
      certificateChecks(siteOf({ tls: { ...files, ...change(files) }, doors: { names: ['farm.example'] } })),
    );
  };
  const named: Wanted = { dnsNames: ['farm.example'], validTo: new Date(Date.now() + 90 * DAY_MS) };

  test('sound ones', async () => {
    const clientAuthorities = join(folder, 'authorities.pem');
    writeFileSync(clientAuthorities, other.certificate);
    const judged = await judgeFiles(named, () => ({ clientAuthorities }));
    expect(Object.values(judged).map(([kind]) => kind)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
  });

  test('none at all, or a proxy has them', async () => {
    expect(await judge(certificateChecks(siteOf()))).toMatchObject({ tls: ['skipped', 'the doors are plain'] });
    expect(await judge(certificateChecks(siteOf({ tls: 'terminated-by-proxy' })))).toMatchObject({
      tls: ['skipped', {}],
    });
  });

  test.for([
    [
      'tls.key',
      'a key that others may read',
      named,
      ({ key }: { key: string }) => (chmodSync(key, 0o644), {}),
      /others may read/,
    ],
    [
      'tls.key',
      'the key of another',
      named,
      () => ({ key: writeIssued(folder, 'x', other.server()).key }),
      /another certificate/,
    ],
    ['tls.key', 'no key', named, () => ({ key: join(folder, 'none.key') }), /ENOENT/],
    [
      'tls.names',
      'another name',
      { ...named, dnsNames: ['old.example'] },
      () => ({}),
      /not for farm.example, but for DNS:old.example/,
    ],
    ['tls.expiry', 'an expired one', { ...named, ...expired() }, () => ({}), /valid from/],
  ] as const)('%s: %s', async ([id, , wanted, change, saw]) => {
    const judged = await judgeFiles(wanted, change);
    expect(judged[id]).toEqual(['fail', expect.stringMatching(saw)]);
  });

  test('one that ends soon is to be looked at', async () => {
    const judged = await judgeFiles({ ...named, validTo: new Date(Date.now() + 3 * DAY_MS) });
    expect(judged['tls.expiry']?.[0]).toBe('warn');
  });

  test('a chain in the wrong order, a file without one, and dead authorities', async () => {
    const { certificate, key } = authority.server(named);
    const files = writeIssued(folder, 'farm', { certificate: certificate + other.certificate, key });
    const clientAuthorities = join(folder, 'dead.pem');
    writeFileSync(clientAuthorities, authority.server(expired()).certificate);
    const judged = await judge(certificateChecks(siteOf({ tls: { ...files, clientAuthorities } })));
    expect(judged['tls.chain']).toEqual(['fail', expect.stringContaining('did not issue the one before it')]);
    expect(judged['tls.authorities']).toEqual(['fail', '0 of 1 certificate hold']);
    writeFileSync(files.certificate, certificate + authority.certificate);
    expect((await judge(certificateChecks(siteOf({ tls: files }))))['tls.chain']?.[0]).toBe('ok');
    writeFileSync(files.certificate, 'no PEM');
    expect((await judge(certificateChecks(siteOf({ tls: files }))))['tls.chain']).toEqual([
      'fail',
      expect.stringContaining('has no certificate'),
    ]);
  });
});

describe('the way in', () => {
  const authority = openAuthority();

  /** @param heard is given what each call shows as its authorization. */
  const startGrpc = async (isServing: boolean, heard: unknown[] = []): Promise<number> => {
    const interceptor: ServerInterceptor = (_, call) =>
      new ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata: (metadata, pass) => {
              heard.push(...metadata.get('authorization'));
              pass(metadata);
            },
          }),
      });
    const server = new Server({ interceptors: [interceptor] });
    new HealthImplementation({ '': isServing ? 'SERVING' : 'NOT_SERVING' }).addToServer(server);
    undo.push(() => server.forceShutdown());
    return new Promise((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
  };

  /** Takes TLS off and passes the bytes on, as a load balancer does. */
  const startProxy = (to: number, wanted: Wanted = {}): Promise<number> => {
    const { certificate: cert, key } = authority.server(wanted);
    const open = new Set<net.Socket>();
    const proxy = tls.createServer({ cert, key, ALPNProtocols: ['h2'] }, (outside) => {
      const inside = net.connect(to, '127.0.0.1');
      for (const socket of [inside, outside]) {
        open.add(socket);
        socket.on('error', () => socket.destroy());
      }
      outside.pipe(inside).pipe(outside);
    });
    const port = portOf(proxy);
    void port.then(() => undo.push(() => open.forEach((socket) => socket.destroy())));
    return port;
  };

  const judgeWay = (port: number, way: Partial<Way> = {}) => {
    const address = { host: 'localhost', port };
    const named: Way = { by: 'named', address, tls: null, token: null, ...way };
    return judge(wayInChecks(siteOf({}, { way: named })).checks);
  };
  const trusting = { tls: { ca: authority.certificate } };
  const kindsOf = (judged: Readonly<Record<string, readonly [string, string]>>) =>
    Object.fromEntries(Object.entries(judged).map(([id, [kind]]) => [id, kind]));

  test('a plain farm', async () => {
    expect(kindsOf(await judgeWay(await startGrpc(true)))).toEqual({
      ...{ server: 'ok', 'server.tls': 'skipped', 'server.name': 'skipped', 'server.expiry': 'skipped' },
      ...{ 'server.h2': 'ok', 'server.health': 'ok' },
    });
  });

  test('a farm behind a proxy that does TLS', async () => {
    const port = await startProxy(await startGrpc(true), { validTo: new Date(Date.now() + 90 * DAY_MS) });
    expect(kindsOf(await judgeWay(port, trusting))).toEqual({
      ...{ server: 'ok', 'server.tls': 'ok', 'server.name': 'ok', 'server.expiry': 'ok' },
      ...{ 'server.h2': 'ok', 'server.health': 'ok' },
    });
  });

  test('one that does not serve', async () => {
    expect((await judgeWay(await startGrpc(false)))['server.health']).toEqual(['fail', 'NOT_SERVING']);
  });

  test('nobody: what was named must be there, what is ours may come', async () => {
    const server = net.createServer();
    const port = await portOf(server);
    server.close();
    expect((await judgeWay(port))['server']).toEqual(['fail', expect.stringContaining('ECONNREFUSED')]);
    const own = { by: 'own', address: { host: '127.0.0.1', port } } as const;
    expect(kindsOf(await judgeWay(port, own))).toMatchObject({ server: 'skipped', 'server.health': 'skipped' });
  });

  test('a proxy that speaks HTTP/1.1 only, plain and in TLS', async () => {
    const answer: http.RequestListener = (_, response) => response.end('hello');
    const plain = await judgeWay(await portOf(http.createServer(answer)));
    expect(plain['server.h2']).toEqual(['fail', expect.stringMatching(/^no HTTP\/2/)]);
    expect(plain['server.health']?.[0]).toBe('fail');
    const { certificate: cert, key } = authority.server();
    const secure = https.createServer({ cert, key, ALPNProtocols: ['http/1.1', 'h2x'] }, answer);
    const judged = await judgeWay(await portOf(secure), trusting);
    // A server that has no protocol in common ends the handshake; one that asks for none goes on without.
    expect([judged['server']?.[0], judged['server.h2']?.[0]]).toContain('fail');
    const deaf = tls.createServer({ cert, key }, (socket) => socket.end());
    expect((await judgeWay(await portOf(deaf), trusting))['server.h2']).toEqual([
      'fail',
      'ALPN chose nothing, and h2 was asked for',
    ]);
  });

  test('a certificate of nobody whom we trust, for another name, or past its end', async () => {
    const port = await startGrpc(true);
    const stranger = await judgeWay(await startProxy(port), { tls: { ca: openAuthority('other').certificate } });
    expect(stranger['server.tls']?.[0]).toBe('fail');
    const misnamed = await judgeWay(await startProxy(port, { dnsNames: ['farm.example'], addresses: [] }), trusting);
    expect(misnamed['server.name']).toEqual(['fail', 'not for localhost, but for DNS:farm.example']);
    expect(misnamed['server.tls']?.[0]).toBe('ok');
    const dead = await judgeWay(await startProxy(port, expired()), trusting);
    expect(dead['server.expiry']?.[0]).toBe('fail');
  });

  test('a token is shown to whoever is known to be the farm, and to nobody else', async () => {
    const heard: unknown[] = [];
    const port = await startGrpc(true, heard);
    const proxied = await startProxy(port);
    const token = 'hush';
    const asked = async (at: number, way: Partial<Way>) => {
      heard.length = 0;
      const judged = await judgeWay(at, { token, ...way });
      return [judged['server.health']?.[0], ...heard];
    };
    expect(await asked(proxied, trusting)).toEqual(['ok', 'Bearer hush']);
    expect(await asked(proxied, { tls: { ca: openAuthority('other').certificate } })).toEqual(['fail']);
    // Our own door is asked whoever answers there: the file of its certificate may be newer than what it shows.
    expect(await asked(proxied, { by: 'own', tls: {} })).toEqual(['ok']);
    expect(await asked(port, { by: 'own' })).toEqual(['ok', 'Bearer hush']);
  });

  test('our own door with another certificate than the file has', async () => {
    const port = await startProxy(await startGrpc(true));
    const files = writeIssued(folder, 'renewed', authority.server());
    const way: Way = { by: 'own', address: { host: '127.0.0.1', port }, tls: {}, token: null };
    const judged = await judge(wayInChecks(siteOf({ tls: files }, { way })).checks);
    expect(judged['server.tls']).toEqual(['fail', expect.stringContaining('another one than')]);
    expect(judged['server.health']).toEqual(['ok', 'SERVING']);
  });
});

describe('the database', () => {
  let db: FreshDatabase;
  let empty: EmptyDatabase;
  beforeAll(async () => {
    [db, empty] = [await freshDatabase(), await emptyDatabase()];
  });
  afterAll(() => Promise.all([db.drop(), empty.drop()]));

  const judgeDatabase = async (written: object, more: Partial<Site> = {}) => {
    const { checks, close } = databaseChecks(siteOf(written, more));
    return judge(checks).finally(close);
  };

  test('a sound one, by two roles', async () => {
    const judged = await judgeDatabase({
      databaseUrl: db.url,
      ownerDatabaseUrl: db.ownerUrl,
      limits: { postgres: { poolMax: 1 } },
    });
    // How many connections are free is the other tests' to say; and the tests' server does without fsync.
    const { 'database.connections': _, 'database.settings': settings, ...mine } = judged;
    expect(settings).toEqual(['fail', expect.stringContaining('runs with fsync = off')]);
    expect(Object.values(mine).filter(([kind]) => kind !== 'ok')).toEqual([]);
    expect(mine['clock']?.[1]).toMatch(/^the database is (ahead|behind) by \d+ ms \(± \d+ ms\)$/);
  });

  test('the embedded one is not started', async () => {
    const judged = await judgeDatabase({ data: join(folder, 'nothing') });
    expect(judged['database']).toEqual(['skipped', expect.stringContaining('does not run; the farm starts it')]);
    expect(judged['database.schema']?.[0]).toBe('skipped');
  });

  test('one that lets nobody in; its password is not told', async () => {
    const judged = await judgeDatabase({ databaseUrl: 'postgresql://me:hush@127.0.0.1:1/farm' });
    expect(judged['database']).toEqual(['fail', expect.stringContaining('postgresql://127.0.0.1:1/farm: ')]);
    expect(JSON.stringify(judged)).not.toContain('hush');
  });

  test('an owner who is not let in', async () => {
    const ownerDatabaseUrl = db.ownerUrl.replace(/\/\/[^@/]+/, '//nobody_of_this_name');
    const judged = await judgeDatabase({ databaseUrl: db.url, ownerDatabaseUrl });
    expect(judged['database.owner']?.[0]).toBe('fail');
  });

  test('too few connections', async () => {
    const judged = await judgeDatabase({ databaseUrl: db.url, limits: { postgres: { poolMax: 1_000_000 } } });
    expect(judged['database.connections']?.[0]).toBe('warn');
  });

  test('a clock an hour away is told', async () => {
    const clock = { ...wallClock, now: () => new Date(wallClock.now().getTime() - 3_600_000) };
    const judged = await judgeDatabase({ databaseUrl: db.url }, { clock });
    expect(judged['clock']).toEqual(['warn', expect.stringMatching(/ahead by 3[56]\d{5} ms/)]);
  });

  test('one without a farm', async () => {
    const judged = await judgeDatabase({ databaseUrl: empty.ownerUrl });
    expect(judged['database.schema']).toEqual(['warn', expect.stringContaining('no farm in it yet')]);
    expect(judged['database.doctor']?.[0]).toBe('skipped');
  });

  test('a schema from the future, one that is behind, one of another text, and what does not hold', async () => {
    const copy = await db.copy();
    undo.push(() => copy.drop());
    const { default: pg } = await import('pg');
    const owner = new pg.Client(copy.ownerUrl);
    await owner.connect();
    undo.push(() => owner.end());
    const schema = async () => (await judgeDatabase({ databaseUrl: copy.url }))['database.schema'];
    await owner.query(`insert into schema_migrations (number, name, sha256) values (9999, 'quantum', 'x')`);
    expect(await schema()).toEqual(['fail', 'unknown to this build: 9999_quantum']);
    await owner.query(`delete from schema_migrations where number = 9999`);
    await owner.query(
      `insert into tallies (family, instance, label, state, n) values ('job', 'l', 'FAT', 'QUEUED', 2)`,
    );
    const ill = await judgeDatabase({ databaseUrl: copy.url });
    expect(ill['database.doctor']).toEqual(['fail', expect.stringContaining('invariant 18: jobs QUEUED')]);
    await owner.query(`update schema_migrations set sha256 = 'x' where number = 1`);
    expect(await schema()).toEqual(['fail', 'applied with another text: 0001_farm']);
    await owner.query(`delete from schema_migrations where number = 1`);
    expect(await schema()).toEqual(['warn', 'pending: 0001_farm']);
  });
});

describe('ports', () => {
  const judgePorts = (doors: object) => judge(portChecks(siteOf({ doors }), () => Promise.resolve()));

  test('free ones, and those that the system chooses', async () => {
    const server = net.createServer();
    const port = await portOf(server);
    await new Promise((resolve) => server.close(resolve));
    undo.length = 0;
    const judged = await judgePorts({ grpc: `127.0.0.1:${String(port)}`, http: '127.0.0.1:0' });
    expect(judged).toEqual({
      'port.grpc': ['ok', `127.0.0.1:${String(port)} is free`],
      'port.http': ['ok', 'the system chooses a port'],
    });
  });

  test("a stranger's, at each door", async () => {
    const stranger = http.createServer((_, response) => response.end('hello'));
    const at = `127.0.0.1:${String(await portOf(stranger))}`;
    const judged = await judgePorts({ grpc: at, http: '127.0.0.1:0', ops: at, factory: at });
    expect(Object.entries(judged).filter(([id, [kind]]) => id !== 'port.http' && kind !== 'fail')).toEqual([]);
    expect(judged['port.ops']?.[1]).toBe(`another program, which is no farm, listens at ${at}`);
  });

  test('an address that this machine has not', async () => {
    const written = { iKnowThatAnyoneOnThisNetworkCanFalsifyResults: true, grpc: '192.0.2.1:50051' };
    expect((await judgePorts({ ...written, http: '127.0.0.1:0' }))['port.grpc']).toEqual([
      'fail',
      expect.stringContaining('EADDRNOTAVAIL'),
    ]);
  });
});

test('the disk: room, too little, a path that is no folder', async () => {
  const judgeDisk = (written: object) => judge(diskChecks(siteOf(written)));
  const factory = '127.0.0.1:0';
  const kept = (freeBytes: string) => ({
    data: folder,
    doors: { factory },
    limits: { uploads: { freeBytesMin: freeBytes } },
  });
  expect((await judgeDisk(kept('1 B')))['disk.uploads']?.[0]).toBe('ok');
  // Where a terabyte and more is free, there is nothing to be seen.
  const { statfsSync } = await import('node:fs');
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize < 1024 ** 4)
    expect((await judgeDisk(kept('1 TiB')))['disk.uploads']).toEqual([
      'fail',
      expect.stringContaining('less than 1 TiB'),
    ]);
  expect((await judgeDisk({ data: '/dev/null/stationgrid' }))['disk.data']).toEqual(['fail', '/dev/null is no folder']);
  expect(await judgeDisk({ databaseUrl: 'postgresql://db.example/farm' })).toMatchObject({
    'disk.data': ['skipped', {}],
    'disk.uploads': ['skipped', 'there is no factory door'],
  });
});

describe('partners', () => {
  const lineAt = (url: string, limits: object = {}) => ({ lines: [{ instance: 'l', shopfloor: { url } }], limits });
  const judgePartners = (written: object) => judge(partnerChecks(siteOf(written)));

  test('a shopfloor that answers', async () => {
    const shopfloor = await startReferenceShopfloor({ clock: wallClock, port: 0, journalPath: null });
    undo.push(() => shopfloor.stop());
    const secret = shopfloor.url.replace('//', '//me:hush@');
    const judged = await judgePartners(lineAt(secret));
    expect(judged['shopfloor.l']).toEqual(['ok', expect.stringContaining(`${shopfloor.url} answers `)]);
    expect(JSON.stringify(judged)).not.toContain('hush');
  });

  test('one that is away, one that is silent, one that answers with a fault', async () => {
    expect((await judgePartners(lineAt('http://127.0.0.1:1/')))['shopfloor.l']).toEqual([
      'fail',
      'http://127.0.0.1:1/: no connection (ECONNREFUSED)',
    ]);
    const held = new Set<net.Socket>();
    const silent = net.createServer((socket) => held.add(socket));
    const url = `http://127.0.0.1:${String(await portOf(silent))}/`;
    undo.push(() => held.forEach((socket) => socket.destroy()));
    const judged = await judgePartners(lineAt(url, { calls: { timeout: '100 ms' } }));
    expect(judged['shopfloor.l']).toEqual(['fail', expect.stringContaining('no complete answer within 100 ms')]);
    const faulty = http.createServer((_, response) =>
      response.end(
        '<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>7</int></value></member>' +
          '<member><name>faultString</name><value><string>no such method</string></value></member></struct></value></fault></methodResponse>',
      ),
    );
    const faultUrl = `http://127.0.0.1:${String(await portOf(faulty))}/`;
    expect((await judgePartners(lineAt(faultUrl)))['shopfloor.l']).toEqual([
      'warn',
      expect.stringContaining('fault 7: no such method'),
    ]);
  });

  test("the issuer's keys: there, empty, away", async () => {
    const jwt = (keys: object) => ({ auth: { jwt: { issuer: 'me', audience: 'farm', ...keys } } });
    const jwksFile = join(folder, 'jwks.json');
    writeFileSync(jwksFile, JSON.stringify({ keys: [{}] }));
    expect((await judgePartners(jwt({ jwksFile })))['auth.keys']).toEqual(['ok', `1 at ${jwksFile}`]);
    writeFileSync(jwksFile, JSON.stringify({ keys: [] }));
    expect((await judgePartners(jwt({ jwksFile })))['auth.keys']).toEqual(['fail', `${jwksFile} has no keys`]);
    const issuer = http.createServer((_, response) => response.writeHead(503).end());
    const jwksUrl = `http://127.0.0.1:${String(await portOf(issuer))}/jwks`;
    expect((await judgePartners(jwt({ jwksUrl })))['auth.keys']).toEqual(['fail', `${jwksUrl}: HTTP status 503`]);
  });
});
