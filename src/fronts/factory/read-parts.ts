/** The parts of a multipart form, read as they come and handed on in their order: what is large goes to disk. */
import type { IncomingMessage } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { MIMEType } from 'node:util';
import { Dicer } from '@fastify/busboy';
import type { Depot } from '../../uploads/depot.ts';
import type { Received, Receiving } from '../../uploads/received.ts';
import { piecesOf } from './pieces.ts';

export type Part = { readonly name: string; readonly received: Received };

export type PartsRead =
  | { readonly kind: 'read' }
  | { readonly kind: 'malformed'; readonly why: string }
  /** Its client has left in the middle of it. */
  | { readonly kind: 'gone' };

/** @see partNameOf for `name`. */
type Arriving = { readonly receiving: Receiving; name: string | null; isWhole: boolean };

/**
 * Whether a part is a file or a field makes no difference. A part that is none of a form makes it malformed: nobody would
 * hear that it was left out.
 * @param onPart hears of each part that is whole, one after the other; it discards what it was given.
 * @throws what `onPart` throws; errors of the disk.
 */
export const readParts = async (
  request: IncomingMessage,
  depot: Pick<Depot, 'receive'>,
  { partsMax, onPart }: { readonly partsMax: number; readonly onPart: (part: Part) => Promise<void> },
): Promise<PartsRead> => {
  const form = openForm(request.headers['content-type'] ?? '', depot, partsMax);
  if (form === null) return { kind: 'malformed', why: 'it has no boundary, or one that is too long' };
  const { arriving, wrong } = form;
  const handOn = async (): Promise<void> => {
    for (const { receiving } of arriving) await receiving.drain();
    for (let first = arriving[0]; first?.isWhole === true; first = arriving[0]) {
      const received = await first.receiving.end();
      arriving.shift();
      await onPart({ name: first.name ?? '', received });
    }
  };
  try {
    for await (const piece of piecesOf(request)) {
      await form.write(piece);
      if (wrong[0] !== undefined) return { kind: 'malformed', why: wrong[0] };
      await handOn();
    }
    if (!request.complete) return { kind: 'gone' };
    await form.end();
    if (wrong[0] !== undefined) return { kind: 'malformed', why: wrong[0] };
    await handOn();
    return { kind: 'read' };
  } catch (error) {
    if (request.destroyed && !request.complete) return { kind: 'gone' };
    throw error;
  } finally {
    // Who is answered before the end sends all the same before it listens.
    if (!request.complete) request.resume();
    await Promise.allSettled(arriving.map(({ receiving }) => receiving.discard()));
  }
};

type Form = {
  /** In the order in which they came. */
  readonly arriving: Arriving[];
  /** What is wrong with the form, in words, the first first. */
  readonly wrong: readonly string[];
  readonly write: (piece: Buffer) => Promise<void>;
  /** Resolves when each part is whole, or something is wrong. */
  readonly end: () => Promise<void>;
};

/** Null: the header names no boundary that can be one. */
const openForm = (contentType: string, depot: Pick<Depot, 'receive'>, partsMax: number): Form | null => {
  const dicer = openDicer(contentType);
  if (dicer === null) return null;
  const arriving: Arriving[] = [];
  const wrong: string[] = [];
  let isFinished = false;
  let parts = 0;
  dicer.once('finish', () => (isFinished = true));
  dicer.on('error', (error) => {
    wrong.push(error.message);
  });
  dicer.on('trailer', (rest) => {
    if (!isBlank(rest)) wrong.push(TRAILER);
  });
  dicer.on('part', (part) => {
    // The form as a whole says it, too.
    part.on('error', () => undefined);
    parts += 1;
    if (parts > partsMax) {
      wrong.push(`it has more than ${partsMax} parts`);
      part.resume();
      return;
    }
    const arrived: Arriving = { receiving: depot.receive(), name: null, isWhole: false };
    arriving.push(arrived);
    part.on('header', (header) => {
      arrived.name = partNameOf(header);
      if (!isAsItIs(header)) wrong.push(ENCODED);
    });
    part.on('data', (piece: Buffer) => {
      arrived.receiving.write(piece);
    });
    part.on('end', () => {
      arrived.isWhole = true;
      if (arrived.name === null) wrong.push(NO_NAME);
    });
  });
  return {
    arriving,
    wrong,
    write: async (piece) => {
      if (isFinished && !isBlank(piece)) wrong.push(TRAILER);
      let isTaken = false;
      try {
        dicer.write(piece, () => (isTaken = true));
      } catch {
        // Headers that are called like what every object has, such as `constructor`.
        wrong.push(UNREADABLE);
      }
      if (!(await comesTrue(() => isTaken || wrong.length > 0))) wrong.push(UNREADABLE);
    },
    end: async () => {
      dicer.end();
      const isOver = (): boolean => isFinished && arriving.every(({ isWhole }) => isWhole);
      if (!(await comesTrue(() => isOver() || wrong.length > 0))) wrong.push(UNREADABLE);
    },
  };
};

