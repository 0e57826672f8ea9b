/** The command `stationgrid`: finds the act that the words name, lets it run, and turns its end into an exit code. */
import { CommanderError } from 'commander';
import { complaintOf } from './complaint.ts';
import { EXIT } from './exit-codes.ts';
import { createProgram } from './program.ts';
import { processTerminal } from './terminal.ts';

const terminal = processTerminal(process);

// `stationgrid job list | head` is no error: the reader has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  throw error;
});

const run = async (words: readonly string[]): Promise<number> => {
  let exitCode: number = EXIT.ok;
  try {
    const program = await createProgram(
      (load) =>
        async (...operands) => {
          const act = await load();
          exitCode = await act(terminal, ...operands);
        },
      words,
    );
    await program.parseAsync(words, { from: 'user' });
    return exitCode;
  } catch (error) {
    // commander has said what it had to say.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const complaint = complaintOf(error);
    complaint.lines.forEach(terminal.say);
    return complaint.exitCode;
  }
};

process.exitCode = await run(process.argv.slice(2));
