/** `stationgrid whoami`. */
import { IdentityService, WhoAmIRequest, WhoAmIResponse } from '../gen/stationgrid/v1/identity.ts';
import { type FarmOptions, withFarm } from './connect.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { type Cell, printFacts, printJson } from './print.ts';
import type { Terminal } from './terminal.ts';

export const whoAmI = (terminal: Terminal, options: FarmOptions): Promise<ExitCode> =>
  withFarm(options, async ({ ask }) => {
    const who = await ask(IdentityService.whoAmI, WhoAmIRequest.create());
    if (options.output === 'json') printJson(terminal, WhoAmIResponse.toJSON(who));
    else printFacts(terminal, factsOf(who));
    return EXIT.ok;
  });

const factsOf = ({ name, kind, bot, grants }: WhoAmIResponse): readonly (readonly [string, Cell])[] => [
  ['Name', name],
  ['Kind', kind === 'open' ? 'open: this farm asks nobody for credentials, so anybody may do all' : kind],
  ...(bot === undefined
    ? []
    : ([
        ['Instance', bot.instance === '' ? '""' : bot.instance],
        ['Bot', bot.botId],
      ] as const)),
  ...(kind === 'member' ? ([['Roles', rolesText(grants)]] as const) : []),
];

const rolesText = (grants: WhoAmIResponse['grants']): string =>
  grants.length === 0 ? 'none' : grants.map(({ instance, role }) => `${instance}:${role}`).join(' ');
