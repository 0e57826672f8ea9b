/**
 * What DUTs may call: one flat table, for all paths. Names, orders of arguments and answers are the original Factory
 * Server's; what each means is in docs/reference/protocols.md.
 */
import type { Verb } from '../../core/authorisation.ts';
import type { Clock } from '../../core/clock.ts';
import type { XmlRpcValue } from '../../wire/xml-rpc.ts';
import { type Arguments, type Binaries, binaryOf, rowOf, structOf, textOf, textOrNil } from './arguments.ts';
import type { Parameters } from './parameters.ts';
import type { Resources } from './resources.ts';
import { umpireDutOf } from './umpire-dut.ts';
import type { Uploads } from './uploads.ts';

/** Where a call came from, and what came with it. */
export type Caller = {
  /** An address. */
  readonly peer: string;
  /** As its Host header names this door; null: it has none. */
  readonly host: string | null;
  readonly binaries: Binaries;
};

export type Method = {
  readonly verb: Verb;
  readonly params: readonly string[];
  /** How many of the last may be left out, or nil. */
  readonly optional: number;
  /** The types of the answer and of the arguments, as system.methodSignature says them. */
  readonly types: readonly string[];
  readonly doc: string;
  /** Whether a repeat of a call must have no effect of its own. */
  readonly hasEffect: boolean;
  readonly answer: (args: Arguments, caller: Caller) => Promise<XmlRpcValue> | XmlRpcValue;
};

export type Methods = ReadonlyMap<string, Method>;

export type MethodParts = {
  readonly clock: Clock;
  /** What Ping tells; null: any DUT is content. */
  readonly project: string | null;
  /** Null: the port by which the DUT calls, and 4. */
  readonly logPort: number | null;
  readonly uploads: Uploads;
  readonly parameters: Parameters;
  readonly resources: Resources;
  /** @throws Refusal. */
  readonly shopfloor: (method: string, params: Arguments, caller: Caller) => Promise<XmlRpcValue>;
};

/** Below 2017 servers answered otherwise, and DUTs look. */
const PING_VERSION = 3;
const LOG_PORT_OFFSET = 4;
const DEFAULT_PORT = 8080;

type Declared = Omit<Method, 'verb' | 'optional' | 'hasEffect'> & Partial<Pick<Method, 'optional'>>;

const reads = (declared: Declared): Method => ({ verb: 'read-factory', optional: 0, hasEffect: false, ...declared });
const uploads = (declared: Declared): Method => ({ verb: 'keep-upload', optional: 0, hasEffect: true, ...declared });
const asksShopfloor = (declared: Declared): Method => ({
  verb: 'take-shopfloor-call',
  optional: 0,
  hasEffect: true,
  ...declared,
});

export const createMethods = (parts: MethodParts): Methods => {
  const methods = new Map<string, Method>([
    ...plainMethods(parts),
    ...parameterMethods(parts.parameters),
    ...shopfloorMethods(parts),
    ...uploadMethods(parts.uploads),
    ['GetFactoryLogPort', logPortMethod(parts)],
  ]);
  for (const [name, method] of introspection(methods)) methods.set(name, method);
  return methods;
};

const plainMethods = ({ clock, project, resources }: MethodParts): readonly (readonly [string, Method])[] => {
  const isTrue = reads({
    params: [],
    types: ['boolean'],
    doc: 'Always true: clients ask whether their proxy is.',
    answer: () => true,
  });
  return [
    ['__bool__', isTrue],
    ['__nonzero__', isTrue],
    [
      'Ping',
      reads({
        params: [],
        types: ['struct'],
        doc: 'The version of this API, and the project that this server is of.',
        answer: () => ({ version: PING_VERSION, project }),
      }),
    ],
    [
      'GetTime',
      reads({
        params: [],
        types: ['double'],
        doc: "The server's clock, in seconds since 1970.",
        // The middle of the millisecond that the clock names: never a whole number, which would be written as an int.
        answer: () => (clock.now().getTime() + 0.5) / 1000,
      }),
    ],
    [
      'GetCROSPayloadURL',
      reads({
        params: ['x_umpire_dut'],
        types: ['string', 'struct'],
        doc: 'Where the list of payloads of the bundle for this DUT is; empty: there is none.',
        answer: ([dut], { host }) => resources.payloadUrl(host, umpireDutOf(dut)),
      }),
    ],
  ];
};

