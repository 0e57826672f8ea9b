/** What a command may say on its standard output, one JSON object a line; every other line is log. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import type { Attachment } from '../src/gen/stationgrid/v1/work.ts';
import type { MeasurementLimits } from './test-record.ts';

export type OutputLine =
  | {
      readonly kind: 'measurement';
      readonly name: string;
      readonly value: number | string;
      readonly limits: MeasurementLimits;
    }
  | { readonly kind: 'attachment'; readonly path: string }
  | { readonly kind: 'log' };

const LOG: OutputLine = { kind: 'log' };

/** `{"measurement": name, "value": …, "unit"?, "min"?, "max"?}` or `{"attachment": path}`. */
export function readLine(line: string): OutputLine {
  const said = toObject(line);
  if (said === null) return LOG;
  const { measurement, value, unit, min, max, attachment } = said;
  if (typeof attachment === 'string' && attachment !== '') return { kind: 'attachment', path: attachment };
  if (typeof measurement !== 'string' || measurement === '') return LOG;
  if (typeof value !== 'number' && typeof value !== 'string') return LOG;
  return {
    kind: 'measurement',
    name: measurement,
    value,
    limits: {
      ...(typeof unit === 'string' ? { unit } : {}),
      ...(typeof min === 'number' ? { min } : {}),
      ...(typeof max === 'number' ? { max } : {}),
    },
  };
}

function toObject(line: string): Record<string, unknown> | null {
  if (!line.startsWith('{')) return null;
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** Gives the stream's lines one by one. A line without end is given in pieces, so that no program can fill our memory. */
export function onLines(stream: Readable, charsMax: number, take: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line.endsWith('\r') ? line.slice(0, -1) : line);
    while (rest.length > charsMax) {
      take(rest.slice(0, charsMax));
      rest = rest.slice(charsMax);
    }
  });
  stream.on('end', () => {
    if (rest !== '') take(rest);
  });
  // A pipe that breaks with its program is no news: the exit code is.
  stream.on('error', () => undefined);
}

/** Names a file by its bytes. Null when it cannot be read, or is none: a pipe or a device might never end. */
export async function describeAttachment(
  path: string,
  folder: string,
  signal: AbortSignal,
): Promise<Attachment | null> {
  const hash = createHash('sha256');
  const file = resolve(folder, path);
  let sizeBytes = 0n;
  try {
    if (!(await stat(file)).isFile()) return null;
    for await (const chunk of createReadStream(file, { signal })) {
      const bytes = toBytes(chunk);
      hash.update(bytes);
      sizeBytes += BigInt(bytes.length);
    }
  } catch {
    return null;
  }
  return { name: basename(path), sizeBytes, sha256: hash.digest('hex'), mediaType: '' };
}

function toBytes(chunk: unknown): Buffer {
  if (!Buffer.isBuffer(chunk)) throw new TypeError('a file is read as bytes');
  return chunk;
}
