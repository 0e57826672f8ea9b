/** Who calls, and what they may be: the result of looking at credentials, whatever kind they were. */

/**
 * What a person or a program may do within an instance. Each of the first four may do all that those before it may.
 * `bot` is a machine under one bot_id; `bridge` is a partner's program that reconciles what its shopfloor was told.
 */
export type Role = 'viewer' | 'submitter' | 'operator' | 'admin' | 'bot' | 'bridge';

export const ROLES: readonly Role[] = ['viewer', 'submitter', 'operator', 'admin', 'bot', 'bridge'];

/** A bot_id within its instance. */
export type BotIdentity = { readonly instance: string; readonly botId: string };

/** Stands for every instance of the farm in a grant. */
export const EVERY_INSTANCE = '*';

export type Grant = { readonly instance: string; readonly role: Role };

export type Principal =
  /** Credentials are asked of nobody: a farm on loopback, or one that was opened on purpose. Whoever calls may do all. */
  | { readonly kind: 'open' }
  /** Credentials are asked for, and none were shown. */
  | { readonly kind: 'nobody' }
  /** A bot, by its certificate or its token. */
  | { readonly kind: 'bot'; readonly name: string; readonly bot: BotIdentity }
  /** A person or a program, by a token that an identity provider signed. */
  | { readonly kind: 'member'; readonly name: string; readonly grants: readonly Grant[] };

/** Whoever it is that shows nothing. */
export const NOBODY: Principal = { kind: 'nobody' };

/** As the audit and the logs name it; nothing secret is part of it. */
export const principalName = (principal: Principal): string => {
  switch (principal.kind) {
    case 'open':
      return 'anybody';
    case 'nobody':
      return 'nobody';
    case 'bot':
    case 'member':
      return principal.name;
  }
};

/** The bot that calls; null: whoever it is may speak for any, or is none. */
export const callingBot = (principal: Principal): BotIdentity | null =>
  principal.kind === 'bot' ? principal.bot : null;

/** Instances and bot ids may hold any character but U+0000: quoted where they would be misread. */
export const botName = ({ instance, botId }: BotIdentity): string => `bot:${part(instance)}/${part(botId)}`;
const part = (name: string): string => (/^[\w.-]+$/.test(name) ? name : JSON.stringify(name));
