/** The parts of a multipart form, read as they come and handed on in their order: what is large goes to disk. */
import type { IncomingMessage } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { Busboy } from '@fastify/busboy';
import type { Depot } from '../../uploads/depot.ts';
import type { Received, Receiving } from '../../uploads/received.ts';

export type Part = { readonly name: string; readonly received: Received };

export type PartsRead =
  | { readonly kind: 'read' }
  | { readonly kind: 'malformed'; readonly why: string }
  /** Its client has left in the middle of it. */
  | { readonly kind: 'gone' };

type Arriving = { readonly name: string; readonly receiving: Receiving; isWhole: boolean };

/**
 * Whether a part is a file or a field makes no difference.
 * @param onPart hears of each part that is whole, one after the other; it discards what it was given.
 * @throws what `onPart` throws; errors of the disk.
 */
export const readParts = async (
  request: IncomingMessage,
  depot: Pick<Depot, 'receive'>,
  { partsMax, onPart }: { readonly partsMax: number; readonly onPart: (part: Part) => Promise<void> },
): Promise<PartsRead> => {
  const arriving: Arriving[] = [];
  const form = open(request, partsMax);
  if (form === null) return { kind: 'malformed', why: 'the form has no boundary' };
  const wrong: string[] = [];
  form.on('error', (error) => {
    wrong.push(error instanceof Error ? error.message : String(error));
  });
  form.on('partsLimit', () => {
    wrong.push(`the form has more than ${partsMax} parts`);
  });
  form.on('file', (name: string | undefined, stream) => {
    const part: Arriving = { name: name ?? '', receiving: depot.receive(), isWhole: false };
    arriving.push(part);
    stream.on('data', (piece: Buffer) => {
      part.receiving.write(piece);
    });
    stream.on('end', () => (part.isWhole = true));
    // The form as a whole says it, too.
    stream.on('error', () => undefined);
  });
  const handOn = async (): Promise<void> => {
    for (const { receiving } of arriving) await receiving.drain();
    for (let first = arriving[0]; first?.isWhole === true; first = arriving[0]) {
      const received = await first.receiving.end();
      arriving.shift();
      await onPart({ name: first.name, received });
    }
  };
  try {
    for await (const piece of request.iterator({ destroyOnReturn: false })) {
      await written(form, piece, wrong);
      await handOn();
      if (wrong[0] !== undefined) return { kind: 'malformed', why: wrong[0] };
    }
    if (!request.complete) return { kind: 'gone' };
    await ended(form, wrong);
    await handOn();
    return wrong[0] === undefined ? { kind: 'read' } : { kind: 'malformed', why: wrong[0] };
  } catch (error) {
    if (request.destroyed && !request.complete) return { kind: 'gone' };
    throw error;
  } finally {
    form.destroy();
    for (const { receiving } of arriving) await receiving.discard();
  }
};

/** Null: the header names no boundary. */
const open = ({ headers }: IncomingMessage, partsMax: number): Busboy | null => {
  try {
    return new Busboy({
      headers: { ...headers, 'content-type': headers['content-type'] ?? '' },
      isPartAFile: () => true,
      limits: { parts: partsMax, headerSize: 16 * 1024, headerPairs: 100 },
    });
  } catch {
    return null;
  }
};

/** @param wrong hears of one that is malformed, which may never say that it was taken. */
const written = async (form: Busboy, piece: unknown, wrong: string[]): Promise<void> => {
  let isTaken = false;
  form.write(piece, () => (isTaken = true));
  if (!(await comesTrue(() => isTaken || wrong.length > 0))) wrong.push('the form cannot be read');
};

/** @param wrong hears of a form in which the headers of a part never end: the parser waits for that part for ever. */
const ended = async (form: Busboy, wrong: string[]): Promise<void> => {
  let isFinished = false;
  form.once('finish', () => (isFinished = true));
  form.end();
  if (!(await comesTrue(() => isFinished || wrong.length > 0))) wrong.push('a part of the form has no end');
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
