/** TLS on a door: who gets in, by which certificate, and what happens when the files change. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { type AddressInfo, connect as connectPlainly, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type PeerCertificate, TLSSocket } from 'node:tls';
import { afterEach, assert, beforeEach, expect, test, vi } from 'vitest';
import { CannotStart } from '../../src/core/cannot-start.ts';
import { defaultLimits, type Limits } from '../../src/core/limits.ts';
import { certificateOfSocket, toCertificate } from '../../src/listen/certificate.ts';
import { createHttpServer } from '../../src/listen/create-http-server.ts';
import { createDoorkeeper } from '../../src/listen/doorkeeper.ts';
import { listenForHttp2 } from '../../src/listen/listen-for-http2.ts';
import type { TlsPaths } from '../../src/listen/tls-files.ts';
import { openTlsKeeper } from '../../src/listen/tls-keeper.ts';
import { expired, openAuthority, writeIssued } from '../support/certificates.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { wallClock } from '../support/wall-clock.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const CHECK_MS = 5_000;

const farm = openAuthority('the farm');
const bots = openAuthority('the bots');
const bot = bots.bot({ farm: 'farm.example', instance: 'line, "1"', botId: 'dut/1' });

let folder: string;
const undo: (() => void)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stationgrid-tls-'));
});
afterEach(() => {
  for (const step of undo.splice(0).toReversed()) step();
  rmSync(folder, { recursive: true });
});

const authoritiesAt = (text: string): string => {
  const path = join(folder, 'bots.pem');
  writeFileSync(path, text);
  return path;
};

const filesOf = (authorities: string | null = null): TlsPaths => ({
  ...writeIssued(folder, 'farm', farm.server()),
  clientAuthorities: authorities === null ? null : authoritiesAt(authorities),
});

/** A door on those files, and what it has let in, told and refused. */
const openDoor = async (paths: TlsPaths, limits: Partial<Limits['doors']> = {}) => {
  const clock = createManualClock(new Date());
  const refused: string[] = [];
  const told: string[] = [];
  const taken: Socket[] = [];
  const nothing = () => undefined;
  const keeper = createDoorkeeper({
    limits: { ...defaultLimits.doors, ...limits },
    clock: wallClock,
    behindProxy: false,
    witness: {
      opened: nothing,
      closed: nothing,
      refused: (reason, _peer, why) => void refused.push(`${reason}: ${why}`),
    },
  });
  const tls = openTlsKeeper({
    paths,
    checkMs: CHECK_MS,
    clock,
    witness: {
      certificateExpires: nothing,
      reloaded: () => void told.push('reloaded'),
      reloadFailed: (why) => void told.push(why),
    },
  });
  const arrivals: ((socket: Socket) => void)[] = [];
  const entrance = { tls, keeper };
  const listener = await listenForHttp2({
    address: { host: '127.0.0.1', port: 0 },
    entrance,
    take: (socket) => {
      taken.push(socket);
      arrivals.shift()?.(socket);
    },
  });
  undo.push(() => {
    tls.stop();
    void listener.close();
    for (const socket of taken) socket.destroy();
  });
  return {
    port: listener.port,
    entrance,
    clock,
    refused,
    told,
    /** The door's end of the next connection that comes through. */
    next: () => new Promise<Socket>((resolve) => arrivals.push(resolve)),
  };
};

type Door = Awaited<ReturnType<typeof openDoor>>;

/** Of HTTP/1.1, behind the same entrance: answers with the names in the certificate of who asks. */
const openHttpDoor = async ({ entrance }: Door): Promise<{ readonly port: number }> => {
  const server = createHttpServer(
    ({ socket }, reply) => void reply.end(certificateOfSocket(socket)?.uris.join() ?? 'nobody'),
    { entrance, limits: defaultLimits.http },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port };
};

const dial = (door: Pick<Door, 'port'>, options: ConnectionOptions = {}): TLSSocket => {
  const socket = connect({
    host: '127.0.0.1',
    port: door.port,
    ca: farm.certificate,
    ALPNProtocols: ['h2'],
    ...options,
  });
  socket.on('error', () => undefined);
  undo.push(() => socket.destroy());
  return socket;
};

/** Comes through: both ends of the connection. */
const enter = async (door: Door, options: ConnectionOptions = {}) => {
  const arrived = door.next();
  const client = dial(door, options);
  client.write(PREFACE);
  return { client, server: await arrived };
};

/** By an error or without one. */
const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

const asBot = { cert: bot.certificate, key: bot.key };
const serialOf = (socket: TLSSocket): string => socket.getPeerCertificate().serialNumber;

test('speaks TLS 1.2 and 1.3, and no older one', async () => {
  const door = await openDoor(filesOf());
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const { client } = await enter(door, { minVersion: version, maxVersion: version });
    expect([client.getProtocol(), client.alpnProtocol]).toEqual([version, 'h2']);
  }
  // OpenSSL has to be talked into offering it at all.
  const old = dial(door, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
  await closed(old);
  expect(old.getProtocol()).not.toBe('TLSv1.1');
  expect(door.refused).toEqual([expect.stringMatching(/^TLS handshake: .*unsupported protocol/)]);
});

