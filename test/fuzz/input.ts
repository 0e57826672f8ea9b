/** What is thrown at a running thing: bytes, how they are to be sent, and what a person should know of them. */
export type Input = {
  /** In one line, for people. */
  readonly what: string;
  /** How it is sent; each target knows its own keys. */
  readonly head: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

/** As it is kept in a file. */
export type WrittenInput = {
  readonly what: string;
  readonly head: Readonly<Record<string, string>>;
  readonly body: string;
};

export const writtenOf = ({ what, head, body }: Input): WrittenInput => ({ what, head, body: body.toString('base64') });

export const inputOf = ({ what, head, body }: WrittenInput): Input => ({
  what,
  head,
  body: Buffer.from(body, 'base64'),
});

/** What became of an input. */
export type Told = {
  /** The thing said no; then nothing may have been stored. False: it took it, or nobody can say. */
  readonly refused: boolean;
  /** What is wrong with the answer itself; null: it is one of those that may be given. */
  readonly wrong: string | null;
  /** The answer in one line. */
  readonly answer: string;
};

/** In hex, as far as it fits a screen, and as text beside it. */
export const shown = ({ what, head, body }: Input): string => {
  const begins = body.subarray(0, SHOWN_BYTES);
  const rows = Array.from({ length: Math.ceil(begins.length / ROW_BYTES) }, (_, row) => {
    const bytes = begins.subarray(row * ROW_BYTES, (row + 1) * ROW_BYTES);
    const hex = bytes.toString('hex').replaceAll(/(..)/g, '$1 ');
    return `    ${hex.padEnd(ROW_BYTES * 3)} ${bytes.toString('latin1').replaceAll(/[^ -~]/g, '·')}`;
  });
  const more = body.length > SHOWN_BYTES ? [`    … ${String(body.length)} bytes in all`] : [];
  return [`  ${what}`, `  ${JSON.stringify(head)}`, ...rows, ...more].join('\n');
};

const SHOWN_BYTES = 512;
const ROW_BYTES = 24;
