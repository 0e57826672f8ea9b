/** What reads a whole body and has no door of its own: the configuration, and XML-RPC either way. */
import { connect } from 'node:net';
import type { Prng } from '../../sim/prng.ts';
import type { Input, Told } from '../input.ts';
import { mutated, mutatedJson, oddText } from '../mutate.ts';
import type { Site } from '../site.ts';
import type { Target } from '../target.ts';
import { answerSoup, callSoup } from '../xml-soup.ts';

const PATIENCE_MS = 30_000;

/** The reader's one line; null: there was none. */
const read = (site: Site, reader: string, body: Buffer): Promise<string | null> =>
  new Promise((resolve) => {
    const parts: Buffer[] = [];
    const socket = connect(site.hostPort, '127.0.0.1');
    const patience = setTimeout(() => socket.destroy(), PATIENCE_MS);
    socket.on('error', () => undefined);
    socket.on('data', (part) => parts.push(part));
    socket.on('close', () => {
      clearTimeout(patience);
      resolve(parts.length === 0 ? null : Buffer.concat(parts).toString());
    });
    socket.end(Buffer.concat([Buffer.from(`${reader}\n`), body]));
  });

const send = async (site: Site, { head, body }: Input): Promise<Told> => {
  const line = (await read(site, head['reader'] ?? '', body)) ?? 'no answer';
  const [kind = '', ...rest] = line.split(' ');
  if (kind === 'taken') return { refused: false, wrong: null, answer: line };
  if (kind !== 'refused') return { refused: true, wrong: `the reader said: ${line}`, answer: line };
  const words = JSON.parse(rest.join(' ')) as readonly string[];
  const mute = words.length === 0 || words.some((each) => each.split(' ').length < 3 || INSIDES.test(each));
  return { refused: true, wrong: mute ? `its words teach nothing: ${JSON.stringify(words)}` : null, answer: line };
};

const INSIDES = /TypeError|RangeError|Cannot read prop|undefined is not|\[object |is not a function|Maximum call stack/;

const LINE_YAML = `lines:
  - instance: line-1
    shopfloor:
      url: http://mes.example:8090/
    stationDefaults: { lostAfter: 5 min, notifyEnd: passed }
    stations:
      - name: FAT
        mode: gate
        waivable: [FAT.volts]
        takt: 90 s
    events: { Finalize: Finalize }
    actions: { hold: hold }
limits:
  session: { ttl: 80 s }
  jobs:
    attemptsMax: 5
doors: { grpc: "127.0.0.1:50051", http: "[::1]:8081" }
log: { level: info, format: json }
bots: { recordBotEvents: true }
`;

const LINE_JSON: unknown = {
  lines: [
    {
      instance: 'line-1',
      shopfloor: { url: 'http://mes.example/' },
      stations: [{ name: 'FAT', mode: 'gate', takt: '9 s' }],
    },
    { instance: '', events: { a: 'b' }, actions: { x: 'hold' } },
  ],
  limits: { session: { ttl: '80 s' }, poll: { holdMax: 30 }, breaker: { failingShare: 0.5 } },
  doors: { grpc: '127.0.0.1:0' },
  metrics: { propertyLabels: ['pool'] },
  data: 'x',
};

/** What YAML can do and JSON cannot. */
const YAML_TRICKS = [
  'a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c]\nlines: [*d, *d, *d]\n',
  'lines: &l\n  - *l\n',
  '<<: { data: x }\n',
  'lines: !!js/function "function () {}"\n',
  'data: !!binary AAAA\n',
  '? [a, b]\n: c\n',
  '__proto__: { data: y }\n',
  'constructor: { prototype: { data: y } }\n',
  '%YAML 9.9\n---\ndata: x\n',
  '--- a\n--- b\n',
  'data: |\n  many\n  lines\n',
  'data: 2026-01-01\n',
  'data: .nan\n',
  'lines: ~\n',
  'null\n',
  '[1, 2]\n',
  '"just text"\n',
  '\t: tab\n',
  `${'['.repeat(3000)}${']'.repeat(3000)}\n`,
  `${'- '.repeat(2000)}x\n`,
  `${'a: {'.repeat(500)}${'}'.repeat(500)}\n`,
];

const makeConfig = (prng: Prng): Input => {
  const text = prng.pick([
    () => mutated(prng, Buffer.from(LINE_YAML)),
    () => Buffer.from(JSON.stringify(mutatedJson(prng, LINE_JSON))),
    () => Buffer.from(prng.pick(YAML_TRICKS) + (prng.chance(0.5) ? LINE_YAML : '')),
    () =>
      Buffer.from(
        LINE_YAML.replace(
          prng.pick(['line-1', 'FAT', '5 min', 'passed', '90 s', 'info', '80 s']),
          JSON.stringify(oddText(prng)),
        ),
      ),
  ])();
  return { what: `a configuration of ${String(text.length)} bytes`, head: { reader: 'config' }, body: text };
};

const nextReading = async (site: Site): Promise<string | null> => {
  const line = await read(site, 'config', Buffer.from(LINE_YAML));
  return line === 'taken' ? null : `a good configuration was then answered ${line ?? 'with nothing'}`;
};

export const config: Target = {
  name: 'config',
  says: 'YAML configuration',
  under: 'host',
  make: makeConfig,
  send,
  next: nextReading,
};

const makeXml = (prng: Prng): Input => {
  const isCall = prng.chance(0.5);
  const body = isCall ? callSoup(prng) : answerSoup(prng);
  const reader = isCall ? 'xml-rpc call' : 'xml-rpc answer';
  return { what: `an ${reader} of ${String(body.length)} bytes`, head: { reader }, body };
};

export const xml: Target = {
  name: 'xml',
  says: 'the XML-RPC reader, both ways',
  under: 'host',
  make: makeXml,
  send,
  next: nextReading,
};
