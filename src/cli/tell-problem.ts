/** What a check has found wrong, why it matters, and how to mend it: the same form for every command that checks something. */
import type { Terminal } from './terminal.ts';

type Checked = { readonly id: string; readonly what: string; readonly why: string; readonly mend: string };

export const tellProblem = (terminal: Pick<Terminal, 'print'>, check: Checked, saw: string): void => {
  terminal.print('');
  terminal.print(`${check.id}: ${check.what}`);
  terminal.print(`  Saw:   ${printable(saw)}`);
  terminal.print(`  Why:   ${check.why}`);
  terminal.print(`  Mend:  ${check.mend}`);
};

/** Words of partners and proxies must not move the cursor. */
const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ');
