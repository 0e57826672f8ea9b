import { describe, expect, it } from 'vitest';
import type { LeaseEvent, OpenLeaseState } from '../../src/core/lease.ts';
import { type Completion, readReport, type Remembered, type ReportedLease } from '../../src/core/session-report.ts';

const self = (status: number) => ({ status, version: '', capacity: 1, properties: '{}', duts: [] });
const known = (id: string, state: OpenLeaseState, changes: Partial<Remembered> = {}): Remembered => ({
  id,
  state,
  echoed: true,
  absent: false,
  ...changes,
});
const completion = (code = 0): Completion => ({ code, message: '', results: [], unread: null, result: null });
const read = (leases: readonly ReportedLease[], held: readonly Remembered[], status = 1) =>
  readReport({ leases, self: self(status) }, new Map(held.map((lease) => [lease.id, lease])));
const NOTHING = { steps: [], echoes: [], absent: [], strays: [] };
const OK = 1;
const REBOOTING = 3;
const TERMINATING = 4;

describe('reading a report', () => {
  it.each<[string, ReportedLease]>([
    ['runs', { id: 'old', state: 'ACTIVE' }],
    ['was offered', { id: 'old', state: 'PENDING' }],
    ['has completed', { id: 'old', state: 'COMPLETED', completion: completion() }],
  ])(
    'takes what is left out for nothing where the bot still %s what has ended: it may be an old word',
    (_what, lease) => {
      const held = [known('a', 'ACTIVE', { absent: true }), known('b', 'CANCELLING'), known('c', 'ACTIVE')];
      const reading = read([lease], held);
      expect(reading.absent).toEqual([]);
      expect(reading.steps.filter(({ leaseId }) => leaseId !== 'old')).toEqual([]);
    },
  );

  it('takes it for what it is where the bot was told of that before, or lets go of it now', () => {
    const held = new Map([['a', known('a', 'ACTIVE', { absent: true })]]);
    const said = (lease: ReportedLease) => readReport({ leases: [lease], self: self(OK) }, held, new Set(['told']));
    const lost = [{ leaseId: 'a', event: 'ABSENT_AGAIN', completion: null }];
    expect(said({ id: 'told', state: 'ACTIVE' }).steps).toEqual(lost);
    expect(said({ id: 'new', state: 'CANCELLED' }).steps).toEqual(lost);
    expect(said({ id: 'new', state: 'ACTIVE' }).steps).toEqual([]);
  });

  it('finds nothing to write on the hot path', () => {
    expect(read([], [])).toEqual(NOTHING);
    expect(read([{ id: 'a', state: 'ACTIVE' }], [known('a', 'ACTIVE')])).toEqual(NOTHING);
    expect(read([{ id: 'a', state: 'PENDING' }], [known('a', 'PENDING')])).toEqual(NOTHING);
  });

  it('hears the first echo of a lease, and only the first', () => {
    const shown: ReportedLease[] = [{ id: 'a', state: 'PENDING' }];
    expect(read(shown, [known('a', 'PENDING', { echoed: false })]).echoes).toEqual(['a']);
    expect(read(shown, [known('a', 'PENDING')]).echoes).toEqual([]);
  });

  it.each<[ReportedLease['state'], OpenLeaseState, number, LeaseEvent | null]>([
    ['ACTIVE', 'PENDING', OK, 'SHOWN_ACTIVE'],
    ['CANCELLED', 'PENDING', OK, 'SHOWN_CANCELLED'],
    ['CANCELLED', 'ACTIVE', OK, 'SHOWN_CANCELLED'],
    ['CANCELLED', 'CANCELLING', OK, 'SHOWN_CANCELLED'],
    ['UNKNOWN', 'PENDING', OK, null],
    ['UNKNOWN', 'ACTIVE', OK, null],
    ['ACTIVE', 'CANCELLING', OK, null],
    ['PENDING', 'ACTIVE', OK, null],
    // A bot on its way out hands back what it has not started, however it shows it.
    ['PENDING', 'PENDING', TERMINATING, 'HANDED_BACK'],
    ['PENDING', 'PENDING', REBOOTING, 'HANDED_BACK'],
    ['CANCELLED', 'PENDING', TERMINATING, 'HANDED_BACK'],
    ['ACTIVE', 'PENDING', TERMINATING, 'SHOWN_ACTIVE'],
    ['ACTIVE', 'ACTIVE', TERMINATING, null],
  ])('%s of what is %s, status %i: %s', (shown, state, status, event) => {
    const lease = { id: 'a', state: shown } as ReportedLease;
    expect(read([lease], [known('a', state)], status).steps.map((step) => step.event)).toEqual(
      event === null ? [] : [event],
    );
  });

  it.each<[OpenLeaseState, boolean, number, LeaseEvent | null, readonly string[]]>([
    // A reply was lost, or the bot ignores it: it is sent again, however often.
    ['PENDING', false, OK, null, []],
    ['PENDING', true, OK, null, []],
    ['PENDING', false, TERMINATING, 'HANDED_BACK', []],
    // One report may have crossed a reply: it is remembered.
    ['ACTIVE', false, OK, null, ['a']],
    ['ACTIVE', true, OK, 'ABSENT_AGAIN', []],
    ['ACTIVE', false, TERMINATING, null, ['a']],
    ['CANCELLING', false, OK, 'ABSENT', []],
  ])('left out while %s, the time before too: %s, status %i: %s', (state, absent, status, event, remembered) => {
    const reading = read([], [known('a', state, { absent })], status);
    expect(reading.absent).toEqual(remembered);
    expect(reading.steps.map((step) => step.event)).toEqual(event === null ? [] : [event]);
  });

  it('hears that a lease is shown again after it was left out', () => {
    expect(read([{ id: 'a', state: 'ACTIVE' }], [known('a', 'ACTIVE', { absent: true })]).echoes).toEqual(['a']);
  });

  it('takes completions first: they make the room for what comes after', () => {
    const reading = read(
      [
        { id: 'a', state: 'ACTIVE' },
        { id: 'b', state: 'COMPLETED', completion: completion(13) },
      ],
      [known('a', 'PENDING'), known('b', 'ACTIVE')],
    );
    expect(reading.steps.map(({ leaseId, event }) => [leaseId, event])).toEqual([
      ['b', 'COMPLETED_RETRYABLE'],
      ['a', 'SHOWN_ACTIVE'],
    ]);
  });

  it('calls a stray what runs and is not this session’s; a completion of it may be late, and is looked at', () => {
    const reading = read(
      [
        { id: 'runs', state: 'ACTIVE' },
        { id: 'waits', state: 'PENDING' },
        { id: 'odd', state: 'UNKNOWN' },
        { id: 'gone', state: 'CANCELLED' },
        { id: 'late', state: 'COMPLETED', completion: completion() },
      ],
      [],
    );
    expect(reading.strays).toEqual(['runs', 'waits', 'odd']);
    expect(reading.steps.map(({ leaseId }) => leaseId)).toEqual(['late']);
  });

  it('takes a lease listed twice by its last word', () => {
    const twice: ReportedLease[] = [
      { id: 'a', state: 'ACTIVE' },
      { id: 'a', state: 'COMPLETED', completion: completion() },
    ];
    expect(read(twice, [known('a', 'ACTIVE')]).steps.map(({ event }) => event)).toEqual(['COMPLETED_OK']);
  });
});
