/** Keeps the doors' TLS at what the files say: a new certificate serves from the next handshake on, a broken one never. */
import type { Socket } from 'node:net';
import type { Server, TlsOptions, TLSSocket } from 'node:tls';
import { CannotStart } from '../core/cannot-start.ts';
import type { Clock } from '../core/clock.ts';
import { loadTls, stampOf, type TlsMaterial, type TlsPaths } from './tls-files.ts';

export type TlsWitness = {
  /** At the start, and after every change. */
  readonly certificateExpires: (at: Date) => void;
  readonly reloaded: (expiresAt: Date) => void;
  /** The old certificate stays in use. */
  readonly reloadFailed: (why: string) => void;
};

export type TlsKeeper = {
  /** For a server that is made now. */
  readonly options: () => TlsOptions;
  /** From now on the server has the certificate of the files. Let go when it closes. */
  readonly keep: (server: Server) => void;
  /**
   * Looks at a connection that has done its handshake; null: it may stay. A certificate is asked for, not demanded: a
   * token is the other way to be known. But one that was shown must verify.
   */
  readonly objection: (socket: TLSSocket) => string | null;
  readonly stop: () => void;
};

export type TlsKeeperOptions = {
  readonly paths: TlsPaths;
  readonly checkMs: number;
  readonly clock: Clock;
  readonly witness: TlsWitness;
};

/** @throws CannotStart when the files cannot be used. */
export const openTlsKeeper = ({ paths, checkMs, clock, witness }: TlsKeeperOptions): TlsKeeper => {
  let material = firstOf(paths, clock.now());
  const servers = new Set<Server>();
  /** Connections that were let in on the word of the present authorities. */
  const vouchedFor = new Set<Socket>();
  const stopped = new AbortController();
  witness.certificateExpires(material.expiresAt);

  const take = (changed: TlsMaterial): void => {
    const { clientAuthorities } = material;
    material = changed;
    for (const server of servers) server.setSecureContext(changed.context);
    witness.certificateExpires(changed.expiresAt);
    witness.reloaded(changed.expiresAt);
    // Whoever is still known comes again at once; whoever is not has been let in on a word that no longer counts.
    if (changed.clientAuthorities !== clientAuthorities) for (const socket of vouchedFor) socket.destroy();
  };

  const watch = async (): Promise<void> => {
    let seen = material.stamp;
    for (;;) {
      await clock.sleep(checkMs, stopped.signal);
      if (stopped.signal.aborted) return;
      const stamp = stampOf(paths);
      if (stamp === seen) continue;
      seen = stamp;
      const loaded = loadTls(paths, clock.now());
      if (loaded.kind === 'ok') take(loaded.material);
      else witness.reloadFailed(loaded.why);
    }
  };
  void watch();

  return {
    options: () => ({
      ...material.context,
      requestCert: material.clientAuthorities !== null,
      rejectUnauthorized: false,
    }),
    keep: (server) => {
      servers.add(server);
      server.once('close', () => servers.delete(server));
    },
    objection: (socket) => {
      if (!hasCertificate(socket)) return null;
      if (!socket.authorized) return String(socket.authorizationError);
      vouchedFor.add(socket);
      socket.once('close', () => vouchedFor.delete(socket));
      return null;
    },
    stop: () => stopped.abort(),
  };
};

/** Node answers an empty object where the client showed none. */
const hasCertificate = (socket: TLSSocket): boolean => Object.keys(socket.getPeerCertificate()).length > 0;

const firstOf = (paths: TlsPaths, now: Date): TlsMaterial => {
  const loaded = loadTls(paths, now);
  if (loaded.kind === 'ok') return loaded.material;
  throw new CannotStart(`TLS cannot be used: ${loaded.why}. The files are named by \`tls\` in the configuration.`);
};
