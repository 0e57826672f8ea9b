/** Which connections a door keeps, told by a clock that stands still. */
import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { defaultLimits, type Limits } from '../../src/core/limits.ts';
import { createDoorkeeper } from '../../src/listen/doorkeeper.ts';
import { keepDoor } from '../../src/listen/keep-door.ts';
import { listenForHttp2 } from '../../src/listen/listen-for-http2.ts';
import { partyOf } from '../../src/listen/party.ts';
import { tellRefusals } from '../../src/listen/tell-refusals.ts';
import { PREFACE } from '../support/http2-frames.ts';
import { createManualClock } from '../support/manual-clock.ts';

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).toReversed()) step();
});

const witness = () => {
  const refused: string[] = [];
  let open = 0;
  return {
    refused,
    open: () => open,
    seams: {
      opened: () => void (open += 1),
      closed: () => void (open -= 1),
      refused: (reason: string) => void refused.push(reason),
    },
  };
};

type Given = Partial<Limits['doors']> & { readonly behindProxy?: boolean };

/** A plain door for HTTP/2. */
const openDoor = async ({ behindProxy = false, ...limits }: Given) => {
  const clock = createManualClock();
  const watched = witness();
  const keeper = createDoorkeeper({
    limits: { ...defaultLimits.doors, ...limits },
    clock,
    witness: watched.seams,
    behindProxy,
  });
  const taken: Socket[] = [];
  const arrivals: (() => void)[] = [];
  const { port, close } = await listenForHttp2({
    address: { host: '127.0.0.1', port: 0 },
    entrance: { tls: null, keeper },
    take: (socket) => {
      taken.push(socket);
      arrivals.shift()?.();
    },
  });
  undo.push(() => {
    void close();
    for (const socket of taken) socket.destroy();
  });
  const dial = (localAddress = '127.0.0.1'): Socket => {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    socket.on('error', () => undefined);
    socket.resume();
    undo.push(() => socket.destroy());
    return socket;
  };
  return {
    ...watched,
    stray: keeper.stray,
    clock,
    taken,
    dial,
    close,
    /** The door has accepted a connection once it counts it. */
    untilOpen: (count: number) =>
      new Promise<void>((resolve) => {
        const look = () => (watched.open() === count ? resolve() : setImmediate(look));
        look();
      }),
    /** Resolves when the door has handed it on. */
    enter: async (localAddress?: string): Promise<Socket> => {
      const arrived = new Promise<void>((resolve) => arrivals.push(resolve));
      const socket = dial(localAddress);
      socket.write(PREFACE);
      await arrived;
      return socket;
    },
  };
};

const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

test('hands on what a connection has said, as it was said', async () => {
  const door = await openDoor({});
  const socket = door.dial();
  const more = Buffer.from('and more');
  // In pieces, as a network may deliver it.
  for (const piece of [PREFACE.subarray(0, 5), PREFACE.subarray(5, 23)]) {
    socket.setNoDelay(true);
    await new Promise((resolve) => socket.write(piece, resolve));
  }
  const arrived = new Promise<void>((resolve) => {
    const look = () => (door.taken.length === 1 ? resolve() : setImmediate(look));
    look();
  });
  socket.write(Buffer.concat([PREFACE.subarray(23), more]));
  await arrived;
  const [server] = door.taken;
  const heard: Buffer[] = [];
  server!.on('data', (bytes: Buffer) => heard.push(bytes));
  while (Buffer.concat(heard).length < PREFACE.length + more.length) await once(server!, 'data');
  expect(Buffer.concat(heard)).toEqual(Buffer.concat([PREFACE, more]));
  expect(door.refused).toEqual([]);
});

test('keeps so many connections, and takes another when one has left', async () => {
  const door = await openDoor({ connectionsMax: 2 });
  const first = await door.enter();
  await door.enter('127.0.0.2');
  await closed(door.dial('127.0.0.3'));
  expect([door.refused, door.open()]).toEqual([['all connections'], 2]);
  const left = closed(door.taken[0]!.resume());
  first.destroy();
  await left;
  await door.enter('127.0.0.3');
  expect(door.refused).toHaveLength(1);
});

test('keeps so many connections of one address, and others beside them', async () => {
  const door = await openDoor({ perAddressMax: 1 });
  await door.enter();
  await closed(door.dial());
  await door.enter('127.0.0.2');
  expect(door.refused).toEqual(['connections of one address']);
});

test('one address may have so many connections that say nothing; what has spoken counts no longer', async () => {
  const door = await openDoor({ unprovedPerAddressMax: 1 });
  await door.enter();
  const silent = door.dial();
  await once(silent, 'connect');
  await closed(door.dial());
  expect(door.refused).toEqual(['unproved of one address']);
  await door.enter('127.0.0.2');
});

