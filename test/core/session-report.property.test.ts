import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { handsBack } from '../../src/core/bot-session.ts';
import { isOpen, leaseTable, type OpenLeaseState } from '../../src/core/lease.ts';
import { type Reading, readReport, type Remembered, type ReportedLease } from '../../src/core/session-report.ts';

const id = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const reported: fc.Arbitrary<ReportedLease> = fc.oneof(
  fc.record({ id, state: fc.constantFrom('PENDING', 'ACTIVE', 'CANCELLED', 'UNKNOWN') }),
  fc.record({
    id,
    state: fc.constant('COMPLETED'),
    completion: fc.record({
      code: fc.constantFrom(0, 3, 9, 13, 14, 2, 99),
      message: fc.constant(''),
      results: fc.constant([]),
      unread: fc.constant(null),
      result: fc.constant(null),
    }),
  }),
);
const remembered: fc.Arbitrary<ReadonlyMap<string, Remembered>> = fc
  .uniqueArray(
    fc.record({
      id,
      state: fc.constantFrom<OpenLeaseState>('PENDING', 'ACTIVE', 'CANCELLING'),
      echoed: fc.boolean(),
      absent: fc.boolean(),
    }),
    { selector: (lease) => lease.id },
  )
  .map((leases) => new Map(leases.map((lease) => [lease.id, lease])));
const status = fc.integer({ min: 0, max: 8 });
const self = (said: number) => ({ status: said, version: '', capacity: 1, properties: '{}', duts: [] });

/** What the home remembers once the reading has been written. */
const written = (before: ReadonlyMap<string, Remembered>, reading: Reading): ReadonlyMap<string, Remembered> => {
  const after = new Map(before);
  for (const leaseId of reading.echoes) after.set(leaseId, { ...after.get(leaseId)!, echoed: true, absent: false });
  for (const leaseId of reading.absent) after.set(leaseId, { ...after.get(leaseId)!, absent: true });
  for (const { leaseId, event } of reading.steps) {
    const known = after.get(leaseId);
    const cell = known === undefined ? 'moot' : leaseTable[known.state][event];
    if (known === undefined || typeof cell === 'string') continue;
    if (isOpen(cell.to)) after.set(leaseId, { ...known, state: cell.to, echoed: true, absent: false });
    else after.delete(leaseId);
  }
  return after;
};

describe('reading a report, whatever it says', () => {
  it('finds one meaning for each lease, at most, and a step only where something moves', () => {
    fc.assert(
      fc.property(fc.array(reported, { maxLength: 8 }), remembered, status, (leases, held, said) => {
        const { steps, echoes, absent, strays } = readReport({ leases, self: self(said) }, held);
        const named = [...steps.map(({ leaseId }) => leaseId), ...echoes, ...absent, ...strays];
        expect(new Set(named).size).toBe(named.length);
        for (const { leaseId, event } of steps) {
          const known = held.get(leaseId);
          if (known !== undefined) expect(typeof leaseTable[known.state][event]).toBe('object');
        }
      }),
    );
  });

  it('calls a stray exactly what the bot says it has, last of all, and the home does not know', () => {
    fc.assert(
      fc.property(fc.array(reported, { maxLength: 8 }), remembered, status, (leases, held, said) => {
        const lastWord = new Map(leases.map((lease) => [lease.id, lease.state]));
        const expected = [...lastWord].filter(
          ([leaseId, state]) =>
            !held.has(leaseId) && (state === 'PENDING' || state === 'ACTIVE' || state === 'UNKNOWN'),
        );
        const { strays } = readReport({ leases, self: self(said) }, held);
        expect([...strays].sort()).toEqual(expected.map(([leaseId]) => leaseId).sort());
      }),
    );
  });

  it('loses no completion, and takes them before all else', () => {
    fc.assert(
      fc.property(fc.array(reported, { maxLength: 8 }), remembered, status, (leases, held, said) => {
        const lastWord = new Map(leases.map((lease) => [lease.id, lease]));
        const done = [...lastWord.values()].filter(({ state }) => state === 'COMPLETED');
        const { steps } = readReport({ leases, self: self(said) }, held);
        const first = steps.slice(0, done.length).map(({ leaseId }) => leaseId);
        expect([...first].sort()).toEqual(done.map((lease) => lease.id).sort());
        expect(steps.slice(done.length).every(({ completion }) => completion === null)).toBe(true);
      }),
    );
  });

  it('loses a lease only at the second silence in a row, and never one that was not started', () => {
    fc.assert(
      fc.property(fc.array(reported, { maxLength: 8 }), remembered, status, (leases, held, said) => {
        const shown = new Set(leases.map((lease) => lease.id));
        const { steps } = readReport({ leases, self: self(said) }, held);
        for (const { leaseId, event } of steps.filter((step) => !shown.has(step.leaseId))) {
          const known = held.get(leaseId)!;
          if (known.state === 'PENDING') expect([event, handsBack(said)]).toEqual(['HANDED_BACK', true]);
          if (known.state === 'ACTIVE') expect([event, known.absent]).toEqual(['ABSENT_AGAIN', true]);
        }
      }),
    );
  });

  it('says nothing new when a report is repeated because its reply was lost', () => {
    fc.assert(
      fc.property(fc.array(reported, { maxLength: 8 }), remembered, status, (leases, held, said) => {
        const report = { leases, self: self(said) };
        const shown = new Set(leases.map((lease) => lease.id));
        const after = written(held, readReport(report, held));
        const again = readReport(report, after);
        // What it left out it leaves out again, which is the second silence; all else was heard.
        const known = again.steps.filter(({ leaseId }) => after.has(leaseId) && shown.has(leaseId));
        expect(known).toEqual([]);
        expect(again.echoes).toEqual([]);
      }),
    );
  });
});
