/** Bots as the farm hears them, past the wire: what they say of themselves, and their calls to one replica or another. */
import type { Completion, ReportedLease, SelfDescription } from '../../src/core/session-report.ts';
import type { TestResult } from '../../src/core/test-result.ts';
import type { TestStatus } from '../../src/core/verdict.ts';
import { createBotSession } from '../../src/farm/create-bot-session.ts';
import type { Home } from '../../src/farm/home.ts';
import { openHome } from '../../src/farm/open-home.ts';
import { type SessionReply, updateBotSession } from '../../src/farm/update-bot-session.ts';
import { createTestFarm, type TestFarm } from './farm.ts';

export type TestHome = Home & Pick<TestFarm, 'events' | 'wakes'>;

/** A replica with its memory of sessions. */
export const openTestHome = (parts: Parameters<typeof createTestFarm>[0]): TestHome => {
  const farm = createTestFarm(parts);
  // The journal of what was told is the farm's; the home shares it.
  return Object.assign(openHome(farm), { events: farm.events, wakes: farm.wakes });
};

/** A bot that is well, declares nothing, and takes one lease at a time. */
export const says = (changes: Partial<SelfDescription> = {}): SelfDescription => ({
  status: 1,
  version: '1',
  capacity: 1,
  properties: '{}',
  duts: [],
  ...changes,
});

/** The DUT whose main board has this serial, as a bot declares it. */
export const board = (value: string): SelfDescription['duts'][number] => [{ name: 'serials.mlb_serial_number', value }];

export type TestBot = {
  readonly name: string;
  readonly created: SessionReply;
  /** A call that will not wait. `at`: another replica. */
  readonly poll: (leases?: readonly ReportedLease[], with_?: Says) => Promise<SessionReply>;
  /** A call without a deadline: held until something ends it. */
  readonly park: (leases?: readonly ReportedLease[], with_?: Says) => Promise<SessionReply>;
};

export type Says = Partial<SelfDescription> & { readonly at?: Home; readonly signal?: AbortSignal };

export const connect = async (
  home: Home,
  botId: string,
  with_: Partial<SelfDescription> & { readonly leases?: readonly ReportedLease[]; readonly peer?: string } = {},
): Promise<TestBot> => {
  const { leases = [], peer = 'test', ...described } = with_;
  const created = await createBotSession(home, { instance: 'line-1', botId, peer, self: says(described), leases });
  const { name } = created;
  const call =
    (untilDeadlineMs: number | null) =>
    (shown: readonly ReportedLease[] = [], changes: Says = {}) => {
      const { at = home, signal = new AbortController().signal, ...described_ } = changes;
      const report = { name, botId, self: says({ ...described, ...described_ }), leases: shown };
      return updateBotSession(at, report, { untilDeadlineMs, signal });
    };
  return { name, created, poll: call(0), park: call(null) };
};

export const testResult = (testId: string, status: TestStatus, errorMessage = ''): TestResult => ({
  testId,
  status,
  errorMessage,
  measurements: [],
  attachments: [],
  startedAt: null,
  durationMs: null,
  logsTail: '',
});

/** A COMPLETED lease; by default OK, with its one test passed. */
export const done = (id: string, completion: Partial<Completion> = {}): ReportedLease => ({
  id,
  state: 'COMPLETED',
  completion: {
    code: 0,
    message: '',
    results: [testResult('probe', 'PASSED')],
    unread: null,
    result: null,
    ...completion,
  },
});
export const active = (id: string): ReportedLease => ({ id, state: 'ACTIVE' });
export const pending = (id: string): ReportedLease => ({ id, state: 'PENDING' });
export const cancelled = (id: string): ReportedLease => ({ id, state: 'CANCELLED' });

/** The one lease of a reply. */
export const only = ({ leases }: SessionReply): SessionReply['leases'][number] => {
  const [lease, ...more] = leases;
  if (lease === undefined || more.length > 0) throw new Error(`expected one lease, there are ${leases.length}`);
  return lease;
};

export const stateOf = async (home: Home, jobId: number) => {
  const { rows } = await home.pool.query(
    'select state, verdict, failure, attempts, reason, held_by as "heldBy" from jobs where id = $1',
    [jobId],
  );
  return rows[0];
};

export const leasesOf = async (home: Home, jobId: number): Promise<string[]> => {
  const { rows } = await home.pool.query<{ state: string }>(
    'select state from leases where job_id = $1 order by granted_at, id',
    [jobId],
  );
  return rows.map(({ state }) => state);
};
