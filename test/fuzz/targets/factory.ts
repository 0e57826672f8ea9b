/** Calls of DUTs to the factory door. */
import http from 'node:http';
import { createMethods } from '../../../src/fronts/factory/methods.ts';
import { encodeCall } from '../../../src/wire/xml-rpc.ts';
import type { Prng } from '../../sim/prng.ts';
import type { Input, Told } from '../input.ts';
import { mutated, mutatedJson, oddText } from '../mutate.ts';
import type { Site } from '../site.ts';
import type { Target } from '../target.ts';
import { callSoup } from '../xml-soup.ts';

/** Its table names them; none of them is called here. */
const METHODS = [...createMethods({ project: null, logPort: null } as Parameters<typeof createMethods>[0]).keys()];
const UPLOADS = ['UploadReport', 'UploadEvent', 'UploadCSVEntry', 'SaveAuxLog'];
const PATHS = ['/', '/RPC2', '/umpire/', '//RPC2', '/res/x', '/res/..%2f..', '/webapps/resourcemap', '/?x', '/RPC3'];
const NAMES = ['log', 'a/b', '../x', '/x', 'a//b', '.', '', 'é', 'a\\b'];

const upload = (prng: Prng): Buffer => {
  const name = prng.chance(0.5) ? prng.pick(NAMES) : oddText(prng);
  const bytes = new Uint8Array(prng.int(0, prng.chance(0.1) ? 200_000 : 50));
  const what = prng.chance(0.8) ? bytes : prng.pick([null, 'text', 7, ['a', null]]);
  return Buffer.from(encodeCall(prng.pick(UPLOADS), [name, what, ...(prng.chance(0.3) ? [oddText(prng)] : [])]));
};

const soup = (prng: Prng): Buffer => {
  const body = callSoup(prng);
  if (prng.chance(0.2)) return body;
  const named = `<methodName>${prng.pick(METHODS)}</methodName>`;
  return Buffer.from(body.toString('latin1').replace(/<methodName>[^<]*<\/methodName>/, named), 'latin1');
};

const BOUNDARY = 'fuzz';
const EVENT = {
  ...{
    type: 'station.test_run',
    uuid: 'u',
    apiVersion: '0.21',
    time: 1,
    testRunId: 'r',
    testName: 'l:SMT.T',
    testType: 't',
  },
  ...{ status: 'PASS', startTime: 1, serialNumbers: { serial_number: 'R-1' } },
  parameters: { a: { type: 'measurement', group: 'g', data: [{ numericValue: 1 }] } },
};

/** A form of events, in which anything may be wrong. */
const form = (prng: Prng): Input => {
  const fields = Array.from({ length: prng.int(0, 6) }, () => {
    const event = prng.pick([EVENT, [EVENT, {}], { __type__: 'Event', payload: EVENT, attachments: { a: 'a' } }]);
    const text = JSON.stringify(prng.chance(0.5) ? mutatedJson(prng, event) : event);
    const body = Buffer.from(prng.chance(0.2) ? oddText(prng) : text);
    const name = prng.pick(['event', 'event', 'event', 'a', '', '../x']);
    const head = `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), body, Buffer.from('\r\n')]);
  });
  const whole = Buffer.concat([...fields, Buffer.from(`--${BOUNDARY}--\r\n`)]);
  const body = prng.chance(0.3) ? mutated(prng, whole) : whole;
  const head = {
    ...{ path: '/instalog', method: 'POST', type: `multipart/form-data; boundary=${BOUNDARY}` },
    ...(prng.chance(0.8) ? { multi: 'True' } : {}),
  };
  return { what: `a form of ${String(body.length)} bytes to /instalog`, head, body };
};

const make = (prng: Prng): Input => {
  if (prng.chance(0.3)) return form(prng);
  const body = prng.chance(0.5) ? upload(prng) : soup(prng);
  const [path, method] = [prng.chance(0.8) ? '/' : prng.pick(PATHS), prng.chance(0.95) ? 'POST' : 'PUT'];
  return { what: `${method} of ${String(body.length)} bytes to ${path}`, head: { path, method }, body };
};

type Answer = { readonly status: number; readonly date: string; readonly text: string };

const PATIENCE_MS = 30_000;

const ask = (site: Site, { head, body }: Pick<Input, 'head' | 'body'>): Promise<Answer | Error> =>
  new Promise((resolve) => {
    const request = http.request({
      port: site.factoryPort,
      host: '127.0.0.1',
      method: head['method'] ?? 'POST',
      path: head['path'] ?? '/',
      agent: false,
      timeout: PATIENCE_MS,
      headers: {
        ...{ 'content-length': body.length, 'content-type': head['type'] ?? 'text/xml' },
        ...(head['multi'] === undefined ? {} : { 'multi-event': head['multi'] }),
      },
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', resolve);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, date: response.headers.date ?? '', text }));
      response.on('error', resolve);
    });
    request.end(body);
  });

const send = async (site: Site, input: Input): Promise<Told> => {
  const answer = await ask(site, input);
  if (answer instanceof Error) {
    // A body that is too long is not read to its end: the connection closes on whoever goes on writing.
    const wrong = input.body.length > 1024 * 1024 ? null : `no answer: ${answer.message}`;
    return { refused: true, wrong, answer: answer.message };
  }
  const said = `HTTP ${String(answer.status)} ${answer.text.slice(0, 200)}`;
  const isFault = answer.text.includes('<fault>');
  const hasWord = answer.status === 200 && !isFault && /\bfault\b/i.test(answer.text);
  const isWrong = (answer.status >= 500 && answer.status !== 501) || answer.date === '' || hasWord;
  return { refused: answer.status !== 200 || isFault, wrong: isWrong ? `it was answered ${said}` : null, answer: said };
};

const ping = Buffer.from(encodeCall('Ping', []));
const next = async (site: Site): Promise<string | null> => {
  const answer = await ask(site, { head: { path: '/RPC2' }, body: ping });
  if (!(answer instanceof Error) && answer.status === 200 && !answer.text.includes('<fault>')) return null;
  return `a good call was then answered ${answer instanceof Error ? answer.message : String(answer.status)}`;
};

export const factory: Target = {
  name: 'factory',
  says: 'calls of DUTs to the factory door',
  under: 'farm',
  make,
  send,
  next,
};
