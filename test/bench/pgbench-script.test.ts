import { describe, expect, it } from 'vitest';
import { type ScriptParts, toScript } from './pgbench-script.ts';
import type { Sent } from './recording.ts';

const LEASE = '11111111-0000-4000-8000-222222222222';
const NEXT = 'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee';
const CALL = '99999999-8888-4777-8666-555555555555';

const sent = (text: string, values: readonly unknown[] = [], more: Partial<Sent> = {}): Sent => ({
  text,
  values,
  isPipelined: false,
  rows: [],
  ...more,
});

/** A job in small: the next one is found, its lease made, the old one completed. */
const JOB: readonly Sent[] = [
  sent('begin'),
  sent('select id from jobs where bot = $1', ['bot-1'], { rows: [{ id: 7_000_000_002 }] }),
  sent('insert into leases select $1::jsonb', [JSON.stringify([{ id: NEXT, jobId: 7_000_000_002, work: null }])]),
  sent('update leases -- why: because\n set done = true where id = any($1::uuid[])', [[LEASE]]),
  sent('commit'),
];

const scriptOf = (changes: Partial<ScriptParts> = {}): readonly string[] =>
  toScript({
    sent: JOB,
    given: [{ value: 'bot-1', variable: 'bot' }],
    lease: { first: LEASE, next: NEXT },
    job: { first: '7000000001', next: '7000000002' },
    opening: 'select 1 as bot',
    pipelines: false,
    ...changes,
  }).text.split('\n');

describe('a recording as a script of pgbench', () => {
  it('opens once a connection', () => {
    expect(scriptOf().slice(0, 4)).toEqual(['\\if :ready = 0', 'select 1 as bot \\gset', '\\set ready 1', '\\endif']);
  });

  it('catches an id that an answer brought, and uses it in what follows', () => {
    const lines = scriptOf();
    expect(lines).toContain('select id from jobs where bot = :bot \\gset s1_');
    expect(lines.find((line) => line.startsWith('insert'))).toContain(`","jobId":' || :s1_id::text || ',`);
  });

  it('makes up anew what the farm has made up, and hands it to the next run', () => {
    const lines = scriptOf();
    const [, stem = ''] = /\\set (\w+)_a random\(10000000, 99999999\)/.exec(lines.join('\n')) ?? [];
    expect(lines).toContain(`\\set ${stem}_b random(100000000000, 999999999999)`);
    expect(lines.slice(-4, -1)).toEqual([`\\set lease_a :${stem}_a`, `\\set lease_b :${stem}_b`, '\\set job :s1_id']);
  });

  it('writes the lease of a run by its two ends', () => {
    expect(scriptOf().find((line) => line.startsWith('update'))).toBe(
      `update leases set done = true where id = any(('{"' || :lease_a::text || '-0000-4000-8000-' || :lease_b::text || '"}')::uuid[]);`,
    );
  });

  it('keeps a colon apart from a word behind it, which pgbench would take for a variable', () => {
    const insert = scriptOf().find((line) => line.startsWith('insert')) ?? '';
    expect(insert).toContain(`"work":' || 'null`);
    const literals = insert.match(/'[^']*'/g) ?? [];
    expect(literals.filter((literal) => /:[A-Za-z_]/.test(literal))).toEqual([]);
  });

  it('makes up an id that comes up in one parameter alone', () => {
    const call = sent('insert into calls values ($1)', [CALL]);
    expect(scriptOf({ sent: [call, ...JOB] }).find((line) => line.includes('calls'))).toMatch(
      /^insert into calls values \(\(:(\w+)_a::text \|\| '-0000-4000-8000-' \|\| :\1_b::text\)\);$/,
    );
  });

  it('sends without waiting what was sent so, but waits for an answer that it needs', () => {
    const pipelined = JOB.map((each, index) => (index === 0 ? each : { ...each, isPipelined: true }));
    const lines = scriptOf({ sent: pipelined, pipelines: true }).map((line) => line.split(' ')[0]);
    expect(lines.slice(lines.indexOf('begin;'), -4)).toEqual([
      'begin;',
      'select',
      '\\startpipeline',
      'insert',
      'update',
      'commit;',
      '\\endpipeline',
    ]);
  });

  it('refuses a recording that never comes to the next lease', () => {
    expect(() => scriptOf({ sent: JOB.slice(0, 2) })).toThrow('without the lease of the next run');
  });
});
