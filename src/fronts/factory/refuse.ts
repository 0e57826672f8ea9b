/**
 * What goes wrong, as DUT software takes it. A fault is final to it: a wipe stops at one, and people are called. So whatever
 * may pass by itself is no fault but a status of HTTP, after which it comes again.
 */
import { Refusal, type RefusalKind } from '../../core/refusal.ts';
import { outageRefusal } from '../../farm/outage.ts';
import { diskRefusal } from '../../uploads/disk.ts';
import { encodeFault } from '../../wire/xml-rpc.ts';

/** What a call is answered with. `later`: nothing was done, and the same may be sent again. */
export type Said =
  | { readonly kind: 'answer'; readonly body: string }
  | { readonly kind: 'fault'; readonly body: string }
  | { readonly kind: 'later'; readonly words: string; readonly retryMs: number };

/** As the original numbers them. */
export const FAULT = { unreadable: 8002, noSuchMethod: -32601, failed: -32500 } as const;

const RETRY_MS = 5_000;

/** The original's words end with the name of a Python error and the reason, which the DUT shows first. */
const asFault: Readonly<Record<RefusalKind, string | null>> = {
  INVALID: 'ValueError',
  NOT_FOUND: 'ValueError',
  ALREADY_EXISTS: 'ValueError',
  WRONG_STATE: 'RuntimeError',
  LIMIT_REACHED: null,
  SESSION_UNKNOWN: 'RuntimeError',
  SESSION_CLOSED: 'RuntimeError',
  UNAVAILABLE: null,
  NOT_OFFERED: 'NotImplementedError',
  UNAUTHENTICATED: 'PermissionError',
  FORBIDDEN: 'PermissionError',
};

/** @param onBug hears of what is neither a refusal nor an outage. */
export const saidOf = (error: unknown, onBug: (error: unknown) => void): Said => {
  const refusal = error instanceof Refusal ? error : (diskRefusal(error) ?? outageRefusal(error));
  if (refusal === null) {
    onBug(error);
    return { kind: 'later', words: 'internal error', retryMs: RETRY_MS };
  }
  const name = refusal.reason === WRONG_TYPE ? 'TypeError' : asFault[refusal.kind];
  if (name === null) return { kind: 'later', words: refusal.message, retryMs: refusal.retryMs ?? RETRY_MS };
  return fault(FAULT.failed, `${name}: ${refusal.message}`);
};

/** The reason of a refusal for an argument of another type, or for too many of them. */
export const WRONG_TYPE = 'ARGUMENT_TYPE';

export const fault = (code: number, words: string): Said => ({ kind: 'fault', body: encodeFault(code, words) });
