/** How large a station's work is, stored and told: what a client sends as JSON can be several times that in a lease. */
import type { GrantedWork, StationWork } from './station-work.ts';
import { bytesOf } from './text.ts';

type Work = StationWork & Partial<Pick<GrantedWork, 'deviceData'>>;

/** The larger of its two forms: JSON, and StationWork (stationgrid/v1/work.proto). */
export const workBytes = (work: Work): number => jsonBytes(work) + excessBytes(work);

/**
 * How much larger it is told than stored, by what is a google.protobuf.Struct there: arguments, and the device record. All else is
 * shorter, having numbers for names.
 */
export const excessBytes = ({ tests, deviceData }: Work): number => {
  const structs = [...tests.map(({ args }) => args), deviceData ?? null].filter((fields) => fields !== null);
  const excess = structs.reduce((sum, fields) => sum + structBytes(fields) - jsonBytes(fields), 0);
  return Math.max(0, excess);
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
