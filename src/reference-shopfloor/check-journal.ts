/** The judge of a journal: was every device's story told in order, and each call once? */
import type { JournalLine } from './journal.ts';

export interface OrderViolation {
  readonly seq: number;
  readonly device: string;
  readonly method: string;
  readonly why: string;
}

export interface Duplicate {
  readonly key: string;
  readonly method: string;
  readonly device: string | null;
  /** How often the key came after the call was applied. */
  readonly repeats: number;
  /** A repeat must carry the same body as the first. */
  readonly sameBody: boolean;
  /** More than once only where the shopfloor was told not to remember keys. */
  readonly timesApplied: number;
}

export interface JournalCheck {
  readonly calls: number;
  readonly applied: number;
  readonly faults: number;
  readonly devices: number;
  /** Calls that came without a key, in which a repeat cannot be seen. */
  readonly withoutKey: number;
  readonly orderViolations: readonly OrderViolation[];
  readonly duplicates: readonly Duplicate[];
  /** Devices whose last start has no closing call yet, with its station. Wrong only once all work is done. */
  readonly openAttempts: readonly { readonly device: string; readonly station: string }[];
  /** Numbers at which the sequence jumps: lines were lost. */
  readonly gapsAfter: readonly number[];
}

/** Where a device stands. `closed` remembers a closing FAILED, after which a line may still send NotifyEnd. */
type Standing =
  | { readonly kind: 'idle' }
  | { readonly kind: 'started'; readonly station: string }
  | { readonly kind: 'failed'; readonly station: string };

const IDLE: Standing = { kind: 'idle' };

/**
 * Checks that within each attempt of a device NotifyStart is first, then the results, then one closing call: NotifyEnd,
 * or a FAILED UpdateTestResult whose test id is the station itself; and that nothing follows without a new start.
 * Events and questions belong to no attempt. A faulted call had no effect and is passed over; so is a repeat.
 */
export function checkJournal(lines: Iterable<JournalLine>): JournalCheck {
  const standings = new Map<string, Standing>();
  const keys = new Map<string, JournalLine[]>();
  const orderViolations: OrderViolation[] = [];
  const gapsAfter: number[] = [];
  const counts = { calls: 0, applied: 0, faults: 0, withoutKey: 0 };
  const devices = new Set<string>();
  let seq = 0;

  for (const line of lines) {
    if (line.seq !== seq + 1) gapsAfter.push(seq);
    seq = line.seq;
    counts.calls += 1;
    if (line.outcome === 'applied') counts.applied += 1;
    if (line.outcome === 'fault' || line.outcome === 'key-reused') counts.faults += 1;
    if (line.key === null) counts.withoutKey += 1;
    if (line.device !== null) devices.add(line.device);
    const first = noteKey(keys, line);
    if (line.outcome !== 'applied' || line.device === null || !first) continue;
    const { next, why } = step(standings.get(line.device) ?? IDLE, line);
    standings.set(line.device, next);
    if (why !== null) orderViolations.push({ seq: line.seq, device: line.device, method: line.method, why });
  }

  return {
    ...counts,
    devices: devices.size,
    orderViolations,
    duplicates: [...keys].flatMap(([key, uses]) => toDuplicate(key, uses)),
    openAttempts: [...standings].flatMap(([device, standing]) =>
      standing.kind === 'started' ? [{ device, station: standing.station }] : [],
    ),
    gapsAfter,
  };
}

/** One call of a device against where it stands. After a violation the call is believed, so that one slip counts once. */
function step(standing: Standing, line: JournalLine): { next: Standing; why: string | null } {
  const station = line.station ?? '';
  switch (line.method) {
    case 'NotifyStart': {
      const why = standing.kind === 'started' ? `starts ${station} before ${standing.station} was closed` : null;
      return { next: { kind: 'started', station }, why };
    }
    case 'NotifyEnd': {
      if (standing.kind === 'idle') return { next: IDLE, why: `ends ${station} without a start` };
      const why = standing.station === station ? null : `ends ${station} while in ${standing.station}`;
      return { next: IDLE, why };
    }
    case 'UpdateTestResult': {
      if (standing.kind !== 'started') return { next: standing, why: `reports ${line.testId ?? ''} without a start` };
      const closes = line.status === 'FAILED' && line.testId === standing.station;
      return { next: closes ? { kind: 'failed', station: standing.station } : standing, why: null };
    }
    default:
      return { next: standing, why: null };
  }
}

/** Notes a use of a key; true unless the key was applied before. */
function noteKey(keys: Map<string, JournalLine[]>, line: JournalLine): boolean {
  if (line.key === null) return true;
  const uses = keys.get(line.key);
  // A fault had no effect, so the same key may come again, and that is no duplicate.
  if (uses === undefined) {
    if (line.outcome === 'applied') keys.set(line.key, [line]);
    return true;
  }
  uses.push(line);
  return false;
}

function toDuplicate(key: string, uses: readonly JournalLine[]): readonly Duplicate[] {
  const [first] = uses;
  if (first === undefined || uses.length < 2) return [];
  return [
    {
      key,
      method: first.method,
      device: first.device,
      repeats: uses.length - 1,
      sameBody: uses.every((use) => use.bodySha256 === first.bodySha256),
      timesApplied: uses.filter((use) => use.outcome === 'applied').length,
    },
  ];
}
