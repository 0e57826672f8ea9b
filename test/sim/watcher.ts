/** Follows jobs to their end, as a scheduler or a console does: each event once, in order, whatever breaks on the way. */
import { JobsService, WatchJobRequest } from '../../src/gen/stationgrid/v1/jobs.ts';
import type { Life } from './life.ts';
import type { KnownJob } from './line-client.ts';
import { shownBy } from './members.ts';
import type { Prng } from './prng.ts';
import type { World } from './world.ts';

/** How jobs are watched: which share of them, how soon a stream is given up and resumed, as behind a proxy that bounds them. */
export type Watching = { readonly rate: number; readonly streamMs: number; readonly retryMs: number };

export const WATCHED: Watching = { rate: 0.1, streamMs: 600_000, retryMs: 1_000 };
/** A reader that keeps coming back meets events as they are committed. */
export const WATCHED_CLOSELY: Watching = { rate: 0.4, streamMs: 2_000, retryMs: 200 };

export type Watched = {
  readonly job: KnownJob;
  readonly events: { readonly kind: string; readonly atMs: number }[];
  isOver: boolean;
};

export class Watcher {
  readonly watched: Watched[] = [];
  readonly #world: World;
  readonly #life: Life;
  readonly #prng: Prng;

  readonly #watching: Watching;

  constructor(world: World, watching: Watching) {
    this.#world = world;
    this.#watching = watching;
    this.#life = world.begin('watcher');
    this.#prng = world.prng.split('watcher');
  }

  /** Some of those that it is told of, to their end. */
  async hear(job: KnownJob): Promise<void> {
    if (this.#prng.chance(this.#watching.rate)) await this.#watch(job);
  }

  async #watch(job: KnownJob): Promise<void> {
    const { streamMs, retryMs } = this.#watching;
    const watched: Watched = { job, events: [], isOver: false };
    this.watched.push(watched);
    let cursor = '';
    const onReply = (bytes: Uint8Array): void => {
      const message = JobsService.watchJob.responseDeserialize(Buffer.from(bytes));
      ({ cursor } = message);
      if (message.event !== '') watched.events.push({ kind: message.event, atMs: this.#world.time.nowMs() });
    };
    while (!watched.isOver) {
      const { network } = this.#world;
      const addresses = network.addresses();
      if (addresses.length > 0) {
        const request = WatchJobRequest.create({ instance: job.drawn.instance, id: BigInt(job.id), cursor });
        const bytes = JobsService.watchJob.requestSerialize(request);
        const end = await network.call(this.#life, this.#prng.pick(addresses), {
          path: JobsService.watchJob.path,
          bytes,
          deadlineMs: streamMs,
          signal: new AbortController().signal,
          credentials: shownBy('console'),
          onReply,
        });
        // A stream that ends well says that the job has ended.
        watched.isOver = end.kind === 'reply';
      }
      if (!watched.isOver) await this.#life.clock.sleep(retryMs);
    }
  }
}
