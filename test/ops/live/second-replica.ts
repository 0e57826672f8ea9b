/** A replica with TLS, uploads, and a way to the database that can be cut: what the site's own replicas have not. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Socket, connect } from 'node:net';
import { join } from 'node:path';
import { openAuthority } from '../../support/certificates.ts';
import { type Running, start as startCommand } from '../../../src/cli/demo/processes.ts';
import { SOCKET_PORT } from '../../../src/store/embedded/folder.ts';
import { LINE } from '../../support/farm-door.ts';
import { freePort, type Site } from '../../support/farm-site.ts';

const DAY_MS = 86_400_000;

export type SecondReplica = {
  readonly opsAddress: string;
  /** Until then it has a day left. */
  readonly renewCertificate: () => void;
  readonly cutDatabase: () => void;
  readonly mendDatabase: () => void;
  readonly start: (with_: { readonly uploadsFreeBytesMin: string }) => Promise<void>;
  readonly kill: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** It starts with a disk that is too small for uploads. @param shared settings that all replicas have. */
export const openSecondReplica = async (site: Site, shared: readonly string[]): Promise<SecondReplica> => {
  const folder = join(site.folder, 'second');
  mkdirSync(folder, { mode: 0o700 });
  const [certificate, key, config] = ['certificate.pem', 'key.pem', 'line.yaml'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  const authority = openAuthority();
  const certify = (days: number): void => {
    const issued = authority.server({ validTo: new Date(Date.now() + days * DAY_MS) });
    writeFileSync(key, issued.key, { mode: 0o600 });
    writeFileSync(certificate, issued.certificate);
  };
  certify(1);
  writeFileSync(config, JSON.stringify({ lines: [{ instance: LINE }], factory: { instance: LINE } }));
  const way = await openWay(join(site.socketFolder(), `.s.PGSQL.${SOCKET_PORT}`));
  const opsAddress = `127.0.0.1:${await freePort()}`;
  let running: Running | null = null;
  const start: SecondReplica['start'] = async ({ uploadsFreeBytesMin }) => {
    const words = [
      ...['serve', '--config', config, '--data', folder, '--database', way.url, '--ops', opsAddress],
      ...['--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0', '--factory', '127.0.0.1:0', '--log-format', 'json'],
      ...[`tls.certificate=${certificate}`, `tls.key=${key}`, 'limits.doors.certificatesCheck=100ms'].flatMap(set),
      ...[`limits.uploads.freeBytesMin=${uploadsFreeBytesMin}`, 'limits.replica.tick=500ms'].flatMap(set),
      ...['limits.replica.amnestyAfter=3s', ...shared].flatMap(set),
    ];
    running = startCommand('second', words, join(folder, 'log'));
    await running.said(/^ops /).catch((cause: unknown) => {
      throw new Error(`the second replica did not become ready:\n${readFileSync(join(folder, 'log'), 'utf8')}`, {
        cause,
      });
    });
  };
  const kill = async (): Promise<void> => {
    running?.child.kill('SIGKILL');
    await running?.ended;
    running = null;
  };
  await start({ uploadsFreeBytesMin: '1 TiB' });
  return {
    opsAddress,
    renewCertificate: () => certify(90),
    cutDatabase: way.cut,
    mendDatabase: way.mend,
    start,
    kill,
    close: async () => {
      await kill();
      way.close();
    },
  };
};

const set = (setting: string): readonly string[] => ['--set', setting];

/** From a port to PostgreSQL's socket, as long as it is not cut. */
const openWay = async (socketPath: string) => {
  const open = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    const far = connect(socketPath);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on('error', () => undefined);
      one.once('close', () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
    if (isCut) near.destroy();
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const cut = (): void => {
    isCut = true;
    for (const socket of open) socket.destroy();
  };
  return {
    url: `postgresql://stationgrid_owner@127.0.0.1:${port}/stationgrid?sslmode=disable`,
    cut,
    mend: () => {
      isCut = false;
    },
    close: () => {
      cut();
      server.close();
    },
  };
};
