/** What a call keeps in memory while it comes in, and what is too much of it. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { defaultLimits } from '../../../src/core/limits.ts';
import { type CallRead, readCall } from '../../../src/fronts/factory/read-call.ts';
import { receive, type Receiving } from '../../../src/uploads/received.ts';
import { createRoom } from '../../../src/uploads/room.ts';
import { encodeCall } from '../../../src/wire/xml-rpc.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

let folder: string;
/** Held by the test, whatever becomes of it elsewhere. */
let sent: Buffer;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), `stationgrid-test-${process.pid}-read-call-`));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

type Kept = { readonly read: CallRead; readonly bytes: readonly number[] };

/** Reads one call that comes over a socket. @param onBinary told as each of its binaries begins. */
const readOver = async (
  body: string,
  {
    fileBytesMax = MIB,
    onBinary = () => undefined,
  }: { readonly fileBytesMax?: number; readonly onBinary?: () => void },
): Promise<Kept> => {
  sent = Buffer.from(body);
  const room = createRoom(folder, { freeBytesMin: 0, folderBytesMax: Number.MAX_SAFE_INTEGER });
  let begun = 0;
  const begin = (): Receiving => {
    onBinary();
    begun += 1;
    return receive(join(folder, String(begun)), room);
  };
  const limits = { ...defaultLimits, uploads: { ...defaultLimits.uploads, fileBytesMax } };
  const server = createServer();
  const kept = new Promise<Kept>((resolve, reject) => {
    server.on('request', (incoming, response) => {
      const reading = readCall(incoming, { receive: begin }, limits);
      const take = async (): Promise<void> => {
        const read = await reading.read();
        const bytes = read.kind === 'call' ? [...read.binaries.values()].map((each) => each.bytes) : [];
        await reading.over();
        response.end();
        resolve({ read, bytes });
      };
      take().catch(reject);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  request({ port, host: '127.0.0.1', method: 'POST', agent: false }, (answer) => answer.resume()).end(sent);
  return kept.finally(() => server.close());
};

test('of binaries that are over it keeps little while others come in', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const buffered = (): number => {
    collect();
    return process.memoryUsage().arrayBuffers;
  };
  const count = defaultLimits.factory.binariesMax;
  const body = encodeCall(
    'M',
    Array.from({ length: count }, () => new Uint8Array(randomBytes(700 * KIB))),
  );
  const seen: number[] = [];
  const { read, bytes } = await readOver(body, {
    fileBytesMax: 100 * MIB,
    onBinary: () => void seen.push(buffered()),
  });
  expect([read.kind, bytes]).toEqual(['call', Array.from({ length: count }, () => 700 * KIB)]);
  const [first = 0] = seen;
  // Two batches, and what is between the socket and the reader. What the collector is late with is there for a while only.
  expect(Math.min(...seen.slice(-4)) - first).toBeLessThan(3 * MIB);
  expect(readdirSync(folder)).toEqual([]);
});

test.for(['SN-1', 'R&D'])(
  'a call of %s with more binaries, or more of them, than it may have is refused',
  async (serial) => {
    const callOf = (count: number, bytes: number): string =>
      encodeCall('M', ['|', ...Array.from({ length: count }, () => new Uint8Array(bytes))]).replace('|', serial);
    for (const [body, why] of [
      [callOf(defaultLimits.factory.binariesMax + 1, 3), 'the call has more than 16 binary values'],
      [callOf(2, 600), 'the call has more than 1000 bytes of binary values'],
    ] as const)
      expect((await readOver(body, { fileBytesMax: 1000 })).read).toEqual({ kind: 'malformed', why });
    expect((await readOver(callOf(2, 500), { fileBytesMax: 1000 })).bytes).toEqual([500, 500]);
    expect(readdirSync(folder)).toEqual([]);
  },
);
