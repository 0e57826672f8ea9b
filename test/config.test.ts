import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Config,
  configReference,
  type Environment,
  type Flags,
  linesOf,
  loadConfig,
  printConfig,
  shopfloorUrls,
} from '../src/config.ts';
import { editDistance, nearest } from '../src/config/nearest.ts';
import { configSchema } from '../src/config/schema.ts';
import { leavesOf, nodeOf, variableOf } from '../src/config/tree.ts';
import { ruleOf } from '../src/core/line.ts';
import { defaultLimits } from '../src/core/limits.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'stationgrid-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

let written = 0;
const fileOf = (text: string, mode = 0o600): string => {
  const path = join(folder, `${String((written += 1))}.yaml`);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};

type Given = { readonly yaml?: string; readonly env?: Environment; readonly flags?: Flags };
const load = ({ yaml, env = {}, flags = {} }: Given) =>
  loadConfig({ file: yaml === undefined ? null : fileOf(yaml), env, flags });
const configOf = (given: Given): Config => {
  const loaded = load(given);
  if (loaded.kind === 'bad') throw new Error(loaded.problems.join('\n'));
  return loaded.config;
};
const problemsOf = (given: Given): readonly string[] => {
  const loaded = load(given);
  return loaded.kind === 'bad' ? loaded.problems : [];
};

