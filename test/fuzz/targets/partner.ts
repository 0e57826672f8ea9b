/** What a hostile partner answers the farm's calls with, down to the bytes of HTTP: over the bridge and into the database. */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Prng } from '../../sim/prng.ts';
import type { Input, Told } from '../input.ts';
import { mutated } from '../mutate.ts';
import { content, EVENT, LINE, type Site } from '../site.ts';
import type { Target } from '../target.ts';
import { framed, lengthDelimited, tag, VARINT, varint } from '../wire-format.ts';
import { answerSoup } from '../xml-soup.ts';
import { call } from './grpc.ts';

const STATUS_LINES = [
  ...Array.from({ length: 10 }, () => 'HTTP/1.1 200 OK'),
  ...['HTTP/1.1 204 No Content', 'HTTP/1.1 302 Found', 'HTTP/1.1 500 Oops', 'HTTP/1.0 200 OK', 'HTTP/1.1 100 Continue'],
  ...['HTTP/1.1 101 Switching Protocols', 'HTTP/9.9 200 OK', 'HTTP/1.1 999 ?', 'GARBAGE', ''],
];

/** @returns the header lines, and the body as it goes over the wire. */
const framings = (prng: Prng, body: Buffer): readonly [string, Buffer] => {
  const length = `Content-Length: ${String(body.length)}\r\n`;
  const chunk = Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')]);
  return prng.pick<readonly [string, Buffer]>([
    [length, body],
    [length, body],
    [length, body],
    ['', body],
    ['Transfer-Encoding: chunked\r\n', chunk],
    ['Transfer-Encoding: chunked\r\n', Buffer.concat([Buffer.from('fffffffff\r\n'), body])],
    [`Content-Length: ${String(body.length + 10)}\r\n`, body],
    [`Content-Length: ${String(Math.max(0, body.length - 10))}\r\n`, body],
    ['Content-Length: -1\r\n', body],
    [`${length}Content-Length: 3\r\n`, body],
    [`${length}Transfer-Encoding: chunked\r\n`, body],
    [`${length}Content-Encoding: gzip\r\n`, body],
    [`${length}X: ${'y'.repeat(prng.pick([10, 20_000]))}\r\n`, body],
    [`${length}Set-Cookie: a\0b\r\nLocation: /\r\n`, body],
    [`${length}Content-Type: text/xml; charset=utf-16\r\n`, body],
  ]);
};

const make = (prng: Prng): Input => {
  const [headers, body] = framings(prng, answerSoup(prng));
  const bytes = Buffer.concat([Buffer.from(`${prng.pick(STATUS_LINES)}\r\n${headers}\r\n`, 'latin1'), body]);
  const sent = prng.chance(0.15) ? mutated(prng, bytes) : bytes;
  // To hold the line is answered by the call's time-out, which takes a second.
  const end = prng.chance(0.02) ? 'hold' : prng.pick(['close', 'close', 'reset']);
  return { what: `an answer of ${String(sent.length)} bytes, then ${end}`, head: { end }, body: sent };
};

/** The session whose events are told. */
const bots = new WeakMap<Site, string>();
const text = (number: number, value: string): Buffer => lengthDelimited(number, Buffer.from(value));

/** A bot with a DUT of its own, whose events the partner is told of. */
const prepare = async (site: Site): Promise<boolean> => {
  if (bots.has(site)) return false;
  await begin(site);
  return true;
};

const begin = async (site: Site): Promise<void> => {
  const id = randomUUID();
  const serial = Buffer.concat([text(1, 'serials.mlb_serial_number'), text(2, `P-${id}`)]);
  const worker = lengthDelimited(1, Buffer.concat([text(1, 'dut'), lengthDelimited(2, serial)]));
  const session = Buffer.concat([text(2, `partner-${id}`), tag(3, VARINT), varint(1n), lengthDelimited(4, worker)]);
  const create = framed(Buffer.concat([text(1, LINE), lengthDelimited(2, session)]));
  await call(site, '/google.devtools.remoteworkers.v1test2.Bots/CreateBotSession', create);
  const { rows } = await site.db.query<{ name: string }>('select name from bot_sessions where bot_id = $1', [
    `partner-${id}`,
  ]);
  bots.set(site, rows[0]?.name ?? '');
};

const owe = (site: Site): Promise<{ readonly status: number; readonly message: string }> => {
  const event = Buffer.concat([text(1, bots.get(site) ?? ''), tag(2, VARINT), varint(1n), text(3, EVENT)]);
  return call(site, '/google.devtools.remoteworkers.v1test2.Bots/PostBotEventTemp', framed(event));
};

const PATIENCE_MS = 30_000;
const LOOK_MS = 3;

/** What became of the newest call, once the partner need not be asked again. */
const settled = async (site: Site): Promise<string> => {
  const began = performance.now();
  for (;;) {
    const { rows } = await site.db.query<{ state: string }>(
      'select state from shopfloor_calls order by owed_at desc, position desc limit 1',
    );
    const state = rows[0]?.state ?? 'gone';
    if (state !== 'OWED' || performance.now() - began > PATIENCE_MS) return state;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
};

const send = async (site: Site, { head, body }: Input): Promise<Told> => {
  let isFirst = true;
  site.partner((request, response) => {
    if (!isFirst) {
      content(request, response);
      return;
    }
    isFirst = false;
    request.resume().on('end', () => lie(request.socket, head['end'] ?? 'close', body));
  });
  const { status, message } = await owe(site);
  if (status !== 0)
    return { refused: true, wrong: `the event was answered ${String(status)} ${message}`, answer: message };
  const state = await settled(site);
  // A dead letter stops its lane until somebody acts: what comes next goes to another DUT's.
  if (state === 'DEAD') await begin(site);
  return { refused: false, wrong: state === 'OWED' ? 'the call was not sent again' : null, answer: state };
};

const lie = (socket: Socket, end: string, body: Buffer): void => {
  socket.write(body, () => {
    if (end === 'close') socket.end();
    if (end === 'reset') socket.resetAndDestroy();
  });
};

const next = async (site: Site): Promise<string | null> => {
  site.partner(content);
  const { status, message } = await owe(site);
  if (status !== 0) return `the next event was answered ${String(status)}: ${message}`;
  const state = await settled(site);
  return state === 'DELIVERED' ? null : `the next call was not delivered: it is ${state}`;
};

export const partner: Target = {
  name: 'partner',
  says: "a hostile partner's replies to the bridge",
  under: 'farm',
  make,
  prepare,
  send,
  next,
};
