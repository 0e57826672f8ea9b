/** The judges of a chaos run, each shown what it must find: a run that they call sound was looked at. */
import { describe, expect, it } from 'vitest';
import type { JournalLine } from '../../src/reference-shopfloor/journal.ts';
import type { CallRow, Evidence, HostRecord, LeaseRow, Records } from './evidence.ts';
import type { Fact, Stamped } from './history.ts';
import * as judge from './judge.ts';
import { LOST_AFTER_MS, TTL_MS } from './times.ts';

/** The hour in which everything happens, by both clocks. */
const START_MS = Date.UTC(2026, 2, 1, 8);

const at = (ms: number, fact: Fact): Stamped => ({ ...fact, atMs: ms, wallMs: START_MS + ms });
const lease = (over: Partial<LeaseRow> = {}): LeaseRow => ({
  ...{ id: 'L1', jobId: '1', botId: 'bot-1', state: 'COMPLETED', grantedMs: START_MS, closedMs: START_MS + 2_000 },
  ...over,
});
const call = (position: number, over: Partial<CallRow> = {}): CallRow => ({
  ...{ id: `K${position}`, deviceId: '7', position, jobId: '1', method: 'NotifyStart', testId: null },
  ...{ state: 'DELIVERED', sends: [] },
  ...over,
});
const line = (seq: number, over: Partial<JournalLine> = {}): JournalLine => ({
  ...{ seq, at: new Date(START_MS + seq).toISOString(), method: 'NotifyStart', key: `K${seq}`, device: 'UNIT-1' },
  ...{ serials: {}, station: 'SMT', testId: null, status: null, event: null, outcome: 'applied', faultCode: null },
  ...{ bodySha256: 'same' },
  ...over,
});
const host = (facts: readonly Stamped[] = [], over: Partial<HostRecord> = {}): HostRecord => ({
  ...{ name: 'host-1', bots: ['bot-1'], spans: [], facts },
  ...over,
});
const span = (kind: 'dead' | 'frozen', fromMs: number, toMs: number) => ({
  ...{ kind, fromMs, toMs, fromWallMs: START_MS + fromMs, toWallMs: START_MS + toMs },
});
const evidence = ({
  records,
  ...over
}: Partial<Omit<Evidence, 'records'>> & { records?: Partial<Records> }): Evidence => ({
  records: { jobs: [], leases: [], results: [], calls: [], losses: [], lanes: [], findings: [], ...records },
  ...{ journal: [], hosts: [], silences: [], acknowledged: new Map(), faults: [], fencedWrites: {} },
  drained: { ms: 0, left: '' },
  loadPerCore: 1,
  ...over,
});

const result = { testId: 'T1', status: 1, token: 'token-1' };
const acknowledgedAt = (ms: number): readonly Stamped[] => [
  at(ms - 10, { kind: 'completing', bot: 'bot-1', lease: 'L1', code: 0, results: [result] }),
  at(ms, { kind: 'completed', bot: 'bot-1', lease: 'L1', shown: 'ABSENT' }),
];
const kept = { leaseId: 'L1', testId: 'T1', token: 'token-1', stale: false };

describe('acknowledged completions', () => {
  const found = (of: Partial<LeaseRow>, facts: readonly Stamped[], results = [kept]) =>
    judge.completionsLost(evidence({ records: { leases: [lease(of)], results }, hosts: [host(facts)] }));

  it('are there, with what they carried', () => expect(found({}, acknowledgedAt(3_000))).toEqual([]));
  it('are lost when a result of theirs is gone', () => {
    expect(found({}, acknowledgedAt(3_000), [])).toEqual(['lease L1: the acknowledged result of T1 is gone']);
  });
  it('are lost when the lease ended otherwise after the answer', () => {
    expect(found({ state: 'LOST', closedMs: START_MS + 9_000 }, acknowledgedAt(3_000))).toHaveLength(1);
  });
  it('came too late when the lease had ended before the answer, and are kept beside', () => {
    const late = { state: 'LOST', closedMs: START_MS + 2_000 };
    expect(found(late, acknowledgedAt(3_000), [{ ...kept, stale: true }])).toEqual([]);
    expect(found(late, acknowledgedAt(3_000), [])).toHaveLength(1);
  });
  it('that were never answered promise nothing', () => {
    expect(found({ state: 'LOST', closedMs: START_MS + 9_000 }, acknowledgedAt(3_000).slice(0, 1), [])).toEqual([]);
  });
  it('include results that were taken on the way, unless they were fenced', () => {
    const reported = (fenced: boolean) =>
      found({}, [at(1, { kind: 'reported', bot: 'bot-1', lease: 'L1', results: [result], fenced })], []);
    expect(reported(false)).toHaveLength(1);
    expect(reported(true)).toEqual([]);
  });
});

