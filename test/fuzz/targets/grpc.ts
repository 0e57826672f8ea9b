/** Bodies of every gRPC method: right messages gone wrong, field by field and byte by byte. */
import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from 'node:http2';
import type { Prng } from '../../sim/prng.ts';
import type { Input, Told } from '../input.ts';
import { mutated } from '../mutate.ts';
import { LEASE, messageBytes, methodsOf, SESSION } from '../proto-shapes.ts';
import { LINE, type Site, STATION } from '../site.ts';
import type { Target } from '../target.ts';
import { framed, lengthDelimited, tag, VARINT, varint } from '../wire-format.ts';

const SERVICES = [
  'google.devtools.remoteworkers.v1test2.Bots',
  'google.devtools.remoteworkers.v1test2.Reservations',
  'stationgrid.v1.Jobs',
  'stationgrid.v1.Fleet',
  'stationgrid.v1.Shopfloor',
  'stationgrid.v1.Results',
  'stationgrid.v1.Units',
  'externalscaler.ExternalScaler',
];
const methods = methodsOf(SERVICES);
/** Calls that may be held for as long as their caller says. */
const WAITING = /\/(WatchJob|StreamIsActive|GetReservation|UpdateBotSession)$/;

/** What a wrong message may be answered with. INTERNAL and UNKNOWN are ours to mend, UNAVAILABLE is nobody's fault. */
const MAY_SAY: ReadonlyMap<number, string> = new Map([
  [0, 'OK'],
  [1, 'CANCELLED'],
  [3, 'INVALID_ARGUMENT'],
  [4, 'DEADLINE_EXCEEDED'],
  [5, 'NOT_FOUND'],
  [6, 'ALREADY_EXISTS'],
  [8, 'RESOURCE_EXHAUSTED'],
  [9, 'FAILED_PRECONDITION'],
  [12, 'UNIMPLEMENTED'],
  [15, 'DATA_LOSS'],
]);
const TOOK = new Set([0, 1, 4]);

