/** Health and reflection come ready-made, with handlers of their own: here they are given the same doorkeeper. */
import type { Server, ServiceDefinition, UntypedHandleCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Verb } from '../../core/authorisation.ts';
import type { Clock } from '../../core/clock.ts';
import { Refusal } from '../../core/refusal.ts';
import { type Admission, credentialsEnded } from '../../farm/admit.ts';
import type { Log } from '../../farm/farm.ts';
import { originOf } from './adapt.ts';
import { refuse } from './refuse.ts';
import { foreignVerbs } from './verbs.ts';

export type ForeignSeams = {
  readonly admission: Admission;
  readonly log: Log;
  readonly clock: Clock;
  /** A client that streams and says nothing whole for so long is listened to no longer. */
  readonly silenceMs: number;
};

/**
 * A server as such a package sees it: what it adds is served only to callers that the authorisation table lets in.
 * @throws when a method has no row there: the door must not open.
 */
export const guarded = (server: Server, seams: ForeignSeams): Pick<Server, 'addService'> => ({
  addService: (definition, handlers) => {
    server.addService(definition, guardedHandlers(definition, handlers, seams));
  },
});

const guardedHandlers = (
  definition: ServiceDefinition,
  handlers: UntypedServiceImplementation,
  seams: ForeignSeams,
): UntypedServiceImplementation =>
  Object.fromEntries(
    Object.entries(definition).map(([name, { path, originalName }]) => {
      const verb = foreignVerbs[path];
      if (verb === undefined) throw new Error(`${path} has no row in the authorisation table: it cannot be served`);
      const handler = handlers[name] ?? handlers[originalName ?? name];
      if (handler === undefined) throw new Error(`${path} has no handler`);
      return [name, verb === 'read-health' ? handler : toAdmitted(handler, path, verb, seams)];
    }),
  );

/** What calls of both shapes of handlers there have, `(call, answer)` and `(call)`. */
type LooseCall = Parameters<typeof originOf>[0] & {
  readonly emit: (event: 'error', error: unknown) => unknown;
  readonly on: (event: 'data', hear: () => void) => unknown;
  readonly once: (event: 'close' | 'cancelled' | 'finish', hear: () => void) => unknown;
};

function toAdmitted(handler: UntypedHandleCall, path: string, verb: Verb, seams: ForeignSeams): UntypedHandleCall {
  const serve = handler as (call: unknown, answer?: unknown) => void;
  const admitted = (call: LooseCall, answer?: (error: unknown) => void): void => {
    const over = new AbortController();
    const fail = (error: unknown): void => {
      // Said once: a call that is over has had its status.
      if (over.signal.aborted) return;
      over.abort();
      const refused = refuse(error, (bug) => {
        seams.log.error({ method: path, err: bug }, 'a call failed by a fault of ours');
      });
      if (answer === undefined) call.emit('error', refused);
      else answer(refused);
    };
    for (const event of ['close', 'cancelled', 'finish'] as const) {
      call.once(event, () => {
        over.abort();
      });
    }
    letIn(call, { verb, seams, over: over.signal, fail }).then(() => {
      serve(call, answer);
      if (answer === undefined) endSilence(call, { seams, over: over.signal, fail });
    }, fail);
  };
  return admitted;
}

type Ends = {
  readonly seams: ForeignSeams;
  readonly over: AbortSignal;
  readonly fail: (error: unknown) => void;
};

/** Admitted until the call is over, or the caller's credentials are. */
const letIn = async (call: LooseCall, { verb, seams, over, fail }: Ends & { readonly verb: Verb }): Promise<void> => {
  const { admission } = seams;
  const origin = originOf(call);
  const known = await admission.known(verb, origin);
  const admitted = await admission.admit(verb, known, origin, { targets: [], object: '', reason: '' });
  const cut = (): void => {
    fail(credentialsEnded(known.until));
  };
  const leave = (): void => {
    known.until.removeEventListener('abort', cut);
    admitted.ended(null);
  };
  if (over.aborted) {
    leave();
    return;
  }
  over.addEventListener('abort', leave, { once: true });
  known.until.addEventListener('abort', cut, { once: true });
};

/** Half a message is silence too: the handler would wait for the other half for ever. */
const endSilence = (call: LooseCall, { seams: { clock, silenceMs }, over, fail }: Ends): void => {
  let heardMs = clock.monotonicMs();
  call.on('data', () => {
    heardMs = clock.monotonicMs();
  });
  const listen = async (): Promise<void> => {
    for (;;) {
      const leftMs = heardMs + silenceMs - clock.monotonicMs();
      if (leftMs <= 0 || over.aborted) break;
      await clock.sleep(leftMs, over);
    }
    fail(tooSilent(silenceMs));
  };
  void listen();
};

const tooSilent = (silenceMs: number): Refusal =>
  new Refusal(
    'LIMIT_REACHED',
    'REQUEST_TOO_SLOW',
    `Nothing whole came on this stream for ${silenceMs / 1000} s, so it is ended. Open another when there is something to ask.`,
  );
