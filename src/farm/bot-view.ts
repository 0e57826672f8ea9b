/** A bot as every door shows it. */
import { statusName, takesWork } from '../core/bot-session.ts';
import {
  type BotDutRow,
  type BotEventRow,
  type BotLeaseRow,
  type BotViewRow,
  readDutsOfBots,
  readLeasesOfSessions,
} from '../store/bot-views.ts';
import { type DrainRow, readDrains } from '../store/drains.ts';
import type { Queryable } from '../store/transaction.ts';
import { drainOver } from './candidates.ts';
import { toProperties } from './sessions.ts';

export type BotView = {
  readonly instance: string;
  readonly botId: string;
  /** It has a live session that was heard of within its time to live. */
  readonly connected: boolean;
  /** As it last reported (`OK`, …, `STATUS_<n>`); `LOST` after an unclean end of its session, `OFFLINE` after a clean one. */
  readonly status: string;
  readonly version: string;
  readonly capacity: number;
  readonly properties: readonly { readonly key: string; readonly values: readonly string[] }[];
  /** Of the DUTs it declares, the primary device's first. */
  readonly serials: readonly string[];
  readonly leases: readonly Omit<BotLeaseRow, 'sessionName'>[];
  /** The server's name for its session; null: it has none that is live. */
  readonly session: string | null;
  readonly sessionStartedAt: Date | null;
  /** As the database was told, in turns: of an idle bot up to half of `limits.session.ttl` old, of a busy one two ticks. */
  readonly lastSeenAt: Date | null;
  readonly drain: DrainRow | null;
  readonly quarantineReason: string | null;
  /** ERROR events in a row, with no INFO and no completed lease between. */
  readonly errorEvents: number;
  /** Why it is given no work just now; null: nothing stands against it. */
  readonly whyNoWork: string | null;
  /** What it posted lately, newest first; null: not asked for. `type` is PostBotEventTempRequest.Type. */
  readonly events: readonly BotEventRow[] | null;
};

/** Everything around the rows of one instance, in three reads however many bots there are. */
export const toBotViews = async (db: Queryable, instance: string, rows: readonly BotViewRow[]): Promise<BotView[]> => {
  const live = rows.filter((row) => row.state !== 'CLOSED');
  const leases = await readLeasesOfSessions(
    db,
    live.flatMap(({ session }) => session ?? []),
  );
  const duts = await readDutsOfBots(db, [...new Set(live.flatMap(({ deviceIds }) => deviceIds ?? []))]);
  const drains = await readDrains(db, instance);
  return rows.map((row) => {
    const held = leases.filter(({ sessionName }) => sessionName === row.session);
    return viewOf(row, { held, duts, drain: drainOver(drains, row.botId) });
  });
};

type Around = {
  readonly held: readonly BotLeaseRow[];
  readonly duts: ReadonlyMap<number, BotDutRow>;
  readonly drain: DrainRow | null;
};

const viewOf = (row: BotViewRow, { held, duts, drain }: Around): BotView => {
  const isLive = row.state === 'OPEN' || row.state === 'LAPSED';
  const declared = (row.deviceIds ?? []).flatMap((id) => duts.get(id) ?? []);
  return {
    instance: row.instance,
    botId: row.botId,
    connected: row.state === 'OPEN',
    status: statusOf(row),
    version: row.version ?? '',
    capacity: row.capacity ?? 0,
    properties: [...toProperties(row.properties ?? '{}')].map(([key, values]) => ({ key, values: [...values] })),
    serials: declared.flatMap(({ serials }) => serials),
    leases: held.map(({ sessionName: _name, ...lease }) => lease),
    session: isLive ? row.session : null,
    sessionStartedAt: isLive ? row.createdAt : null,
    lastSeenAt: row.seenAt,
    drain,
    quarantineReason: row.quarantineReason,
    errorEvents: row.errorEvents,
    whyNoWork: whyNoWork(row, { held: held.length, drain, dut: declared[0] ?? null }),
    events: null,
  };
};

/** How the sweep begins its words when it closes a session that fell silent (store/sweeps.ts). */
const EXPIRED = 'expired';

const statusOf = ({ state, status, closedReason }: BotViewRow): string => {
  if (state === 'OPEN' && status !== null) return statusName(status);
  return state === 'LAPSED' || closedReason?.startsWith(EXPIRED) === true ? 'LOST' : 'OFFLINE';
};

const whyNoWork = (
  row: BotViewRow,
  now: { readonly held: number; readonly drain: DrainRow | null; readonly dut: BotDutRow | null },
): string | null => {
  const { drain, dut, held } = now;
  if (row.quarantineReason !== null) return `it is quarantined: ${row.quarantineReason}`;
  if (drain !== null) return `it is drained (${drain.pattern}): ${drain.note}`;
  if (row.state === 'LAPSED') return 'it has not been heard of for longer than its time to live';
  if (row.state !== 'OPEN' || row.status === null) return 'it is not connected';
  if (!takesWork(row.status)) return `it says it is ${statusName(row.status)}`;
  if (row.capacity === 0) return 'it says that it takes nothing: its capacity is 0';
  if (held >= (row.capacity ?? 0)) return `it is busy with ${held} of ${row.capacity ?? 0} leases`;
  if (dut === null) return null;
  if (dut.heldReason !== null) return `its DUT ${dut.id} is held: ${dut.heldReason}`;
  return dut.settlingReason === null ? null : `its DUT ${dut.id} settles after an unclean end: ${dut.settlingReason}`;
};
