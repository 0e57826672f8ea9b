/**
 * Whether a call may begin: who calls, what it asks for, how often; and that it is on record where the table says so.
 * One for all doors, so that none of them can forget a part of it.
 */
import type { AuditEntry } from '../core/audit-chain.ts';
import { authorise, type Decision, rules, type Target, type Verb } from '../core/authorisation.ts';
import { EVERY_INSTANCE, NOBODY, type Principal, principalName } from '../core/principal.ts';
import { Refusal } from '../core/refusal.ts';
import { storableText } from '../core/text.ts';
import type { Audit } from './audit.ts';
import type { FarmSeams } from './farm.ts';
import { unknownSession } from './session-refusals.ts';
import type { Credentials, Identify, Known } from './identify.ts';
import { createTurnstile } from './turnstile.ts';

/** Where a call comes from, and what it says of itself. */
export type Origin = {
  readonly credentials: Credentials;
  /** `address:port`; for people, never a reason to trust it. */
  readonly peer: string;
  /** As the caller or its proxy gave it; null: it gets one if it is to be named. */
  readonly requestId: string | null;
};

/** What a call is about. */
export type Matter = {
  readonly targets: readonly Target[];
  /** In words for the audit, such as `job 17`; where a bot works, the name of its session. */
  readonly object: string;
  /** Why, as the caller says; empty: it does not. */
  readonly reason: string;
};

export type Admitted = {
  /** To be told once, when nothing of the call goes on: with what it failed with, or null. */
  readonly ended: (error: unknown) => void;
};

export type Admission = {
  /** Who calls. @throws Refusal UNAUTHENTICATED: nobody that may be told anything; UNAVAILABLE. */
  readonly known: (verb: Verb, origin: Origin) => Promise<Known>;
  /** @throws Refusal FORBIDDEN, SESSION_UNKNOWN, LIMIT_REACHED, UNAVAILABLE. */
  readonly admit: (verb: Verb, known: Known, origin: Origin, matter: Matter) => Promise<Admitted>;
};

export type AdmissionParts = {
  readonly identify: Identify;
  readonly audit: Audit;
};

const NOTHING: Matter = { targets: [], object: '', reason: '' };

export const createAdmission = (
  farm: Pick<FarmSeams, 'clock' | 'limits' | 'newId'>,
  { identify, audit }: AdmissionParts,
): Admission => {
  const turnstile = createTurnstile(farm.clock, farm.limits.principals);
  const anybody: Known = { principal: NOBODY, until: new AbortController().signal };

  const entryOf = (verb: Verb, principal: Principal, { peer, requestId }: Origin, matter: Matter): AuditEntry => {
    const { nameBytesMax, reasonBytesMax } = farm.limits.text;
    return {
      principal: principalName(principal),
      peer,
      verb,
      instance: storableText(matter.targets[0]?.instance ?? '', nameBytesMax),
      object: storableText(matter.object, nameBytesMax),
      reason: storableText(matter.reason, reasonBytesMax),
      requestId: storableText(requestId ?? farm.newId(), nameBytesMax),
    };
  };

  return {
    known: async (verb, origin) => {
      if (rules[verb].of === 'anybody') return anybody;
      const known = await identify(origin.credentials).catch((error: unknown) => {
        if (error instanceof Refusal && error.kind === 'UNAUTHENTICATED')
          audit.denied(entryOf(verb, NOBODY, origin, NOTHING), error.reason);
        throw error;
      });
      if (known.principal.kind !== 'nobody') return known;
      const refusal = noCredentials();
      audit.denied(entryOf(verb, NOBODY, origin, NOTHING), refusal.reason);
      throw refusal;
    },
    admit: async (verb, { principal }, origin, matter) => {
      const leave = turnstile.enter(principal);
      try {
        const refusal = refusalOf(authorise(principal, verb, matter.targets), principal, verb, matter);
        if (refusal !== null) {
          audit.denied(entryOf(verb, principal, origin, matter), refusal.reason);
          throw refusal;
        }
        const record = rules[verb].audited ? await audit.asked(entryOf(verb, principal, origin, matter)) : null;
        return {
          ended: (error) => {
            leave();
            record?.(outcomeOf(error));
          },
        };
      } catch (error) {
        leave();
        throw error;
      }
    },
  };
};

const outcomeOf = (error: unknown): string => {
  if (error === null) return 'done';
  return error instanceof Refusal ? error.reason : 'failed';
};

const refusalOf = (decision: Decision, principal: Principal, verb: Verb, { object }: Matter): Refusal | null => {
  switch (decision.kind) {
    case 'allowed':
      return null;
    case 'unknown caller':
      return noCredentials();
    case 'not yours':
      return unknownSession(object);
    case 'forbidden':
      return forbidden(decision, principal, verb);
  }
};

const noCredentials = (): Refusal =>
  new Refusal(
    'UNAUTHENTICATED',
    'NO_CREDENTIALS',
    'This farm asks who calls, and the call showed nothing. Send a token as "authorization: Bearer …", or, as a bot, ' +
      "a client certificate of the farm's.",
  );

const forbidden = (
  { needed, instance }: Extract<Decision, { kind: 'forbidden' }>,
  principal: Principal,
  verb: Verb,
): Refusal => {
  const metadata = { verb, instance, roles: needed.join(',') };
  const name = principalName(principal);
  if (principal.kind === 'bot' && needed.includes('bot')) {
    const { instance: own, botId } = principal.bot;
    const words = `${name} may speak only as ${JSON.stringify(botId)} in instance ${JSON.stringify(own)}. Give the bot the credentials that were made for it.`;
    return new Refusal('FORBIDDEN', 'NOT_THIS_BOT', words, metadata);
  }
  const words = `${name} may not do ${verb} ${whereOf(instance)}: that takes the role ${listed(needed)}. Whoever issues its credentials can give it one.`;
  return new Refusal('FORBIDDEN', 'ROLE_MISSING', words, metadata);
};

const whereOf = (instance: string): string =>
  instance === EVERY_INSTANCE ? 'in any instance' : `in instance ${JSON.stringify(instance)}`;

const listed = (words: readonly string[]): string => words.join(' or ');

/** For a call that was held while its credentials ended: as whoever ended them says. */
export const credentialsEnded = ({ reason }: AbortSignal): Refusal => (reason instanceof Refusal ? reason : ended());

const ended = (): Refusal =>
  new Refusal(
    'UNAUTHENTICATED',
    'CREDENTIALS_ENDED',
    'The credentials of this call stopped holding while it waited: they were revoked, or have expired. Call again with new ones.',
  );
