/** A binary as it comes in: what it holds, where it lies, and what is left of it when the disk does not take it. */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { diskFull } from '../../src/uploads/disk.ts';
import { receive, type Received } from '../../src/uploads/received.ts';
import { createRoom, type Room } from '../../src/uploads/room.ts';

let folder: string;
let path: string;
let room: Room;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), `stationgrid-test-${process.pid}-received-`));
  path = join(folder, 'here');
  room = createRoom(folder, { freeBytesMin: 0, folderBytesMax: Number.MAX_SAFE_INTEGER });
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const readAll = async (received: Received): Promise<Buffer> => {
  const pieces: Uint8Array[] = [];
  for await (const piece of received.read()) pieces.push(piece);
  return Buffer.concat(pieces);
};

/** In pieces whose bytes are others as soon as they were taken, as those of a decoder are. */
const take = async (bytes: Buffer, pieceBytes: number): Promise<Received> => {
  const receiving = receive(path, room);
  const piece = Buffer.alloc(pieceBytes);
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const length = bytes.copy(piece, 0, at, at + pieceBytes);
    receiving.write(piece.subarray(0, length));
    piece.fill(0);
    await receiving.drain();
  }
  return receiving.end();
};

const KIB = 1024;

test.for([
  [0, 1],
  [1, 1],
  [300, 7],
  [64 * KIB, 48 * KIB],
  [64 * KIB + 1, 48 * KIB],
  [256 * KIB, 48 * KIB],
  [256 * KIB + 1, 256 * KIB],
  [3_000_001, 48 * KIB],
  [3_000_001, 1_000_000],
])('%i bytes that come %i at a time are those that are read, hashed and kept', async ([length = 0, pieceBytes = 1]) => {
  const bytes = randomBytes(length);
  const received = await take(bytes, pieceBytes);
  expect(received.bytes).toBe(length);
  expect(received.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
  expect((await readAll(received)).equals(bytes)).toBe(true);
  expect((await readAll(received)).equals(bytes)).toBe(true);
  await received.settle();
  await received.moveTo(join(folder, 'kept'));
  await received.discard();
  expect(readdirSync(folder)).toEqual(['kept']);
  expect(readFileSync(join(folder, 'kept')).equals(bytes)).toBe(true);
});

test('what is small has no file before it must have one', async () => {
  const received = await take(randomBytes(64 * KIB), 10_000);
  expect(existsSync(path)).toBe(false);
  await received.settle();
  await received.settle();
  expect(existsSync(path)).toBe(true);
  // What was in memory is no more.
  expect(received.isHeld).toBe(true);
  await expect(readAll(received)).rejects.toThrow(/settled/);
  await received.discard();
  expect(readdirSync(folder)).toEqual([]);
});

test('a disk that does not take it is told before the end, and nothing is left', async () => {
  room = { ...room, check: () => Promise.reject(diskFull()) };
  await expect(take(randomBytes(3_000_000), 48 * KIB)).rejects.toThrow(/no room/);
  const receiving = receive(path, room);
  receiving.write(randomBytes(300 * KIB));
  await receiving.drain();
  await expect(receiving.end()).rejects.toThrow(/no room/);
  await receiving.discard();
  expect(readdirSync(folder)).toEqual([]);
});

test('what is discarded while it is being written is gone', async () => {
  const receiving = receive(path, room);
  receiving.write(randomBytes(300 * KIB));
  await receiving.drain();
  await receiving.discard();
  expect(readdirSync(folder)).toEqual([]);
});
