/** What came of it, in a word or two: for the tables of ends. */
import type { SessionReply } from '../../src/farm/update-bot-session.ts';
import type { Scene } from './stage.ts';

type Read = Scene['read'];

/** The states of the leases that a bot is told of; those that ended behind its back last. */
export const told = ({ leases, cancelledOnce }: SessionReply): string =>
  [...leases.map(({ state }) => state), ...cancelledOnce.map(() => 'CANCELLED once')].join(', ') || 'nothing';

/** A job's state, with its verdict or what failed it, and what holds it. */
export const jobIs = (read: Read, id: number): Promise<string> =>
  read(`select concat_ws(' ', state, verdict, failure, held_by) from jobs where id = $1`, [id]);

/** All leases there ever were, by station and state. */
export const leasesAre = (read: Read): Promise<string> =>
  read(`select station || ' ' || state from leases order by granted_at, station, state`);

/** All results, those that count for nothing marked. */
export const resultsAre = (read: Read): Promise<string> =>
  read(`select test_id || case when stale then ' stale' else '' end from test_results order by test_id, stale`);

/** All sessions there ever were, by bot and state, oldest first. */
export const sessionsAre = (read: Read): Promise<string> =>
  read(`select bot_id || ' ' || state from bot_sessions order by bot_id, state, created_at`);

/** The lane, call by call: what each says, and what became of it. */
export const callsAre = (read: Read): Promise<string> =>
  read(`select coalesce(c.event, c.test_id, c.method) || ' ' || c.state
               || case when l.owned_until > farm_now() and c.position = l.head_position then ' under way' else '' end
        from shopfloor_calls c join lanes l using (device_id) order by device_id, position`);
