/** The calls owed to shopfloors, page by page. */
import { cursorOf, positionOf } from '../core/cursor.ts';
import type { CallState } from '../core/send-outcome.ts';
import { checkText } from '../core/text.ts';
import {
  type CallCursor,
  type CallView,
  readCallPage,
  readCallView,
  readSends,
  type SendView,
} from '../store/call-pages.ts';
import type { FarmSeams } from './farm.ts';
import { lineFor } from './instance.ts';
import { type CallName, findCall, unknownCall } from './operated-call.ts';
import { type PageAsked, pageSizeOf } from './page.ts';

export type { CallView, SendView } from '../store/call-pages.ts';

export type CallQuery = PageAsked & {
  readonly instance: string;
  /** Empty: any. */
  readonly states: readonly CallState[];
  /** The value of any serial; null: any DUT. */
  readonly serial: string | null;
  readonly jobId: number | null;
};

/** Newest first; `nextPageToken` empty: this is the last page. @throws Refusal INVALID. */
export const listCalls = async (
  farm: Pick<FarmSeams, 'pool' | 'limits' | 'lineOf'>,
  query: CallQuery,
): Promise<{ readonly calls: readonly CallView[]; readonly nextPageToken: string }> => {
  const { instance, states, serial, jobId } = query;
  lineFor(farm, instance);
  if (serial !== null) checkText('The serial', serial, farm.limits.text.nameBytesMax);
  const size = pageSizeOf(farm.limits, query);
  const scope = ['calls', instance, [...states].sort(), serial, jobId];
  const after = afterOf(scope, query.pageToken);
  // One more than asked for tells whether there is a next page.
  const found = await readCallPage(farm.pool, instance, query, { after, size: size + 1 });
  const page = found.slice(0, size);
  const last = found.length > size ? page.at(-1)?.cursor : undefined;
  return {
    calls: page.map(({ call }) => call),
    nextPageToken: last === undefined ? '' : cursorOf(scope, [last.owedAtUs, last.deviceId, last.position]),
  };
};

const afterOf = (scope: readonly unknown[], pageToken: string): CallCursor | null => {
  if (pageToken === '') return null;
  const [owedAtUs, deviceId, position] = positionOf(scope, pageToken, ['number', 'number', 'number']);
  return { owedAtUs: Number(owedAtUs), deviceId: Number(deviceId), position: Number(position) };
};

/** Sends of one call that are shown, the newest. */
const SENDS_SHOWN_MAX = 50;

/** One call with the journal of its sends, newest first. @throws Refusal NOT_FOUND. */
export const getCall = async (
  farm: Pick<FarmSeams, 'pool'>,
  name: CallName,
): Promise<CallView & { readonly journal: readonly SendView[] }> => {
  const { id } = await findCall(farm.pool, name);
  const view = await readCallView(farm.pool, { instance: name.instance, id });
  if (view === null) throw unknownCall(name);
  return { ...view, journal: await readSends(farm.pool, id, SENDS_SHOWN_MAX) };
};
