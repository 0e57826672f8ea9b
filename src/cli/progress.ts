/** A bar on standard error for waits of unknown length; silent where nobody watches. */
import { SingleBar } from 'cli-progress';
import type { Terminal } from './terminal.ts';

export type Progress = {
  /** `words`: what is going on just now. */
  readonly show: (done: number, words: string) => void;
  /** Leaves the last state on the screen. May be called again. */
  readonly end: () => void;
};

/** Redraws a second. */
const FPS = 10;

export const startProgress = (terminal: Terminal, { total, what }: { total: number; what: string }): Progress => {
  if (terminal.progress === null) return { show: () => undefined, end: () => undefined };
  const bar = new SingleBar({
    format: `${what} [{bar}] {value}/{total}  {duration_formatted}  {words}`,
    stream: terminal.progress,
    fps: FPS,
    barsize: 30,
    hideCursor: true,
    stopOnComplete: false,
    linewrap: false,
  });
  bar.start(total, 0, { words: '' });
  return { show: (done, words) => bar.update(done, { words }), end: () => bar.stop() };
};
