import type { Any } from '../src/gen/google/protobuf/any.ts';
import { Code } from '../src/gen/google/rpc/code.ts';
import { StationWork } from '../src/gen/stationgrid/v1/work.ts';
import type { Handlers } from './handler.ts';
import type { Completion, Reader } from './lease-book.ts';

const STATION_WORK = 'stationgrid.v1.StationWork';

const refusal = (code: number, message: string): Completion => ({ code, message, result: null });
const malformed = (message: string): Completion => refusal(Code.INVALID_ARGUMENT, message);
const notHere = (message: string): Completion => refusal(Code.FAILED_PRECONDITION, message);

/**
 * Reads a lease's payload. INVALID_ARGUMENT: no bot of this kind can run it. FAILED_PRECONDITION: this bot cannot,
 * another may. Refused before it starts, so that no DUT is touched by work that cannot be finished.
 * `stations` null: any station.
 */
export const createReader =
  ({ handlers, stations }: { handlers: Handlers; stations: readonly string[] | null }): Reader =>
  (payload, assignment) => {
    if (assignment === 'admin') return malformed('This bot takes no admin tasks.');
    if (payload === undefined) return malformed('The lease came without a payload.');
    const type = payload.typeUrl.slice(payload.typeUrl.lastIndexOf('/') + 1);
    if (type !== STATION_WORK) return malformed(`This bot runs ${STATION_WORK}, not "${type}".`);
    const work = decode(payload);
    if (work === null) return malformed(`The payload is not the ${STATION_WORK} it says it is.`);
    if (stations !== null && !stations.includes(work.station)) {
      return notHere(`This bot runs ${stations.join(', ')}, not the station "${work.station}".`);
    }
    return faultOf(work, handlers) ?? work;
  };

function decode(payload: Any): StationWork | null {
  try {
    return StationWork.decode(payload.value);
  } catch {
    return null;
  }
}

function faultOf(work: StationWork, handlers: Handlers): Completion | null {
  for (const { testId, run } of work.tests) {
    if (testId === '') return malformed('A test has no test_id.');
    if (run === undefined) return malformed(`The test ${testId} names neither a command nor a handler.`);
    if (run.$case === 'command' && (run.value.argv[0] ?? '') === '') {
      return malformed(`The command of the test ${testId} names no program.`);
    }
    if (run.$case === 'handler' && !Object.hasOwn(handlers, run.value)) {
      return notHere(`This bot has no handler named "${run.value}", which the test ${testId} asks for.`);
    }
  }
  return null;
}