describe('acknowledged jobs', () => {
  const job = { id: '1', requestId: 'R1', state: 'FINISHED', verdict: 'PASSED' };
  const found = (jobs: Records['jobs']) =>
    judge.jobsLost(evidence({ records: { jobs }, acknowledged: new Map([['R1', 1n]]) }));

  it('are there once, and have ended', () => expect(found([job])).toEqual([]));
  it('are missed when they are gone, doubled or not done', () => {
    expect(found([])).toEqual(['R1: acknowledged as job 1, and not there']);
    expect(found([job, { ...job, id: '2' }])).toEqual(['R1: enqueued 2 times']);
    expect(found([{ ...job, state: 'LEASED' }])).toEqual(['job 1 is still LEASED']);
  });
});

it('sees what was applied twice', () => {
  const leases = [lease(), lease({ id: 'L2' })];
  const results = [kept, kept, { ...kept, testId: 'T2' }];
  const calls = [call(1, { method: 'NotifyEnd' }), call(2, { method: 'NotifyEnd' })];
  const journal = [line(1, { key: 'K1' }), line(2, { key: 'K1' }), line(3, { key: 'K2' })];
  expect(judge.appliedTwice(evidence({ records: { leases, results, calls }, journal }))).toEqual([
    'completion of job 1: 2 times',
    'standing result of L1 T1: 2 times',
    'NotifyEnd of job 1: 2 times',
    'call K1: 2 times',
  ]);
});

describe('calls', () => {
  it('are lost when they are owed for ever, or said to be delivered and never came', () => {
    const calls = [call(1), call(2), call(3, { state: 'OWED' })];
    expect(judge.callsLost(evidence({ records: { calls }, journal: [line(1)] }))).toEqual([
      'NotifyStart K3 is still OWED',
      'NotifyStart K2 is said to be delivered, and the partner never took it',
    ]);
  });

  it('are lost when a pass that the bot saw acknowledged has no end at the partner', () => {
    const records = {
      leases: [lease()],
      results: [kept],
      jobs: [{ id: '1', requestId: 'R1', state: 'FINISHED', verdict: 'PASSED' }],
    };
    const hosts = [host(acknowledgedAt(3_000))];
    const told = { calls: [call(1, { method: 'NotifyEnd' })] };
    expect(judge.callsLost(evidence({ records, hosts }))).toHaveLength(1);
    expect(judge.callsLost(evidence({ records: { ...records, ...told }, hosts, journal: [line(1)] }))).toEqual([]);
  });

  it('are out of order when one overtakes another of its lane', () => {
    const calls = [call(1), call(2, { method: 'NotifyEnd' })];
    const end = { method: 'NotifyEnd', key: 'K2' };
    const inOrder = evidence({ records: { calls }, journal: [line(1), line(2, end)] });
    expect(judge.orderViolations(inOrder)).toEqual([]);
    const overtaken = evidence({ records: { calls }, journal: [line(1, end), line(2, { key: 'K1' })] });
    expect(judge.orderViolations(overtaken)).toEqual([
      'lane 7: 1 (NotifyStart) came after 2',
      'line 1: NotifyEnd of UNIT-1: ends SMT without a start',
      'UNIT-1 was started at SMT and never closed',
    ]);
  });

  it('may come again as often as their journal doubts, and no more', () => {
    const sends = [{ number: 1, replica: 'r', outcome: 'ambiguous', words: null, sentAt: '', endedAt: null }];
    const again = line(2, { key: 'K1', outcome: 'repeated' });
    const found = (calls: readonly CallRow[]) =>
      judge.duplicatesBeyond(evidence({ records: { calls }, journal: [line(1), again] }));
    expect(found([call(1, { sends })])).toEqual([]);
    expect(found([call(1)])).toEqual(['NotifyStart K1 came again 1 times, with 0 ambiguous sends']);
    expect(found([])).toEqual(['the partner took K1, which nobody owed']);
  });
});

