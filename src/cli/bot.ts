/** `stationgrid bot`: the words go to the bot's own command line, as if it had been called by its own name. */
import { main } from '../../bot/main.ts';
import type { Terminal } from './terminal.ts';

export const runBot = (_terminal: Terminal, words: readonly string[]): Promise<number> => main(words);
