/** Who somebody is to the farm: bots' tokens, a farm's own JWTs, whoami. */
import type { Command } from 'commander';
import { lifetime, listed } from '../operands.ts';
import { asksFarm, type Enact, limited } from './enact.ts';

const tokenHelp = `
The token is written to standard output, alone, and is shown this once. With --out it goes into a file that nobody else
may read (mode 0600), which is replaced as a whole: a bot that was given it as --token-file reads it again.
`;

const made = (command: Command): Command =>
  asksFarm(command)
    .argument('<bot>', 'its id')
    .option('--expires <duration>', 'holds this long, 366d at the most (default: 90d)', lifetime)
    .option('--out <file>', 'where the token goes instead of standard output')
    .addHelpText('after', tokenHelp);

export const botTokenGrammar = (bot: Command, enact: Enact): void => {
  const token = bot
    .command('token')
    .description("See to bots' tokens; takes the role admin.")
    // The bot itself answers for its own.
    .helpOption('-h, --help', 'print this help');
  made(token.command('create').description("Make a bot's first token.")).action(
    enact(async () => (await import('../bot-token.ts')).createToken),
  );
  made(token.command('rotate').description('Give a bot a new token; the older one still holds for a while.'))
    .option('--overlap <duration>', 'how long the older one still holds (default: 1d)', lifetime)
    .action(enact(async () => (await import('../bot-token.ts')).rotateToken));
  asksFarm(token.command('revoke').description('End the tokens of a bot, or one of them, everywhere within 5 s.'))
    .argument('[bot]', 'all tokens of this bot')
    .option('--id <id>', 'only this token', '')
    .action(enact(async () => (await import('../bot-token.ts')).revokeTokens));
  limited(asksFarm(token.command('list').description("List bots' tokens; never a secret.")))
    .argument('[bot]', 'only of this bot')
    .option('--valid', 'only those that hold')
    .action(enact(async () => (await import('../bot-token.ts')).listTokens));
};

const jwtHelp = `
For a farm without an identity provider. Whoever has the key can be anybody: keep it off the farm's own machines. The farm
needs the public keys only, as auth.jwt.jwksFile.
`;

export const jwtGrammar = (parent: Command, enact: Enact): void => {
  const jwt = parent.command('jwt').description("Be the farm's own issuer of JWTs for people and programs.");
  jwt
    .command('key')
    .description('Make a signing key, and print its public half as a JWK set.')
    .requiredOption('--out <file>', 'where the key goes; must not exist; nobody else may read it (mode 0600)')
    .addHelpText('after', jwtHelp)
    .action(enact(async () => (await import('../jwt.ts')).makeKey));
  jwt
    .command('sign')
    .description('Sign a JWT, to standard output.')
    .requiredOption('--key <file>', 'the signing key, as `jwt key` made it')
    .requiredOption('--issuer <text>', "the farm's auth.jwt.issuer")
    .requiredOption('--audience <text>', "the farm's auth.jwt.audience")
    .requiredOption('--subject <name>', 'whom the farm shall take the bearer for')
    .option('--role <instance:role>', 'a role in an instance, *:ROLE in every one; repeatable', listed)
    .option('--roles-claim <name>', "the farm's auth.jwt.rolesClaim", 'stationgrid_roles')
    .option('--expires <duration>', 'holds this long (default: 8h)', lifetime)
    .addHelpText('after', jwtHelp)
    .action(enact(async () => (await import('../jwt.ts')).signJwt));
};

export const whoAmIGrammar = (parent: Command, enact: Enact): void => {
  asksFarm(parent.command('whoami').description('Say whom the farm takes you for, and what you may do.')).action(
    enact(async () => (await import('../whoami.ts')).whoAmI),
  );
};
