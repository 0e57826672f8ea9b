/** XML-RPC read as a stream: bytes in as they come, one message or one `Malformed` out. */
import { SaxesParser } from 'saxes';
import { type BinaryReader, type BinaryTaker, createBinaryReader } from './binary.ts';
import { createXmlTextDecoder } from './charset.ts';
import { quote, SCALAR_ELEMENTS, toScalar } from './scalar.ts';
import type { Malformed, XmlRpcLimits, XmlRpcMessage, XmlRpcStruct, XmlRpcValue } from './value.ts';
import { DEFAULT_LIMITS, isXmlRpcArray, isXmlRpcStruct, MalformedError } from './value.ts';

export interface XmlRpcReader {
  /** Takes the next bytes. What it returns is final: there is no use in reading on once a body is malformed. */
  write(chunk: Uint8Array): Malformed | null;
  /** The message, once all bytes were written. */
  end(): XmlRpcMessage | Malformed;
}

/** An open element, with what its closed children left in it. */
interface Frame {
  readonly element: string;
  text: string;
  readonly names: string[];
  readonly values: XmlRpcValue[];
  readonly members: [string, XmlRpcValue][];
  /** Of a `<base64>` that is taken as it comes; null: of anything else. */
  readonly binary: BinaryReader | null;
}

const TYPES: readonly string[] = [...SCALAR_ELEMENTS, 'struct', 'array'];
/** The post-wipe client in the field leaves `<value>` out, so whatever holds a value may hold its type directly. */
const VALUE_OR_TYPE: readonly string[] = ['value', ...TYPES];
const DOCUMENT = '';

/** Which elements may stand in which; an element that is no key here holds text only. */
const CHILDREN: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries({
    [DOCUMENT]: ['methodCall', 'methodResponse'],
    methodCall: ['methodName', 'params'],
    methodResponse: ['params', 'fault'],
    params: ['param'],
    param: VALUE_OR_TYPE,
    fault: VALUE_OR_TYPE,
    value: TYPES,
    struct: ['member'],
    member: ['name', ...VALUE_OR_TYPE],
    array: ['data'],
    data: VALUE_OR_TYPE,
  }).map(([element, children]) => [element, new Set(children)]),
);

/**
 * @param taker is given what stands in `<base64>`, which then counts for no limit here: whoever takes it bounds it. Null: it
 * is read into the message like anything else.
 */
export function createXmlRpcReader(
  limits: XmlRpcLimits = DEFAULT_LIMITS,
  taker: BinaryTaker | null = null,
): XmlRpcReader {
  let message: XmlRpcMessage | null = null;
  let malformed: Malformed | null = null;
  let size = 0;
  const decoder = createXmlTextDecoder();
  const parser = createParser(limits, taker, (read) => (message = read));

  /** Of what is read into memory: bytes where they are known, characters where some were taken out of them. */
  function count(more: number): void {
    size += more;
    if (size > limits.bodyMaxBytes) throw tooMuch('bytes', limits.bodyMaxBytes);
  }
  const feed = taker === null ? parser.write : createLifter(parser, count);

  function guarded(step: () => void): Malformed | null {
    if (malformed !== null) return malformed;
    try {
      step();
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      malformed = error.malformed;
    }
    return malformed;
  }

  return {
    write(chunk) {
      return guarded(() => {
        if (taker === null) count(chunk.length);
        feed(decoder.push(chunk));
      });
    },
    end() {
      const wrong = guarded(() => {
        feed(decoder.end());
        parser.close();
      });
      return wrong ?? message ?? { kind: 'malformed', cause: 'shape', why: 'the body holds no message' };
    },
  };
}

interface Parser {
  readonly write: (text: string) => void;
  readonly close: () => void;
  /** The open `<base64>` whose text is taken as it comes; null: what is open is something else. */
  readonly binary: () => BinaryReader | null;
}

