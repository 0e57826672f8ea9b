import { expect, test } from 'vitest';
import { demandOf, type DemandFacts } from '../../src/core/demand.ts';
import { canonicalProperties, type Constraint } from '../../src/core/match.ts';

const smt: readonly Constraint[] = [{ key: 'pool', allowedValues: ['smt'] }];
const queue = (jobs: number, constraints: readonly Constraint[] = [], station = 'FAT', oldestSeconds = 30) => ({
  ...{ jobs, constraints, station, oldestSeconds },
});
const others = (room: number, ...pairs: readonly (readonly [string, string])[]) => ({
  properties: canonicalProperties(pairs),
  room,
});
const nothing: DemandFacts = { queued: [], busy: [], othersRoom: [] };

test.each<[string, Partial<DemandFacts>, Partial<Parameters<typeof demandOf>[1]>, readonly [number, number]]>([
  ['nothing wants nobody', {}, {}, [0, 0]],
  ['what waits', { queued: [queue(3)] }, {}, [3, 30]],
  ['what is in hand has no age', { busy: [{ station: 'FAT', leases: 2 }] }, {}, [2, 0]],
  ['both', { queued: [queue(3)], busy: [{ station: 'FAT', leases: 2 }] }, {}, [5, 30]],
  ['of one station', { queued: [queue(3), queue(4, [], 'SMT', 9)] }, { station: 'SMT' }, [4, 9]],
  ['in hand of one station', { busy: [{ station: 'FAT', leases: 2 }] }, { station: 'SMT' }, [0, 0]],
  ['the oldest of all', { queued: [queue(1, [], 'FAT', 5), queue(1, smt, 'FAT', 90)] }, {}, [2, 90]],
  ['not what the fleet could not do', { queued: [queue(3, smt)] }, { properties: canonicalProperties([]) }, [0, 0]],
  [
    'what the fleet could do',
    { queued: [queue(3, smt)] },
    { properties: canonicalProperties([['label:pool', 'smt']]) },
    [3, 30],
  ],
  ['not what others will take', { queued: [queue(3)], othersRoom: [others(3)] }, {}, [0, 0]],
  ['what is too much for others', { queued: [queue(3)], othersRoom: [others(1), others(1)] }, {}, [1, 30]],
  ['what others could not do', { queued: [queue(3, smt)], othersRoom: [others(9, ['pool', 'fat'])] }, {}, [3, 30]],
  [
    'others take but once',
    { queued: [queue(2, smt), queue(2)], othersRoom: [others(3, ['pool', 'smt'])] },
    {},
    [1, 30],
  ],
])('%s', (_what, facts, asked, [jobs, oldestSeconds]) => {
  expect(demandOf({ ...nothing, ...facts }, { station: null, properties: null, ...asked })).toEqual({
    jobs,
    oldestSeconds,
  });
});
