/** Text on its way to the farm: bounded, and without U+0000, which no database takes. */

const ZERO = /\0/g;

/** The beginning of the text, at most so many bytes of UTF-8. */
export function headOf(text: string, bytesMax: number): string {
  const clean = text.replace(ZERO, '\uFFFD');
  if (Buffer.byteLength(clean) <= bytesMax) return clean;
  // A character cut in two decodes to U+FFFD, three bytes long: leave room for it by dropping it.
  return Buffer.from(clean)
    .subarray(0, bytesMax)
    .toString()
    .replace(/\uFFFD+$/, '');
}

/** Keeps the last lines it was given. */
export type LogTail = { readonly add: (line: string) => void; readonly text: () => string };

export function createLogTail({ bytesMax, lineBytesMax }: { bytesMax: number; lineBytesMax: number }): LogTail {
  const lines: string[] = [];
  let bytes = 0;
  return {
    add: (line) => {
      const kept = headOf(line, Math.min(lineBytesMax, bytesMax - 1));
      lines.push(kept);
      bytes += Buffer.byteLength(kept) + 1;
      while (bytes > bytesMax) bytes -= Buffer.byteLength(lines.shift() ?? '') + 1;
    },
    text: () => (lines.length === 0 ? '' : `${lines.join('\n')}\n`),
  };
}
