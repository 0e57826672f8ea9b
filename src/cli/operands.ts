/** What single words of the command line mean. A word that means nothing is a usage error with an example. */
import { InvalidArgumentError } from 'commander';

const refuse = (wants: string): never => {
  throw new InvalidArgumentError(`Write ${wants}.`);
};

/** A job's or a device's number. */
export const farmNumber = (word: string): bigint =>
  /^[1-9]\d{0,17}$/.test(word) ? BigInt(word) : refuse('the number that the farm gave it, such as 17');

export const wholeNumber =
  ({ min, max }: { readonly min: number; readonly max: number }) =>
  (word: string): number => {
    const value = /^-?\d+$/.test(word) ? Number(word) : NaN;
    return value >= min && value <= max ? value : refuse(`a whole number from ${String(min)} to ${String(max)}`);
  };

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };
/** A timer's longest. */
const DURATION_MAX_MS = 24 * 86_400_000;

/** Milliseconds. */
export const duration = (word: string): number => {
  const ms = measured(word);
  return ms >= 1 && ms <= DURATION_MAX_MS ? ms : refuse('a duration from 1 ms to 24 d, such as 90s, 5min or 2h');
};

const LIFETIME_MAX_MS = 366 * 86_400_000;

/** How long credentials hold, in milliseconds: no timer waits for it. */
export const lifetime = (word: string): number => {
  const ms = measured(word);
  return ms >= 0 && ms <= LIFETIME_MAX_MS ? ms : refuse('a duration up to 366 d, such as 90d, 8h or 0s');
};

/** NaN: no duration. */
const measured = (word: string): number => {
  const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/.exec(word.trim()) ?? [];
  return amount === '' ? NaN : Math.round(Number(amount) * (unitMs[unit === '' ? 's' : unit] ?? NaN));
};

/** HOST:PORT, as gRPC takes it. */
export const address = (word: string): string =>
  /^(\[[0-9A-Fa-f:.]+(%\w+)?\]|[^\s:[\]/]+):\d{1,5}$/.test(word) &&
  Number(word.slice(word.lastIndexOf(':') + 1)) <= 65_535
    ? word
    : refuse('HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051');

/** The door of HTTP as a URL. */
export const httpUrl = (word: string): string =>
  /^https?:$/.test(URL.parse(word)?.protocol ?? '') ? word : refuse('a URL, such as http://127.0.0.1:8081');

/** HOST:PORT, or several with commas between. */
export const addresses = (word: string): string =>
  word
    .split(',')
    .map((part) => address(part.trim()))
    .join(',');

/** A number above 0, whole or not. */
export const positive =
  (max: number) =>
  (word: string): number => {
    const value = /^\d+(\.\d+)?$/.test(word) ? Number(word) : NaN;
    return value > 0 && value <= max ? value : refuse(`a number above 0, ${String(max)} at most`);
  };

/** `name=value`, again and again, as a record. */
export const named =
  (wants: string) =>
  (word: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> => {
    const { name, value } = splitNamed(word, wants);
    return { ...before, [name]: value };
  };

/** `name=value`, again and again, in the order given, names repeated or not. */
export const namedList =
  (wants: string) =>
  (
    word: string,
    before: readonly { readonly name: string; readonly value: string }[] = [],
  ): readonly { readonly name: string; readonly value: string }[] => [...before, splitNamed(word, wants)];

const splitNamed = (word: string, wants: string): { readonly name: string; readonly value: string } => {
  const at = word.indexOf('=');
  return at > 0 && at < word.length - 1 ? { name: word.slice(0, at), value: word.slice(at + 1) } : refuse(wants);
};

/** A word, again and again. */
export const listed = (word: string, before: readonly string[] = []): readonly string[] => [...before, word];

/** A choice by any case, again and again or with commas. */
export const choices =
  <C extends string>(known: readonly C[]) =>
  (word: string, before: readonly C[] = []): readonly C[] => [
    ...before,
    ...word
      .split(',')
      .map(
        (part) => known.find((choice) => choice === part.trim().toUpperCase()) ?? refuse(`one of ${known.join(', ')}`),
      ),
  ];

/** The words of a command as a shell would split them, quotes and backslashes heeded, nothing expanded. */
export const commandWords = (command: string): readonly string[] => {
  const words: string[] = [];
  // A word is a run of quoted pieces, escaped characters and plain ones.
  for (const [word] of command.matchAll(/(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+/gs)) {
    words.push(
      word.replaceAll(
        /"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/gs,
        (_, double?: string, single?: string, escaped?: string) =>
          double === undefined ? (single ?? escaped ?? '') : double.replaceAll(/\\(["\\$`])/g, '$1'),
      ),
    );
  }
  return words;
};
