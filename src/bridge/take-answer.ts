/** From what the client saw of a call to what the farm records. */
import type { Reply, SendEnd } from '../farm/record-call.ts';
import { toDeviceData } from '../wire/device-data.ts';
import { redact } from '../wire/redact.ts';
import { isXmlRpcStruct, type XmlRpcStruct } from '../wire/xml-rpc.ts';
import { NO_DATA_FAULT_CODE, type Outcome } from './shopfloor-client.ts';

export type AnswerLimits = {
  /** Of a fault's or an outage's words. */
  readonly wordsBytesMax: number;
  /** Of what is kept of an answer. */
  readonly replyKeptBytesMax: number;
};

/** Longer than any word that a line could have in its configuration. */
const ACTION_CHARACTERS_MAX = 256;

export const takeAnswer = (
  outcome: Outcome,
  limits: AnswerLimits,
): Pick<SendEnd, 'outcome' | 'code' | 'words' | 'reply'> => {
  switch (outcome.kind) {
    case 'answered':
      if (!isXmlRpcStruct(outcome.value)) return fault(NO_DATA_FAULT_CODE, 'service returned no data', limits);
      return { outcome: 'answered', code: null, words: null, reply: replyOf(outcome.value, limits) };
    case 'fault':
      return fault(outcome.code, outcome.text, limits);
    case 'refused':
    case 'ambiguous':
      return { outcome: outcome.kind, code: null, words: ending(outcome.why, limits.wordsBytesMax), reply: null };
  }
};

const fault = (code: number, text: string, limits: AnswerLimits): ReturnType<typeof takeAnswer> => ({
  outcome: 'fault',
  code,
  words: ending(`fault ${String(code)}: ${text === '' ? 'without a word' : text}`, limits.wordsBytesMax),
  reply: null,
});

const replyOf = (value: XmlRpcStruct, limits: AnswerLimits): Reply => {
  const { kept, dropped, action } = toDeviceData(value);
  return {
    deviceData: kept,
    dropped,
    action: action === null ? null : action.slice(0, ACTION_CHARACTERS_MAX).toWellFormed(),
    answer: keptAnswer(value, limits.replyKeptBytesMax),
  };
};

/** The answer itself if it is small, else how it begins. */
const keptAnswer = (value: XmlRpcStruct, bytesMax: number): unknown => {
  const shown = redact(value);
  const text = JSON.stringify(shown);
  const bytes = Buffer.byteLength(text);
  if (bytes <= bytesMax) return shown;
  return { bytes, begins: Buffer.from(text).subarray(0, bytesMax).toString() };
};

/** The end of a text is kept: a service in Python puts its reason last, after a traceback (S-FLT-1). */
const ending = (text: string, bytesMax: number): string => {
  const bytes = Buffer.from(text.replaceAll('\u0000', '').toWellFormed());
  if (bytes.length <= bytesMax) return bytes.toString();
  return `…${bytes.subarray(bytes.length - bytesMax).toString()}`;
};
