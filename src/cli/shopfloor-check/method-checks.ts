/** What is there, and whether it takes its arguments as they come. */
import type { Exchange } from '../../bridge/shopfloor-client.ts';
import type { XmlRpcValue } from '../../wire/xml-rpc.ts';
import { type Check, failed, type Finding, firstFailure, passed } from './check.ts';
import { CHECK_TEST_ID, type Partner, wordsOf } from './partner.ts';

const UNKNOWN_METHOD = -32601;
/** Python's dispatcher has one code for everything, and says it in words. */
const SAYS_UNKNOWN =
  /(method|function).*(not (found|supported|exist)|unknown)|(unknown|no such|is no) (method|function)/i;

const isMissing = (exchange: Exchange): boolean =>
  exchange.kind === 'fault' && (exchange.code === UNKNOWN_METHOD || SAYS_UNKNOWN.test(exchange.text));

export const speaks: Check = {
  id: 'speaks',
  level: 'must',
  what: 'A call at this address is answered in the protocol that its prefix names.',
  why: 'Otherwise nothing else can be asked. An answer that cannot be read may have been applied, and is sent again.',
  mend: 'Check the path and the prefix of the URL: xmlrpc: (or none), jsonrpc:, json:. Answer POST with HTTP 200.',
  needs: [],
  run: async (partner) => {
    const exchange = await partner.ask('GetVersion', []);
    return exchange.kind === 'value' || exchange.kind === 'fault' ? passed() : failed(wordsOf(exchange));
  },
};

const getVersion: Check = {
  id: 'get-version',
  level: 'should',
  what: 'GetVersion answers a string.',
  why: 'Factory software and people ask it to see whom they talk to.',
  mend: 'Return "1.0", or the version of your service.',
  needs: ['speaks'],
  run: async (partner) => {
    const exchange = await partner.ask('GetVersion', []);
    if (exchange.kind !== 'value' || typeof exchange.value !== 'string' || exchange.value === '') {
      return failed(wordsOf(exchange));
    }
    return passed(exchange.value);
  },
};

const methodCheck = (
  method: string,
  { level, why, args }: Pick<Check, 'level' | 'why'> & { readonly args: (partner: Partner) => readonly XmlRpcValue[] },
): Check => ({
  id: `method-${method}`,
  level,
  what: `There is a method ${method}.`,
  why,
  mend: `Add ${method} to what your server dispatches, spelt exactly so. With nothing to do, return an empty struct.`,
  needs: ['speaks'],
  run: async (partner) => {
    const exchange = await partner.ask(method, args(partner));
    if (isMissing(exchange)) return failed(wordsOf(exchange));
    if (exchange.kind === 'value') return passed();
    // That it says no to a unit it never saw is its right.
    return exchange.kind === 'fault' ? passed(wordsOf(exchange)) : failed(wordsOf(exchange));
  },
});

/** While the unit is at its station. */
export const methodChecks: readonly Check[] = [
  getVersion,
  methodCheck('NotifyStart', {
    level: 'must',
    why: 'The farm sends it when a station starts; at a gate, its answer decides whether it may.',
    args: ({ unit, station }) => [unit, station],
  }),
  methodCheck('UpdateTestResult', {
    level: 'must',
    why: 'The farm sends it for every test, and to close an attempt that did not pass.',
    args: ({ unit }) => [unit, CHECK_TEST_ID, 'PASSED', { error_message: 'none' }],
  }),
  methodCheck('GetDeviceInfo', {
    level: 'should',
    why: 'Factory software on the DUT asks it for the configuration of the unit.',
    args: ({ unit }) => [unit],
  }),
  methodCheck('ActivateRegCode', {
    level: 'should',
    why: 'Factory software on the DUT hands in registration codes by it. The codes sent here are none; say no to them.',
    args: () => ['STATIONGRID-CHECK', 'STATIONGRID-CHECK', 'STATIONGRID CHECK'],
  }),
];

/** When it leaves. */
export const leavingChecks: readonly Check[] = [
  methodCheck('NotifyEnd', {
    level: 'must',
    why: 'The farm sends it when the unit has passed the station.',
    args: ({ unit, station }) => [unit, station],
  }),
  methodCheck('NotifyEvent', {
    level: 'must',
    why: 'It says that a unit was wiped and is ready to ship (Finalize), or is so again (Refinalize).',
    args: ({ unit }) => [unit, 'Finalize'],
  }),
];

/** Whether an exchange ended as a valid call should. */
const taken = (exchange: Exchange): Finding => (exchange.kind === 'value' ? passed() : failed(wordsOf(exchange)));

const POSITIONAL = 'positional-arguments';

export const argumentChecks: readonly Check[] = [
  {
    id: POSITIONAL,
    level: 'must',
    what: 'Valid calls with positional arguments are answered without a fault.',
    why: 'A fault says no: at a gate the unit stays out, elsewhere the call comes again and then waits for a person.',
    mend: 'Take the arguments in order: (data, station), (data, test_id, status, details). If your service knows real units only, name one with --serial.',
    needs: ['method-NotifyStart', 'method-UpdateTestResult'],
    run: ({ heard }) =>
      Promise.resolve(
        firstFailure(
          heard
            .filter(({ method }) => method === 'NotifyStart' || method === 'UpdateTestResult')
            .map(({ exchange }) => taken(exchange)),
        ),
      ),
  },
  {
    id: 'nil',
    level: 'must',
    what: 'nil is taken: as the details of a result, and as a value in the data.',
    why: 'The farm sends nil for details that are not there, and DUTs send it for keys they no longer have.',
    mend: 'Turn on the nil extension (Python: allow_none=True), and read a missing value as none.',
    needs: [POSITIONAL],
    run: async (partner) => firstFailure([taken(await partner.tell(null, { 'factory.check_gone': null }))]),
  },
  {
    id: 'types',
    level: 'must',
    what: 'Booleans, numbers, text of any language, lists and structs are taken where they may stand.',
    why: 'factory.* holds any scalar, and details hold measurements: a list of structs.',
    mend: 'Keep values you do not know as they are; decode the body as UTF-8; do not declare columns too narrow.',
    needs: [POSITIONAL],
    run: async (partner) =>
      taken(
        await partner.tell(
          {
            error_message: 'Sensor 7: 1 < 2 & 3 > 2\nнапряжение 電圧 🔌',
            measurements: [
              { name: 'rail_12v', number: 12.1, unit: 'V', min: 11.5, verdict: 'PASSED' },
              { name: 'tiny', number: 1.5e-7, verdict: 'PASSED' },
            ],
          },
          {
            'factory.check_true': true,
            'factory.check_int': -7,
            'factory.check_double': 2.5,
            'factory.check_text': 'Fließband Ω',
            'factory.check_empty': '',
          },
        ),
      ),
  },
  {
    id: 'big-payload',
    level: 'should',
    what: 'A call of 512 KiB is taken.',
    why: 'A failed test brings its words and measurements along. The farm sends up to 1 MiB.',
    mend: 'Raise the body limit of your server, or of the proxy before it, to 1 MiB.',
    needs: [POSITIONAL],
    run: async (partner) => taken(await partner.tell({ error_message: 'a long story\n'.repeat(BIG_LINES) })),
  },
];

const BIG_LINES = Math.ceil((512 * 1024) / 'a long story\n'.length);
