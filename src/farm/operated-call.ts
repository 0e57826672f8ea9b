/** Finding the call that an operator speaks of: what retry-call.ts and skip-call.ts share. */
import { Refusal } from '../core/refusal.ts';
import { lockOperatedCall, type OperatedCall, readOperatedCall } from '../store/shopfloor-calls.ts';
import type { Queryable } from '../store/transaction.ts';

export type CallName = { readonly instance: string; readonly id: string };

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** What never changes of a call, read before its locks are taken. @throws Refusal NOT_FOUND. */
export const findCall = async (db: Queryable, name: CallName): Promise<OperatedCall> => {
  // What is no uuid names no call, and no instance has U+0000 in its name: PostgreSQL would call either an error.
  const call = UUID.test(name.id) && !name.instance.includes('\0') ? await readOperatedCall(db, name) : null;
  if (call === null) throw unknownCall(name);
  return call;
};

/** The call as it is now, with its lane locked. @throws Refusal NOT_FOUND. */
export const lockCall = async (db: Queryable, name: CallName, deviceId: number): Promise<OperatedCall> => {
  const call = await lockOperatedCall(db, { ...name, deviceId });
  if (call === null) throw unknownCall(name);
  return call;
};

export const unknownCall = ({ instance, id }: CallName): Refusal =>
  new Refusal(
    'NOT_FOUND',
    'NO_SUCH_CALL',
    `There is no shopfloor call ${JSON.stringify(id)} in instance ${JSON.stringify(instance)}. Look it up with calls list.`,
  );
