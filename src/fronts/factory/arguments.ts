/** The arguments of a call, each to what its method takes. What is of another type is refused in Python's words for it. */
import { invalid, type Refusal } from '../../core/refusal.ts';
import type { CsvCell } from '../../core/upload.ts';
import type { Received } from '../../uploads/received.ts';
import { isXmlRpcArray, isXmlRpcStruct, type XmlRpcStruct, type XmlRpcValue } from '../../wire/xml-rpc.ts';
import { WRONG_TYPE } from './refuse.ts';

/** In the order of the method's parameters; those that were left out are nil. */
export type Arguments = readonly XmlRpcValue[];

export type Binaries = ReadonlyMap<XmlRpcValue, Received>;

const wrongType = (name: string, wants: string): Refusal => invalid(WRONG_TYPE, `${name} must be ${wants}.`);

/** Numbers are taken for their digits: some test lists hold serials so. */
export const textOf = (value: XmlRpcValue | undefined, name: string): string => {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  throw wrongType(name, 'a string');
};

/** Null: nil, or left out. */
export const textOrNil = (value: XmlRpcValue | undefined, name: string): string | null =>
  value === undefined || value === null ? null : textOf(value, name);

export const binaryOf = (value: XmlRpcValue | undefined, name: string, binaries: Binaries): Received => {
  const received = value === undefined ? undefined : binaries.get(value);
  if (received === undefined) throw wrongType(name, 'binary: in Python, xmlrpc.client.Binary(...)');
  return received;
};

/** A string is a row of its characters, as the original has it. */
export const rowOf = (value: XmlRpcValue | undefined, name: string): readonly CsvCell[] => {
  if (typeof value === 'string') return Array.from(value);
  if (value === undefined || value === null || !isXmlRpcArray(value)) throw wrongType(name, 'a list');
  return value.map((cell) => {
    if (cell === null || typeof cell !== 'object') return cell;
    throw wrongType(`each value of ${name}`, 'a string, a number, a bool or nil');
  });
};

export const structOf = (value: XmlRpcValue | undefined, name: string): XmlRpcStruct => {
  if (value === undefined || !isXmlRpcStruct(value)) throw wrongType(name, 'a struct');
  return value;
};

/** @param optional how many of the last may be left out. @throws Refusal for too many and for too few. */
export const filled = (
  method: string,
  { params, optional }: { readonly params: readonly string[]; readonly optional: number },
  given: Arguments,
): Arguments => {
  const least = params.length - optional;
  if (given.length >= least && given.length <= params.length) return params.map((_, index) => given[index] ?? null);
  const takes = least === params.length ? String(least) : `from ${least} to ${params.length}`;
  throw invalid(
    WRONG_TYPE,
    `${method}(${params.join(', ')}) takes ${takes} arguments, and ${given.length} were given.`,
  );
};