describe('tracing', () => {
  const OTEL = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/' };

  test("goes by OpenTelemetry's own variables, unless we are told more", () => {
    const tracingBy = (env: Environment, yaml = '') => configOf({ env, yaml }).tracing;
    const byBase = { endpoint: 'http://collector:4318/v1/traces', sampledShare: 1, name: 'stationgrid' };
    expect(tracingBy(OTEL)).toEqual(byBase);
    const whole = { ...OTEL, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://other/here' };
    expect(tracingBy(whole)).toMatchObject({ endpoint: 'http://other/here' });
    expect(tracingBy({ ...OTEL, STATIONGRID_TRACING_ENDPOINT: 'http://ours/' }).endpoint).toBe('http://ours/');
    const named = tracingBy({ OTEL_SERVICE_NAME: 'mine' }, 'tracing: { endpoint: "http://file/" }');
    expect(named).toEqual({ endpoint: 'http://file/', sampledShare: 1, name: 'mine' });
    expect(tracingBy({ ...OTEL, OTEL_SDK_DISABLED: 'true' })).toMatchObject({ endpoint: null });
  });
});

describe('defaults', () => {
  test('a farm that is told nothing listens on loopback, keeps its own PostgreSQL and takes any instance', () => {
    expect(configOf({})).toEqual({
      auth: { farm: null, botTokens: false, jwt: null },
      data: '.stationgrid',
      databaseUrl: null,
      ownerDatabaseUrl: null,
      workers: 1,
      instances: 'any',
      doors: {
        grpc: { host: '127.0.0.1', port: 50051 },
        http: { host: '127.0.0.1', port: 8081 },
        ops: null,
        factory: null,
        names: [],
        iKnowThatAnyoneOnThisNetworkCanFalsifyResults: false,
      },
      tls: null,
      log: { level: 'info', format: 'auto' },
      bots: { recordBotEvents: true, echoPayload: 'until-completed' },
      metrics: { propertyLabels: [] },
      tracing: { endpoint: null, sampledShare: 1, name: 'stationgrid' },
      factory: {
        project: null,
        instance: '',
        folder: null,
        logPort: null,
        messageLevel: 'DEBUG',
        rsync: 'rsync',
        unanswered: 'queue',
      },
      limits: defaultLimits,
      lines: [],
    });
  });

  test('an empty file and empty sections say nothing', () => {
    expect(configOf({ yaml: '' })).toEqual(configOf({}));
    expect(configOf({ yaml: 'limits:\n  session:\nlines:\ndoors:\n' })).toEqual(configOf({}));
  });

  // The numbers people rely on, in their own hand.
  test.each([
    ['session', 'ttlMs', 90_000],
    ['session', 'lostAfterMs', 90_000],
    ['session', 'fenceMs', 30_000],
    ['replica', 'tickMs', 5_000],
    ['replica', 'silentMaxMs', 20_000],
    ['replica', 'amnestyAfterMs', 15_000],
    ['poll', 'holdMaxMs', 45_000],
    ['jobs', 'attemptsMax', 3],
    ['jobs', 'refusalsMax', 3],
    ['jobs', 'acceptUnechoedMs', 60_000],
    ['jobs', 'acceptEchoedMs', 600_000],
    ['jobs', 'cancelGraceMs', 30_000],
    ['jobs', 'dutGraceMs', 300_000],
    ['jobs', 'gateClearedMs', 600_000],
    ['jobs', 'enqueueRememberedMs', 86_400_000],
    ['bots', 'errorsMax', 3],
    ['lanes', 'leaseMs', 30_000],
    ['lanes', 'concurrentMax', 16],
    ['lanes', 'faultsMax', 5],
    ['calls', 'timeoutMs', 10_000],
    ['calls', 'bodyBytesMax', 1_048_576],
    ['breaker', 'failingShare', 0.5],
    ['postgres', 'poolMax', 16],
    ['postgres', 'statementMs', 5_000],
    ['grpc', 'receiveBytesMax', 4_194_304],
    ['grpc', 'ageGraceMs', 90_000],
  ] as const)('limits.%s.%s is %d', (group, name, value) => {
    expect((configOf({}).limits[group] as Record<string, number>)[name]).toBe(value);
  });
});

describe('precedence', () => {
  const yaml = 'log: { level: warn, format: json }\ndata: from-file\nlimits: { jobs: { attemptsMax: 7 } }';
  const env = { STATIONGRID_LOG_LEVEL: 'error', STATIONGRID_DATA: 'from-environment', OTHER: 'x' };

  test('flags win over the environment, the environment over the file, the file over defaults', () => {
    const loaded = load({ yaml, env, flags: { data: 'from-flag' } });
    expect(loaded).toMatchObject({
      kind: 'ok',
      config: { data: 'from-flag', log: { level: 'error', format: 'json' }, limits: { jobs: { attemptsMax: 7 } } },
    });
    expect(loaded.kind === 'ok' && Object.fromEntries(loaded.sources)).toEqual({
      data: 'flag',
      'log.level': 'environment',
      'log.format': 'file',
      'limits.jobs.attemptsMax': 'file',
    });
  });

  test('an empty variable counts as not set', () => {
    expect(configOf({ env: { STATIONGRID_DATABASE_URL: '' } }).databaseUrl).toBeNull();
  });

  test('STATIONGRID_CONFIG names the file when no flag does', () => {
    const config = configOf({ env: { STATIONGRID_CONFIG: fileOf('data: named-by-environment') } });
    expect(config.data).toBe('named-by-environment');
  });

  test('flags have names of their own, and --set reaches every other key', () => {
    const flags = {
      grpc: '[::1]:0',
      logLevel: 'debug',
      set: ['limits.session.ttl=2 min', 'limits.session.lostAfter=3min'],
    };
    const config = configOf({ flags });
    expect(config.doors.grpc).toEqual({ host: '::1', port: 0 });
    expect(config.log.level).toBe('debug');
    expect(config.limits.session).toMatchObject({ ttlMs: 120_000, lostAfterMs: 180_000 });
  });

  test('switches, counts and lists can be said in the environment', () => {
    const config = configOf({
      env: {
        STATIONGRID_BOTS_RECORD_BOT_EVENTS: 'false',
        STATIONGRID_LIMITS_JOBS_ATTEMPTS_MAX: '5',
        STATIONGRID_METRICS_PROPERTY_LABELS: 'station, model',
      },
    });
    expect(config.bots.recordBotEvents).toBe(false);
    expect(config.limits.jobs.attemptsMax).toBe(5);
    expect(config.metrics.propertyLabels).toEqual(['station', 'model']);
  });

  test('no two keys share a variable', () => {
    const variables = leavesOf(nodeOf(configSchema)).map(({ path }) => variableOf(path));
    expect(new Set(variables).size).toBe(variables.length);
  });
});

describe('values', () => {
  test.each([
    ['90 s', 90_000],
    ['90s', 90_000],
    ['5 min', 300_000],
    ['250 ms', 250],
    ['1 h', 3_600_000],
    ['2 d', 172_800_000],
    ['0.1 s', 100],
    [45, 45_000],
    ['45', 45_000],
  ])('the duration %j is %d ms', (text, ms) => {
    expect(configOf({ yaml: JSON.stringify({ limits: { jobs: { dutGrace: text } } }) }).limits.jobs.dutGraceMs).toBe(
      ms,
    );
  });

  test.each(['soon', '5 parsecs', '-1 s', '0', '25 d', '1e3 s', true, null, []])(
    '%j is no duration, and the refusal shows how to write one',
    (text) => {
      const [problem] = problemsOf({ yaml: JSON.stringify({ limits: { jobs: { dutGrace: text } } }) });
      expect(problem).toMatch(/^limits\.jobs\.dutGrace: .*such as "90 s", "5 min", "250 ms" or "1 h"/);
    },
  );

  test.each([
    ['4 KiB', 4096],
    ['1 MiB', 1_048_576],
    ['512 B', 512],
    [100, 100],
  ])('the size %j is %d bytes', (text, bytes) => {
    const yaml = JSON.stringify({ limits: { session: { propertyBytesMax: text } } });
    expect(configOf({ yaml }).limits.session.propertyBytesMax).toBe(bytes);
  });

  test.each(['4 KB', '2000 TiB', 0, 'big'])('%j is no size', (text) => {
    expect(problemsOf({ yaml: JSON.stringify({ limits: { session: { propertyBytesMax: text } } }) })).toHaveLength(1);
  });

  test.each([0, -1, 1.5, 'three', '0x10'])('%j is no count', (text) => {
    expect(problemsOf({ yaml: JSON.stringify({ limits: { jobs: { attemptsMax: text } } }) })).toEqual([
      `limits.jobs.attemptsMax: \`${text}\` is not understood; write a whole number, 1 or more`,
    ]);
  });

  test.each([
    ['127.0.0.1:8081', { host: '127.0.0.1', port: 8081 }],
    ['localhost:1', { host: 'localhost', port: 1 }],
    ['[::1]:50051', { host: '::1', port: 50051 }],
    ['0.0.0.0:0', { host: '0.0.0.0', port: 0 }],
  ])('%s is an address', (text, address) => {
    // The door that may be bound wide.
    expect(configOf({ flags: { ops: text } }).doors.ops).toEqual(address);
  });

  test.each(['8081', ':8081', '::1:50051', 'host', 'host:', 'host:65536', 'http://host:1', 'a b:1'])(
    '%s is no address',
    (text) => {
      expect(problemsOf({ flags: { http: text } })).toEqual([
        `doors.http (a flag): \`${text}\` is no address; write HOST:PORT, such as "127.0.0.1:8081" or "[::1]:8081"`,
      ]);
    },
  );
});

describe('what is refused', () => {
  test.each([
    ['dota: x', 'unknown key `dota`; did you mean `data`?'],
    ['zzzzzzzz: x', 'unknown key `zzzzzzzz`'],
    ['lines: [{ instance: a, statoins: [] }]', 'unknown key `statoins` in lines[0]; did you mean `stations`?'],
    [
      'lines: [{ instance: a, stations: [{ name: SMT, lostafter: 1 h }] }]',
      'unknown key `lostafter` in lines[0].stations[0]; did you mean `lostAfter`?',
    ],
    [
      'lines: [{ instance: a, shopfloor: { ulr: "http://x/" } }]',
      'unknown key `ulr` in lines[0].shopfloor; did you mean `url`?',
    ],
    ['limits: { sesion: {} }', 'unknown key `sesion` in limits; did you mean `session`?'],
    ['limits: { session: { tll: 1 s } }', 'unknown key `tll` in limits.session; did you mean `ttl`?'],
  ])('an unknown key at any depth: %s', (yaml, problem) => {
    expect(problemsOf({ yaml })).toContain(problem);
  });

  test('an unknown variable, with the nearest known one', () => {
    expect(problemsOf({ env: { STATIONGRID_DATABSE_URL: 'x' } })).toEqual([
      'unknown variable `STATIONGRID_DATABSE_URL` in the environment; did you mean `STATIONGRID_DATABASE_URL`?',
    ]);
  });

  test('but not what Kubernetes sets for a Service called stationgrid, nor what bots read', () => {
    const env = {
      STATIONGRID_SERVICE_HOST: '10.0.0.1',
      STATIONGRID_SERVICE_PORT_GRPC: '50051',
      STATIONGRID_PORT: 'tcp://10.0.0.1:50051',
      STATIONGRID_PORT_50051_TCP_ADDR: '10.0.0.1',
      STATIONGRID_HTTP_SERVICE_PORT: '8081',
      STATIONGRID_BOT_ID: 'bot-1',
    };
    expect(problemsOf({ env })).toEqual([]);
  });

  test('an unknown flag and an unknown --set key', () => {
    expect(problemsOf({ flags: { gprc: 'x', set: ['limits.session.tll=1 s', 'nonsense'] } })).toEqual([
      'unknown key `gprc` in the flags; did you mean `grpc`?',
      'unknown key `limits.session.tll` in the flags; did you mean `limits.session.ttl`?',
      '--set nonsense sets nothing; write --set limits.session.ttl=2min',
    ]);
  });

  test.each([
    ['lines: [{}]', 'lines[0].instance: is missing'],
    ['lines: 5', 'lines: expected array, received number'],
    ['lines: [5]', 'lines[0]: expected object, received number'],
    ['limits: 5', 'limits: expected object, received number'],
    ['- a', 'the file: expected object, received array'],
    ['log: { level: loud }', 'log.level: `loud` is not one of debug, info, warn, error'],
    [
      'ownerDatabaseUrl: postgresql://owner@db/farm',
      'ownerDatabaseUrl: is of no use without databaseUrl; give both, or neither',
    ],
    [
      'databaseUrl: postgresql://db/farm\nownerDatabaseUrl: postgresql://owner@db/farm',
      'databaseUrl: names no user; beside an ownerDatabaseUrl it must, to be granted its rights',
    ],
    [
      'databaseUrl: postgresql://farm@db/farm\nownerDatabaseUrl: postgresql://farm@db/farm',
      'ownerDatabaseUrl: is the role of databaseUrl; leave it out, or give the owner its own',
    ],
    ['databaseUrl: mysql://x', 'databaseUrl: is no PostgreSQL URL; write postgresql://user:password@host:5432/name'],
    [
      'lines: [{ instance: a, shopfloor: { url: "ftp://x/" } }]',
      'lines[0].shopfloor.url: A shopfloor URL begins with http:// or https://, not ftp://.',
    ],
    [
      'lines: [{ instance: a, shopfloor: { url: "wsdl:http://x/" } }]',
      /^lines\[0\]\.shopfloor\.url: The shopfloor URL uses wsdl:, which is SOAP/,
    ],
    ['lines: [{ instance: "a\\0b" }]', 'lines[0].instance: has control characters'],
    ['lines: [{ instance: a }, { instance: a }]', /^lines: instance `a` is declared twice/],
    [
      'lines: [{ instance: a, stations: [{ name: SMT }, { name: SMT }] }]',
      /^lines\[0\]\.stations: `SMT` is listed twice/,
    ],
    [
      'lines: [{ instance: a, stations: [{ name: SMT, tests: [{ testId: T, handler: h }, { testId: T, handler: h }] }] }]',
      'lines[0], station SMT: test `T` is listed twice; give each an id of its own',
    ],
    [
      'lines: [{ instance: a, stations: [{ name: SMT, tests: [{ testId: T, handler: h, args: &a { x: *a } }] }] }]',
      'lines[0].stations[0].tests[0].args: holds itself by an alias; write out what it should hold',
    ],
    ['limits: { session: { fence: 2 min } }', /^limits\.session\.lostAfter must be longer than limits\.session\.fence/],
    [
      'limits: { replica: { silentMax: 30 s } }',
      /^limits\.replica\.silentMax must be shorter than limits\.session\.fence, than 30 s and than a third of/,
    ],
    ['limits: { session: { fence: 20 s } }', /^limits\.replica\.silentMax must be shorter than limits\.session\.fence/],
    [
      'limits: { replica: { silentMax: 40 s }, session: { fence: 1 min, lostAfter: 5 min } }',
      /^limits\.replica\.silentMax must be shorter than limits\.session\.fence, than 30 s/,
    ],
    [
      'limits: { session: { ttl: 60 s, lostAfter: 60 s } }',
      /^limits\.replica\.silentMax must be shorter .* than a third of limits\.session\.lostAfter/,
    ],
    [
      'limits: { replica: { silentMax: 9 s } }',
      /^limits\.replica\.silentMax must be at least two limits\.replica\.tick/,
    ],
    [
      'limits: { session: { ttl: 50 s } }\nlines: [{ instance: a, stations: [{ name: FAT, lostAfter: 55 s }] }]',
      'lines[0], station FAT: lostAfter 55 s is too short; make it 61 s or more',
    ],
    ['limits: { lanes: { lease: 5 s } }', /^limits\.lanes\.lease must be longer than limits\.calls\.timeout/],
    ['limits: { replica: { tick: 1 h } }', /^limits\.session\.ttl must be at least two limits\.replica\.tick/],
    [
      'lines: [{ instance: a, stations: [{ name: FAT, lostAfter: 20 s }] }]',
      'lines[0], station FAT: lostAfter 20 s is too short; make it 90 s or more',
    ],
  ])('%s', (yaml, problem) => {
    expect(problemsOf({ yaml })[0]).toMatch(problem);
  });

  test('everything that is wrong is told at once', () => {
    expect(problemsOf({ yaml: 'dota: x\nlog: { level: loud }', env: { STATIONGRID_DOORS_HTTP: 'x' } })).toHaveLength(3);
  });

  test('a file that is not there, is no YAML, or says a key twice', () => {
    expect(loadConfig({ file: join(folder, 'absent.yaml') })).toMatchObject({
      kind: 'bad',
      problems: [expect.stringContaining('absent.yaml')],
    });
    expect(problemsOf({ yaml: 'data: [' })).not.toEqual([]);
    expect(problemsOf({ yaml: 'data: a\ndata: b' })[0]).toContain('unique');
  });
});

describe('secrets', () => {
  const url = 'postgresql://farm:hunter2@db.example/farm';

  test('may stand in a file of their own, named by file or environment', () => {
    const secret = fileOf(`${url}\n`);
    expect(configOf({ yaml: `databaseUrlFile: ${secret}` }).databaseUrl?.reveal()).toBe(url);
    expect(configOf({ env: { STATIONGRID_DATABASE_URL_FILE: secret } }).databaseUrl?.reveal()).toBe(url);
    const partner = fileOf('http://farm:hunter2@mes.example/rpc');
    const yaml = `lines: [{ instance: a, shopfloor: { urlFile: ${partner} } }]`;
    expect(configOf({ yaml }).lines[0]?.shopfloor?.url.reveal()).toBe('http://farm:hunter2@mes.example/rpc');
  });

  test('are refused from a file that others may read', () => {
    const secret = fileOf(url, 0o644);
    expect(problemsOf({ yaml: `databaseUrlFile: ${secret}` })).toEqual([
      `databaseUrlFile: others may read ${secret} (mode 0644); run: chmod 600 ${secret}`,
    ]);
  });

  test('are refused when given twice in one place, or from no file at all', () => {
    expect(problemsOf({ yaml: `databaseUrl: ${url}\ndatabaseUrlFile: ${fileOf(url)}` })).toHaveLength(1);
    expect(problemsOf({ yaml: `databaseUrlFile: ${join(folder, 'absent')}` })[0]).toContain('ENOENT');
    expect(problemsOf({ yaml: 'databaseUrlFile: 5' })).toEqual(['databaseUrlFile: is no path of a file']);
  });

  test('only secrets have such a file', () => {
    expect(problemsOf({ yaml: 'dataFile: x' })).toEqual(['unknown key `dataFile`']);
  });

  test('of one shopfloor are the same for every line that tells it', () => {
    const yamlOf = (...urls: readonly string[]): string =>
      JSON.stringify({ lines: urls.map((shopfloor, n) => ({ instance: `line-${n}`, shopfloor: { url: shopfloor } })) });
    const [ours, theirs] = ['http://farm:hunter2@mes.example/', 'http://farm:hunter3@mes.example/'];
    expect(problemsOf({ yaml: yamlOf(ours, theirs) })).toEqual([
      'lines[0].shopfloor.url: another line calls the same shopfloor with other credentials; use the same',
    ]);
    const config = configOf({ yaml: yamlOf(ours, ours) });
    const shown = linesOf(config)('line-1')?.shopfloorUrl;
    expect(shown).toBe('http://mes.example/');
    expect(shopfloorUrls(config).get(shown!)?.reveal()).toBe(ours);
  });

  test('of the database, with a password, have no place on the command line', () => {
    expect(problemsOf({ flags: { database: url } })).toEqual([
      'databaseUrl: a password on the command line is there for everybody on this machine to read; give it as ' +
        'STATIONGRID_DATABASE_URL, or in a file of mode 0600 by databaseUrlFile',
    ]);
  });

  test('never appear in a problem or in print', () => {
    expect(problemsOf({ yaml: 'databaseUrl: "hunter2"' }).join()).not.toContain('hunter2');
    const yaml = `databaseUrl: ${url}\nlines: [{ instance: a, shopfloor: { url: "http://farm:hunter2@mes.example/" } }]`;
    const printed = printConfig(configOf({ yaml }));
    expect(printed).not.toContain('hunter2');
    expect(printed).toContain('databaseUrl: "***"');
    expect(printed).toContain('http://***@mes.example/');
  });
});

describe('workers', () => {
  test('a flag, a variable and the file say how many; one says so in its own words', () => {
    expect(configOf({ flags: { workers: '4' } }).workers).toBe(4);
    expect(configOf({ env: { STATIONGRID_WORKERS: '3' } }).workers).toBe(3);
    expect(configOf({ yaml: 'workers: 2' }).workers).toBe(2);
    expect(problemsOf({ flags: { workers: '0' } })).toEqual([
      'workers (a flag): `0` is not understood; write a whole number, 1 or more',
    ]);
  });

  test('their number has a limit, and so have the connections of the embedded PostgreSQL', () => {
    expect(problemsOf({ yaml: 'workers: 9' })).toEqual(['workers: 9 are more than limits.workers.max, which is 8']);
    const many = 'workers: 12\nlimits: { workers: { max: 16 } }\n';
    expect(problemsOf({ yaml: many })).toEqual([
      'workers: 12, and one more while they are replaced, may take 257 connections with those left for people, ' +
        'and the embedded PostgreSQL has 200; ' +
        'give fewer workers, a smaller limits.postgres.poolMax, or a server of your own by databaseUrl',
    ]);
    expect(problemsOf({ yaml: `${many}databaseUrl: postgresql://db/farm` })).toEqual([]);
  });

  test('what the primary tells its workers by the environment is no key', () => {
    expect(problemsOf({ env: { STATIONGRID_WORKER: '2' } })).toEqual([]);
  });
});

test('what is printed loads again as the same configuration', () => {
  const config = configOf({
    yaml: `
doors: { grpc: "[::1]:50051" }
limits: { session: { lostAfter: 100 s }, breaker: { failingShare: 0.25 } }
lines:
  - instance: ""
    stationDefaults: { takt: 90 s }
    stations: [{ name: RUNIN, lostAfter: 30 min }]
    events: { done: Finalize }
    actions: { re-run: rerun }
`,
  });
  expect(configOf({ yaml: printConfig(config) })).toEqual(config);
});

describe('lines', () => {
  const yaml = `
lines:
  - instance: line-1
    shopfloor: { url: "http://mes.example/" }
    stationDefaults: { mode: gate, takt: 60 s, waivable: [A] }
    stations:
      - name: RUNIN
        lostAfter: 30 min
        mode: notify
      - name: FFT
        waivable: [B]
        notifyEnd: always
        attemptsMax: 1
    events: { wiped: Finalize }
    actions: { again: rerun, stop: hold }
`;

  test("a station's own word goes before its line's, and that before the farm's", () => {
    const line = linesOf(configOf({ yaml }))('line-1')!;
    expect(line).toMatchObject({ instance: 'line-1', shopfloorUrl: 'http://mes.example/' });
    expect(ruleOf(line, 'RUNIN')).toEqual({
      station: 'RUNIN',
      mode: 'notify',
      lostAfterMs: 1_800_000,
      attemptsMax: 3,
      waivable: new Set(['A']),
      notifyEnd: 'passed',
      taktMs: 60_000,
      tests: [],
    });
    expect(ruleOf(line, 'FFT')).toMatchObject({
      mode: 'gate',
      lostAfterMs: 90_000,
      attemptsMax: 1,
      waivable: new Set(['B']),
      notifyEnd: 'always',
    });
    expect(ruleOf(line, 'OQC')).toBeNull();
    expect(line.events).toEqual(new Map([['wiped', 'Finalize']]));
    expect(line.actions).toEqual(
      new Map([
        ['again', 'rerun'],
        ['stop', 'hold'],
      ]),
    );
  });

  test('lines that are declared are the only ones, unless any instance goes', () => {
    expect(linesOf(configOf({ yaml }))('line-2')).toBeNull();
    const line = linesOf(configOf({ yaml: `instances: any${yaml}` }))('line-2')!;
    expect(line).toMatchObject({ instance: 'line-2', shopfloorUrl: null });
    expect(ruleOf(line, 'ANYTHING')).toMatchObject({ mode: 'notify', lostAfterMs: 90_000, attemptsMax: 3 });
  });

  test("a farm's own limits reach the stations that say nothing", () => {
    const limits = 'limits: { session: { lostAfter: 4 min }, jobs: { attemptsMax: 9 } }';
    const rule = linesOf(configOf({ yaml: `${limits}${yaml}` }))('line-1')!.anyStation;
    expect(rule).toMatchObject({ lostAfterMs: 240_000, attemptsMax: 9, mode: 'gate' });
  });
});

test('the example declares a line of five stations', () => {
  const loaded = loadConfig({ file: new URL('../examples/line.yaml', import.meta.url).pathname });
  expect(loaded).toMatchObject({ kind: 'ok' });
  if (loaded.kind === 'bad') return;
  const line = linesOf(loaded.config)('line-1')!;
  expect([...line.stations.keys()]).toEqual(['SMT', 'FAT', 'RUNIN', 'FFT', 'GRT']);
  expect(ruleOf(line, 'RUNIN')?.lostAfterMs).toBe(1_800_000);
  expect(ruleOf(line, 'FAT')?.mode).toBe('gate');
});

test('docs/reference/config.md is what the schema says; if not, run: node scripts/write-config-reference.mjs', () => {
  const page = readFileSync(new URL('../docs/reference/config.md', import.meta.url), 'utf8');
  expect(page).toBe(configReference());
});

describe('the nearest name', () => {
  test.each([
    ['', '', 0],
    ['abc', 'abc', 0],
    ['abc', 'abd', 1],
    ['abc', 'acb', 1],
    ['abc', '', 3],
    ['kitten', 'sitting', 3],
  ])('%j and %j are %d apart', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });

  test('nothing is named that is not near', () => {
    expect(nearest('statoins', ['stations', 'station'])).toBe('stations');
    expect(nearest('STATIONS', ['stations'])).toBe('stations');
    expect(nearest('colour', ['stations', 'data'])).toBeNull();
    expect(nearest('x', [])).toBeNull();
  });
});