const logPortMethod = ({ logPort }: MethodParts): Method =>
  reads({
    params: [],
    types: ['int'],
    doc: 'The port of the rsync daemon that takes the logs of DUTs, in its module system_logs.',
    answer: (_, { host }) => logPort ?? portOf(host) + LOG_PORT_OFFSET,
  });

const portOf = (host: string | null): number => Number(/:(\d+)$/.exec(host ?? '')?.[1] ?? DEFAULT_PORT);

/** Both names of the same thing: the original's, and those of its newer version. */
const parameterMethods = (parameters: Parameters): readonly (readonly [string, Method])[] => {
  const list = reads({
    params: ['pattern'],
    types: ['array', 'string'],
    doc: 'The parameter files whose paths fit a pattern of the shell; none: an empty list.',
    answer: ([pattern]) => parameters.list(textOf(pattern, 'pattern')),
  });
  const one = reads({
    params: ['path'],
    types: ['base64', 'string'],
    doc: 'A parameter file.',
    answer: ([path]) => parameters.read(textOf(path, 'path')),
  });
  const several = reads({
    params: ['namespace', 'name'],
    optional: 2,
    types: ['base64', 'string', 'string'],
    doc: 'A tar of the parameter files of a folder, or of the one that is named.',
    answer: ([namespace, name]) => parameters.bundle(textOrNil(namespace, 'namespace'), textOrNil(name, 'name')),
  });
  return [
    ['ListParameters', list],
    ['GetParameter', one],
    ['GetParameters', several],
    ['ListFactoryDrives', list],
    ['GetFactoryDrive', one],
    ['GetFactoryDrives', several],
  ];
};

const uploadMethods = (to: Uploads): readonly (readonly [string, Method])[] => [
  [
    'UploadReport',
    uploads({
      params: ['serial', 'report_blob', 'report_name', 'stage'],
      optional: 2,
      types: ['boolean', 'string', 'base64', 'string', 'string'],
      doc: 'Keeps a report. True: it is on disk and on record.',
      answer: async ([serial, blob, reportName, stage], { peer, binaries }) => {
        await to.report(peer, binaryOf(blob, 'report_blob', binaries), {
          serial: textOrNil(serial, 'serial'),
          reportName: textOrNil(reportName, 'report_name'),
          stage: textOrNil(stage, 'stage'),
        });
        return true;
      },
    }),
  ],
  [
    'UploadCSVEntry',
    uploads({
      params: ['csv_name', 'data'],
      types: ['boolean', 'string', 'array'],
      doc: 'Appends one row to a CSV file. True: it is on disk and on record.',
      answer: async ([name, data], { peer }) => {
        await to.csvRow(peer, rowOf(data, 'data'), textOf(name, 'csv_name'));
        return true;
      },
    }),
  ],
  [
    'UploadEvent',
    uploads({
      params: ['log_name', 'chunk'],
      types: ['boolean', 'string', 'base64'],
      doc: "Appends to an event log, in the day's folder. True: it is on disk and on record.",
      answer: async ([name, chunk], { peer, binaries }) => {
        await to.event(peer, binaryOf(chunk, 'chunk', binaries), textOf(name, 'log_name'));
        return true;
      },
    }),
  ],
  [
    'SaveAuxLog',
    uploads({
      params: ['name', 'contents'],
      types: ['boolean', 'string', 'base64'],
      doc: 'Keeps a log under a name, which shows the latest; earlier contents are kept. True: it is on disk and on record.',
      answer: async ([name, contents], { peer, binaries }) => {
        await to.auxLog(peer, binaryOf(contents, 'contents', binaries), textOf(name, 'name'));
        return true;
      },
    }),
  ],
];

