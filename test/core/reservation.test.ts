import { describe, expect, it } from 'vitest';
import { finalStatus, type ReservedJob, reservationState } from '../../src/core/reservation.ts';

const job: ReservedJob = {
  state: 'QUEUED',
  lease: null,
  startedAt: null,
  failure: null,
  leaseCode: null,
  reason: 'why',
  result: null,
};
const started = new Date(0);

describe('a job seen as a reservation', () => {
  it.each<[string, Partial<ReservedJob>, string, number | null]>([
    ['queued', {}, 'PENDING', null],
    ['given to a bot', { state: 'LEASED', lease: { state: 'PENDING' } }, 'ASSIGNED', null],
    ['given to a second bot', { state: 'LEASED', lease: { state: 'PENDING' }, startedAt: started }, 'ASSIGNED', null],
    ['started', { state: 'LEASED', lease: { state: 'ACTIVE' }, startedAt: started }, 'ACTIVE', null],
    ['being cancelled', { state: 'CANCELLING', lease: { state: 'CANCELLING' } }, 'ASSIGNED', null],
    ['finished, whatever its verdict', { state: 'FINISHED' }, 'COMPLETED', 0],
    ['lost', { state: 'FAILED', failure: 'LOST' }, 'COMPLETED', 10],
    ['refused by its bots', { state: 'FAILED', failure: 'REFUSED' }, 'COMPLETED', 9],
    ['in error as its bot told it', { state: 'FAILED', failure: 'ERROR', leaseCode: 13 }, 'COMPLETED', 13],
    ['in error that nobody told', { state: 'FAILED', failure: 'ERROR' }, 'COMPLETED', 2],
    ['without a matching bot', { state: 'FAILED', failure: 'MATCH_TIMEOUT' }, 'COMPLETED', 9],
    ['queued too long', { state: 'FAILED', failure: 'QUEUE_TIMEOUT' }, 'COMPLETED', 4],
    ['running too long', { state: 'FAILED', failure: 'EXECUTION_TIMEOUT' }, 'COMPLETED', 4],
    ['expired', { state: 'FAILED', failure: 'EXPIRED' }, 'COMPLETED', 4],
    ['cancelled', { state: 'CANCELLED' }, 'CANCELLED', 1],
    ['cancelled with a result', { state: 'CANCELLED', result: {} }, 'CANCELLED', 0],
  ])('%s', (_what, changes, state, code) => {
    expect(reservationState({ ...job, ...changes })).toBe(state);
    expect(finalStatus({ ...job, ...changes })?.code ?? null).toBe(code);
  });
});
