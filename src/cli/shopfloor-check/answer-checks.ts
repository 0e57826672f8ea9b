/** What the answers hold. Most ask nothing new: they judge all that was answered to the other checks. */
import { toDeviceData } from '../../wire/device-data.ts';
import { isXmlRpcStruct, type XmlRpcStruct, type XmlRpcValue } from '../../wire/xml-rpc.ts';
import { type Check, failed, passed } from './check.ts';
import { CHECK_TEST_ID, lastLine, type Partner, wordsOf } from './partner.ts';
import { post } from './post.ts';

type Answered = { readonly method: string; readonly value: XmlRpcValue };

const answeredTo = ({ heard }: Partner): readonly Answered[] =>
  heard.flatMap(({ method, exchange }) =>
    exchange.kind === 'value' && method !== 'GetVersion' ? [{ method, value: exchange.value }] : [],
  );

const structsOf = (partner: Partner): readonly { readonly method: string; readonly struct: XmlRpcStruct }[] =>
  answeredTo(partner).flatMap(({ method, value }) => (isXmlRpcStruct(value) ? [{ method, struct: value }] : []));

const firstWrong = (partner: Partner, why: (method: string, struct: XmlRpcStruct) => string | null) => {
  for (const { method, struct } of structsOf(partner)) {
    const wrong = why(method, struct);
    if (wrong !== null) return failed(`${method} answered ${wrong}`);
  }
  return passed();
};

const isKnownKey = (key: string): boolean =>
  /^(serials\.|factory\.|component\.|feature_management\.|vpd\.(ro|rw)\.)./.test(key) || key === 'hwid';

/** Valid calls only: faults have checks of their own. */
const needs = ['positional-arguments'];

export const answerChecks: readonly Check[] = [
  {
    id: 'reply-struct',
    level: 'must',
    what: 'Every method but GetVersion answers a struct.',
    why: 'A stock DUT stops at nil or a text, and its operator is stuck. The farm takes them for a fault.',
    mend: 'Return {} when there is nothing to say. When your own backend is down, answer HTTP 503 or hang up.',
    needs,
    run: (partner) => {
      const wrong = answeredTo(partner).find(({ value }) => !isXmlRpcStruct(value));
      return Promise.resolve(
        wrong === undefined ? passed() : failed(`${wrong.method} ${wordsOf({ kind: 'value', value: wrong.value })}`),
      );
    },
  },
  {
    id: 'reply-keys',
    level: 'should',
    what: 'Answers hold keys of DeviceData only: serials.*, factory.*, hwid, vpd.ro.*, vpd.rw.*, component.*.',
    why: 'A stock DUT refuses an answer with any other key, `action` too. The farm drops such keys, and heeds `action` only where a line is configured to.',
    mend: 'Leave them out, or put them under factory.*.',
    needs: ['reply-struct'],
    run: (partner) =>
      Promise.resolve(
        firstWrong(partner, (_method, struct) => {
          const key = Object.keys(struct).find((name) => !isKnownKey(name));
          return key === undefined ? null : `the key ${key}`;
        }),
      ),
  },
  {
    id: 'reply-values',
    level: 'should',
    what: 'Values are of the types that a DUT takes, and no key is deleted that it does not have.',
    why: 'component.has_* must be a boolean or a whole number, serials and VPD are strings, and nil deletes: a DUT stops at each slip.',
    mend: 'Send true, false or a count for component.has_*; texts for serials.* and vpd.*; and nil only for keys that came with the call.',
    needs: ['reply-struct'],
    run: (partner) => {
      const known = new Set(Object.keys(partner.unit));
      return Promise.resolve(
        firstWrong(partner, (_method, struct) => {
          const { dropped } = toDeviceData(struct, known);
          const wrong = dropped.find(({ key }) => isKnownKey(key) || key === 'action');
          return wrong === undefined ? null : `${wrong.key}, which ${wrong.why}`;
        }),
      );
    },
  },
];

/** Asks while the unit is at its station. */
export const replyTags: Check = {
  id: 'reply-value-tags',
  level: 'should',
  what: 'In an answer every value stands in <value>.',
  why: 'The farm reads answers without, but XML-RPC readers of other makes do not.',
  mend: 'Let a library write the answer; by hand: <param><value><struct>…, <member><name>…</name><value>….',
  needs,
  xmlOnly: true,
  run: async (partner) => {
    const { body, contentType, key } = partner.render('UpdateTestResult', [partner.unit, CHECK_TEST_ID, 'PASSED', {}]);
    const { text } = await post(partner, { body, contentType, key });
    const bare = /<(?:param|data)>\s*<(?!value\b|\/)|<\/name>\s*<(?!value\b)/.exec(text);
    return bare === null ? passed() : failed(`answered ${text.slice(bare.index, bare.index + 40)}…`);
  },
};

const faultStatus = 'fault-status';

export const faultChecks: readonly Check[] = [
  {
    id: faultStatus,
    level: 'must',
    what: 'A call that cannot be done is answered with a fault, on HTTP 200.',
    why: 'Another status is a transport error to every client: the farm sends the call again without end, and nobody sees the reason.',
    mend: 'Catch what your methods throw and answer a fault; libraries do. Keep HTTP 5xx for outages.',
    needs: ['speaks'],
    run: async (partner) => {
      for (const ask of badCalls(partner)) {
        const exchange = await ask();
        if (exchange.kind !== 'fault') return failed(wordsOf(exchange));
      }
      return passed();
    },
  },
  {
    id: 'fault-words',
    level: 'must',
    what: "A fault's text is not empty, and its last line says in words what is wrong.",
    why: 'The DUT shows the last line first, and stops at an empty text. In the farm it is what a held job or a dead letter shows.',
    mend: 'Put the reason for people on the last line of faultString; a traceback, if any, before it.',
    needs: [faultStatus],
    run: async (partner) => {
      let saw = '';
      for (const ask of badCalls(partner)) {
        const exchange = await ask();
        if (exchange.kind !== 'fault') return failed(wordsOf(exchange));
        saw = lastLine(exchange.text);
        if (saw === '' || NO_WORDS.test(saw)) return failed(`the last line is ${JSON.stringify(saw)}`);
      }
      return passed(saw);
    },
  },
];

/** Ends of a traceback or of a page, which tell an operator nothing. */
const NO_WORDS = /^(File "|Traceback|at .*:\d+|<\/?\w+>|[^\p{L}]*$)/u;

const badCalls = (partner: Partner) => [
  () => partner.ask('StationGridNoSuchMethod', []),
  () => partner.ask('UpdateTestResult', []),
];
