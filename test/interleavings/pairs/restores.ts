/** What follows a restore of the database: it is noticed, people resume, and the farm's work goes on meanwhile. */
import { transact } from '../../../src/farm/farm.ts';
import { noticeRestore } from '../../../src/farm/notice-restore.ts';
import { resumeBridge } from '../../../src/farm/resume-bridge.ts';
import { tickOnce } from '../../../src/farm/tick.ts';
import { connect, type TestHome } from '../../support/bot-calls.ts';
import type { Pair } from '../cross.ts';
import type { Scene } from '../stage.ts';
import { sessionsAre } from '../words.ts';

const TTL_MS = 90_000;

const say = (home: TestHome): Promise<string> =>
  transact(home, (db) => noticeRestore(db, { said: true })).then((restore) => `restore ${restore?.number ?? 'none'}`);
const resume = (home: TestHome): Promise<string> =>
  resumeBridge(home, { instance: 'line-1', reason: 'compared' }).then(({ number }) => `resumed ${number}`);

const bridgeIs = (read: Scene['read']): Promise<string> =>
  read(`select case when bridge_is_paused('line-1') then 'paused' else 'open' end || ', resumes told '
          || (select count(*) from farm_events where kind = 'BRIDGE_RESUMED')`);

export const restorePairs: readonly Pair[] = [
  {
    name: 'resume bridge / resume bridge',
    ready: async ({ a, b, c, read }) => {
      await say(c);
      return { a: () => resume(a), b: () => resume(b), stands: () => bridgeIs(read) };
    },
    ends: [
      ['resumed 1', 'BRIDGE_NOT_PAUSED', 'open, resumes told 1'],
      ['BRIDGE_NOT_PAUSED', 'resumed 1', 'open, resumes told 1'],
    ],
  },
  {
    name: 'restored / resume bridge',
    ready: async ({ a, b, c, read }) => {
      await say(c);
      return { a: () => say(a), b: () => resume(b), stands: () => bridgeIs(read) };
    },
    ends: [
      ['restore 2', 'resumed 1', 'paused, resumes told 1'],
      ['restore 2', 'resumed 2', 'open, resumes told 1'],
    ],
  },
  {
    name: 'restored / renew',
    ready: async ({ a, b, at, read }) => {
      const bot = await connect(b, 'x', { status: 2 });
      await at(TTL_MS - 1);
      await bot.poll();
      await at(TTL_MS + 1);
      return {
        a: () => say(a),
        b: () => tickOnce(b, { lastMs: TTL_MS }).then(({ moved, busy }) => [...moved, ...busy].join() || 'renewed'),
        stands: async () => `${await bridgeIs(read)}; ${await sessionsAre(read)}`,
      };
    },
    ends: [['restore 1', 'renewed', 'paused, resumes told 0; x OPEN']],
  },
];
