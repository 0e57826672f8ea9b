/**
 * Keeps a host's workers: starts them, starts the dead again, replaces them one after another, stops them in good order.
 *
 * Each worker has a place, 1 to n, and places outlive those who hold them. A successor is started beside the one it
 * replaces, which leaves only once the successor serves: so there are never fewer replicas than wanted, and a
 * configuration that cannot start costs nobody its work.
 */
import { backoffMs } from '../core/backoff.ts';
import type { Readiness } from '../core/readiness.ts';
import type { Answers } from './exchange.ts';
import type { Ending } from './fork.ts';
import { dismiss, endingOf, failureOf, forkMember, hasEnded, type Member, type MemberParts } from './member.ts';
import type { AskedOfPrimary, WorkerDoors } from './talk.ts';

export type SupervisorParts = Omit<MemberParts, 'answers' | 'witness'> & {
  readonly wanted: number;
  readonly random: () => number;
  /** What workers ask that is not the supervisor's to answer. */
  readonly answers: Pick<Answers<AskedOfPrimary>, 'begin' | 'metrics'>;
  readonly witness: MemberParts['witness'] & {
    /** One ended without having been told to, or did not serve in time. */
    readonly died: () => void;
  };
};

/** Who holds a place; null: nobody, for now. The successor is who will. */
type Place = { readonly number: number; holder: Member | null; successor: Member | null };

export class Supervisor {
  readonly #parts: SupervisorParts & MemberParts;
  readonly #places: readonly Place[];
  readonly #members = new Set<Member>();
  readonly #stopping = new AbortController();
  readonly #lost = new AbortController();
  #keeping: readonly Promise<void>[] = [];
  #forked = 0;
  /** In a row, of whichever places. */
  #failedStarts = 0;
  #rolling: Promise<void> | null = null;