/** What nobody should be told: the insides of a program. */
const INSIDES =
  /internal error|TypeError|RangeError|SyntaxError|\[object |^\s*at .*\.[jt]s:|undefined is not|node_modules/m;

const make = (prng: Prng): Input => {
  const { path, input } = prng.pick(methods);
  const share = prng.pick([0, 0.01, 0.05, 0.2]);
  const message = messageBytes(prng, input, { share });
  const bytes = prng.chance(0.25) ? mutated(prng, message) : message;
  return {
    what: `${path} with ${String(bytes.length)} bytes, ${String(share * 100)} % odd`,
    head: { path, ...(WAITING.test(path) ? { timeout: '150m' } : {}) },
    body: prng.chance(0.03)
      ? framed(bytes, prng.pick([0, 1, 2, 255]), prng.pick([bytes.length, 0, bytes.length + 1, 2 ** 31, 2 ** 32 - 1]))
      : framed(bytes),
  };
};

/** Whose call frames itself wrongly gets grpc-js' own words, which are INTERNAL by the gRPC specification. */
const isWellFramed = (body: Buffer): boolean =>
  body.length >= 5 && body.readUInt8(0) === 0 && body.readUInt32BE(1) === body.length - 5;

const send = async (site: Site, { head, body }: Input): Promise<Told> => {
  const { live } = lives.get(site) ?? { live: NOBODY };
  const { status, message } = await call(site, head['path'] ?? '', withNames(body, live), head['timeout']);
  const said = `${MAY_SAY.get(status) ?? `status ${String(status)}`}: ${message}`;
  const isOurs = isWellFramed(body);
  const wrong = !isOurs || MAY_SAY.has(status) ? null : `it was answered ${said}`;
  const words = isOurs && status !== 0 && status !== 4 && status !== 1 ? wordsWrong(message) : null;
  return { refused: !TOOK.has(status), wrong: wrong ?? words, answer: said };
};

const wordsWrong = (words: string): string | null => {
  if (words.endsWith('clients take 8 KiB)')) return `its words do not fit: ${words.slice(-80)}`;
  if (words.split(' ').length < 4) return `its words teach nothing: ${JSON.stringify(words)}`;
  return INSIDES.test(words) ? `its words tell of the inside: ${JSON.stringify(words)}` : null;
};

type Live = { readonly session: string; readonly lease: string };
type Life = { live: Live; sinceBegun: number; begun: number };
/** One bot and its lease for a while: an input may end either, and then what comes sees them ended. */
const lives = new WeakMap<Site, Life>();
const NOBODY: Live = { session: SESSION, lease: LEASE };
/** So many inputs meet what has ended before a new one begins. */
const ENDED_FOR = 40;

/** True: it has changed what is stored. */
const prepare = async (site: Site): Promise<boolean> => {
  const life = lives.get(site) ?? { live: NOBODY, sinceBegun: ENDED_FOR, begun: 0 };
  lives.set(site, life);
  life.sinceBegun += 1;
  if (life.sinceBegun <= ENDED_FOR) return false;
  life.sinceBegun = 0;
  const known = await openLease(site);
  if (known !== null) return false;
  life.begun += 1;
  await begin(site, `U-${String(Date.now())}-${String(life.begun)}`);
  life.live = (await openLease(site)) ?? life.live;
  return true;
};

const openLease = async (site: Site): Promise<Live | null> => {
  const { rows } = await site.db.query<{ lease: string; session: string }>(
    `select l.id as lease, l.session_name as session from leases l join bot_sessions s on s.name = l.session_name
     where l.state in ('PENDING', 'ACTIVE') and s.closed_at is null and s.instance = $1 and s.bot_id = 'fuzz-bot' limit 1`,
    [LINE],
  );
  const [found] = rows;
  return found === undefined
    ? null
    : { session: found.session.slice(found.session.lastIndexOf('/') + 1), lease: found.lease };
};

const text = (number: number, value: string): Buffer => lengthDelimited(number, Buffer.from(value));
const property = (key: string, value: string): Buffer => Buffer.concat([text(1, key), text(2, value)]);

/** A job for the bot, and the bot that takes it. */
const begin = async (site: Site, serial: string): Promise<void> => {
  const work = Buffer.concat([text(1, STATION), lengthDelimited(4, text(1, 'FAT.volts'))]);
  const job = Buffer.concat([
    text(2, LINE),
    lengthDelimited(4, work),
    lengthDelimited(6, property('serials.mlb_serial_number', serial)),
  ]);
  await call(site, '/stationgrid.v1.Jobs/EnqueueJob', framed(Buffer.concat([text(1, ''), lengthDelimited(2, job)])));
  const device = lengthDelimited(2, property('serials.mlb_serial_number', serial));
  const worker = lengthDelimited(1, Buffer.concat([text(1, 'dut'), device]));
  const session = Buffer.concat([text(2, 'fuzz-bot'), tag(3, VARINT), varint(1n), lengthDelimited(4, worker)]);
  const create = Buffer.concat([text(1, LINE), lengthDelimited(2, session)]);
  await call(site, '/google.devtools.remoteworkers.v1test2.Bots/CreateBotSession', framed(create));
};

/** As long as what they stand for, so no length in the message changes. */
const withNames = (body: Buffer, { session, lease }: Live): Buffer =>
  Buffer.from(body.toString('latin1').replaceAll(SESSION, session).replaceAll(LEASE, lease), 'latin1');

/** One connection for all, as clients have it; a new one when it has ended. */
const connections = new WeakMap<Site, ClientHttp2Session>();

const connectionOf = (site: Site): ClientHttp2Session => {
  const known = connections.get(site);
  if (known !== undefined && !known.closed && !known.destroyed) return known;
  const fresh = connect(`http://127.0.0.1:${String(site.grpcPort)}`);
  fresh.on('error', () => undefined);
  fresh.unref();
  connections.set(site, fresh);
  return fresh;
};

const TRAILERS_BYTES_MAX = 8 * 1024;
/** Longer than any answer takes, on a machine however busy. */
const PATIENCE_MS = 30_000;

export const call = (
  site: Site,
  path: string,
  body: Buffer,
  timeout?: string,
): Promise<{ readonly status: number; readonly message: string }> =>
  new Promise((resolve) => {
    const stream = connectionOf(site).request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(timeout === undefined ? {} : { 'grpc-timeout': timeout }),
    });
    let status: number | null = null;
    let message = '';
    const hear = (headers: IncomingHttpHeaders): void => {
      if (headers['grpc-status'] === undefined) return;
      status = Number(headers['grpc-status']);
      const raw = [headers['grpc-message'] ?? ''].join();
      message = decodeURIComponent(raw);
      const bytes = raw.length + [headers['grpc-status-details-bin'] ?? ''].join().length;
      if (bytes > TRAILERS_BYTES_MAX) message += ` (with ${String(bytes)} bytes of trailers: clients take 8 KiB)`;
    };
    const patience = setTimeout(() => {
      message = `no answer within ${String(PATIENCE_MS / 1000)} s`;
      stream.close(constants.NGHTTP2_CANCEL);
    }, PATIENCE_MS);
    stream
      .on('response', hear)
      .on('trailers', hear)
      .on('data', () => undefined);
    stream.on('error', (error: Error) => {
      message ||= error.message;
    });
    stream.on('close', () => {
      clearTimeout(patience);
      resolve({
        status: status ?? -1,
        message:
          status === null && message === '' ? `the stream ended with RST_STREAM ${String(stream.rstCode)}` : message,
      });
    });
    stream.end(body);
  });

/** A request that any client could send next. Null: it is answered. */
export const nextGrpcCall = async (site: Site): Promise<string | null> => {
  const list = framed(Buffer.concat([text(1, LINE), tag(4, VARINT), varint(1n)]));
  const { status, message } = await call(site, '/stationgrid.v1.Fleet/ListBots', list);
  return status === 0 ? null : `the next good call was answered ${String(status)}: ${message}`;
};

export const grpc: Target = {
  name: 'grpc',
  says: 'protobuf bodies of every gRPC method',
  make,
  prepare,
  send,
  next: nextGrpcCall,
  under: 'farm',
};
