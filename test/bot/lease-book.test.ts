import { expect, test } from 'vitest';
import {
  awaitsAnswer,
  createLeaseBook,
  drain,
  ended,
  report,
  settle,
  stop,
  type Completion,
  type LeaseBook,
  type StopCause,
} from '../../bot/lease-book.ts';
import { BotSession, Lease, LeaseState } from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { StationWork } from '../../src/gen/stationgrid/v1/work.ts';
import { active, cancelled, pending, told } from './scripted-farm.ts';

const work = StationWork.create({ station: 'FAT' });
const done: Completion = { code: 0, message: '', result: { typeUrl: 'r', value: Buffer.from('1') } };
const read = () => work;
const offer = (id: string) => pending(id, { station: 'FAT' });
const tell = (book: LeaseBook): string[] => told(BotSession.create({ leases: report(book, Infinity) }));

/** A book whose lease L is at this point of its life, everything told. */
const bookAt = {
  OFFERED: () => {
    const book = createLeaseBook(0);
    settle(book, [offer('L')], read);
    return book;
  },
  ACCEPTED: () => {
    const book = createLeaseBook(1);
    settle(book, [offer('L')], read);
    report(book, Infinity);
    return book;
  },
  RUNNING: () => {
    const book = bookAt.ACCEPTED();
    settle(book, [active('L')], read);
    report(book, Infinity);
    return book;
  },
  STOPPING: () => stopped('CANCELLED'),
  ENDED: () => {
    const book = bookAt.RUNNING();
    ended(book, 'L', done);
    report(book, Infinity);
    return book;
  },
};
function stopped(cause: StopCause): LeaseBook {
  const book = bookAt.RUNNING();
  stop(book, 'L', cause);
  report(book, Infinity);
  return book;
}

const shown = { PENDING: [offer('L')], ACTIVE: [active('L')], CANCELLED: [cancelled('L')], ABSENT: [] };

// prettier-ignore
test.each<[keyof typeof bookAt, keyof typeof shown, string | null, string[]]>([
  // held     shown        order    the next report
  ['OFFERED',  'PENDING',   null,    ['L PENDING']],
  ['OFFERED',  'ACTIVE',    null,    ['L PENDING']],
  ['OFFERED',  'CANCELLED', null,    ['L CANCELLED']],
  ['OFFERED',  'ABSENT',    null,    []],
  ['ACCEPTED', 'PENDING',   null,    ['L ACTIVE']],
  ['ACCEPTED', 'ACTIVE',    'start', ['L ACTIVE']],
  ['ACCEPTED', 'CANCELLED', null,    ['L CANCELLED']],
  ['ACCEPTED', 'ABSENT',    null,    []],
  ['RUNNING',  'PENDING',   null,    ['L ACTIVE']],
  ['RUNNING',  'ACTIVE',    null,    ['L ACTIVE']],
  ['RUNNING',  'CANCELLED', 'stop',  ['L ACTIVE']],
  ['RUNNING',  'ABSENT',    null,    ['L ACTIVE']],
  ['STOPPING', 'PENDING',   null,    ['L ACTIVE']],
  ['STOPPING', 'ACTIVE',    null,    ['L ACTIVE']],
  ['STOPPING', 'CANCELLED', null,    ['L ACTIVE']],
  ['STOPPING', 'ABSENT',    null,    ['L ACTIVE']],
  ['ENDED',    'PENDING',   null,    ['L COMPLETED 0']],
  ['ENDED',    'ACTIVE',    null,    ['L COMPLETED 0']],
  ['ENDED',    'CANCELLED', null,    ['L COMPLETED 0']],
  ['ENDED',    'ABSENT',    null,    []],
])('%s, shown %s', (held, reply, order, next) => {
  const book = bookAt[held]();
  const orders = settle(book, shown[reply], read);
  expect(orders.map(({ kind }) => kind)).toEqual(order === null ? [] : [order]);
  expect(tell(book)).toEqual(next);
});

test('accepts in the order of the list, as far as there are slots, and the rest later', () => {
  const book = createLeaseBook(1);
  settle(book, [offer('A'), offer('B')], read);
  expect(tell(book)).toEqual(['A ACTIVE', 'B PENDING']);
  settle(book, [active('A'), offer('B')], read);
  ended(book, 'A', done);
  expect(tell(book)).toEqual(['A COMPLETED 0', 'B PENDING']);
  settle(book, [offer('B')], read);
  expect(tell(book)).toEqual(['B ACTIVE']);
});

test('stops work that two replies in a row leave out, and then forgets it', () => {
  const book = bookAt.RUNNING();
  expect(settle(book, [], read)).toEqual([]);
  expect(awaitsAnswer(book)).toBe(true);
  expect(settle(book, [], read)).toEqual([{ kind: 'stop', id: 'L' }]);
  ended(book, 'L', done);
  expect(tell(book)).toEqual([]);
});

