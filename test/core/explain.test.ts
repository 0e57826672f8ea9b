import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DutFacts, ExplainFacts, SessionFacts } from '../../src/core/explain-facts.ts';
import { explain } from '../../src/core/explain.ts';

const queued: ExplainFacts['job'] = {
  state: 'QUEUED',
  heldBy: null,
  heldReason: null,
  reason: null,
  constraints: [{ key: 'pool', allowedValues: ['a', 'b'] }],
  requestedBotId: null,
  avoidedBots: [],
  botId: null,
  lease: null,
};
const bot: SessionFacts = {
  botId: 'bot-1',
  status: 1,
  isHeard: true,
  capacity: 1,
  openLeases: 0,
  quarantineReason: null,
  drainNote: null,
  dutBlock: null,
};
const dut: DutFacts = { id: 7, heldReason: null, settlingReason: null, leasedTo: null, asked: false, declared: true };

const facts = (changes: {
  readonly job?: Partial<ExplainFacts['job']>;
  readonly dut?: Partial<DutFacts>;
  readonly bots?: readonly Partial<SessionFacts>[];
}): ExplainFacts => {
  const sessions = (changes.bots ?? [{}]).map((change) => ({ ...bot, ...change }));
  return {
    job: { ...queued, ...changes.job },
    dut: changes.dut === undefined ? null : { ...dut, ...changes.dut },
    connected: sessions.length,
    requestedIsConnected: false,
    sessions,
  };
};

describe('why a job is not running', () => {
  it.each<[string, string, Parameters<typeof facts>[0]]>([
    ['RUNNABLE', 'a bot that could take it is free', {}],
    ['RUNNABLE', 'is free', { bots: [{ openLeases: 1 }, {}] }],
    ['ENDED', 'FINISHED, all passed', { job: { state: 'FINISHED', reason: 'all passed' } }],
    ['RUNNING', "running on bot 'b'", { job: { state: 'LEASED', botId: 'b', lease: { state: 'ACTIVE' } } }],
    ['RUNNING', 'has not started', { job: { state: 'LEASED', botId: 'b', lease: { state: 'PENDING' } } }],
    ['RUNNING', 'being cancelled', { job: { state: 'CANCELLING', botId: 'b' } }],
    ['HELD', 'held: waits for job 6', { job: { heldBy: 'ROUTE', heldReason: 'waits for job 6 of route r' } }],
    ['HELD', 'retry the gate', { job: { heldBy: 'GATE_REFUSED', heldReason: 'no stock' } }],
    ['HELD', 'DUT 7 is held: two serials', { dut: { heldReason: 'two serials' } }],
    ['DUT_BUSY', 'by job 6', { dut: { leasedTo: { jobId: 6, botId: 'b' } } }],
    ['DUT_SETTLING', 'was lost', { dut: { settlingReason: 'its bot was lost' } }],
    ['DUT_ASKED', 'ended while it asked', { dut: { asked: true } }],
    [
      'HELD',
      'DUT 7 settles',
      { job: { heldBy: 'GATE_TURN', heldReason: 'waits for its gate' }, dut: { settlingReason: 'its bot was lost' } },
    ],
    ['DUT_ABSENT', 'No connected bot has DUT 7', { dut: { declared: false } }],
    ['NO_SUCH_BOT', 'pool = a or b', { bots: [] }],
    ['ALL_BUSY', '1 of the 2', { bots: [{ openLeases: 1 }, { drainNote: 'rack 4' }] }],
    ['DUT_BUSY', 'a DUT that is not free', { bots: [{ dutBlock: 'its DUT 3 is in use' }] }],
    ['NOT_READY', 'not OK', { bots: [{ status: 6 }] }],
    ['NOT_READY', 'not heard of', { bots: [{ isHeard: false }] }],
    ['DRAINED', 'Undrain or release', { bots: [{ drainNote: 'rack 4' }] }],
    ['DRAINED', 'Undrain or release', { bots: [{ quarantineReason: '3 ERROR events' }] }],
    ['BOT_AVOIDED', 'refused it', { job: { avoidedBots: ['bot-1'] } }],
  ])('is %s: "… %s …"', (code, words, changes) => {
    const { code: said, words: saidWords } = explain(facts(changes));
    // NO_SUCH_BOT with nobody connected says that instead of naming properties.
    if (code === 'NO_SUCH_BOT') expect(explain({ ...facts(changes), connected: 3 }).words).toContain(words);
    else expect(saidWords).toContain(words);
    expect(said).toBe(code);
  });

  it('names the bot that is asked for and not there', () => {
    const asked = explain({ ...facts({ job: { requestedBotId: 'bot-9' }, bots: [] }), connected: 4 });
    expect(asked.words).toContain("wants bot 'bot-9', which is not connected");
  });

  it('says of each candidate why it does not take the job, of 20 at the most', () => {
    const bots = Array.from({ length: 30 }, (_, index) => ({ botId: `bot-${index}`, openLeases: 1 }));
    const { candidates } = explain(facts({ bots }));
    expect(candidates).toHaveLength(20);
    expect(candidates[0]).toEqual({ botId: 'bot-0', whyNot: 'it is busy with 1 of 1 leases' });
  });

  it('is answered whatever the facts are', () => {
    const text = fc.option(fc.string(), { nil: null });
    const anySession = fc.record({
      botId: fc.constantFrom('bot-1', 'bot-2'),
      status: fc.integer({ min: 0, max: 9 }),
      isHeard: fc.boolean(),
      capacity: fc.integer({ min: 0, max: 2 }),
      openLeases: fc.integer({ min: 0, max: 2 }),
      quarantineReason: text,
      drainNote: text,
      dutBlock: text,
    });
    const anyJob = fc.record({
      state: fc.constantFrom('QUEUED', 'LEASED', 'CANCELLING', 'FINISHED', 'FAILED', 'CANCELLED'),
      heldBy: fc.constantFrom(null, 'ROUTE', 'ROUTE_STOPPED', 'GATE_TURN', 'GATE', 'GATE_REFUSED', 'DEVICE', 'ACTION'),
      heldReason: text,
      reason: text,
      constraints: fc.constant(queued.constraints),
      requestedBotId: text,
      avoidedBots: fc.subarray(['bot-1', 'bot-2']),
      botId: text,
      lease: fc.constantFrom(null, { state: 'ACTIVE' } as const),
    });
    const anyDut = fc.record({
      id: fc.nat(),
      heldReason: text,
      settlingReason: text,
      leasedTo: fc.constantFrom(null, { jobId: 1, botId: 'bot-2' }),
      asked: fc.boolean(),
      declared: fc.boolean(),
    });
    const anyFacts = fc.record({
      job: anyJob,
      dut: fc.option(anyDut, { nil: null }),
      connected: fc.nat(),
      requestedIsConnected: fc.boolean(),
      sessions: fc.array(anySession, { maxLength: 4 }),
    });
    fc.assert(
      fc.property(anyFacts, (given) => {
        const { code, words, candidates } = explain(given);
        expect(words).not.toBe('');
        if (code === 'RUNNABLE') expect(candidates.length).toBeGreaterThan(0);
        if (code === 'ENDED' || code === 'RUNNING') expect(given.job.state).not.toBe('QUEUED');
      }),
    );
  });
});
