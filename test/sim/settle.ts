/** After the faults: operators clear up, and the farm must come to rest in its own time. */
import { JobsService } from '../../src/gen/stationgrid/v1/jobs.ts';
import { ShopfloorService } from '../../src/gen/stationgrid/v1/shopfloor.ts';
import { MINUTE_MS } from './scenario.ts';
import type { Site } from './site.ts';

/** Virtual. A lane's longest back-off, a settling DUT, a RUNIN and what waits for it fit in several times. */
const REST_MAX_MS = 60 * MINUTE_MS;
/** So long nothing that is left changes. A RUNIN of two tests, an unused lease that was seen: those take half of it. */
const STILL_MAX_MS = 20 * MINUTE_MS;
/** Operators make their round this often. */
const ROUND_MS = 30_000;

/** Returns once the farm is at rest, or a promise is broken: that it does rest is one. */
export const comeToRest = async (site: Site): Promise<void> => {
  const { time, violations } = site.world;
  const isBroken = (): boolean => violations.length > 0;
  const startMs = time.nowMs();
  let left = '';
  let sinceMs = startMs;
  while (time.nowMs() < startMs + REST_MAX_MS && time.nowMs() < sinceMs + STILL_MAX_MS) {
    const now = (await whatIsLeft(site)).join('; ');
    if (now === '') return;
    if (now !== left) sinceMs = time.nowMs();
    left = now;
    await clearUp(site);
    await time.runUntil(time.nowMs() + ROUND_MS, isBroken);
    if (isBroken()) return;
  }
  const minutes = (fromMs: number): number => Math.round((time.nowMs() - fromMs) / MINUTE_MS);
  site.world.violate(
    'liveness: without faults the farm comes to rest',
    `after ${minutes(startMs)} minutes there are left, as for ${minutes(sinceMs)} minutes: ${left}`,
  );
};

const whatIsLeft = async ({ world, line, admin }: Site): Promise<readonly string[]> => {
  const left = line.isAllEnqueued ? [] : ['jobs that could not be enqueued'];
  if (admin.isHelping) left.push('bots that wait for a token');
  const rows = await world.database.ask<{ words: string }>(
    `select 'job ' || request_id || ' is ' || state || coalesce(', held by ' || held_by, '') as words
       from jobs where ended_at is null
     union all
     select 'calls of ' || l.next_position - l.head_position || ' to go in a lane' || case when blocked then ', blocked' else '' end
       from lanes l where l.head_position < l.next_position
     union all
     select 'the bridge of ' || instance || ' is paused' from lanes where bridge_is_paused(instance) group by instance
     order by 1`,
  );
  return [...left, ...rows.map(({ words }) => words)];
};

/** What people must do: nothing else waits for them. */
const clearUp = async ({ world, line, admin }: Site): Promise<void> => {
  const prng = world.prng.split(`round ${Math.round(world.time.nowMs())}`);
  const quarantined = await world.database.ask<{ instance: string; botId: string }>(
    'select instance, bot_id as "botId" from bots where quarantine_reason is not null order by 1, 2',
  );
  for (const { instance, botId } of quarantined) line.releaseBot(instance, botId);
  const paused = await world.database.ask<{ instance: string }>(
    'select instance from lanes where bridge_is_paused(instance) group by instance order by instance',
  );
  for (const { instance } of paused) admin.resumeBridge(instance);
  const held = await world.database.ask<{ id: number; requestId: string; instance: string; heldBy: string | null }>(
    `select id, request_id as "requestId", instance, held_by as "heldBy" from jobs
     where ended_at is null and (held_by in ('ROUTE_STOPPED', 'GATE_REFUSED')
       -- The only bot that drives its unit has refused it.
       or held_by is null and state = 'QUEUED' and avoided_bots <> '{}' and queued_at < farm_now() - interval '5 minutes')
     order by id`,
  );
  const bounds = { deadlineMs: 5_000, signal: new AbortController().signal };
  for (const { id, instance, requestId, heldBy } of held) {
    const known = line.jobs.get(requestId);
    if (heldBy === 'GATE_REFUSED') void line.settleGate(prng.pick(['retry', 'override']), instance, id);
    else if (known?.id === id) void line.cancel(known);
    // Made once more after a promotion that lost it: its scheduler knows another number.
    else void line.operator(JobsService.cancelJob, { instance, id: BigInt(id), reason: 'nobody waits for it' }, bounds);
  }
  const dead = await world.database.ask<{ id: string; instance: string }>(
    `select id, instance from shopfloor_calls where state = 'DEAD' order by device_id, position`,
  );
  for (const call of dead) {
    if (prng.chance(0.5)) void line.operator(ShopfloorService.retryCall, call, bounds);
    else void line.operator(ShopfloorService.skipCall, { ...call, reason: 'told by telephone' }, bounds);
  }
};