test('a lease that is shown again after one miss runs on, and the count begins anew', () => {
  const book = bookAt.RUNNING();
  settle(book, [], read);
  settle(book, [active('L')], read);
  expect(settle(book, [], read)).toEqual([]);
});

test('an end that came after the request was sent is not settled by its reply', () => {
  const book = bookAt.RUNNING();
  ended(book, 'L', done);
  settle(book, [], read);
  expect(tell(book)).toEqual(['L COMPLETED 0']);
  settle(book, [], read);
  expect(tell(book)).toEqual([]);
});

// prettier-ignore
test.each<[StopCause, string[]]>([
  ['CANCELLED', ['L CANCELLED']],
  ['GONE',      []],
  ['FENCED',    []],
  ['DRAINED',   ['L COMPLETED 14']],
])('work that was stopped because it is %s is told so once it has stopped', (cause, next) => {
  const book = stopped(cause);
  ended(book, 'L', done);
  expect(tell(book)).toEqual(next);
});

test('work that is being stopped keeps its slot: the DUT is not free yet', () => {
  const book = stopped('CANCELLED');
  settle(book, [cancelled('L'), offer('M')], read);
  expect(tell(book)).toEqual(['L ACTIVE', 'M PENDING']);
});

test('an offer for a DUT on which another lease runs waits until that has stopped; one for another DUT does not', () => {
  const on = (unit: string): StationWork =>
    StationWork.create({ station: 'FAT', serials: { 'serials.mlb_serial_number': unit } });
  const book = createLeaseBook(4);
  const units = ['U1', 'U1', 'U2'];
  const readNext = (): StationWork => on(units.shift()!);
  settle(book, [offer('one')], readNext);
  settle(book, [active('one')], readNext);
  // The farm has lost the first, which its bot is about to find out.
  settle(book, [offer('two'), offer('three')], readNext);
  expect(tell(book)).toEqual(['one ACTIVE', 'two PENDING', 'three ACTIVE']);
  expect(settle(book, [offer('two'), active('three')], readNext)).toMatchObject([
    { kind: 'stop', id: 'one' },
    { id: 'three' },
  ]);
  expect(tell(book)).toEqual(['one ACTIVE', 'two PENDING', 'three ACTIVE']);
  ended(book, 'one', done);
  settle(book, [offer('two'), active('three')], readNext);
  expect(tell(book)).toEqual(['two ACTIVE', 'three ACTIVE']);
});

test('refuses what it cannot read, and says why', () => {
  const book = createLeaseBook(1);
  settle(book, [offer('L')], () => ({ code: 3, message: 'not for me', result: null }));
  expect(report(book, Infinity)[0]?.status?.message).toBe('not for me');
  expect(tell(book)).toEqual(['L COMPLETED 3']);
});

test('confirms a cancel of work it never heard of, and leaves out an ACTIVE that is not its own', () => {
  const book = createLeaseBook(1);
  settle(book, [cancelled('L'), active('M'), Lease.create({ id: 'N', state: 9 as LeaseState })], read);
  expect(tell(book)).toEqual(['L CANCELLED']);
});

test.each<[keyof typeof bookAt, string[]]>([
  ['OFFERED', ['L PENDING']],
  ['ACCEPTED', ['L COMPLETED 14']],
  ['RUNNING', ['L ACTIVE']],
  ['ENDED', ['L COMPLETED 0']],
])('a drain finds %s', (held, next) => {
  const book = bookAt[held]();
  drain(book);
  expect(tell(book)).toEqual(next);
});

test('a drain takes back an acceptance that was never told, and forgets it once it is handed back', () => {
  const book = createLeaseBook(1);
  settle(book, [offer('L')], read);
  drain(book);
  expect(tell(book)).toEqual(['L PENDING']);
  settle(book, [offer('L')], read);
  expect(book.leases.size).toBe(0);
});

test('big results go a few at a time, so that a request never outgrows what the farm takes', () => {
  const book = createLeaseBook(3);
  settle(book, ['L', 'M', 'N'].map(offer), read);
  report(book, Infinity);
  settle(book, ['L', 'M', 'N'].map(active), read);
  const big: Completion = { code: 0, message: '', result: { typeUrl: 'r', value: Buffer.alloc(60) } };
  for (const id of ['L', 'M', 'N']) ended(book, id, big);
  const tellSome = (): string[] => told(BotSession.create({ leases: report(book, 100) }));
  expect(tellSome()).toEqual(['L COMPLETED 0', 'M ACTIVE', 'N ACTIVE']);
  // The farm leaves out what it has taken; what it was not told is not settled by its silence.
  settle(book, [], read);
  expect(tellSome()).toEqual(['M COMPLETED 0', 'N ACTIVE']);
});
