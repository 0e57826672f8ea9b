/** What of a declared protocol would break those who speak an older form of it: on the wire, or in their code. */
import type {
  DescriptorProto,
  EnumDescriptorProto,
  FieldDescriptorProto,
  FileDescriptorProto,
  MethodDescriptorProto,
} from '@bufbuild/protobuf/wkt';

/** In words, one for each thing that is gone or is not what it was. Additions break nobody. */
export const breaking = (before: readonly FileDescriptorProto[], after: readonly FileDescriptorProto[]): string[] => {
  const now = { messages: new Map<string, DescriptorProto>(), enums: new Map<string, EnumDescriptorProto>() };
  const methods = new Map<string, MethodDescriptorProto>();
  for (const file of after) {
    for (const [name, each] of messagesOf(file)) now.messages.set(name, each);
    for (const [name, each] of enumsOf(file)) now.enums.set(name, each);
    for (const [name, each] of methodsOf(file)) methods.set(name, each);
  }
  return before.flatMap((file) => [
    ...messagesOf(file).flatMap(([name, each]) => compared(name, each, now.messages.get(name), brokenMessage)),
    ...enumsOf(file).flatMap(([name, each]) => compared(name, each, now.enums.get(name), brokenEnum)),
    ...methodsOf(file).flatMap(([name, each]) => compared(name, each, methods.get(name), brokenMethod)),
  ]);
};

const compared = <T>(
  name: string,
  was: T,
  is: T | undefined,
  look: (name: string, was: T, is: T) => string[],
): string[] => (is === undefined ? [`${name} is gone`] : look(name, was, is));

type Named<T> = readonly [name: string, each: T][];

const within = (scope: string, name: string): string => (scope === '' ? name : `${scope}.${name}`);

const messagesOf = (file: FileDescriptorProto): Named<DescriptorProto> => {
  const below = (scope: string, each: DescriptorProto): Named<DescriptorProto> => {
    const name = within(scope, each.name);
    return [[name, each], ...each.nestedType.flatMap((inner) => below(name, inner))];
  };
  return file.messageType.flatMap((each) => below(file.package, each));
};

const enumsOf = (file: FileDescriptorProto): Named<EnumDescriptorProto> => [
  ...file.enumType.map((each): Named<EnumDescriptorProto>[number] => [within(file.package, each.name), each]),
  ...messagesOf(file).flatMap(([scope, { enumType }]) =>
    enumType.map((each): Named<EnumDescriptorProto>[number] => [within(scope, each.name), each]),
  ),
];

const methodsOf = (file: FileDescriptorProto): Named<MethodDescriptorProto> =>
  file.service.flatMap(({ name: service, method }) =>
    method.map((each): Named<MethodDescriptorProto>[number] => [`${within(file.package, service)}/${each.name}`, each]),
  );

/** A field may go once neither its number nor its name can be taken again. */
const brokenMessage = (name: string, was: DescriptorProto, is: DescriptorProto): string[] =>
  was.field.flatMap((field) => {
    const what = `${name}.${field.name} = ${field.number}`;
    const kept = is.field.find(({ number }) => number === field.number);
    if (kept !== undefined) return changes(what, shapeOf(field, was), shapeOf(kept, is));
    const isReserved =
      is.reservedRange.some(({ start, end }) => field.number >= start && field.number < end) &&
      is.reservedName.includes(field.name);
    return isReserved ? [] : [`${what} is gone, and its number and its name are not both reserved`];
  });

const shapeOf = (field: FieldDescriptorProto, { oneofDecl }: DescriptorProto) => ({
  name: field.name,
  type: field.type,
  'message or enum': field.typeName,
  cardinality: field.label,
  'JSON name': field.jsonName,
  optional: field.proto3Optional,
  oneof: field.proto3Optional || field.oneofIndex < 0 ? '' : (oneofDecl[field.oneofIndex]?.name ?? ''),
});

const brokenEnum = (name: string, was: EnumDescriptorProto, is: EnumDescriptorProto): string[] =>
  was.value.flatMap((value) => {
    const what = `${name}.${value.name} = ${value.number}`;
    if (is.value.some((each) => each.name === value.name && each.number === value.number)) return [];
    const isReserved =
      is.reservedRange.some(({ start, end }) => value.number >= start && value.number <= end) &&
      is.reservedName.includes(value.name);
    return isReserved ? [] : [`${what} is gone, and its number and its name are not both reserved`];
  });

const brokenMethod = (name: string, was: MethodDescriptorProto, is: MethodDescriptorProto): string[] => {
  const shape = (each: MethodDescriptorProto) => ({
    request: each.inputType,
    reply: each.outputType,
    'stream of requests': each.clientStreaming,
    'stream of replies': each.serverStreaming,
  });
  return changes(name, shape(was), shape(is));
};

const changes = (
  what: string,
  was: Readonly<Record<string, unknown>>,
  is: Readonly<Record<string, unknown>>,
): string[] =>
  Object.entries(was).flatMap(([key, value]) =>
    value === is[key] ? [] : [`${what}: its ${key} was ${String(value)} and is ${String(is[key])}`],
  );
