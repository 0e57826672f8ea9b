/** A line plot as SVG: small enough to read in a diff, and legible on light and dark pages. */
import type { Plot } from './measure.ts';

const WIDTH = 640;
const HEIGHT = 320;
const MARGIN = { left: 72, right: 16, top: 36, bottom: 48 };
const TICKS = 5;
/** Grey on white and on black. */
const INK = '#767676';
const LINE = '#1f77b4';
/** Beyond this factor between the ends, x is drawn by its logarithm. */
const LINEAR_MAX = 50;

type Scale = { readonly at: (value: number) => number; readonly ticks: readonly number[] };

export const plotSvg = ({ title, x, y, points }: Plot): string => {
  const across = scaleOf(
    points.map(([value]) => value),
    { from: MARGIN.left, to: WIDTH - MARGIN.right },
  );
  const up = fromZero(
    points.map(([, value]) => value),
    { from: HEIGHT - MARGIN.bottom, to: MARGIN.top },
  );
  const dots = points.map(([a, b]) => [across.at(a), up.at(b)] as const);
  const floor = HEIGHT - MARGIN.bottom;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12" fill="${INK}">`,
    `<title>${escaped(title)}</title>`,
    text(WIDTH / 2, 20, title, 'text-anchor="middle" font-size="14"'),
    ...up.ticks.flatMap((tick) => [
      `<path d="M${MARGIN.left} ${at(up.at(tick))}H${WIDTH - MARGIN.right}" stroke="${INK}" stroke-opacity="0.25"/>`,
      text(MARGIN.left - 8, up.at(tick) + 4, short(tick), 'text-anchor="end"'),
    ]),
    ...across.ticks.map((tick) => text(across.at(tick), floor + 18, short(tick), 'text-anchor="middle"')),
    text((MARGIN.left + WIDTH - MARGIN.right) / 2, HEIGHT - 8, x, 'text-anchor="middle"'),
    text(
      16,
      (MARGIN.top + floor) / 2,
      y,
      `text-anchor="middle" transform="rotate(-90 16 ${at((MARGIN.top + floor) / 2)})"`,
    ),
    `<polyline points="${dots.map(([a, b]) => `${at(a)},${at(b)}`).join(' ')}" fill="none" stroke="${LINE}" stroke-width="2"/>`,
    ...dots.map(([a, b]) => `<circle cx="${at(a)}" cy="${at(b)}" r="3.5" fill="${LINE}"/>`),
    '</svg>\n',
  ].join('\n');
};

type Span = { readonly from: number; readonly to: number };

/** The ticks are the values themselves: what was measured, and nothing in between. */
const scaleOf = (values: readonly number[], { from, to }: Span): Scale => {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const isWide = low > 0 && high / low > LINEAR_MAX;
  const place = (value: number): number => (isWide ? Math.log(value) : value);
  const length = place(high) - place(low);
  return {
    at: (value) => (length === 0 ? (from + to) / 2 : from + ((place(value) - place(low)) / length) * (to - from)),
    ticks: [...new Set(values)],
  };
};

/** A cost is shown whole: a scale that began above zero would make a mountain of any slope. */
const fromZero = (values: readonly number[], { from, to }: Span): Scale => {
  const step = niceStep(Math.max(...values, 0) / TICKS);
  const top = Math.max(step, Math.ceil(Math.max(...values, 0) / step) * step);
  return {
    at: (value) => from + (value / top) * (to - from),
    ticks: Array.from({ length: Math.round(top / step) + 1 }, (_, n) => n * step),
  };
};

/** 1, 2 or 5 times a power of ten, not below what is asked for. */
export const niceStep = (least: number): number => {
  if (!(least > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((digit) => digit * power >= least) ?? 10);
};

const at = (value: number): string => String(Number(value.toFixed(1)));

const short = (value: number): string => {
  if (value >= 1_000_000) return `${Number((value / 1_000_000).toPrecision(3))} M`;
  return value >= 10_000 ? `${Number((value / 1_000).toPrecision(3))} k` : String(Number(value.toPrecision(3)));
};

const text = (x: number, y: number, words: string, how: string): string =>
  `<text x="${at(x)}" y="${at(y)}" ${how}>${escaped(words)}</text>`;

const escaped = (words: string): string =>
  words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