  constructor(parts: SupervisorParts) {
    this.#parts = { ...parts, answers: { ...parts.answers, ready: () => this.readiness() } };
    this.#places = Array.from({ length: parts.wanted }, (_, index) => ({
      number: index + 1,
      holder: null,
      successor: null,
    }));
  }

  /** Aborts, with the reason, when no worker serves and none can be started. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * Resolves when the first worker serves. The others follow: what is wrong with the configuration or the machine is then
   * found, and said, once.
   * @throws CannotStart when the worker said that no other try would mend it.
   */
  async start(): Promise<WorkerDoors> {
    const [first, ...others] = this.#places;
    if (first === undefined) throw new Error('no worker is wanted');
    const member = this.#fork(first);
    first.holder = member;
    await member.began;
    if (member.doors === null) throw failureOf(member, await member.worker.ended);
    this.#keeping = [first, ...others].map((place) => this.#keep(place));
    return member.doors;
  }

  /** Replaces all workers, one after another. Resolves when that is done, or given up. */
  async roll(): Promise<void> {
    // Those that are just being started are new, and those that stop are not to be replaced.
    if (this.#keeping.length === 0 || this.#isStopping()) return;
    this.#rolling ??= this.#rollAll().finally(() => (this.#rolling = null));
    await this.#rolling;
  }

  /** All at once: the host leaves, so no bot is sent to a worker that leaves next. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#members].map((member) => dismiss(this.#parts, member)));
    await Promise.all([...this.#keeping, this.#rolling]);
  }

  /** kill -9 to all that are left. For a primary that ends at once, as it was told to. */
  killAll(): void {
    for (const { worker } of this.#members) worker.kill();
  }

  /** Asks each place's holder. */
  async readiness(): Promise<Readiness> {
    if (this.#isStopping()) return { ok: false, why: 'the farm is shutting down' };
    const told = await Promise.all(this.#places.map((place) => this.#readinessOf(place)));
    const serving = told.filter(({ ok }) => ok).length;
    const count = `${serving} of ${told.length} workers ${serving === 1 ? 'serves' : 'serve'}`;
    const why = told.flatMap((one, index) => (one.ok ? [] : [`worker ${index + 1}: ${one.why}`])).join('; ');
    return { ok: serving > 0, why: why === '' ? count : `${count} (${why})` };
  }

  /**
   * Asks every worker that serves, also one that is just leaving, what it has counted. Resolves when they have answered,
   * with the number of places whose holder has.
   */
  async count(): Promise<number> {
    const { limits, witness } = this.#parts;
    const asked = [...this.#members].filter(({ doors }) => doors !== null);
    const answered = await Promise.all(
      asked.map(async (member) => {
        const page = await member.worker.ask('page', null, limits.answerMs).catch(() => null);
        // Who has ended meanwhile has said its last word already.
        if (page === null || hasEnded(member)) return null;
        witness.counted(member.process, page);
        return member;
      }),
    );
    return this.#places.filter(({ holder }) => holder !== null && answered.includes(holder)).length;
  }

  async #readinessOf({ holder }: Place): Promise<Readiness> {
    if (holder === null || holder.doors === null) return { ok: false, why: 'it is being started' };
    return holder.worker.ask('ready', null, this.#parts.limits.answerMs).catch((error: unknown) => ({
      ok: false,
      why: error instanceof Error ? error.message : String(error),
    }));
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  #fork(place: Place): Member {
    const member = forkMember(this.#parts, { process: (this.#forked += 1), place: place.number });
    this.#members.add(member);
    void member.worker.ended.then(() => this.#members.delete(member));
    void member.began.then((serves) => {
      if (serves) this.#failedStarts = 0;
    });
    return member;
  }

  /** As long as the farm lives, somebody is to hold this place. */
  async #keep(place: Place): Promise<void> {
    let deaths = 0;
    for (;;) {
      const holder = (place.holder ??= place.successor ?? this.#fork(place));
      const ending = await holder.worker.ended;
      // Its successor had taken the place.
      if (place.holder !== holder) continue;
      place.holder = place.successor;
      if (this.#isStopping()) return;
      deaths = this.#isSteady(holder) ? 1 : deaths + 1;
      this.#died(holder, ending);
      if (place.holder !== null) continue;
      await this.#parts.clock.sleep(this.#waitMs(deaths), this.#stopping.signal);
      if (this.#isStopping()) return;
    }
  }

  #isSteady({ doors, startedMs }: Member): boolean {
    return doors !== null && this.#parts.clock.monotonicMs() - startedMs >= this.#parts.limits.steadyMs;
  }

  /** The first one is started anew at once: what has killed it is most often over. */
  #waitMs(deaths: number): number {
    return deaths === 1 ? 0 : backoffMs(deaths - 1, this.#parts.limits, this.#parts.random());
  }

  #died(member: Member, ending: Ending): void {
    const { log, witness, limits } = this.#parts;
    const facts = endingOf(member, ending);
    witness.died();
    if (member.doors !== null) {
      log.error(facts, 'a worker has ended; its bots go on at the others, and it is started anew');
      return;
    }
    this.#failedStarts += 1;
    log.error(facts, 'a worker could not start; it is tried again');
    const isServed = [...this.#members].some(({ doors }) => doors !== null);
    if (!isServed && this.#failedStarts >= limits.startsMax) this.#lost.abort(failureOf(member, ending));
  }

  async #rollAll(): Promise<void> {
    const { log } = this.#parts;
    log.info({}, 'the workers are replaced, one after another');
    for (const place of this.#places) {
      if (this.#isStopping()) return;
      const replaced = place.holder;
      const successor = this.#fork(place);
      place.successor = successor;
      const serves = await successor.began;
      place.successor = null;
      // Told to stop like all others.
      if (this.#isStopping()) return;
      if (!serves) {
        const facts = endingOf(successor, await successor.worker.ended);
        log.error(facts, 'a new worker could not start: those that are left go on as they are');
        return;
      }
      // When the one it replaces has died meanwhile, it has the place already.
      if (place.holder === replaced) place.holder = successor;
      const left = place.holder === successor ? replaced : successor;
      if (left !== null) await dismiss(this.#parts, left);
    }
    log.info({}, 'all workers were replaced');
  }
}
