/** Who may do what: one table for all doors. A door maps each of its methods to a verb; a verb without a row does not compile. */
import { type BotIdentity, EVERY_INSTANCE, type Grant, type Principal, type Role } from './principal.ts';

/** What can be asked of the farm, named as the use-cases are. */
export type Verb =
  | 'create-bot-session'
  | 'update-bot-session'
  | 'post-bot-event'
  | 'report-test-results'
  | 'enqueue-job'
  | 'get-job'
  | 'list-jobs'
  | 'watch-job'
  | 'watch-events'
  | 'explain-job'
  | 'cancel-job'
  | 'retry-gate'
  | 'override-gate'
  | 'list-test-results'
  | 'annotate-results'
  | 'create-reservation'
  | 'get-reservation'
  | 'cancel-reservation'
  | 'list-bots'
  | 'get-bot'
  | 'quarantine-bot'
  | 'release-bot'
  | 'list-drains'
  | 'drain-bots'
  | 'undrain-bots'
  | 'get-device'
  | 'release-device'
  | 'get-unit'
  | 'check-station'
  | 'list-calls'
  | 'list-lanes'
  | 'retry-call'
  | 'skip-call'
  | 'resume-bridge'
  | 'list-reconciliation'
  | 'create-bot-token'
  | 'rotate-bot-token'
  | 'revoke-bot-token'
  | 'list-bot-tokens'
  | 'scale-bots'
  | 'list-parameters'
  | 'get-parameter'
  | 'upload-parameter'
  | 'activate-parameter'
  | 'roll-back-parameter'
  | 'who-am-i'
  | 'read-metrics'
  | 'read-schema'
  | 'read-health'
  | 'read-factory'
  | 'keep-upload'
  | 'take-testlog'
  | 'list-quarantined-events'
  | 'take-shopfloor-call';

export type Rule = {
  /**
   * `instance`: a role in the instance asked of; a bot has the role `bot` in its own. `own bot`: the bot that the request speaks for must be the caller.
   * `any instance`: the role in whichever instance; nothing of an instance is shown. `known`: whoever has credentials.
   * `anybody`: asked of nobody.
   */
  readonly of: 'instance' | 'own bot' | 'any instance' | 'known' | 'anybody';
  readonly roles: readonly Role[];
  /** What people and tokens change is written to the audit before it is done. Lease traffic is in the farm events. */
  readonly audited: boolean;
};

const ADMINS: readonly Role[] = ['admin'];
const OPERATORS: readonly Role[] = ['operator', ...ADMINS];
const SUBMITTERS: readonly Role[] = ['submitter', ...OPERATORS];
const VIEWERS: readonly Role[] = ['viewer', ...SUBMITTERS];
/** What the shopfloor was told concerns the partner's own program too. */
const RECONCILERS: readonly Role[] = ['bridge', ...VIEWERS];

const read: Rule = { of: 'instance', roles: VIEWERS, audited: false };
const reconcile: Rule = { of: 'instance', roles: RECONCILERS, audited: false };
const submit: Rule = { of: 'instance', roles: SUBMITTERS, audited: false };
/** Whoever may enqueue may take back; that it was taken back is on record. */
const takeBack: Rule = { of: 'instance', roles: SUBMITTERS, audited: true };
const operate: Rule = { of: 'instance', roles: OPERATORS, audited: true };
const administer: Rule = { of: 'instance', roles: ADMINS, audited: true };
const work: Rule = { of: 'own bot', roles: ['bot'], audited: false };

