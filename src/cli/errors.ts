/** From whatever went wrong to an exit code and two lines: what happened and why; what to do. */
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { ErrorInfo, RetryInfo } from '../gen/google/rpc/error_details.ts';
import { Status } from '../gen/google/rpc/status.ts';
import { EXIT } from './exit-codes.ts';
import { Failure } from './failure.ts';

/** What to do where the farm's own words may not say it. Any code that is not here is the farm's refusal. */
const cures: Readonly<Partial<Record<status, string>>> = {
  [status.INVALID_ARGUMENT]: 'Change the request as it says; `--help` tells what each option means.',
  [status.NOT_FOUND]: 'Check the name and --instance; the `list` commands show what there is.',
  [status.ALREADY_EXISTS]: 'Choose another name, or use what is there.',
  [status.FAILED_PRECONDITION]: 'See where it stands now with `get` or `job why`, then decide.',
  [status.RESOURCE_EXHAUSTED]: 'Ask for less, or later; limits are in `stationgrid config print` of the farm.',
  [status.PERMISSION_DENIED]: 'Ask whoever runs the farm for the right to do this.',
  [status.UNAUTHENTICATED]: 'Ask whoever runs the farm for a way in.',
  [status.ABORTED]: 'Try again: somebody else changed the same thing meanwhile.',
  [status.UNIMPLEMENTED]: 'Is --server a StationGrid farm, and of this version? `stationgrid --version` tells ours.',
};

export const isServiceError = (error: unknown): error is ServiceError =>
  error instanceof Error && 'code' in error && typeof error.code === 'number' && 'metadata' in error;

/** An error of a call to the farm at `server` as a Failure. */
export const farmFailure = (error: ServiceError, server: string): Failure => {
  const told = readDetails(error.metadata);
  const code = toStatus(error.code);
  const reason = told.info === null ? '' : `, ${told.info.reason}`;
  const words = `${error.details || 'no words'} (${status[code]}${reason})`;
  const again = told.retryMs === null ? null : `Try again in ${String(Math.ceil(told.retryMs / 1000))} s.`;
  switch (code) {
    case status.UNAVAILABLE:
      return told.info === null
        ? unreachable(`no farm answers at ${server}: ${connectionWords(error.details)}`, error)
        : new Failure(EXIT.unreachable, words, again ?? 'Try again shortly; nothing was changed.', { cause: error });
    case status.DEADLINE_EXCEEDED:
      return unreachable(`the farm at ${server} did not answer in time: ${error.details}`, error);
    case status.INTERNAL:
    case status.UNKNOWN:
    case status.DATA_LOSS:
      return new Failure(EXIT.bug, `the farm at ${server} failed: ${words}`, 'Its log says more; please report it.', {
        cause: error,
      });
    default:
      return new Failure(EXIT.refused, words, again ?? cures[code] ?? null, { cause: error });
  }
};

/** `RESOURCE_EXHAUSTED, QUEUE_FULL`: what tells failures apart when they are counted. */
export const codeWords = (error: ServiceError): string => {
  const { info } = readDetails(error.metadata);
  return [status[toStatus(error.code)], ...(info === null ? [] : [info.reason])].join(', ');
};

/** A number of some future gRPC is UNKNOWN, as the specification has it. */
const toStatus = (code: status): status => (code in status ? code : status.UNKNOWN);

const unreachable = (words: string, cause: Error): Failure =>
  new Failure(
    EXIT.unreachable,
    words,
    'Start one with `stationgrid serve`, or name it with --server HOST:PORT (or STATIONGRID_SERVER).',
    { cause },
  );

/** grpc-js leads with a sentence about its own doings; the system's words come last. */
const connectionWords = (details: string): string =>
  /Last error: (?:Error: )?(.+?)(?: Resolution note:.*)?$/s.exec(details)?.[1]?.replace(/^\.|\.$/g, '') ?? details;

type Details = { readonly info: ErrorInfo | null; readonly retryMs: number | null };
const NO_DETAILS: Details = { info: null, retryMs: null };

/** grpc-status-details-bin, which a proxy on the way may have mangled: then there are none. */
const readDetails = (metadata: Metadata): Details => {
  const [bytes] = metadata.get('grpc-status-details-bin');
  if (!(bytes instanceof Buffer)) return NO_DETAILS;
  try {
    const { details } = Status.decode(bytes);
    const valueOf = (name: string) => details.find(({ typeUrl }) => typeUrl.endsWith(`/google.rpc.${name}`))?.value;
    const [info, retry] = [valueOf('ErrorInfo'), valueOf('RetryInfo')];
    const delay = retry === undefined ? undefined : RetryInfo.decode(retry).retryDelay;
    return {
      info: info === undefined ? null : ErrorInfo.decode(info),
      retryMs: delay === undefined ? null : Number(delay.seconds) * 1000 + delay.nanos / 1e6,
    };
  } catch {
    return NO_DETAILS;
  }
};
