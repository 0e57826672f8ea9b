/** What a scrape takes from a replica with many bots: time on its event loop, and bytes. */
import { judge, median, spreadOf, worst } from '../compare.ts';
import type { Measure } from '../measure.ts';
import type { ScrapeServer } from '../processes.ts';
import { count, kib, ms } from '../report.ts';

const BOTS = 50_000;
const FEW = 500;
const SCRAPES = 20;
const must = { ms: 10, bytes: 300 * 1024 };

export const measure: Measure = {
  id: 16,
  name: `scrape with ${count(BOTS)} bots, event loop`,
  inQuick: true,
  run: async ({ site, quick, say }) => {
    say(`${count(FEW)} bots, then ${count(BOTS)}`);
    const few = await site.scrape(FEW);
    const pageOfFew = await scrape(few);
    await few.close();
    const many = await site.scrape(BOTS);
    await costOf(many);
    const costs: number[] = [];
    for (let n = 0; n < (quick ? 5 : 15); n += 1) costs.push(await costOf(many));
    const page = await scrape(many);
    await many.close();
    const [cost, bytes, added] = [median(costs), Buffer.byteLength(page), seriesIn(page) - seriesIn(pageOfFew)];
    return {
      ratio: cost,
      more: { bytes, series: seriesIn(page), seriesAdded: added },
      spread: spreadOf(costs),
      baselineSpread: null,
      baseline: `${count(FEW)} bots: ${count(seriesIn(pageOfFew))} series`,
      system: `${ms(cost)}, ${kib(bytes)}, ${count(seriesIn(page))} series`,
      n: costs.length,
      must: `≤ ${must.ms} ms of event loop, ≤ 300 KiB, series independent of bots`,
      aim: '3 ms',
      verdict: worst([
        judge(cost, { must: must.ms, better: 'lower' }, null),
        judge(bytes, { must: must.bytes, better: 'lower' }, null),
        judge(added, { must: 0, better: 'lower' }, null),
      ]),
    };
  },
};

const scrape = async ({ url }: ScrapeServer): Promise<string> => {
  const answer = await fetch(`${url}/metrics`);
  if (answer.status !== 200) throw new Error(`/metrics answers ${answer.status}: ${await answer.text()}`);
  return answer.text();
};

/**
 * Milliseconds for which the event loop was busy, a scrape; nothing else happens there. A loop that waits for a core is
 * busy too, so that no more is taken for its own than the processor time of the whole process.
 */
const costOf = async (server: ScrapeServer): Promise<number> => {
  const before = await server.usage();
  for (let n = 0; n < SCRAPES; n += 1) await scrape(server);
  const after = await server.usage();
  return Math.min(after.loopMs - before.loopMs, after.cpuMs - before.cpuMs) / SCRAPES;
};

const seriesIn = (page: string): number =>
  page.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
