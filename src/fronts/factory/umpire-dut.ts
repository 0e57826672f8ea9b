/**
 * What a DUT says of itself when it asks for payloads: a header in the form of cookies, such as `sn=DEV1; stage=SMT`, or a struct
 * with the same keys.
 */
import { invalid } from '../../core/refusal.ts';
import { isXmlRpcStruct, type XmlRpcValue } from '../../wire/xml-rpc.ts';

/** What is said of each key; one that is nil is not there. */
export type UmpireDut = ReadonlyMap<string, string>;

/** `board` is of old DUTs. There is one `mac…` for each interface. */
const KEYS = /^(?:sn|mlb_sn|firmware|ec|pd|stage|uuid|drop_slot|board|mac.*)$/;
const TEXT_CHARS_MAX = 4096;

/** @throws Refusal INVALID for keys that no DUT has. */
export const umpireDutOf = (said: XmlRpcValue | undefined): UmpireDut => {
  if (typeof said === 'string') return checked(pairsOf(said));
  if (said === undefined || !isXmlRpcStruct(said)) throw bad('It must be a string or a struct.');
  return checked(
    Object.entries(said).flatMap(([key, value]): [string, string][] => {
      if (value === null) return [[key, '']];
      if (typeof value !== 'string' && typeof value !== 'number') throw bad(`Its ${JSON.stringify(key)} is no text.`);
      return [[key, String(value)]];
    }),
  );
};

const pairsOf = (text: string): readonly [string, string][] => {
  if (text.length > TEXT_CHARS_MAX) throw bad(`It has more than ${TEXT_CHARS_MAX} characters.`);
  return text.split(';').flatMap((pair): [string, string][] => {
    if (pair.trim() === '') return [];
    const at = pair.indexOf('=');
    if (at < 0) throw bad(`${JSON.stringify(pair.trim())} has no value.`);
    return [
      [
        pair.slice(0, at).trim(),
        pair
          .slice(at + 1)
          .trim()
          .replace(/^"(.*)"$/, '$1'),
      ],
    ];
  });
};

const checked = (pairs: readonly [string, string][]): UmpireDut => {
  const wrong = pairs.find(([key]) => !KEYS.test(key));
  if (wrong !== undefined) throw bad(`There is no key ${JSON.stringify(wrong[0].slice(0, 80))} in it.`);
  return new Map(pairs);
};

const bad = (why: string) =>
  invalid(
    'UMPIRE_DUT_BAD',
    `What the DUT says of itself (X-Umpire-DUT) cannot be read. ${why} It has the keys sn, mlb_sn, firmware, ec, pd, stage, uuid, drop_slot, and mac and what follows.`,
  );