describe('auth', () => {
  const jwt = 'issuer: https://id.example/, audience: farm, jwksFile: keys.json';

  test('is asked of nobody by default', () => {
    expect(configOf({}).auth).toEqual({ farm: null, botTokens: false, jwt: null });
  });

  test('may take JWTs, with defaults that suit most issuers', () => {
    expect(configOf({ yaml: `auth: { jwt: { ${jwt} } }` }).auth.jwt).toEqual({
      issuer: 'https://id.example/',
      audience: 'farm',
      algorithms: ['RS256', 'ES256', 'EdDSA'],
      jwksFile: 'keys.json',
      jwksUrl: null,
      rolesClaim: 'stationgrid_roles',
      clockSkew: 30_000,
    });
  });

  test('can be said by the environment alone', () => {
    const env = {
      STATIONGRID_AUTH_BOT_TOKENS: 'true',
      STATIONGRID_AUTH_JWT_ISSUER: 'https://id.example/',
      STATIONGRID_AUTH_JWT_AUDIENCE: 'farm',
      STATIONGRID_AUTH_JWT_JWKS_URL: 'https://id.example/jwks.json',
      STATIONGRID_AUTH_JWT_ALGORITHMS: 'ES256, PS512',
    };
    expect(configOf({ env }).auth).toMatchObject({
      botTokens: true,
      jwt: { algorithms: ['ES256', 'PS512'], jwksUrl: 'https://id.example/jwks.json' },
    });
  });

  test('prints as it is written', () => {
    const config = configOf({ yaml: `auth: { botTokens: true, jwt: { ${jwt}, clockSkew: 1 min } }` });
    const printed = printConfig(config);
    expect(printed).toContain('clockSkew: 1 min');
    expect(configOf({ yaml: printed }).auth).toEqual(config.auth);
  });

  test.each([
    ['jwt: { issuer: a, audience: b }', "auth.jwt: give the issuer's keys by one of `jwksFile` and `jwksUrl`"],
    [`jwt: { ${jwt}, jwksUrl: "https://x/" }`, "auth.jwt: give the issuer's keys by one of `jwksFile` and `jwksUrl`"],
    [`jwt: { ${jwt}, algorithms: [HS256] }`, 'auth.jwt.algorithms'],
    [`jwt: { ${jwt}, algorithms: [none] }`, 'auth.jwt.algorithms'],
    [`jwt: { ${jwt}, algorithms: [] }`, 'auth.jwt.algorithms'],
    [`jwt: { ${jwt}, clockSkew: 61 s }`, 'auth.jwt.clockSkew'],
    ['jwt: { issuer: a, audience: b, jwksUrl: "http://id.example/" }', 'is plain http'],
    ['jwt: { audience: b, jwksFile: c }', 'auth.jwt.issuer: is missing'],
    ['farm: Farm.Example', 'is no SPIFFE trust domain'],
    ['farm: farm.example', 'auth.farm: no door sees a client certificate'],
  ])('refuses %s', (auth, words) => {
    expect(problemsOf({ yaml: `auth: { ${auth} }` }).join('\n')).toContain(words);
  });

  test('takes keys over plain http from this machine', () => {
    const yaml = 'auth: { jwt: { issuer: a, audience: b, jwksUrl: "http://127.0.0.1:8/jwks" } }';
    expect(configOf({ yaml }).auth.jwt?.jwksUrl).toBe('http://127.0.0.1:8/jwks');
  });
});
