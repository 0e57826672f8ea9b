/** How large a station's work is, stored and told: what a client sends as JSON can be several times that in a lease. */
import type { StationWork } from './station-work.ts';
import { bytesOf } from './text.ts';

/** The larger of its two forms: JSON, and StationWork (stationgrid/v1/work.proto), whose arguments are a google.protobuf.Struct. */
export const workBytes = (work: StationWork): number => {
  const json = bytesOf(JSON.stringify(work));
  const args = work.tests.reduce((sum, test) => sum + jsonBytes(test.args), 0);
  const told = work.tests.reduce((sum, test) => sum + (test.args === null ? 0 : structBytes(test.args)), 0);
  // All but the arguments is shorter there: it has numbers for names.
  return Math.max(json, json - args + told);
};

const jsonBytes = (value: unknown): number => bytesOf(JSON.stringify(value));

/** Struct.fields: each entry a tagged and counted message of the key and the value. */
const structBytes = (fields: object): number =>
  Object.entries(fields).reduce((sum, [key, value]) => {
    const entry = counted(bytesOf(key)) + counted(valueBytes(value));
    return sum + counted(entry);
  }, 0);

/** google.protobuf.Value: one field, of which each kind has its own. */
const valueBytes = (value: unknown): number => {
  if (typeof value === 'number') return TAG + DOUBLE;
  if (typeof value === 'string') return counted(bytesOf(value));
  if (Array.isArray(value)) {
    return counted(value.reduce<number>((sum, element) => sum + counted(valueBytes(element)), 0));
  }
  if (typeof value === 'object' && value !== null) return counted(structBytes(value));
  // true, false, null.
  return TAG + 1;
};

const TAG = 1;
const DOUBLE = 8;

/** Bytes with their tag and their count, which has seven bits in a byte. */
const counted = (bytes: number): number => TAG + Math.max(1, Math.ceil(Math.log2(bytes + 1) / 7)) + bytes;
