// protos/ as programs that others have compiled it into must find it: nothing that was released has gone.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clone, fromBinary } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { fileDescriptorProtos } from '../../src/gen/descriptors.ts';
import { breaking } from './breaking.ts';
import { ill } from './style.ts';

const now = fileDescriptorProtos.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
const released = fromBinary(FileDescriptorSetSchema, readFileSync('protos/released.binpb')).file;

test('breaks nobody who speaks what was released', () => {
  expect(released.length).toBeGreaterThan(10);
  expect(breaking(released, now)).toEqual([]);
});

/** The files, with one of them changed. */
const changed = (name: string, change: (file: FileDescriptorProto) => void): readonly FileDescriptorProto[] =>
  now.map((file) => {
    if (file.name !== name) return file;
    const other = clone(FileDescriptorProtoSchema, file);
    change(other);
    return other;
  });
const JOBS = 'stationgrid/v1/jobs.proto';
const first = <T>(list: readonly T[]): T => list[0]!;
const fieldOf = (file: FileDescriptorProto) => first(file.messageType.find(({ name }) => name === 'Job')!.field);

test.each<[string, (file: FileDescriptorProto) => void, RegExp]>([
  [
    'a field that is gone',
    (file) => file.messageType.find(({ name }) => name === 'Job')!.field.shift(),
    /is gone, and its number/,
  ],
  ['a number that is another', (file) => (fieldOf(file).number = 999), /is gone, and its number/],
  ['a type that is another', (file) => (fieldOf(file).type = FieldDescriptorProto_Type.DOUBLE), /its type was/],
  ['a name that is another', (file) => (fieldOf(file).name = 'renamed'), /its name was/],
  [
    'a list that was none',
    (file) => (fieldOf(file).label = FieldDescriptorProto_Label.REPEATED),
    /its cardinality was/,
  ],
  ['a message that is gone', (file) => file.messageType.shift(), /is gone/],
  ['a value that is gone', (file) => first(file.enumType).value.pop(), /JobState\.\w+ = \d+ is gone/],
  ['a method that is gone', (file) => first(file.service).method.pop(), /Jobs\/OverrideGate is gone/],
  [
    'another reply',
    (file) => (first(first(file.service).method).outputType = '.stationgrid.v1.JobState'),
    /its reply was/,
  ],
  ['a stream that was none', (file) => (first(first(file.service).method).serverStreaming = true), /stream of replies/],
])('finds %s', (_what, change, words) => {
  expect(breaking(now, changed(JOBS, change)).join('\n')).toMatch(words);
});

test('lets things be added, and fields go for good', () => {
  const grown = changed(JOBS, (file) => {
    const job = file.messageType.find(({ name }) => name === 'Job')!;
    const gone = job.field.shift()!;
    job.reservedName.push(gone.name);
    job.reservedRange.push({
      $typeName: 'google.protobuf.DescriptorProto.ReservedRange',
      start: gone.number,
      end: gone.number + 1,
    } as never);
  });
  expect(breaking(now, grown)).toEqual([]);
  expect(breaking(now.slice(1), now)).toEqual([]);
});

test.each<[string, (file: FileDescriptorProto) => void, RegExp]>([
  ['another folder', (file) => (file.package = 'stationgrid.v2'), /is not in the folder of stationgrid\.v2/],
  ['a field like this', (file) => (fieldOf(file).name = 'requestId'), /Job\.requestId is not named like/],
  ['no zero', (file) => first(file.enumType).value.shift(), /JobState has no 0/],
  ['no word', () => undefined, /Jobs\/EnqueueJob says nothing of itself/],
  ["another's request", (file) => (first(first(file.service).method).inputType = '.a.B'), /takes \.a\.B/],
])('sees ill style: %s', (_what, change, words) => {
  const file = changed(JOBS, change).find(({ name }) => name === JOBS)!;
  expect(ill(file).join('\n')).toMatch(words);
});

test('is written as the style guide has it, and says what everything is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stationgrid-protos-'));
  try {
    const names = now.map(({ name }) => name).filter((name) => name.startsWith('stationgrid/'));
    const set = join(folder, 'set.binpb');
    const words = ['--proto_path=protos', `--descriptor_set_out=${set}`, '--include_source_info', ...names];
    execFileSync(process.execPath, ['node_modules/protoc/protoc.cjs', ...words]);
    const files = fromBinary(FileDescriptorSetSchema, readFileSync(set)).file;
    expect(files).toHaveLength(names.length);
    expect(files.flatMap(ill)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
