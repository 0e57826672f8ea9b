/** How our own protocol is written, after the public style guide of protocol buffers. */
import type { DescriptorProto, EnumDescriptorProto, FileDescriptorProto } from '@bufbuild/protobuf/wkt';

const PASCAL = /^[A-Z][A-Za-z0-9]*$/;
const LOWER_SNAKE = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;
const UPPER_SNAKE = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/;

// By their numbers in descriptor.proto: the path of a thing in its file.
const MESSAGE = 4;
const ENUM = 5;
const SERVICE = 6;
const IN_MESSAGE = { field: 2, message: 3, enum: 4 } as const;
const VALUE = 2;
const METHOD = 2;

/** What is not as it should be, in words. @param file with its source info. */
export const ill = (file: FileDescriptorProto): string[] => {
  const commented = new Set(
    (file.sourceCodeInfo?.location ?? [])
      .filter(({ leadingComments, trailingComments }) => `${leadingComments}${trailingComments}`.trim() !== '')
      .map(({ path }) => path.join('.')),
  );
  const uncommented = (what: string, path: readonly number[]): string[] =>
    commented.has(path.join('.')) ? [] : [`${what} says nothing of itself: give it a comment`];
  const misnamed = (what: string, name: string, form: RegExp): string[] =>
    form.test(name) ? [] : [`${what} is not named like ${String(form)}`];

  const inEnum = (each: EnumDescriptorProto, scope: string, path: readonly number[]): string[] => {
    const what = `${scope}.${each.name}`;
    const [zero] = each.value;
    return [
      ...misnamed(what, each.name, PASCAL),
      ...uncommented(what, path),
      ...(zero?.number === 0 && zero.name.endsWith('_UNSPECIFIED') ? [] : [`${what} has no 0 that is …_UNSPECIFIED`]),
      ...each.value.flatMap(({ name }, at) => [
        ...misnamed(`${what}.${name}`, name, UPPER_SNAKE),
        ...uncommented(`${what}.${name}`, [...path, VALUE, at]),
      ]),
    ];
  };
  const inMessage = (each: DescriptorProto, scope: string, path: readonly number[]): string[] => {
    const what = `${scope}.${each.name}`;
    // Entries of maps are the compiler's.
    if (each.options?.mapEntry === true) return [];
    return [
      ...misnamed(what, each.name, PASCAL),
      ...each.field.flatMap(({ name }) => misnamed(`${what}.${name}`, name, LOWER_SNAKE)),
      ...each.enumType.flatMap((inner, at) => inEnum(inner, what, [...path, IN_MESSAGE.enum, at])),
      ...each.nestedType.flatMap((inner, at) => inMessage(inner, what, [...path, IN_MESSAGE.message, at])),
    ];
  };
  const folder = file.name.slice(0, file.name.lastIndexOf('/'));
  return [
    ...(file.syntax === 'proto3' ? [] : [`${file.name} is not proto3`]),
    ...(folder.replaceAll('/', '.') === file.package ? [] : [`${file.name} is not in the folder of ${file.package}`]),
    ...misnamed(file.name, file.name.slice(folder.length + 1).replace(/\.proto$/, ''), LOWER_SNAKE),
    ...(/\.v\d+$/.test(file.package) ? [] : [`${file.package} names no version`]),
    ...file.messageType.flatMap((each, at) => inMessage(each, file.package, [MESSAGE, at])),
    ...file.enumType.flatMap((each, at) => inEnum(each, file.package, [ENUM, at])),
    ...file.service.flatMap((service, at) => [
      ...misnamed(service.name, service.name, PASCAL),
      ...uncommented(service.name, [SERVICE, at]),
      ...service.method.flatMap((method, nth) => [
        ...misnamed(`${service.name}/${method.name}`, method.name, PASCAL),
        ...uncommented(`${service.name}/${method.name}`, [SERVICE, at, METHOD, nth]),
        ...(method.inputType === `.${file.package}.${method.name}Request`
          ? []
          : [`${service.name}/${method.name} takes ${method.inputType}, which can never differ from another method's`]),
      ]),
    ]),
  ];
};
