/**
 * A standby that is a second behind is promoted: what was committed in that second is gone, acknowledged or not. The copy is
 * another database, whose mark differs from the one that the farm has kept: so it notices, and its bridges wait for people.
 */
import type { Site } from './site.ts';

const BEHIND_MS = 1_000;
/** From the loss of the primary until the standby lets anybody in. */
const PROMOTION_MS = 4_000;
/** A copy needs a moment at which no transaction is open. */
const LOOK_MS = 1;
const LOOKS_MAX = 2_000;
/** Until a line's people have compared notes with their partner. */
const RECONCILED_MS = [60_000, 600_000] as const;

export const failOver = (site: Site, looks = 0): void => {
  const { world } = site;
  const { time, database, trace, weather, bus, seed } = world;
  if (looks > LOOKS_MAX) return;
  if (database.isInTransaction || [...site.replicas.values()].some(({ pool }) => pool.isInTransaction)) {
    time.after(LOOK_MS, () => failOver(site, looks + 1));
    return;
  }
  const standby = `sim_${process.pid}_${seed}_standby`;
  const fromMs = time.nowMs();
  const prng = world.prng.split('failover');
  time.after(0, async () => {
    await database.copyTo(standby);
    trace.add('FAULT', 'the standby follows no further');
  });
  time.after(BEHIND_MS, () => {
    const outage = { kind: 'no database', replica: null } as const;
    weather.begin(outage);
    site.goesAway();
    site.forgive({ fromMs, toMs: time.nowMs() });
    for (const { pool } of site.replicas.values()) pool.breakAll();
    bus.breakAll();
    time.after(PROMOTION_MS, async () => {
      await database.switchTo(standby);
      trace.add('FAULT', 'the standby is the primary');
      weather.end(outage);
      site.failedOverMs = time.nowMs();
      site.comesBack();
      for (const instance of site.scenario.lines.keys())
        time.after(prng.between(...RECONCILED_MS), () => site.admin.resumeBridge(instance));
    });
  });
};
