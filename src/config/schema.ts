/** The one schema of the configuration: its keys, their forms, their defaults. Unknown keys are refused everywhere. */
import { z } from 'zod';
import { Secret } from '../core/secret.ts';
import { toShopfloorUrl } from '../core/shopfloor-url.ts';
import { authSchema } from './auth.ts';
import { OVERRIDE_FLAG } from './exposure.ts';
import { limitsSchema } from './limit-keys.ts';
import { says } from './says.ts';
import { tracingSchema } from './tracing.ts';
import { address, count, duration, onOff } from './units.ts';

const NAME_MAX = 256;
const PORT_MAX = 65_535;
/** Names reach SQL, logs and partners: no control character is one of them. */
const NAME_FORM = /^[^\p{Cc}]*$/u;
const name = () =>
  z
    .string()
    .max(NAME_MAX, `is longer than ${String(NAME_MAX)}`)
    .regex(NAME_FORM, 'has control characters');
const givenName = () => name().min(1, 'is empty; give it a name');

/** As factory software writes it, prefixes such as `jsonrpc:` included. */
const shopfloorUrl = () =>
  z.string().superRefine((text, context) => {
    const read = toShopfloorUrl(text);
    if (read.kind === 'unsupported') context.addIssue({ code: 'custom', message: read.why });
  });
