/** A PostgreSQL of a test file's own that is reached over TCP, as pods reach theirs, and keeps what it promised. */
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processClock } from '../../src/process-clock.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';

export type TcpPostgres = Awaited<ReturnType<typeof openTcpPostgres>>;

/** An empty database, and the two roles of a farm. */
export async function openTcpPostgres() {
  const folder = mkdtempSync(join(tmpdir(), `stationgrid-test-${process.pid}-tcp-`));
  // For root, PostgreSQL runs as another user, who must get in.
  chmodSync(folder, 0o711);
  const log = { info: () => undefined, warn: () => undefined };
  const embedded = await startEmbeddedPostgres({ dataDir: folder, log, clock: processClock, newId: randomUUID });
  const relay = await openRelay(embedded.url);
  const overTcp = (url: string): string => {
    const { username, pathname } = new URL(url);
    return `postgresql://${username}@127.0.0.1:${relay.port}${pathname}?sslmode=disable`;
  };
  return {
    url: overTcp(embedded.url),
    ownerUrl: overTcp(embedded.ownerUrl),
    close: async (): Promise<void> => {
      await relay.close();
      await embedded.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The packaged server listens on a socket of its own user only. */
async function openRelay(socketUrl: string) {
  const { hostname, port: name } = new URL(socketUrl);
  const path = join(decodeURIComponent(hostname), `.s.PGSQL.${name}`);
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    const upstream = connect(path);
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      open.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the relay has no port');
  return {
    port: address.port,
    close: (): Promise<void> => {
      for (const socket of open) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