/** No verb edits a test result, so no role may. Operators may put a note beside it. */
export const rules: Readonly<Record<Verb, Rule>> = {
  'create-bot-session': work,
  'update-bot-session': work,
  'post-bot-event': work,
  'report-test-results': work,
  'enqueue-job': submit,
  'get-job': read,
  'list-jobs': read,
  'watch-job': read,
  'watch-events': read,
  'explain-job': read,
  'cancel-job': takeBack,
  'retry-gate': operate,
  'override-gate': operate,
  'list-test-results': reconcile,
  'annotate-results': operate,
  'create-reservation': submit,
  'get-reservation': read,
  'cancel-reservation': takeBack,
  'list-quarantined-events': read,
  'list-bots': read,
  'get-bot': read,
  'quarantine-bot': operate,
  'release-bot': operate,
  'list-drains': read,
  'drain-bots': operate,
  'undrain-bots': operate,
  'get-device': reconcile,
  'release-device': operate,
  'get-unit': read,
  'check-station': read,
  'list-calls': reconcile,
  'list-lanes': reconcile,
  'retry-call': operate,
  'skip-call': operate,
  // More than an operator's word: what was lost may have been told to the partner already.
  'resume-bridge': administer,
  'list-reconciliation': reconcile,
  'create-bot-token': administer,
  'rotate-bot-token': administer,
  'revoke-bot-token': administer,
  'list-bot-tokens': { of: 'instance', roles: ADMINS, audited: false },
  // KEDA shows a certificate or nothing, and certificates name bots: a bot may ask of its own instance.
  'scale-bots': { of: 'instance', roles: [...VIEWERS, 'bot'], audited: false },
  'list-parameters': read,
  'get-parameter': read,
  'upload-parameter': operate,
  'activate-parameter': operate,
  'roll-back-parameter': operate,
  'who-am-i': { of: 'known', roles: [], audited: false },
  // Its labels name instances and stations, so it is not for everybody; the door for operations is without credentials.
  'read-metrics': { of: 'any instance', roles: VIEWERS, audited: false },
  'read-schema': { of: 'known', roles: [], audited: false },
  'read-health': { of: 'anybody', roles: [], audited: false },
  // At the factory door: DUTs have no credentials that they could show (SECURITY.md).
  'read-factory': { of: 'anybody', roles: [], audited: false },
  'keep-upload': { of: 'anybody', roles: [], audited: false },
  'take-testlog': { of: 'anybody', roles: [], audited: false },
  'take-shopfloor-call': { of: 'anybody', roles: [], audited: false },
};

/** What a request is about: the instance; for work also the bot it speaks for, null where the request names none. */
export type Target = { readonly instance: string; readonly botId: string | null };

export type Decision =
  | { readonly kind: 'allowed' }
  /** No credentials, or none that hold. */
  | { readonly kind: 'unknown caller' }
  /** Known, but not for this. `needed` are the roles that would do. */
  | { readonly kind: 'forbidden'; readonly needed: readonly Role[]; readonly instance: string }
  /** Another bot's session: to be answered as one that is not there. */
  | { readonly kind: 'not yours' };

const ALLOWED: Decision = { kind: 'allowed' };

/** All targets must be allowed; the first that is not decides. Who names none must hold a role that would do somewhere. */
export const authorise = (principal: Principal, verb: Verb, targets: readonly Target[]): Decision => {
  const rule = rules[verb];
  if (principal.kind === 'open' || rule.of === 'anybody') return ALLOWED;
  if (principal.kind === 'nobody') return { kind: 'unknown caller' };
  if (rule.of === 'known') return ALLOWED;
  if (rule.of === 'any instance' || targets.length === 0)
    return heldAnywhere(principal, rule) ? ALLOWED : forbidden(rule, EVERY_INSTANCE);
  const judged = targets.map((target) =>
    rule.of === 'own bot' ? judgeBot(principal, verb, target) : judgeMember(principal, rule, target),
  );
  return judged.find(({ kind }) => kind !== 'allowed') ?? ALLOWED;
};

const forbidden = ({ roles }: Rule, instance: string): Decision => ({ kind: 'forbidden', needed: roles, instance });

type Known = Exclude<Principal, { kind: 'open' } | { kind: 'nobody' }>;

const heldAnywhere = (principal: Known, { roles }: Rule): boolean =>
  principal.kind === 'member' && principal.grants.some(({ role }) => roles.includes(role));

const judgeMember = (principal: Known, rule: Rule, { instance }: Target): Decision =>
  grantsOf(principal).some(
    (grant) => (grant.instance === instance || grant.instance === EVERY_INSTANCE) && rule.roles.includes(grant.role),
  )
    ? ALLOWED
    : forbidden(rule, instance);

/** A bot is one in its own instance. */
const grantsOf = (principal: Known): readonly Grant[] =>
  principal.kind === 'member' ? principal.grants : [{ instance: principal.bot.instance, role: 'bot' }];

/** A new session under a name that is not its own is forbidden; a session that is not its own is not there. */
const judgeBot = (principal: Known, verb: Verb, target: Target): Decision => {
  if (principal.kind !== 'bot') return forbidden(rules[verb], target.instance);
  if (isOwn(principal.bot, target)) return ALLOWED;
  return verb === 'create-bot-session' ? forbidden(rules[verb], target.instance) : { kind: 'not yours' };
};

const isOwn = (bot: BotIdentity, { instance, botId }: Target): boolean =>
  bot.instance === instance && (botId === null || botId === bot.botId);