/**
 * A parser holds a text until it ends, and no string holds a gigabyte. So what stands between the tags of a `<base64>` goes
 * past it. Tags are told from text by their brackets, which base64 has none of.
 */
function createLifter(parser: Parser, count: (chars: number) => void): (text: string) => void {
  let isInTag = false;
  return (text) => {
    for (let from = 0; from < text.length;) {
      const binary = isInTag ? null : parser.binary();
      const to = binary === null ? endOf(text, '>', isInTag ? from : tagOf(text, from)) : endOf(text, '<', from);
      const piece = text.slice(from, to.at);
      if (binary !== null) {
        binary.push(piece);
        isInTag = to.found;
      } else {
        count(piece.length);
        parser.write(piece);
        isInTag = !to.found && parser.binary() !== null;
      }
      from = to.at;
    }
  };
}

/** Within the tag that may begin the next `<base64>`: one with that word, or the first of a text, the rest of which came before. */
function tagOf(text: string, from: number): number {
  if (from === 0) return 0;
  const at = text.indexOf('base64', from);
  return at === -1 ? text.length : at;
}

/** A tag ends behind its bracket, a text before the next one. */
function endOf(text: string, bracket: '<' | '>', from: number): { readonly at: number; readonly found: boolean } {
  const index = text.indexOf(bracket, from);
  if (index === -1) return { at: text.length, found: false };
  return { at: bracket === '>' ? index + 1 : index, found: true };
}

/** A parser that throws `MalformedError` out of `write` and `close` at the first thing that is wrong. */
function createParser(
  limits: XmlRpcLimits,
  taker: BinaryTaker | null,
  onMessage: (message: XmlRpcMessage) => void,
): Parser {
  const parser = new SaxesParser();
  const open: Frame[] = [openFrame(DOCUMENT)];
  let nodes = 0;

  function top(): Frame {
    const frame = open.at(-1);
    if (frame === undefined) throw new Error('the document itself was closed');
    return frame;
  }
  function addText(text: string): void {
    const frame = top();
    if (frame.binary === null) frame.text += text;
    else frame.binary.push(text);
  }

  parser.on('error', (error) => {
    throw new MalformedError('syntax', `not well-formed XML: ${error.message}`);
  });
  parser.on('doctype', () => {
    throw new MalformedError('doctype', 'a document type declaration is refused');
  });
  // `opentagstart` comes before the attributes are read: a bomb is met at its first element too many.
  parser.on('opentagstart', (tag) => {
    nodes += 1;
    if (nodes > limits.nodesMax) throw tooMuch('elements', limits.nodesMax);
    if (open.length > limits.depthMax) throw tooMuch('levels of nesting', limits.depthMax);
    const element = toElement(tag.name);
    const parent = top();
    if (CHILDREN.get(parent.element)?.has(element) !== true) {
      const where = parent.element === DOCUMENT ? 'at the top' : `in <${parent.element}>`;
      throw new MalformedError('shape', `<${clip(element)}> may not stand ${where}`);
    }
    open.push(openFrame(element, element === 'base64' && taker !== null ? createBinaryReader(taker()) : null));
  });
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('closetag', () => {
    const frame = open.pop();
    if (frame === undefined) throw new Error('an element closed that was never open');
    const message = close(frame, top());
    if (message !== null) onMessage(message);
  });
  return {
    write: (text) => void parser.write(text),
    close: () => void parser.close(),
    binary: () => top().binary,
  };
}

function openFrame(element: string, binary: BinaryReader | null = null): Frame {
  return { element, text: '', names: [], values: [], members: [], binary };
}

function toElement(name: string): string {
  return name.startsWith('ex:') ? name.slice('ex:'.length) : name;
}

function clip(element: string): string {
  return quote(element).slice(1, -1);
}

function tooMuch(what: string, max: number): MalformedError {
  return new MalformedError('limit', `the body has more than ${String(max)} ${what}`);
}