describe('a bot that was declared lost', () => {
  const lostAtMs = 60_000;
  const losses = [{ kind: 'SESSION_LAPSED', botId: 'bot-1', atMs: START_MS + lostAtMs }];
  const found = (over: Partial<HostRecord>, facts: readonly Stamped[] = [], silences: Evidence['silences'] = []) =>
    judge.expiriesOfOurs(evidence({ records: { losses }, hosts: [host(facts, over)], silences }));

  it('was lost by us when nothing had happened to it', () => {
    expect(found({})).toEqual(['2026-03-01T08:01:00.000Z bot-1: SESSION_LAPSED, and nothing had happened to it']);
    expect(found({ spans: [span('frozen', 1_000, lostAtMs - 3 * TTL_MS)] })).toHaveLength(1);
  });
  it('was silent when its host was frozen, dead or starved, or its way closed', () => {
    const fromMs = lostAtMs - TTL_MS;
    expect(found({ spans: [span('frozen', fromMs, lostAtMs + 1)] })).toEqual([]);
    expect(found({ spans: [span('dead', fromMs, lostAtMs - 1)] })).toEqual([]);
    expect(found({}, [at(lostAtMs, { kind: 'away', sinceMs: fromMs })])).toEqual([]);
    const way = { fromWallMs: START_MS + fromMs, toWallMs: START_MS + lostAtMs };
    expect(found({}, [], [{ botId: 'bot-1', ...way }])).toEqual([]);
    expect(found({}, [], [{ botId: 'bot-1', ...way }]).concat(found({ bots: ['bot-2'] }))).toHaveLength(1);
  });
});

describe('runs on one DUT', () => {
  const run = (bot: string, job: string, run: string) => ({ bot, dut: 'UNIT-1', job, attempt: 1, run });
  const begun = (ms: number, ...who: Parameters<typeof run>) => at(ms, { kind: 'begin', ...run(...who) });
  const ended = (ms: number, ...who: Parameters<typeof run>) => at(ms, { kind: 'end', ...run(...who), how: 'done' });
  const other = host([begun(2_000, 'bot-2', 'R2', 'b'), ended(3_000, 'bot-2', 'R2', 'b')], { bots: ['bot-2'] });
  const found = (first: HostRecord) => judge.runsOverlapping(evidence({ hosts: [first, other] }));

  it('must not overlap', () => {
    expect(found(host([begun(1_000, 'bot-1', 'R1', 'a'), ended(2_000, 'bot-1', 'R1', 'a')]))).toEqual([]);
    expect(found(host([begun(1_000, 'bot-1', 'R1', 'a'), ended(2_001, 'bot-1', 'R1', 'a')]))).toEqual([
      'UNIT-1: R1 attempt 1 at bot-1 and R2 attempt 1 at bot-2',
    ]);
    expect(found(host([begun(1_000, 'bot-1', 'R1', 'a')]))).toHaveLength(1);
  });
  it('end with the host that died', () => {
    expect(found(host([begun(1_000, 'bot-1', 'R1', 'a')], { spans: [span('dead', 1_500, 9_000)] }))).toEqual([]);
  });
  it('touch nothing while frozen, if they stop as soon as they wake', () => {
    const spans = [span('frozen', 1_500, 50_000)];
    const of = (endMs: number) => host([begun(1_000, 'bot-1', 'R1', 'a'), ended(endMs, 'bot-1', 'R1', 'a')], { spans });
    expect(found(of(50_100))).toEqual([]);
    expect(found(of(59_000))).toHaveLength(1);
  });
});

it('counts as a zombie only who woke after the farm had given its lease away', () => {
  const wokeMs = 2 * LOST_AFTER_MS;
  const spans = [span('frozen', 1_000, wokeMs)];
  const woke = at(wokeMs + 100, { kind: 'fenced', bot: 'bot-1', lease: 'L1' });
  const lost = lease({ state: 'LOST', closedMs: START_MS + wokeMs - 500 });
  const found = (leases: readonly LeaseRow[], facts: readonly Stamped[]) =>
    judge.zombiesFenced(evidence({ records: { leases }, hosts: [host(facts, { spans })] })).map(({ id }) => id);
  expect(found([lost], [woke])).toEqual(['L1']);
  expect(found([lost], [])).toEqual([]);
  expect(found([{ ...lost, state: 'COMPLETED' }], [woke])).toEqual([]);
  expect(found([{ ...lost, closedMs: START_MS + wokeMs + 1 }], [woke])).toEqual([]);
});
