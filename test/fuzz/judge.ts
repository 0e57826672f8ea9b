/** One input thrown, and everything that must hold afterwards. */
import type { Input } from './input.ts';
import { countRows, type Ground, type Site } from './site.ts';
import type { Target } from './target.ts';
import type { Watched } from './watched.ts';

/** CPU time of one turn of the event loop. Not the clock's time: a busy machine makes nobody hang. */
const LOOP_MS_MAX = 100;
const MIB = 1024 * 1024;
/** Far above what any of the processes needs, however it was fed. */
const RSS_BYTES_MAX = 1024 * MIB;

export type Finding = {
  readonly target: string;
  readonly input: Input;
  /** What must hold and does not, each in a line. */
  readonly wrong: readonly string[];
  readonly answer: string;
};

/** Where the inputs go; the site is opened afresh when something in it has died. */
export type Range = {
  readonly site: () => Site;
  readonly throwAt: (
    target: Target,
    input: Input,
    /** Hears what kind of answer it had: its first word. */
    answered?: (kind: string) => void,
  ) => Promise<Finding | null>;
  /** The most that a process under watch holds after a collection, in bytes of heap, by name. */
  readonly heaps: () => Promise<Readonly<Record<string, number>>>;
  readonly close: () => Promise<void>;
};

export const openRange = async (ground: Ground): Promise<Range> => {
  let site = await ground.open();
  let rows = await countRows(site.db);

  const watchedOf = (target: Target): Watched => site[target.under];

  const reopen = async (): Promise<void> => {
    await site.close();
    site = await ground.open();
    rows = await countRows(site.db);
  };

  /** @returns what is wrong; `dead`: nothing can be asked of the site any more. */
  const once = async (target: Target, input: Input): Promise<{ wrong: string[]; answer: string; dead: boolean }> => {
    const watched = watchedOf(target);
    if ((await target.prepare?.(site)) === true) rows = await countRows(site.db);
    await watched.look();
    watched.logged();
    const told = await target.send(site, input);
    const wrong = told.wrong === null ? [] : [told.wrong];
    const sample = await watched.look();
    const logged = watched.logged();
    if (sample === null) {
      const how = watched.ended();
      const last = logged.slice(-LOG_LINES_SHOWN).join('\n    ');
      const what = how === null ? `${watched.name} hangs` : `${watched.name} died: ${String(how)}\n    ${last}`;
      return { wrong: [...wrong, what], answer: told.answer, dead: true };
    }
    if (sample.longestMs > LOOP_MS_MAX) {
      wrong.push(
        `${watched.name} was deaf for ${sample.longestMs.toFixed(0)} ms of CPU time; ${String(LOOP_MS_MAX)} are allowed`,
      );
    }
    if (sample.rssBytes > RSS_BYTES_MAX)
      wrong.push(`${watched.name} holds ${String(Math.round(sample.rssBytes / MIB))} MiB`);
    wrong.push(...logged.filter(isBug).map((line) => `${watched.name} logged a fault of its own: ${line}`));
    const after = await countRows(site.db);
    const stored = storedSince(rows, after);
    rows = after;
    if (told.refused && stored.length > 0)
      wrong.push(`it was refused, and yet stored something in ${stored.join(', ')}`);
    const next = await target.next(site);
    if (next !== null) wrong.push(next);
    return { wrong, answer: told.answer, dead: false };
  };

  /** What the farm does by itself meanwhile, a collection of garbage among it, may look like the doing of an input: once. */
  const throwAt: Range['throwAt'] = async (target, input, answered) => {
    let last = await once(target, input);
    answered?.(/^[\w ]+/.exec(last.answer)?.[0] ?? 'nothing');
    for (let more = CONFIRMATIONS; more > 0 && last.wrong.length > 0 && !last.dead; more -= 1)
      last = await once(target, input);
    if (last.dead) await reopen();
    return last.wrong.length === 0 ? null : { target: target.name, input, wrong: last.wrong, answer: last.answer };
  };

  return {
    site: () => site,
    throwAt,
    heaps: async () => {
      const all = [site.farm, site.shopfloor, site.host];
      const samples = await Promise.all(all.map((watched) => watched.look({ collect: true })));
      return Object.fromEntries(all.map(({ name }, index) => [name, samples[index]?.heapBytes ?? Infinity]));
    },
    close: () => site.close(),
  };
};

/** Tables in which there is something else. */
const storedSince = (
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): readonly string[] =>
  Object.entries(after).flatMap(([table, n]) => {
    const was = before[table] ?? 0;
    // The bridge goes on with what is owed to the partner, at its own pace: it sends, sends again, and settles.
    const isBridges = table === 'open_sends' || (table === 'unsettled_calls' && n < was);
    return n === was || isBridges ? [] : [table];
  });

const CONFIRMATIONS = 2;
const LOG_LINES_SHOWN = 12;

/** A line that the process wrote because it met a defect of its own; what a peer did wrong is a warning. */
const isBug = (line: string): boolean => {
  try {
    const { level } = JSON.parse(line) as { readonly level?: unknown };
    return level === 'error' || level === 'fatal' || (typeof level === 'number' && level >= 50);
  } catch {
    return /Error:|UnhandledPromise|^\s+at |Warning:/.test(line);
  }
};
