/** `stationgrid bot token …`. */
import {
  BotToken,
  CreateBotTokenRequest,
  IdentityService,
  ListBotTokensRequest,
  NewBotToken,
  RevokeBotTokenRequest,
  RotateBotTokenRequest,
} from '../gen/stationgrid/v1/identity.ts';
import { type FarmOptions, readPages, withFarm } from './connect.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { type Cell, localTime, printFacts, printJson, printTable, sayMore } from './print.ts';
import { openSecretFile } from './secret-file.ts';
import type { Terminal } from './terminal.ts';
import { toDuration } from './to-duration.ts';

/** Durations in milliseconds. */
export type MadeOptions = FarmOptions & { readonly expires?: number; readonly out?: string };

const expiring = ({ expires }: MadeOptions) => (expires === undefined ? {} : { expiresIn: toDuration(expires) });

export const createToken = (terminal: Terminal, botId: string, options: MadeOptions): Promise<ExitCode> =>
  withFarm(options, ({ ask }) =>
    make(terminal, options, () =>
      ask(
        IdentityService.createBotToken,
        CreateBotTokenRequest.create({ instance: options.instance, botId, ...expiring(options) }),
      ),
    ),
  );

export const rotateToken = (
  terminal: Terminal,
  botId: string,
  options: MadeOptions & { readonly overlap?: number },
): Promise<ExitCode> =>
  withFarm(options, ({ ask }) => {
    const { instance, overlap } = options;
    const kept = overlap === undefined ? {} : { overlap: toDuration(overlap) };
    return make(terminal, options, () =>
      ask(
        IdentityService.rotateBotToken,
        RotateBotTokenRequest.create({ instance, botId, ...expiring(options), ...kept }),
      ),
    );
  });

/** The secret goes to standard output alone, so that it can be piped; all else is said beside it. */
const make = async (
  terminal: Terminal,
  { out, output }: MadeOptions,
  ask: () => Promise<NewBotToken>,
): Promise<ExitCode> => {
  const file = out === undefined ? null : openSecretFile(out, 'replaced');
  const made = await ask().catch((error: unknown) => {
    file?.drop();
    throw error;
  });
  const { token, secretText } = made;
  file?.keep(`${secretText}\n`);
  if (file !== null) printToken(terminal, output, token);
  else if (output === 'json') printJson(terminal, NewBotToken.toJSON(made));
  else terminal.print(secretText);
  terminal.say(
    `Token ${token?.id ?? ''} of bot ${token?.botId ?? ''} holds until ${localTime(token?.expireTime)}; ` +
      `it is ${out === undefined ? 'shown' : `in ${out}`}, and nowhere else.`,
  );
  return EXIT.ok;
};

const printToken = (terminal: Terminal, output: FarmOptions['output'], token: BotToken | undefined): void => {
  if (token === undefined) return;
  if (output === 'json') printJson(terminal, BotToken.toJSON(token));
  else printFacts(terminal, tokenFacts(token));
};

const tokenFacts = (token: BotToken): readonly (readonly [string, Cell])[] => [
  ['Token', token.id],
  ['Instance', token.instance],
  ['Bot', token.botId],
  ['Expires', localTime(token.expireTime)],
];

export const revokeTokens = (
  terminal: Terminal,
  botId: string | undefined,
  options: FarmOptions & { readonly id: string },
): Promise<ExitCode> =>
  withFarm(options, async ({ ask }) => {
    const { instance, id: tokenId, output } = options;
    if ((botId === undefined) === (tokenId === ''))
      throw new Failure(EXIT.usage, 'what to revoke is not clear', 'Name a bot, or one token with --id.');
    const request = RevokeBotTokenRequest.create({ instance, tokenId, ...(botId === undefined ? {} : { botId }) });
    const { tokens } = await ask(IdentityService.revokeBotToken, request);
    printTokens(terminal, output, tokens);
    if (tokens.length === 0) terminal.say('None of them held any more.');
    return EXIT.ok;
  });

export const listTokens = (
  terminal: Terminal,
  botId: string | undefined,
  options: FarmOptions & { readonly limit: number; readonly valid?: true },
): Promise<ExitCode> =>
  withFarm(options, async ({ ask }) => {
    const { instance, limit, valid: validOnly = false, output } = options;
    const { entries, hasMore } = await readPages(
      limit,
      (page) =>
        ask(
          IdentityService.listBotTokens,
          ListBotTokensRequest.create({ instance, validOnly, ...(botId === undefined ? {} : { botId }), ...page }),
        ),
      (reply) => reply.tokens,
    );
    printTokens(terminal, output, entries);
    sayMore(terminal, hasMore);
    return EXIT.ok;
  });

const head = ['TOKEN', 'BOT', 'STATE', 'MADE', 'BY', 'EXPIRES', 'REVOKED', 'BY'];

const printTokens = (terminal: Terminal, output: FarmOptions['output'], tokens: readonly BotToken[]): void => {
  if (output === 'json')
    printJson(
      terminal,
      tokens.map((token) => BotToken.toJSON(token)),
    );
  else printTable(terminal, head, tokens.map(tokenRow));
};

const tokenRow = (token: BotToken): readonly Cell[] => [
  token.id,
  token.botId,
  token.state,
  localTime(token.createTime),
  token.createdBy,
  localTime(token.expireTime),
  localTime(token.revokeTime),
  token.revokedBy,
];
