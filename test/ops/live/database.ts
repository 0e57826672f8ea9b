/** The schema, a transaction, the server's settings, and what a leader has to do, changed behind the farm's back. */
import { APPLICATION_ROLE } from '../../../src/store/embedded/found.ts';
import type { Stage } from './stage.ts';

export const database = async (stage: Stage): Promise<void> => {
  await schema(stage);
  await events(stage);
  await durability(stage);
};

const schema = ({ site, fires, ends }: Stage): Promise<void> =>
  site.database(async (db) => {
    const { rows } = await db.query('delete from schema_migrations where number = 1 returning name, sha256');
    await fires('StationGridMigrationPending', { state: 'pending' });
    const { name, sha256 } = rows[0];
    await db.query('insert into schema_migrations (number, name, sha256) values (1, $1, $2)', [name, sha256]);
    await ends('StationGridMigrationPending');
  });

const events = ({ site, door, fires, ends }: Stage): Promise<void> =>
  site.database(async (db) => {
    await db.query('begin');
    await db.query('select pg_current_xact_id()');
    await door.enqueue({ station: 'SMT', board: 'NOBODY' });
    await fires('StationGridEventsHeld');
    await db.query('rollback');
    await ends('StationGridEventsHeld');
  });

/** Its sessions begin anew, with what is set for its role by then. */
const durability = async ({ site, fires, ends }: Stage): Promise<void> => {
  const toldAgain = (setting: string) =>
    site.superuser(async (db) => {
      await db.query(`alter role ${APPLICATION_ROLE} ${setting}`);
      await db.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [APPLICATION_ROLE]);
    });
  await toldAgain('set synchronous_commit = off');
  await fires('StationGridNotDurable');
  await toldAgain('reset synchronous_commit');
  await ends('StationGridNotDurable');
};

export const duties = async (stage: Stage): Promise<void> => {
  await history(stage);
  await privilege(stage);
};

/** Rewritten by somebody who may do anything, and who puts it back. */
export const audit = ({ site, fires, ends }: Stage): Promise<void> =>
  site.superuser(async (db) => {
    const rewrite = (from: string, to: string) =>
      db.query('update audit set text = replace(text, $1, $2) where seq = 1', [from, to]);
    // No trigger fires in a session that says this, and nobody else's session changes.
    await db.query('set session_replication_role = replica');
    await rewrite('started', 'stirred');
    await fires('StationGridAuditBroken', { severity: 'critical' });
    await rewrite('stirred', 'started');
    await ends('StationGridAuditBroken');
  });

/** The farm's role may no longer do what one of its duties does, and nothing else. */
const privilege = async ({ site, fires, ends }: Stage): Promise<void> => {
  const tell = (words: string) => site.database((db) => db.query(words));
  await tell(`revoke delete on testlog_events from ${APPLICATION_ROLE}`);
  await fires('StationGridDutyFails', { what: 'testlog' });
  await tell(`grant delete on testlog_events to ${APPLICATION_ROLE}`);
  await ends('StationGridDutyFails');
};

/** The last of the days that are made ahead is gone, and something else has its name. */
const history = ({ site, fires, ends }: Stage): Promise<void> =>
  site.database(async (db) => {
    const { rows } = await db.query(
      `select max(inhrelid::regclass::text) as day from pg_inherits
       where inhparent = 'test_results'::regclass and inhrelid::regclass::text ~ '_[0-9]{8}$'`,
    );
    const { day } = rows[0];
    await db.query(`begin; drop table ${day}; create table ${day} (); commit`);
    await fires('StationGridHistoryLeft');
    await db.query(`drop table ${day}`);
    await ends('StationGridHistoryLeft');
  });
