/** XML-RPC requests to the reference shopfloor, over its own port. */
import http from 'node:http';
import { encodeCall } from '../../../src/wire/xml-rpc.ts';
import type { Prng } from '../../sim/prng.ts';
import type { Input, Told } from '../input.ts';
import type { Site } from '../site.ts';
import type { Target } from '../target.ts';
import { callSoup } from '../xml-soup.ts';

const TYPES = ['text/xml', 'text/xml', 'application/json', 'text/xml; charset=utf-16', ''];
const PATHS = ['/', '/', '/', '/?x=1', '//', `/${'/'.repeat(4000)}x`, '/control', '/RPC2'];

const make = (prng: Prng): Input => {
  const body = callSoup(prng);
  const [path, type] = [prng.pick(PATHS), prng.pick(TYPES)];
  const key = prng.pick(['', 'k-1', 'k-2', 'x'.repeat(300)]);
  return { what: `a call of ${String(body.length)} bytes to ${path.slice(0, 20)}`, head: { path, type, key }, body };
};

export type Answer = { readonly status: number; readonly text: string };

const PATIENCE_MS = 30_000;

const post = (site: Site, { head, body }: Pick<Input, 'head' | 'body'>): Promise<Answer | Error> =>
  new Promise((resolve) => {
    const request = http.request({
      port: site.shopfloorPort,
      host: '127.0.0.1',
      method: 'POST',
      path: head['path'] ?? '/',
      agent: false,
      timeout: PATIENCE_MS,
      headers: {
        'content-length': body.length,
        ...(head['type'] === '' ? {} : { 'content-type': head['type'] ?? 'text/xml' }),
        ...(head['key'] === '' ? {} : { 'idempotency-key': head['key'] ?? 'k' }),
      },
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', resolve);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.on('error', resolve);
    });
    request.end(body);
  });

const send = async (site: Site, input: Input): Promise<Told> => {
  const answer = await post(site, input);
  // A body that is too long is not read to its end: the connection closes on whoever goes on writing.
  if (answer instanceof Error) {
    const wrong = input.body.length > 1024 * 1024 ? null : `no answer: ${answer.message}`;
    return { refused: true, wrong, answer: answer.message };
  }
  const said = `HTTP ${String(answer.status)} ${answer.text.slice(0, 200)}`;
  const isRefused = answer.status !== 200 || answer.text.includes('<fault>');
  return { refused: isRefused, wrong: answer.status >= 500 ? `it was answered ${said}` : null, answer: said };
};

const good = Buffer.from(encodeCall('NotifyStart', [{ 'serials.mlb_serial_number': 'U-1' }, 'FAT']));
const next = async (site: Site): Promise<string | null> => {
  const answer = await post(site, { head: { path: '/', type: 'text/xml', key: '' }, body: good });
  if (!(answer instanceof Error) && answer.status === 200) return null;
  return `a good call was then answered ${answer instanceof Error ? answer.message : String(answer.status)}`;
};

export const shopfloor: Target = {
  name: 'shopfloor',
  says: 'XML-RPC requests to the reference shopfloor',
  under: 'shopfloor',
  make,
  send,
  next,
};
