/** The gRPC door from outside: does it answer, by which certificate, in HTTP/2, and does the farm behind it serve? */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';
import { credentials, Client, Metadata } from '@grpc/grpc-js';
import { aboutExpiry, aboutNames, judgeExpiry, namesFinding } from './certificates.ts';
import { type Check, fail, type Finding, ok, skipped, wordsOf } from './check.ts';
import { type Address, type Site, textOf, type Way } from './site.ts';

type Reached =
  | { readonly kind: 'plain' }
  | {
      readonly kind: 'tls';
      readonly certificate: X509Certificate;
      /** Null: it verified. */
      readonly objection: string | null;
      /** What ALPN chose; null: nothing. */
      readonly protocol: string | null;
    }
  | { readonly kind: 'closed'; readonly why: string; readonly isRefused: boolean };

export type WayIn = {
  readonly checks: readonly Check[];
  /** Resolves when it is known whether anybody listens there. */
  readonly looked: (signal: AbortSignal) => Promise<unknown>;
};

/** One connection tells all checks what is to be known of it. */
export const wayInChecks = (site: Site): WayIn => {
  const { way } = site;
  let reached: Promise<Reached> | null = null;
  const reach = (signal: AbortSignal): Promise<Reached> => (reached ??= connect(way, signal));
  const once =
    (judge: (there: Exclude<Reached, { kind: 'closed' }>, signal: AbortSignal) => Promise<Finding> | Finding) =>
    async (signal: AbortSignal): Promise<Finding> => {
      const there = await reach(signal);
      return there.kind === 'closed' ? skipped('nobody answers there') : judge(there, signal);
    };
  const checks: readonly Check[] = [
    { ...aboutReach, id: 'server', run: async (signal) => judgeReach(await reach(signal), way) },
    {
      ...aboutTrust,
      id: 'server.tls',
      run: once((there) => (there.kind === 'plain' ? skipped('it is asked without TLS') : judgeTrust(there, site))),
    },
    {
      ...aboutNames,
      id: 'server.name',
      run: once((there) => {
        if (there.kind === 'plain' || way.by === 'own') return skipped('nobody said by which name it is called');
        return namesFinding(there.certificate, [way.address.host]);
      }),
    },
    {
      ...aboutExpiry,
      id: 'server.expiry',
      run: once((there) =>
        there.kind === 'plain' ? skipped('it is asked without TLS') : judgeExpiry(there.certificate, site.clock.now()),
      ),
    },
    { ...aboutHttp2, id: 'server.h2', run: once((there, signal) => judgeHttp2(there, way, signal)) },
    { ...aboutHealth, id: 'server.health', run: once((_, signal) => judgeHealth(way, signal)) },
  ];
  return { checks, looked: reach };
};

const aboutReach = {
  what: 'The gRPC door answers, at the address of --server or else at that of the configuration.',
  why: 'What bots cannot reach, no farm can give work.',
  mend: 'Start the farm, open the firewall, and name the address that bots use with --server.',
};
const aboutTrust = {
  what: 'Its certificate is vouched for: by --ca or the system, or it is the one of the configuration.',
  why: 'A bot refuses a certificate that no authority of its own vouches for.',
  mend: 'Give bots (and --ca) the authority that issued it, and the door the intermediate certificates.',
};
const aboutHttp2 = {
  what: 'It speaks HTTP/2: chosen by ALPN under TLS, at once without.',
  why: 'gRPC is HTTP/2 all the way. A proxy that falls back to HTTP/1.1 breaks every call.',
  mend: 'Let the proxy speak HTTP/2 on both sides (nginx: `http2 on` and `grpc_pass`; HAProxy: `alpn h2` and `proto h2`).',
};
const aboutHealth = {
  what: 'The standard health check answers SERVING.',
  why: 'It goes the whole way of a call, so a proxy that does not bring calls through shows here.',
  mend: 'NOT_SERVING: ask /readyz why. An error: look into the log of the proxy, and of the farm.',
};

const judgeReach = (reached: Reached, { by, address }: Way): Finding => {
  if (reached.kind !== 'closed') return ok(textOf(address));
  const saw = `${textOf(address)}: ${reached.why}`;
  return by === 'own' && reached.isRefused ? skipped(`nothing listens there yet (${saw})`) : fail(saw);
};

/** What has checks of its own. */
const TOLD_ELSEWHERE = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID', 'ERR_TLS_CERT_ALTNAME_INVALID']);

