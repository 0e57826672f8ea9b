/** What a tick has learnt becomes gauges. */
import type { Pump } from '../bridge/pump.ts';
import { hasShopfloor, type Line } from '../core/line.ts';
import { isBridgePaused } from '../core/restore.ts';
import type { Home } from '../farm/home.ts';
import { createReader, GAUGES_EVERY_TICKS } from '../farm/read-gauges.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { processClock } from '../process-clock.ts';
import type { TickAnswer } from '../store/tick.ts';

/** The farm-wide ones are read at every few ticks, one read at a time. */
export const createTickShow = (
  gauges: Metrics['gauges'],
  shown: { readonly home: Home; readonly pump: Pump; readonly lines: readonly Line[] },
): ((answer: TickAnswer) => void) => {
  const { home, pump, lines } = shown;
  const instances = lines.map(({ instance }) => instance);
  let ticks = 0;
  let reading = false;
  const readAll = createReader(home, instances);
  const read = async (answer: TickAnswer): Promise<void> => {
    reading = true;
    try {
      const { gauges: farm, waits, footing } = await readAll(answer);
      gauges.farm(farm);
      gauges.waits(waits);
      gauges.footing(footing);
    } catch (error) {
      home.log.warn({ err: error }, 'the gauges of the farm could not be read; they keep their last values');
    }
    reading = false;
  };
  return (answer) => {
    gauges.answered(answer, processClock.now());
    gauges.sessions(home.sessions);
    gauges.pauses(
      lines.filter(hasShopfloor).map(({ instance }) => ({ instance, isPaused: isBridgePaused(answer, instance) })),
    );
    const breakers = new Map(pump.state().map(({ url, breaker }) => [url, breaker]));
    gauges.breakers(
      lines.filter(hasShopfloor).map(({ instance, shopfloorUrl }) => ({
        instance,
        state: breakers.get(shopfloorUrl) ?? 'closed',
      })),
    );
    if (ticks % GAUGES_EVERY_TICKS === 0 && !reading) void read(answer);
    ticks += 1;
  };
};