const DATA = ['struct', 'struct'] as const;

const shopfloorMethods = ({ shopfloor }: MethodParts): readonly (readonly [string, Method])[] => {
  /** Device data comes first, then texts; what is left over is taken as it is. */
  const forwards = (
    name: string,
    declared: Omit<Declared, 'answer' | 'doc'> & { readonly check: (args: Arguments) => void },
  ): readonly [string, Method] => {
    const { check, ...rest } = declared;
    const answer = (args: Arguments, caller: Caller): Promise<XmlRpcValue> => {
      check(args);
      return shopfloor(name, args, caller);
    };
    return [name, asksShopfloor({ ...rest, doc: `Asks the shopfloor: its ${name}.`, answer })];
  };
  const data = ([first]: Arguments): void => void structOf(first, 'data');
  const dataAndText = (what: string) => (args: Arguments) => {
    data(args);
    textOf(args[1], what);
  };
  /** The calls of old DUTs that stand for a NotifyEvent. */
  const legacy = (name: string, event: string): readonly [string, Method] => [
    name,
    asksShopfloor({
      params: ['serial'],
      types: ['struct', 'string'],
      doc: `Tells the shopfloor of the event ${event}, as old DUTs do.`,
      answer: ([serial], caller) =>
        shopfloor('NotifyEvent', [{ serial_number: textOf(serial, 'serial') }, event], caller),
    }),
  ];
  return [
    forwards('GetVersion', { params: [], types: ['string'], check: () => undefined }),
    forwards('NotifyStart', { params: ['data', 'station'], types: [...DATA, 'string'], check: dataAndText('station') }),
    forwards('NotifyEnd', { params: ['data', 'station'], types: [...DATA, 'string'], check: dataAndText('station') }),
    forwards('NotifyEvent', { params: ['data', 'event'], types: [...DATA, 'string'], check: dataAndText('event') }),
    forwards('GetDeviceInfo', { params: ['data'], types: [...DATA], check: data }),
    forwards('ActivateRegCode', {
      params: ['ubind_attribute', 'gbind_attribute', 'hwid'],
      types: ['struct', 'string', 'string', 'string'],
      check: (args) =>
        ['ubind_attribute', 'gbind_attribute', 'hwid'].forEach((what, at) => void textOf(args[at], what)),
    }),
    forwards('UpdateTestResult', {
      params: ['data', 'test_id', 'status', 'details'],
      optional: 1,
      types: [...DATA, 'string', 'string', 'struct'],
      check: (args) => {
        dataAndText('test_id')(args);
        textOf(args[2], 'status');
        if (args[3] !== null) structOf(args[3], 'details');
      },
    }),
    legacy('Finalize', 'Finalize'),
    legacy('FinalizeFQC', 'Refinalize'),
  ];
};

/** Of the whole table, these among it. */
const introspection = (methods: Methods): readonly (readonly [string, Method])[] => {
  const named = (name: XmlRpcValue | undefined): Method | null => methods.get(textOf(name, 'method_name')) ?? null;
  return [
    [
      'system.listMethods',
      reads({ params: [], types: ['array'], doc: 'What can be called here.', answer: () => [...methods.keys()] }),
    ],
    [
      'system.methodHelp',
      reads({
        params: ['method_name'],
        types: ['string', 'string'],
        doc: 'What a method does; empty: there is no such method.',
        answer: ([name]) => named(name)?.doc ?? '',
      }),
    ],
    [
      'system.methodSignature',
      reads({
        params: ['method_name'],
        types: ['array', 'string'],
        doc: 'The types of a method: of its answer, then of its arguments. Empty: there is no such method.',
        answer: ([name]) => signaturesOf(named(name)),
      }),
    ],
  ];
};

/** One for each number of arguments that it takes. */
const signaturesOf = (method: Method | null): XmlRpcValue => {
  if (method === null) return '';
  const { types, optional } = method;
  return Array.from({ length: optional + 1 }, (_, left) => types.slice(0, types.length - optional + left));
};