test('a client that does not offer HTTP/2 gets no connection', async () => {
  const door = await openDoor(filesOf());
  await closed(dial(door, { ALPNProtocols: [] }));
  await closed(dial(door, { ALPNProtocols: ['http/1.1'] }));
  expect(door.refused).toEqual([
    'not HTTP/2: the client does not offer h2 in its TLS handshake (ALPN)',
    expect.stringMatching(/^TLS handshake: .*no application protocol/),
  ]);
});

test('whoever is not through TLS, or says nothing after it, is closed when its time is over', async () => {
  const door = await openDoor(filesOf(), { handshakeMs: 50 });
  const silent = connectPlainly(door.port, '127.0.0.1');
  undo.push(() => silent.destroy());
  await closed(silent.resume());
  await closed(dial(door).resume());
  expect(door.refused).toEqual(['handshake time: ', 'handshake time: ']);
});

test('asks bots for a certificate, takes one of its authorities, and reads the names in it', async () => {
  const door = await openDoor(filesOf(bots.certificate));
  const { server } = await enter(door, asBot);
  expect(certificateOfSocket(server)).toEqual({
    uris: ['spiffe://farm.example/instance/line%2C%20%221%22/bot/dut%2F1'],
    validTo: expect.any(Date),
  });
});

test('a name with a comma in it cannot pass for another name', async () => {
  const door = await openDoor(filesOf(bots.certificate));
  const uris = ['x:a, URI:spiffe://farm.example/instance/1/bot/1', 'spiffe://farm.example/instance/1/bot/2'];
  const forged = bots.issue({ uris });
  const { server } = await enter(door, { cert: forged.certificate, key: forged.key });
  expect(certificateOfSocket(server)?.uris).toEqual(uris);
});

test('a client without a certificate comes in without a name: a token is the other way', async () => {
  const door = await openDoor(filesOf(bots.certificate));
  const { server } = await enter(door);
  expect(certificateOfSocket(server)).toBeNull();
});

test('where certificates are not asked for, one that is offered says nothing', async () => {
  const door = await openDoor(filesOf());
  const { server } = await enter(door, asBot);
  expect(certificateOfSocket(server)).toBeNull();
});

test.for([
  [
    'of another authority',
    openAuthority('somebody').bot({ farm: 'farm.example', instance: '1', botId: '1' }),
    /UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/,
  ],
  ['that has expired', bots.bot({ farm: 'farm.example', instance: '1', botId: '1' }, expired()), /CERT_HAS_EXPIRED/],
  [
    'that was signed with a key under the same name',
    openAuthority('the bots').issue({ uris: ['spiffe://farm.example/instance/1/bot/1'] }),
    /SIGNATURE_FAILURE|UNABLE_TO_VERIFY/,
  ],
] as const)('a certificate %s ends the handshake', async ([, { certificate, key }, why]) => {
  const door = await openDoor(filesOf(bots.certificate));
  const client = dial(door, { cert: certificate, key });
  client.write(PREFACE);
  await closed(client);
  expect(door.refused).toEqual([expect.stringMatching(new RegExp(`^client certificate: .*(${why.source})`))]);
});

test('a connection is never resumed: each proves itself anew', async () => {
  const door = await openDoor(filesOf(bots.certificate));
  const { client } = await enter(door, { ...asBot, maxVersion: 'TLSv1.2' });
  const session = client.getSession();
  const again = await enter(door, { ...asBot, maxVersion: 'TLSv1.2', ...(session === undefined ? {} : { session }) });
  expect(again.client.isSessionReused()).toBe(false);
});

/** Whether the door does another handshake on the connection, in which TLS 1.2 could show another certificate. */
const renegotiates = (client: TLSSocket): Promise<boolean> =>
  new Promise((resolve) => {
    for (const end of ['error', 'close']) client.once(end, () => resolve(false));
    client.renegotiate({}, (error) => resolve(error === null));
  });
const asBotBy12 = { ...asBot, maxVersion: 'TLSv1.2' } as const;

test.for<[string, (door: Door) => Promise<TLSSocket>]>([
  [
    'HTTP/2, that has said nothing yet',
    async (door) => {
      const client = dial(door, asBotBy12);
      await once(client, 'secureConnect');
      return client;
    },
  ],
  [
    'HTTP/2, that has come through',
    async (door) => {
      const { client, server } = await enter(door, asBotBy12);
      server.resume();
      return client;
    },
  ],
  [
    'HTTP/1.1, that was answered',
    async (door) => {
      const client = dial(await openHttpDoor(door), { ...asBotBy12, ALPNProtocols: ['http/1.1'] });
      client.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
      expect(String((await once(client, 'data'))[0])).toMatch(/^HTTP\/1.1 200 [^]*\/bot\/dut%2F1/);
      return client;
    },
  ],
])('a connection of %s, proves itself once, and so it does when the files have changed', async ([, come]) => {
  const door = await openDoor(filesOf(bots.certificate));
  expect(await renegotiates(await come(door))).toBe(false);
  writeIssued(folder, 'farm', farm.server());
  await door.clock.advance(CHECK_MS);
  expect(door.told).toEqual(['reloaded']);
  expect(await renegotiates(await come(door))).toBe(false);
});

