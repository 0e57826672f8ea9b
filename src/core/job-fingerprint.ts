/** Whether two requests of one id ask for the same: what makes repeating harmless, and a mix-up visible. */
import { createHash } from 'node:crypto';
import type { JobRequest } from './job-request.ts';

/** Of everything the request says but its id; the order of keys within an object does not matter. */
export const fingerprintOf = ({ requestId: _id, task, ...rest }: JobRequest): string => {
  const said =
    task.kind === 'work'
      ? { ...rest, work: task.work }
      : { ...rest, typeUrl: task.typeUrl, value: Buffer.from(task.value).toString('base64') };
  return createHash('sha256').update(JSON.stringify(said, sorted)).digest('base64url');
};

const sorted = (_key: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
    : value;
