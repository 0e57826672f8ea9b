/** Where a command is heard: its two streams and its surroundings. main.ts makes it of the process. */
export type Terminal = {
  /** What was asked for; to standard output, a line. */
  readonly print: (line: string) => void;
  /** What a person should know besides; to standard error, a line. */
  readonly say: (line: string) => void;
  /** Standard error, where progress is drawn; null when nobody watches it. */
  readonly progress: NodeJS.WriteStream | null;
  readonly stdin: NodeJS.ReadableStream;
  readonly env: Readonly<Record<string, string | undefined>>;
};

export const processTerminal = ({ stdin, stdout, stderr, env }: NodeJS.Process): Terminal => ({
  print: (line) => stdout.write(`${line}\n`),
  say: (line) => stderr.write(`${line}\n`),
  progress: stderr.isTTY ? stderr : null,
  stdin,
  env,
});
