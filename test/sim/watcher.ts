/** Follows jobs to their end, as a scheduler or a console does: each event once, in order, whatever breaks on the way. */
import { JobsService, WatchJobRequest } from '../../src/gen/stationgrid/v1/jobs.ts';
import type { Life } from './life.ts';
import type { KnownJob } from './line-client.ts';
import type { Prng } from './prng.ts';
import type { World } from './world.ts';

/** A stream is given up after this, and resumed, as behind a proxy that bounds them. */
const STREAM_MS = 600_000;
const RETRY_MS = 1_000;

export type Watched = { readonly job: KnownJob; readonly events: string[]; isOver: boolean };

export class Watcher {
  readonly watched: Watched[] = [];
  readonly #world: World;
  readonly #life: Life;
  readonly #prng: Prng;

  constructor(world: World) {
    this.#world = world;
    this.#life = world.begin('watcher');
    this.#prng = world.prng.split('watcher');
  }

  async watch(job: KnownJob): Promise<void> {
    const watched: Watched = { job, events: [], isOver: false };
    this.watched.push(watched);
    let cursor = '';
    const onReply = (bytes: Uint8Array): void => {
      const message = JobsService.watchJob.responseDeserialize(Buffer.from(bytes));
      ({ cursor } = message);
      if (message.event !== '') watched.events.push(message.event);
    };
    while (!watched.isOver) {
      const { network } = this.#world;
      const addresses = network.addresses();
      if (addresses.length > 0) {
        const request = WatchJobRequest.create({ instance: job.drawn.instance, id: BigInt(job.id), cursor });
        const bytes = JobsService.watchJob.requestSerialize(request);
        const call = { path: JobsService.watchJob.path, bytes, deadlineMs: STREAM_MS, onReply };
        const signal = new AbortController().signal;
        const end = await network.call(this.#life, this.#prng.pick(addresses), { ...call, signal });
        // A stream that ends well says that the job has ended.
        watched.isOver = end.kind === 'reply';
      }
      if (!watched.isOver) await this.#life.clock.sleep(RETRY_MS);
    }
  }
}