test('one address makes so many connections at once, and then so many a second', async () => {
  const door = await openDoor({ newBurst: 2, newPerSecondMax: 1 });
  await door.enter();
  await door.enter();
  await closed(door.dial());
  await door.clock.advance(1_000);
  await door.enter();
  expect(door.refused).toEqual(['new of one address']);
});

test('an address whose calls come to nothing loses that connection, and makes no new one for a while', async () => {
  const door = await openDoor({ strayBurst: 2, strayPerSecondMax: 1, shutOutMs: 10_000 });
  const other = await door.enter();
  const stray = await door.enter();
  const connection = door.taken[1]!;
  const end = closed(stray);
  for (let call = 0; call < 3; call += 1) door.stray(connection);
  await end;
  await closed(door.dial());
  expect(door.refused).toEqual(['stray calls', 'address shut out']);
  // What it had stays, and whoever comes from elsewhere is let in.
  expect(other.destroyed).toBe(false);
  await door.enter('127.0.0.2');
  await door.clock.advance(10_000);
  await door.enter();
  // A connection that has gone has nothing to answer for.
  door.stray({ localAddress: '127.0.0.1', localPort: 1, remoteAddress: '127.0.0.1', remotePort: 1 });
  expect(door.refused).toHaveLength(2);
});

test('behind a proxy addresses say nothing, and are not counted', async () => {
  const door = await openDoor({ perAddressMax: 1, newBurst: 1, unprovedPerAddressMax: 1, behindProxy: true });
  await door.enter();
  await door.enter();
  expect(door.refused).toEqual([]);
});

test.for<[string, Buffer]>([
  ['nothing', Buffer.alloc(0)],
  ['half a preface', PREFACE.subarray(0, 12)],
])('whoever says %s is closed when its time is over', async ([, said]) => {
  const door = await openDoor({ handshakeMs: 10_000 });
  const spoken = await door.enter();
  const slow = door.dial();
  slow.write(said);
  await door.untilOpen(2);
  const end = closed(slow);
  await door.clock.advance(10_000);
  await end;
  expect(door.refused).toEqual(['handshake time']);
  // Whoever has spoken has time.
  expect(spoken.destroyed).toBe(false);
  expect(door.open()).toBe(1);
});

test.for(['GET / HTTP/1.1\r\n\r\n', '\u0016\u0003\u0001 a TLS hello', 'PRI * HTTP/2.1'])(
  'whoever says %j is closed at once',
  async (said) => {
    const door = await openDoor({});
    const socket = door.dial();
    socket.write(said);
    await closed(socket);
    expect(door.refused).toEqual(['not HTTP/2']);
  },
);

test('closing ends those that have said nothing, and waits for those that have', async () => {
  const door = await openDoor({});
  const spoken = await door.enter();
  const silent = door.dial();
  await once(silent, 'connect');
  await door.untilOpen(2);
  const end = closed(silent);
  let isOver = false;
  const over = door.close().then(() => (isOver = true));
  await end;
  expect(isOver).toBe(false);
  const gone = closed(door.taken[0]!.resume());
  spoken.destroy();
  await Promise.all([over, gone]);
  expect(door.open()).toBe(0);
});

test('what a server does with its connections is kept, behind the keeper', async () => {
  const seen: string[] = [];
  const server = createServer(() => void seen.push('the server'));
  server.once('connection', () => void seen.push('once'));
  const { seams, refused } = witness();
  const limits = { ...defaultLimits.doors, connectionsMax: 1 };
  const keeper = createDoorkeeper({ limits, clock: createManualClock(), witness: seams, behindProxy: false });
  keepDoor(server, { keeper, tls: null, proves: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const [one, other] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
  undo.push(() => {
    one.destroy();
    server.close();
  });
  other.on('error', () => undefined);
  await closed(other);
  expect([seen, refused]).toEqual([['the server', 'once'], ['all connections']]);
});

test.for([
  ['10.1.2.3', '10.1.2.3'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:1:0002::9', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
])('%s counts as %s', ([address, party]) => {
  expect(partyOf(address!)).toBe(party);
});

test('a flood of refusals is told at once, and then in one line with a count', async () => {
  const clock = createManualClock();
  const told: string[] = [];
  const refused = tellRefusals(clock, ({ reason, peer, times }) => void told.push(`${reason} ${peer} ${times}`));
  for (const peer of ['a', 'b', 'c']) refused('not HTTP/2', peer, '');
  refused('handshake time', 'd', '');
  await clock.advance(10_000);
  refused('not HTTP/2', 'e', '');
  expect(told).toEqual(['not HTTP/2 a 1', 'handshake time d 1', 'not HTTP/2 e 3']);
});
