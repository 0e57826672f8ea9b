/** HTTP, time, and calls that come twice or together. */
import { isDeepStrictEqual } from 'node:util';
import { createShopfloorClient, type Exchange } from '../../bridge/shopfloor-client.ts';
import { encodeCall, type XmlRpcValue } from '../../wire/xml-rpc.ts';
import { type Check, failed, firstFailure, passed } from './check.ts';
import { CHECK_TEST_ID, type Partner, wordsOf } from './partner.ts';
import { post, postOld } from './post.ts';

const needs = ['positional-arguments'];
/** As many lanes as the farm works on at once (limits.lanes.concurrentMax). */
const AT_ONCE = 16;
const LATENCY_CALLS = 10;
const KEPT_CALLS = 3;

const isAnswer = ({ kind }: Exchange): boolean => kind === 'value' || kind === 'fault';
const answered = (exchange: Exchange) => (isAnswer(exchange) ? passed() : failed(wordsOf(exchange)));

export const timeChecks: readonly Check[] = [
  {
    id: 'latency',
    level: 'must',
    what: 'Answers come soon (--slow says how soon).',
    why: 'A unit has up to hundreds of results, sent one after another. After 10 s an answer is none, and the call comes again.',
    mend: 'Write down what came and answer; do what takes long afterwards.',
    needs,
    run: async (partner) => {
      const times: number[] = [];
      for (let call = 0; call < LATENCY_CALLS; call += 1) {
        const startMs = partner.clock.monotonicMs();
        const exchange = await partner.tell({});
        times.push(partner.clock.monotonicMs() - startMs);
        if (!isAnswer(exchange)) return failed(wordsOf(exchange));
      }
      const slowestMs = Math.max(...times);
      const saw = `the slowest of ${String(LATENCY_CALLS)} took ${slowestMs.toFixed(0)} ms`;
      return slowestMs > partner.slowMs ? failed(saw) : passed(saw);
    },
  },
  {
    id: 'concurrency',
    level: 'must',
    what: `${String(AT_ONCE)} calls at once are all answered.`,
    why: 'The farm tells of many units at once, one call of each at a time.',
    mend: 'Serve each connection in a thread or task of its own (Python: ThreadingMixIn), and guard what they share.',
    needs,
    run: async (partner) =>
      firstFailure(
        (await Promise.all(Array.from({ length: AT_ONCE }, () => partner.ask('GetDeviceInfo', [partner.unit])))).map(
          answered,
        ),
      ),
  },
];

export const httpChecks: readonly Check[] = [
  {
    id: 'keep-alive',
    level: 'must',
    what: 'A connection that is kept open takes the next call.',
    why: 'A connection cut at the next call leaves it unknown whether that was applied, and it is sent again.',
    mend: 'Send Content-Length and keep the connection for 5 s or longer; or say `Connection: close`, and close.',
    needs,
    run: async ({ address, clock, newId, unit, signal }) => {
      const client = createShopfloorClient({ url: address, clock });
      try {
        for (let call = 0; call < KEPT_CALLS; call += 1) {
          const body = encodeCall('UpdateTestResult', [unit, CHECK_TEST_ID, 'PASSED', {}]);
          const exchange = await client.exchange(body, { idempotencyKey: newId(), signal });
          if (!isAnswer(exchange)) return failed(`call ${String(call + 1)}: ${wordsOf(exchange)}`);
        }
        return passed();
      } finally {
        client.close();
      }
    },
  },
  {
    id: 'http-1.0',
    level: 'should',
    what: 'HTTP/1.0 is answered, with a length or a close, and a Host without a port is taken.',
    why: 'The original factory server forwards calls so.',
    mend: 'Do not refuse HTTP/1.0, and do not answer it in chunks.',
    needs,
    run: async (partner) => {
      const call = partner.render('UpdateTestResult', [partner.unit, CHECK_TEST_ID, 'PASSED', {}]);
      const { status, headers, text } = await postOld(partner, call);
      if (status !== 200) return failed(status === 0 ? text : `HTTP status ${String(status)} instead of 200`);
      return /^transfer-encoding: *chunked/im.test(headers) ? failed('answered in chunks') : passed();
    },
  },
  {
    id: 'rpc2-path',
    level: 'should',
    what: 'Calls are answered at /RPC2 as they are at /.',
    why: 'Python clients, a DUT that talks to the service itself among them, post to /RPC2 when the URL has no path.',
    mend: 'Route /RPC2 to the same handler.',
    needs,
    xmlOnly: true,
    run: async (partner) => {
      if (partner.url.pathname !== '/') return passed('the URL has a path of its own');
      const { body, contentType, key } = partner.render('GetVersion', []);
      const { status, text } = await post(
        { ...partner, url: new URL('/RPC2', partner.url) },
        { body, contentType, key },
      );
      if (status === 200) return passed();
      return failed(status === 0 ? text : `HTTP status ${String(status)} instead of 200`);
    },
  },
];