/** The end of a line, and of another. */
const isBlank = (bytes: Buffer): boolean => /^\s*$/.test(bytes.toString('latin1'));

const UNREADABLE = 'it is not as RFC 7578 says';
const NO_NAME =
  'a part of it has no name. Each begins with the header `Content-Disposition: form-data; name="…"`, and an empty line ends its headers';

const TRAILER = 'something stands behind its end';
const ENCODED = 'a part of it has a Content-Transfer-Encoding. Send it as it is';

const HEADER_BYTES_MAX = 16 * 1024;
const HEADERS_MAX = 100;

const openDicer = (contentType: string): Dicer | null => {
  const boundary = mimeOf(contentType)?.params.get('boundary') ?? '';
  if (boundary === '') return null;
  const config = {
    boundary,
    maxHeaderPairs: HEADERS_MAX,
    maxHeaderSize: HEADER_BYTES_MAX,
    // A part that is full stops the parser, which does not go on where the form ends in the same piece; `drain` is what waits.
    partHwm: Number.MAX_SAFE_INTEGER,
  };
  try {
    return new Dicer(config);
  } catch {
    return null;
  }
};

/** Null: it is no part of a form, or has no name that can be read. */
const partNameOf = (header: object): string | null => {
  // Some escape a backslash, some do not.
  const said = headerOf(header, 'content-disposition').replaceAll(/\\(?!["\\])/g, '\\\\');
  const disposition = mimeOf(`form/${said}`);
  if (disposition?.subtype !== 'form-data') return null;
  const extended = /^utf-8'[^']*'(.*)$/is.exec(disposition.params.get('name*') ?? '');
  const plain = disposition.params.get('name');
  if (plain !== null && plain.length > NAME_BYTES_MAX) return null;
  try {
    return extended === null ? plain && plainName(plain) : decodeURIComponent(extended[1] ?? '');
  } catch {
    return null;
  }
};

/** Longer headers are cut off without a word. */
const NAME_BYTES_MAX = HEADER_BYTES_MAX / 2;

/** The bytes of a header are read as Latin-1, and mean UTF-8. Browsers and Python's urllib3 write these as URLs do. */
const plainName = (name: string): string =>
  utf8.decode(Buffer.from(name, 'latin1')).replaceAll(/%(?:22|0d|0a)/gi, decodeURIComponent);
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Nobody undoes what a part was wrapped in. */
const isAsItIs = (header: object): boolean =>
  /^(?:|7bit|8bit|binary)$/i.test(headerOf(header, 'content-transfer-encoding'));

/** The first of that name; empty: there is none. */
const headerOf = (header: object, name: string): string => {
  const said: unknown = Reflect.get(header, name);
  return Array.isArray(said) ? String(said[0]).trim() : '';
};

/** A header's word with its parameters; null: it has not that form. */
const mimeOf = (text: string): MIMEType | null => {
  try {
    return new MIMEType(text);
  } catch {
    return null;
  }
};

/**
 * The parser works in memory and within a turn of the event loop or two; what it has not said after so many more, it
 * never says.
 */
const TURNS_MAX = 10;

const comesTrue = async (isTrue: () => boolean): Promise<boolean> => {
  for (let turn = 0; turn < TURNS_MAX && !isTrue(); turn += 1) await setImmediate();
  return isTrue();
};
