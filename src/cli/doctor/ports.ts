/** Each door's port: free, ours, or somebody else's? */
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { createShopfloorClient } from '../../bridge/shopfloor-client.ts';
import { encodeCall, isXmlRpcStruct } from '../../wire/xml-rpc.ts';
import { type Check, fail, type Finding, ok, wordsOf } from './check.ts';
import { type Address, dialled, type Site, textOf } from './site.ts';
import { judgeHealth, type WayIn } from './way-in.ts';

type Door = 'grpc' | 'http' | 'ops' | 'factory';
const DOORS: readonly Door[] = ['grpc', 'http', 'ops', 'factory'];

/** @param looked whoever looks for the farm would otherwise find us in its place. */
export const portChecks = (site: Site, looked: WayIn['looked']): readonly Check[] =>
  DOORS.flatMap((door) => {
    const address = site.config.doors[door];
    return address === null ? [] : [portCheck(door, address, { site, looked })];
  });

type Seen = { readonly site: Site; readonly looked: WayIn['looked'] };

const portCheck = (door: Door, address: Address, { site, looked }: Seen): Check => ({
  id: `port.${door}`,
  what: `The address of doors.${door} can be bound, or the farm has it.`,
  why: 'A farm that cannot open a door does not start.',
  mend: `Stop the program that listens there, or give another address with --${door}.`,
  run: async (signal) => {
    if (address.port === 0) return ok('the system chooses a port');
    await looked(signal);
    const bound = await tryBind(address, signal);
    if (bound === null) return ok(`${textOf(address)} is free`);
    if (bound.code !== 'EADDRINUSE') return fail(`${textOf(address)}: ${bound.message}`);
    const isOurs = await answersAs[door](dialled(address), site, signal);
    return isOurs
      ? ok(`${textOf(address)} is a farm's`)
      : fail(`another program, which is no farm, listens at ${textOf(address)}`);
  },
});

/** Null: it could be bound, and was let go at once. Nobody who is called meanwhile is answered. */
const tryBind = ({ host, port }: Address, signal: AbortSignal): Promise<NodeJS.ErrnoException | null> =>
  new Promise((resolve) => {
    const server = net.createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error));
    server.listen({ host, port, exclusive: true, signal }, () => server.close(() => resolve(null)));
  });

type Answers = (at: Address, site: Site, signal: AbortSignal) => Promise<boolean>;

const isTls = ({ config: { tls } }: Site): boolean => tls !== null && tls !== 'terminated-by-proxy';

/** `ok` of /livez, or a problem in our form: whoever asks may lack a credential. */
const livez: Answers = async (at, site, signal) => {
  const answer = await get(`${isTls(site) ? 'https' : 'http'}://${textOf(at)}/livez`, signal);
  return answer.kind === 'answer' && (answer.text === 'ok\n' || answer.type.startsWith('application/problem+json'));
};

const answersAs: Readonly<Record<Door, Answers>> = {
  grpc: async (address, site, signal): Promise<boolean> => {
    const finding: Finding = await judgeHealth(
      { address, by: 'own', tls: isTls(site) ? {} : null, token: null },
      signal,
    );
    return /^(NOT_)?SERVING$/.test(finding.saw);
  },
  http: livez,
  ops: livez,
  factory: async (at, site, signal) => {
    if (isTls(site)) {
      // DUTs have no authority to verify by, so any answer to this question is one.
      return (await get(`https://${textOf(at)}/`, signal)).kind === 'answer';
    }
    const client = createShopfloorClient({ url: `http://${textOf(at)}`, clock: site.clock, keepsConnections: false });
    const exchange = await client.exchange(encodeCall('Ping', []), { idempotencyKey: 'ping', signal });
    return exchange.kind === 'value' && isXmlRpcStruct(exchange.value) && 'version' in exchange.value;
  },
};

type Got =
  | { readonly kind: 'answer'; readonly text: string; readonly type: string }
  | { readonly kind: 'none'; readonly why: string };

/** More than that is no answer of ours. */
const READ_CHARACTERS_MAX = 4096;

const get = (url: string, signal: AbortSignal): Promise<Got> =>
  new Promise((resolve) => {
    const none = (error: unknown): void => resolve({ kind: 'none', why: wordsOf(error) });
    const options = { agent: false, signal, rejectUnauthorized: false };
    const request = (url.startsWith('https:') ? https : http).get(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.length > READ_CHARACTERS_MAX) request.destroy(new Error('the answer is long'));
      });
      response.on('error', none);
      response.on('end', () => resolve({ kind: 'answer', text, type: response.headers['content-type'] ?? '' }));
    });
    request.on('error', none);
  });