export const repeatChecks: readonly Check[] = [
  {
    id: 'repeat-answer',
    level: 'must',
    what: 'The same call under the same Idempotency-Key is answered as it was the first time.',
    why: 'When a connection broke before the answer, the same bytes come again. A fault then blocks the unit for what was done.',
    mend: 'Keep the answer by its key, and give it again.',
    needs,
    run: async (partner) => {
      const key = partner.newId();
      const first = await partner.tell({}, {}, key);
      const second = await partner.tell({}, {}, key);
      return isDeepStrictEqual(first, second) ? passed() : failed(`first ${wordsOf(first)}, then ${wordsOf(second)}`);
    },
  },
  {
    id: 'repeat-memory',
    level: 'should',
    what: 'An Idempotency-Key that was used is remembered.',
    why: 'Without it a repeated call is applied twice: two results of one test, two starts of one unit.',
    mend: 'Look the key up before anything else, in the same transaction as the effect; see docs/how-to/write-a-shopfloor.md.',
    needs,
    run: async (partner) => {
      const key = partner.newId();
      await partner.tell({}, {}, key);
      // Who remembers the key answers as before, or says that it was used. Who does not, as to any other call.
      for (const ask of [
        (under: string) => partner.ask('GetVersion', [], under),
        (under: string) => partner.ask('UpdateTestResult', [], under),
      ]) {
        const [fresh, reused] = [await ask(partner.newId()), await ask(key)];
        if (!isDeepStrictEqual(fresh, reused)) return passed();
      }
      return failed('calls under a key that was used are answered as if it were new');
    },
  },
];

/** The unit's own client, once it is wiped: values without <value>, sent to the bare address. */
const wipedCall = ({ unit }: Partner): string => {
  const members = Object.entries<XmlRpcValue>({ ...unit, hwid: 'STATIONGRID CHECK' }).map(
    ([name, value]) => `<member><name>${name}</name><value>${typeof value === 'string' ? value : ''}</value></member>`,
  );
  const params = `<param><struct>${members.join('')}</struct></param><param><value><string>Finalize</string></value></param>`;
  return `<?xml version="1.0"?><methodCall><methodName>NotifyEvent</methodName><params>${params}</params></methodCall>`;
};

export const postWipe: Check = {
  id: 'post-wipe',
  level: 'should',
  what: 'A struct without <value> around it is taken, and a success nowhere says "fault".',
  why: 'The shell script that runs after the wipe sends just that, and tries again for ever unless it sees a success.',
  mend: 'Parse <param><struct> as if <value> were there. DUTs that talk to StationGrid alone do not need it.',
  needs: [...needs, 'method-NotifyEvent'],
  xmlOnly: true,
  run: async (partner) => {
    const call = { body: wipedCall(partner), contentType: 'text/xml', key: partner.newId() };
    const { status, text } = await post(partner, call);
    if (status !== 200) return failed(status === 0 ? text : `HTTP status ${String(status)} instead of 200`);
    if (/\bfault\b/.test(text))
      return failed(
        `answered ${text
          .replace(/<[^>]+>/g, ' ')
          .replace(/\s+/g, ' ')
          .trim()}`,
      );
    return text.includes('methodResponse') ? passed() : failed('answered no methodResponse');
  },
};