/** Leaves in the parent what a closed element says; the outermost one is the message itself. */
function close(frame: Frame, parent: Frame): XmlRpcMessage | null {
  switch (frame.element) {
    case 'methodCall':
      return toCall(frame);
    case 'methodResponse':
      return toAnswer(frame);
    case 'methodName':
    case 'name':
      parent.names.push(frame.text);
      return null;
    case 'value':
      // Without a type element the text is a string, spaces and all; around one it is layout.
      parent.values.push(frame.values.length === 0 ? frame.text : only(frame));
      return null;
    case 'member':
      parent.members.push([onlyName(frame), only(frame)]);
      return null;
    case 'struct':
      noText(frame);
      parent.values.push(toStruct(frame.members));
      return null;
    case 'data':
      noText(frame);
      parent.values.push(frame.values);
      return null;
    case 'params':
      noText(frame);
      parent.values.push(frame.values);
      return null;
    case 'fault':
      parent.values.push(only(frame));
      // The mark that tells a fault from a result: a result has no name in it.
      parent.names.push('fault');
      return null;
    case 'param':
    case 'array':
      parent.values.push(only(frame));
      return null;
    default:
      parent.values.push(frame.binary?.end() ?? toScalar(frame.element, frame.text));
      return null;
  }
}

function toCall(frame: Frame): XmlRpcMessage {
  noText(frame);
  const method = onlyName(frame).trim();
  if (method === '') throw new MalformedError('shape', 'the method has no name');
  const params = frame.values.length === 0 ? [] : only(frame);
  return { kind: 'call', method, params: toArray(params) };
}

function toAnswer(frame: Frame): XmlRpcMessage {
  const content = only(frame);
  if (frame.names.length > 0) return toFault(content);
  const params = toArray(content);
  if (params.length > 1) throw new MalformedError('shape', 'the answer has more than one value');
  // Some services answer a method that returns nothing with no value at all.
  return { kind: 'value', value: params[0] ?? null };
}

function toArray(value: XmlRpcValue): readonly XmlRpcValue[] {
  if (!isXmlRpcArray(value)) throw new Error('params close to an array');
  return value;
}

/** A peer's fault is kept however it is spelt: what it says decides what happens to the call. */
function toFault(value: XmlRpcValue): XmlRpcMessage {
  if (!isXmlRpcStruct(value)) return { kind: 'fault', code: 0, text: sayFault(value) };
  const code = value['faultCode'] ?? null;
  const text = sayFault(value['faultString'] ?? null);
  if (typeof code === 'number') return { kind: 'fault', code, text };
  const number = typeof code === 'string' && code.trim() !== '' ? Number(code) : Number.NaN;
  if (Number.isFinite(number)) return { kind: 'fault', code: number, text };
  return { kind: 'fault', code: 0, text: typeof code === 'string' && code !== '' ? `${code}: ${text}` : text };
}

function sayFault(value: XmlRpcValue): string {
  return typeof value === 'string' ? value : value === null ? '' : JSON.stringify(value);
}

function toStruct(members: readonly [string, XmlRpcValue][]): XmlRpcStruct {
  const struct = Object.create(null) as Record<string, XmlRpcValue>;
  // A name given twice: the last one counts, as in every Python peer.
  for (const [name, value] of members) struct[name] = value;
  return struct;
}

function noText(frame: Frame): void {
  if (frame.text !== '' && /\S/.test(frame.text)) throw new MalformedError('shape', `<${frame.element}> holds text`);
}

function only(frame: Frame): XmlRpcValue {
  noText(frame);
  const [value] = frame.values;
  if (value === undefined || frame.values.length !== 1) {
    throw new MalformedError('shape', `<${frame.element}> holds ${String(frame.values.length)} values, not one`);
  }
  return value;
}

function onlyName(frame: Frame): string {
  const [name] = frame.names;
  if (name === undefined || frame.names.length !== 1) {
    throw new MalformedError('shape', `<${frame.element}> holds ${String(frame.names.length)} names, not one`);
  }
  return name;
}