test('a connection is whom it proved to be at its handshake, whatever it shows later', async () => {
  const door = await openDoor(filesOf(bots.certificate));
  const { server } = await enter(door, asBot);
  const { server: nameless } = await enter(door);
  assert(server instanceof TLSSocket);
  const shown = certificateOfSocket(server);
  const forged = { valid_to: 'Jan  1 00:00:00 2100 GMT', subjectaltname: 'URI:spiffe://farm.example/instance/1/bot/1' };
  const later = vi.spyOn(TLSSocket.prototype, 'getPeerCertificate').mockReturnValue(forged as PeerCertificate);
  undo.push(() => later.mockRestore());
  expect(shown).not.toBeNull();
  expect([certificateOfSocket(server), certificateOfSocket(nameless)]).toEqual([shown, null]);
  // Which is where grpc-js looks by itself.
  expect([toCertificate(server.getPeerCertificate()), later.mock.calls]).toEqual([shown, []]);
});

test('a new certificate serves new connections, and the old ones stay', async () => {
  const paths = filesOf();
  const door = await openDoor(paths);
  const { client: before, server } = await enter(door);
  writeIssued(folder, 'farm', farm.server());
  await door.clock.advance(CHECK_MS);
  expect(door.told).toEqual(['reloaded']);
  const { client: after } = await enter(door);
  expect(serialOf(after)).not.toBe(serialOf(before));
  const heard = once(before, 'data');
  server.write('still here');
  expect(String((await heard)[0])).toBe('still here');
});

test.for([
  ['a key of another certificate', () => ({ key: farm.server().key }), /key values mismatch/],
  [
    'half a file',
    () => ({ certificate: farm.server().certificate.slice(0, 100) }),
    /farm.pem has no certificate in PEM/,
  ],
  ['an expired certificate', () => farm.server(expired()), /farm.pem is valid to .* only; put a new one there/],
] as const)('%s leaves the old certificate in use, and is told once', async ([, changed, why]) => {
  const door = await openDoor(filesOf());
  const { client: before } = await enter(door);
  const issued: { certificate?: string; key?: string } = changed();
  if (issued.certificate !== undefined) writeFileSync(join(folder, 'farm.pem'), issued.certificate);
  if (issued.key !== undefined) writeFileSync(join(folder, 'farm.key'), issued.key);
  await door.clock.advance(3 * CHECK_MS);
  expect(door.told).toEqual([expect.stringMatching(why)]);
  const { client: after } = await enter(door);
  expect(serialOf(after)).toBe(serialOf(before));
  // And once it is mended, the new one serves.
  writeIssued(folder, 'farm', farm.server());
  await door.clock.advance(CHECK_MS);
  const { client: mended } = await enter(door);
  expect(serialOf(mended)).not.toBe(serialOf(before));
});

test('when the authorities change, whom they let in must prove itself again, and nobody else', async () => {
  const door = await openDoor(filesOf(bots.certificate));
  const { client: known } = await enter(door, asBot);
  const { client: nameless, server } = await enter(door);
  authoritiesAt(openAuthority('new bots').certificate);
  const left = closed(known);
  await door.clock.advance(CHECK_MS);
  await left;
  const heard = once(nameless, 'data');
  server.write('still here');
  await heard;
  await closed(dial(door, asBot));
  expect(door.refused).toEqual([expect.stringMatching(/^client certificate/)]);
});

test.for<[string, (paths: TlsPaths) => void, RegExp]>([
  ['the certificate is not there', ({ certificate }) => rmSync(certificate), /ENOENT.*farm.pem/],
  [
    'others may read the key',
    ({ key }) => chmodSync(key, 0o644),
    /others may read the key .*farm.key \(mode 0644\); run: chmod 600/,
  ],
  ['the key is of another certificate', ({ key }) => writeFileSync(key, farm.server().key), /key values mismatch/],
  [
    'the authorities are none',
    ({ clientAuthorities }) => writeFileSync(clientAuthorities!, 'nobody'),
    /bots.pem has no certificate in PEM/,
  ],
])('does not start where %s', ([, harm, words]) => {
  const paths = filesOf(bots.certificate);
  harm(paths);
  const nothing = () => undefined;
  const witness = { certificateExpires: nothing, reloaded: nothing, reloadFailed: nothing };
  const start = () => openTlsKeeper({ paths, checkMs: CHECK_MS, clock: wallClock, witness });
  expect(start).toThrow(CannotStart);
  expect(start).toThrow(words);
});