const judgeTrust = ({ certificate, objection }: Extract<Reached, { kind: 'tls' }>, { way, config }: Site): Finding => {
  const from = certificate.issuer.replaceAll('\n', ', ');
  if (way.by === 'own' && way.tls?.ca === undefined && typeof config.tls === 'object' && config.tls !== null) {
    const own = new X509Certificate(readFileSync(config.tls.certificate));
    return own.fingerprint256 === certificate.fingerprint256
      ? ok(`the one in ${config.tls.certificate}`)
      : fail(`another one than ${config.tls.certificate} holds: issued by ${from}, valid to ${certificate.validTo}`);
  }
  if (objection === null || TOLD_ELSEWHERE.has(objection)) return ok(`issued by ${from}`);
  return fail(`${objection}, issued by ${from}`);
};

const connect = ({ address, tls: secure }: Way, signal: AbortSignal): Promise<Reached> =>
  new Promise((resolve) => {
    const { host, port } = address;
    const socket =
      secure === null
        ? net.connect({ host, port })
        : tls.connect({
            ...{ host, port, ...secure, ALPNProtocols: ['h2'], rejectUnauthorized: false },
            ...(net.isIP(host) === 0 ? { servername: host } : {}),
          });
    const end = (reached: Reached): void => {
      resolve(reached);
      socket.destroy();
    };
    signal.addEventListener('abort', () => end({ kind: 'closed', why: 'no answer in time', isRefused: false }));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      end({ kind: 'closed', why: wordsOf(error), isRefused: error.code === 'ECONNREFUSED' }),
    );
    socket.on('close', () => end({ kind: 'closed', why: 'the connection was closed', isRefused: false }));
    socket.once(secure === null ? 'connect' : 'secureConnect', () => end(seen(socket)));
  });

const seen = (socket: net.Socket): Reached => {
  if (!(socket instanceof tls.TLSSocket)) return { kind: 'plain' };
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { kind: 'closed', why: 'it shows no certificate', isRefused: false };
  const { authorized, authorizationError, alpnProtocol } = socket;
  return {
    kind: 'tls',
    certificate,
    objection: authorized ? null : codeOf(authorizationError),
    protocol: alpnProtocol === false ? null : alpnProtocol,
  };
};

/** Declared an Error, and told as its code. */
const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

const judgeHttp2 = (
  there: Exclude<Reached, { kind: 'closed' }>,
  { address }: Way,
  signal: AbortSignal,
): Promise<Finding> | Finding => {
  if (there.kind === 'tls')
    return there.protocol === 'h2'
      ? ok('ALPN chose h2')
      : fail(`ALPN chose ${there.protocol ?? 'nothing'}, and h2 was asked for`);
  return settings(address, signal);
};

/** Without TLS whoever speaks HTTP/2 begins with its SETTINGS. */
const settings = (address: Address, signal: AbortSignal): Promise<Finding> =>
  new Promise((resolve) => {
    const session = http2.connect(`http://${textOf(address)}`);
    const end = (finding: Finding): void => {
      resolve(finding);
      session.destroy();
    };
    signal.addEventListener('abort', () => end(fail('no SETTINGS in time')));
    session.once('remoteSettings', () => end(ok('it answers the preface of HTTP/2 with SETTINGS')));
    session.on('error', (error) => end(fail(`no HTTP/2: ${wordsOf(error)}`)));
    session.once('close', () => end(fail('no HTTP/2: the connection was closed')));
  });

/** HealthCheckRequest of the whole server, which is the empty message. */
const WHOLE_SERVER = Buffer.alloc(0);
/** HealthCheckResponse: field 1, SERVING. */
const SERVING = Buffer.from([0x08, 0x01]);

export const judgeHealth = ({ address, tls: secure, by, token }: Way, signal: AbortSignal): Promise<Finding> =>
  new Promise((resolve) => {
    const channel =
      secure === null
        ? credentials.createInsecure()
        : credentials.createFromSecureContext(
            tls.createSecureContext(secure),
            // Whose certificate that is another check tells; whoever is there is asked, and told nothing.
            by === 'own' ? { rejectUnauthorized: false } : {},
          );
    const client = new Client(textOf(address), channel, {
      'grpc.enable_http_proxy': 0,
      // An address is no name for TLS to ask for, and nothing is verified by it here.
      ...(by === 'own' ? { 'grpc.ssl_target_name_override': 'localhost' } : {}),
    });
    const metadata = new Metadata();
    if (token !== null && (by !== 'own' || secure === null)) metadata.set('authorization', `Bearer ${token}`);
    const call = client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      () => WHOLE_SERVER,
      (bytes) => bytes,
      null,
      metadata,
      (error, answer) => {
        client.close();
        if (error !== null) resolve(fail(error.details));
        else resolve(answer?.equals(SERVING) === true ? ok('SERVING') : fail('NOT_SERVING'));
      },
    );
    signal.addEventListener('abort', () => call.cancel());
  });