const postgresUrl = () =>
  z.string().regex(/^postgres(ql)?:\/\//, 'is no PostgreSQL URL; write postgresql://user:password@host:5432/name');

/** From here on nothing shows it by mistake. */
const toSecret = (text: string): Secret => new Secret(text);

/** Text in the environment, a list in the file. */
const nameList = () =>
  z.union([z.array(givenName()), z.string()], { error: 'is no list of names' }).transform((written) =>
    typeof written === 'string'
      ? written
          .split(',')
          .map((part) => part.trim())
          .filter((part) => part !== '')
      : written,
  );

/** How a station is run; the same keys in one station and in `stationDefaults`, where what is not said goes up. */
const stationKeys = (byDefault: (own: string) => string) => ({
  mode: z
    .enum(['notify', 'gate'])
    .optional()
    .register(says, {
      meaning: '`gate`: the shopfloor is asked before any bot is chosen. `notify`: it is told when a bot has started.',
      byDefault: byDefault('notify'),
    }),
  lostAfter: duration()
    .optional()
    .register(says, {
      meaning: 'A running lease whose bot has been silent this long is lost. Long stations may wait for a reboot.',
      byDefault: byDefault('limits.session.lostAfter'),
    }),
  attemptsMax: count()
    .optional()
    .register(says, {
      meaning: 'Attempts of a job here. A failed test is a result and is never repeated by the farm.',
      byDefault: byDefault('limits.jobs.attemptsMax'),
    }),
  waivable: z
    .array(givenName())
    .optional()
    .register(says, {
      meaning: 'Test ids for which FAILED_AND_WAIVED counts as passed.',
      byDefault: byDefault('none'),
    }),
  notifyEnd: z
    .enum(['passed', 'always'])
    .optional()
    .register(says, {
      meaning: 'NotifyEnd for a pass only, as partners expect, or after every attempt.',
      byDefault: byDefault('passed'),
    }),
  takt: duration()
    .optional()
    .register(says, {
      meaning: 'The cycle time aimed at. For the metrics and the eye; nothing is enforced.',
      byDefault: byDefault('none'),
    }),
});

/** YAML can name a group within itself. */
const hasAnEnd = (tree: unknown): boolean => {
  try {
    JSON.stringify(tree);
    return true;
  } catch {
    return false;
  }
};
const jsonGroup = () =>
  z.record(z.string(), z.json()).refine(hasAnEnd, 'holds itself by an alias; write out what it should hold');

/** Words of a test list that the farm keeps and does not act on, in the spelling of the list. */
const listed = (of: string) =>
  jsonGroup()
    .optional()
    .register(says, {
      meaning: `What the test list says of ${of} besides, such as \`run_if\`: kept as it is, for people and programs; the farm does not act on it.`,
      byDefault: 'none',
    });

const testSchema = z.strictObject({
  testId: givenName().register(says, { meaning: 'Its id, as the shopfloor knows it.', byDefault: null }),
  handler: givenName().register(says, { meaning: 'The function of the bot that runs it.', byDefault: null }),
  args: jsonGroup().optional().register(says, {
    meaning: 'Arguments for the handler.',
    byDefault: 'none',
  }),
  listed: listed('the test'),
});

const groupSchema = z.strictObject({
  id: givenName().register(says, { meaning: 'Its path; the ids of its tests begin with it.', byDefault: null }),
  listed: listed('the group'),
});

const stationSchema = z.strictObject({
  name: givenName().register(says, { meaning: 'The station, as jobs and the shopfloor call it.', byDefault: null }),
  ...stationKeys(() => 'as in stationDefaults'),
  tests: z.array(testSchema).default([]).register(says, {
    meaning: 'Its tests, in order: what a job here runs when it names none itself.',
    byDefault: 'none: each job names its own',
  }),
  groups: z.array(groupSchema).default([]).register(says, {
    meaning: 'The groups of its test list, the outermost first.',
    byDefault: 'none',
  }),
});

const testListSchema = z.strictObject({
  id: givenName().register(says, { meaning: 'The name of the test list.', byDefault: null }),
  listed: listed('itself'),
});

const claimSchema = z.strictObject({
  bots: givenName().default('*').register(says, {
    meaning: 'For the bots whose id fits this pattern: `*` for any run of characters, `?` for one.',
    byDefault: '*',
  }),
  property: givenName().register(says, {
    meaning: 'The key of a property, such as `station`, or a serial, such as `serials.serial_number`.',
    byDefault: null,
  }),
  values: z.array(name()).register(says, {
    meaning: 'Patterns of the values that they may declare; an empty list: none.',
    byDefault: null,
  }),
});

const lineSchema = z.strictObject({
  instance: name().register(says, {
    meaning: 'The instance that bots and schedulers name. May be empty: "".',
    byDefault: null,
  }),
  shopfloor: z
    .strictObject({
      url: shopfloorUrl().transform(toSecret).register(says, {
        meaning:
          'Where it answers, as http://host:port/path: in XML-RPC, or after `jsonrpc:` in JSON-RPC. `json:` before either: arguments and results are JSON texts.',
        byDefault: null,
        secret: true,
      }),
    })
    .nullable()
    .default(null)
    .register(says, { meaning: 'The partner; without one the line owes no calls.', byDefault: 'none' }),
  stationDefaults: z.strictObject(stationKeys((own) => own)).prefault({}),
  stations: z.array(stationSchema).default([]).register(says, {
    meaning: 'The stations of the line; a job for any other is refused. With none listed, any station goes.',
    byDefault: 'none',
  }),
  testList: testListSchema.nullable().default(null).register(says, {
    meaning: 'The Chrome OS test list that the stations were imported from.',
    byDefault: 'none',
  }),
  events: z.record(z.string(), givenName()).default({}).register(says, {
    meaning: "From the text of a bot's INFO event to the event the shopfloor is notified of.",
    byDefault: 'none',
  }),
  actions: z
    .record(z.string(), z.enum(['rerun', 'hold']))
    .default({})
    .register(says, {
      meaning:
        'From the `action` of a reply to UpdateTestResult to what is done: `rerun` enqueues the station again, `hold` holds the DUT.',
      byDefault: 'none',
    }),
  claims: z.array(claimSchema).default([]).register(says, {
    meaning:
      'Pins what bots may declare. A property that is named here may be declared only as the first entry that fits property and bot allows, and by no bot that none fits. Others are free.',
    byDefault: 'none: bots declare what they like',
  }),
});

const doorsSchema = z.strictObject({
  grpc: address().prefault('127.0.0.1:50051').register(says, {
    meaning: 'Bots, Reservations, our own services, health and reflection over gRPC.',
    byDefault: '127.0.0.1:50051',
    flag: '--grpc <host:port>',
  }),
  http: address().prefault('127.0.0.1:8081').register(says, {
    meaning: 'Metrics, health, and JSON over HTTP.',
    byDefault: '127.0.0.1:8081',
    flag: '--http <host:port>',
  }),
  ops: address().nullable().default(null).register(says, {
    meaning:
      'A door for probes and scrapes: `/livez`, `/readyz` and `/metrics` without credentials. It shows nothing secret, and may be bound wide.',
    byDefault: 'none',
    flag: '--ops <host:port>',
  }),
  factory: address().nullable().default(null).register(says, {
    meaning:
      'The Factory Server for DUTs of Chrome OS factory software, such as 0.0.0.0:8080. DUTs have no credentials: whoever reaches it may upload.',
    byDefault: 'none',
    flag: '--factory <host:port>',
  }),
  names: nameList().prefault([]).register(says, {
    meaning:
      'The names by which browsers and programs reach the HTTP door, and DUTs the factory door. Given any, a request that names another host is refused. Addresses and localhost are always taken.',
    byDefault: 'none: any name, once credentials are asked for',
  }),
  iKnowThatAnyoneOnThisNetworkCanFalsifyResults: onOff().prefault(false).register(says, {
    meaning:
      'Lets doors be bound wide without TLS or without credentials, for a network that is trusted with the whole line. Refused where NODE_ENV is production.',
    byDefault: 'false',
    flag: OVERRIDE_FLAG,
  }),
});

const factorySchema = z.strictObject({
  project: givenName().nullable().default(null).register(says, {
    meaning: 'What Ping tells DUTs that they have reached. One that expects another project stops.',
    byDefault: 'none: any DUT is content',
  }),
  instance: name().default('').register(says, {
    meaning: 'The instance that the DUTs of this door belong to.',
    byDefault: '""',
  }),
  unanswered: z.enum(['queue', 'fault']).default('queue').register(says, {
    meaning:
      'What a DUT is told when the shopfloor does not answer its call within `limits.external.answer`. The call is kept in either case: `queue` answers `{}` and the DUT goes on, `fault` stops it until its operator tries again.',
    byDefault: '`queue`',
  }),
  folder: z.string().min(1, 'is empty; name a folder').nullable().default(null).register(says, {
    meaning:
      'Where uploads are kept, and parameters and resources are found. One for all workers of a host, and for no other host.',
    byDefault: '`factory` in `data`',
  }),
  messageLevel: z.enum(['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL']).default('DEBUG').register(says, {
    meaning: 'Messages of Testlog below this level are accepted and dropped.',
    byDefault: 'DEBUG: all are kept',
  }),
  rsync: z.string().min(1, 'is empty; name the program, or say none').default('rsync').register(says, {
    meaning:
      'The rsync that takes logs of DUTs at `logPort`: the farm runs it as a daemon and starts it again when it ends. `none`: it runs none. rsync has neither TLS nor credentials: beyond loopback it is run only where `doors.iKnowThatAnyoneOnThisNetworkCanFalsifyResults` is set.',
    byDefault: 'rsync, where it is installed',
  }),
  logPort: z
    .union([z.number(), z.string()])
    .transform(Number)
    .pipe(z.int('is no port').min(1, 'is no port').max(PORT_MAX, 'is no port'))
    .nullable()
    .default(null)
    .register(says, {
      meaning: 'What GetFactoryLogPort answers, and where the rsync daemon takes the logs of DUTs.',
      byDefault: "the door's own port, as the DUT calls it, and 4",
    }),
});

const path = () => z.string().min(1, 'is empty; name a file');

const tlsFilesSchema = z.strictObject({
  certificate: path().register(says, {
    meaning: "The farm's certificate, with the chain up to its authority, as PEM. Read again when it changes.",
    byDefault: null,
  }),
  key: path().register(says, {
    meaning: 'The key of the certificate, as PEM, in a file that nobody else may read (mode 0600).',
    byDefault: null,
  }),
  clientAuthorities: path().nullable().default(null).register(says, {
    meaning:
      'The authorities, as PEM, that sign the certificates of bots. Bots are asked for theirs; one that does not verify gets no connection.',
    byDefault: 'none',
  }),
});

const logSchema = z.strictObject({
  level: z.enum(['debug', 'info', 'warn', 'error']).default('info').register(says, {
    meaning: 'The least serious lines written: debug, info, warn or error.',
    byDefault: 'info',
    flag: '--log-level <level>',
  }),
  format: z.enum(['auto', 'json', 'pretty']).default('auto').register(says, {
    meaning: '`json` for programs, `pretty` for people, `auto`: pretty on a terminal.',
    byDefault: 'auto',
    flag: '--log-format <format>',
  }),
});

const botsSchema = z.strictObject({
  recordBotEvents: onOff().prefault(true).register(says, {
    meaning: 'Keep what bots post with PostBotEventTemp; false: it is answered UNIMPLEMENTED, as BuildGrid has it.',
    byDefault: 'true',
  }),
  echoPayload: z.enum(['until-completed', 'pending-only']).default('until-completed').register(says, {
    meaning:
      'Whether replies carry the payload of a lease until it is completed, or only while it is PENDING (less to send; some old workers need it always).',
    byDefault: 'until-completed',
  }),
});

const metricsSchema = z.strictObject({
  propertyLabels: nameList().prefault([]).register(says, {
    meaning:
      'Bot properties that become labels of `stationgrid_bots_by_property` and `stationgrid_free_capacity_by_property`. Name only those with few values: no serials.',
    byDefault: 'none',
  }),
});

export const configSchema = z.strictObject({
  data: z.string().min(1, 'is empty; name a folder').default('.stationgrid').register(says, {
    meaning:
      'The folder of the embedded PostgreSQL and of what else the farm keeps. Relative to the working directory.',
    byDefault: '.stationgrid',
    flag: '--data <dir>',
  }),
  databaseUrl: postgresUrl().transform(toSecret).nullable().default(null).register(says, {
    meaning: 'A PostgreSQL server (15 or newer, a direct connection). Without one the farm starts its own in `data`.',
    byDefault: 'none',
    flag: '--database <url>',
    secret: true,
  }),
  ownerDatabaseUrl: postgresUrl().transform(toSecret).nullable().default(null).register(says, {
    meaning:
      'The same database as the role that owns the schema: it migrates, and grants the role of `databaseUrl` what a farm needs and no more. Without one, one role does both.',
    byDefault: 'none',
    secret: true,
  }),
  workers: count().default(1).register(says, {
    meaning:
      'Processes on this host that each serve as a replica, on the same doors. 1: no process but this one. More: a primary process owns the embedded database, starts workers anew and answers for all.',
    byDefault: '1',
    flag: '--workers <n>',
  }),
  instances: z.enum(['declared', 'any']).optional().register(says, {
    meaning: '`declared`: only the instances of `lines` exist. `any`: any name does, without a shopfloor.',
    byDefault: 'declared when there are lines, else any',
  }),
  doors: doorsSchema.prefault({}),
  tls: z
    .union([z.literal('terminated-by-proxy'), tlsFilesSchema], {
      error: 'is neither `terminated-by-proxy` nor the keys `certificate` and `key`',
    })
    .nullable()
    .default(null)
    .register(says, {
      meaning:
        'The files below, for TLS on every door. Or the word `terminated-by-proxy`: a mesh or an ingress does TLS before a plain door that only it can reach.',
      byDefault: 'none: plain doors, on loopback only',
    }),
  auth: authSchema.prefault({}),
  log: logSchema.prefault({}),
  bots: botsSchema.prefault({}),
  metrics: metricsSchema.prefault({}),
  tracing: tracingSchema.prefault({}),
  factory: factorySchema.prefault({}),
  limits: limitsSchema().prefault({}),
  lines: z.array(lineSchema).default([]).register(says, { meaning: 'The lines of this farm.', byDefault: 'none' }),
});

export type Written = z.output<typeof configSchema>;
export type WrittenLine = Written['lines'][number];
