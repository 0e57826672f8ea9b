/** A tar of a few small files (POSIX ustar), uncompressed, as GetParameters returns it. */
const BLOCK = 512;
const NAME_BYTES_MAX = 100;

export type TarFile = { readonly name: string; readonly content: Uint8Array };

/** Times are left at 0: the same files make the same bytes. */
export const tarOf = (files: readonly TarFile[]): Uint8Array =>
  Buffer.concat([...files.flatMap(entryOf), Buffer.alloc(2 * BLOCK)]);

const entryOf = ({ name, content }: TarFile): readonly Uint8Array[] => {
  const long = Buffer.byteLength(name) > NAME_BYTES_MAX ? longName(name) : [];
  return [...long, header(name, content.length, '0'), content, padding(content.length)];
};

/** As GNU tar writes a name that does not fit the header, and as everybody reads it. */
const longName = (name: string): readonly Uint8Array[] => {
  const text = Buffer.from(`${name}\0`);
  return [header('././@LongLink', text.length, 'L'), text, padding(text.length)];
};

const padding = (bytes: number): Uint8Array => Buffer.alloc((BLOCK - (bytes % BLOCK)) % BLOCK);

const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`;

const header = (name: string, bytes: number, type: '0' | 'L'): Uint8Array => {
  const block = Buffer.alloc(BLOCK);
  block.write(name.slice(0, NAME_BYTES_MAX), 0, NAME_BYTES_MAX, 'utf8');
  block.write(octal(0o644, 8), 100);
  block.write(octal(0, 8), 108);
  block.write(octal(0, 8), 116);
  block.write(octal(bytes, 12), 124);
  block.write(octal(0, 12), 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((all, byte) => all + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
};
