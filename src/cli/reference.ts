/** docs/reference/cli.md, told by the grammar itself. */
import type { Command } from 'commander';
import { exitMeanings } from './exit-codes.ts';

const preface = `# The command \`stationgrid\`

<!-- Written by \`stationgrid reference > docs/reference/cli.md\` from src/cli/grammar/. Do not edit. -->

From a clone: \`npx stationgrid …\`, once \`npm run set-up\` has run. Answers go to standard output, everything else to
standard error. Tables are for people: times are local, control characters are shown as spaces. \`-o json\` is for
programs: one JSON value, a list as an array; \`job watch\` writes one a line for each event. Messages are in protobuf's
JSON form: field names as in \`protos/stationgrid/v1\` in camel case, a field that is absent has its default, times in
RFC 3339, durations in seconds (\`1.5s\`), 64-bit numbers as text.

An error is one line of what happened and why, and one of what to do. Durations on the command line are \`250ms\`, \`90s\`
(or \`90\`), \`5min\`, \`2h\`, \`7d\`.

## Exit codes
`;

/** Groups show their commands, so that their own help would say it twice. */
const leavesOf = (command: Command): readonly Command[] =>
  command.commands.length === 0
    ? [command]
    : command.commands.filter((inner) => inner.name() !== 'help').flatMap((inner) => leavesOf(inner));

const pathOf = (command: Command): string =>
  command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;

const section = (command: Command): string => {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  return `## ${pathOf(command)}\n\n\`\`\`text\n${help.trimEnd()}\n\`\`\`\n`;
};

/** The whole page, as Markdown. */
export const cliReference = (program: Command): string => {
  const codes = exitMeanings.map(([code, meaning]) => `- \`${String(code)}\`: ${meaning}`).join('\n');
  return [preface, `${codes}\n`, ...leavesOf(program).map(section)].join('\n');
};
