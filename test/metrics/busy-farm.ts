/** A farm in which everything that is counted has happened once, as the witness and the tick tell it. */
import { type FarmEventKind, farmEvent } from '../../src/core/farm-event.ts';
import type { Line, StationRule } from '../../src/core/line.ts';
import { addSession, newSession, newSessionTable, type SessionTable } from '../../src/farm/sessions.ts';
import { createMetrics, type Metrics } from '../../src/metrics/metrics.ts';

export const instance = 'line-1';

const rule = (station: string, taktMs: number | null): StationRule => ({
  station,
  mode: 'notify',
  lostAfterMs: 90_000,
  attemptsMax: 3,
  waivable: new Set(),
  notifyEnd: 'passed',
  taktMs,
  tests: [],
});

export const line: Line = {
  instance,
  shopfloorUrl: 'http://127.0.0.1:8090/',
  stations: new Map([['FAT', rule('FAT', 240_000)]]),
  anyStation: rule('', null),
  events: new Map(),
  actions: new Map(),
  claims: [],
};

export const quietMetrics = (): Metrics =>
  createMetrics({
    version: '0.1.0',
    lines: [line],
    propertyLabels: ['label:model'],
    pool: { totalCount: 4, idleCount: 3, waitingCount: 0 },
    poolMax: 16,
  });

/** @param properties as a bot has declared them, by key. */
export const tableOf = (
  bots: readonly {
    readonly status: number;
    readonly capacity: number;
    readonly properties: Record<string, string[]>;
  }[],
): SessionTable => {
  const table = newSessionTable();
  for (const [index, { status, capacity, properties }] of bots.entries()) {
    const row = { status, version: '', capacity, properties: JSON.stringify(properties), deviceIds: [index + 1] };
    const name = `${instance}/${index}`;
    const fresh = {
      ...row,
      name,
      instance,
      botId: `bot-${index}`,
      attachEpoch: 1,
      quarantineReason: null,
      erring: false,
      unsettled: false,
    };
    addSession(table, newSession(fresh, 0));
  }
  return table;
};

export const event = (kind: FarmEventKind, facts: Record<string, string | boolean>, leaseId: string | null = null) =>
  farmEvent(kind, instance, { leaseId, facts });

/** Changes every metric there is. */
export const keepBusy = ({ witness, grpc, gauges, lead, door, tls, factory }: Metrics): void => {
  const work = { instance, station: 'FAT' };
  witness.committed([
    event('SESSION_CREATED', { replaced: false }),
    event('SESSION_CLOSED', { reason: 'expired' }),
    event('SESSION_LAPSED', {}),
    event('BOT_EVENT', { type: 'ERROR' }),
    event('BOT_QUARANTINED', { reason: 'three errors' }),
    event('JOB_ENQUEUED', {}),
    event('LEASE_LOST', { cause: 'LOST_AFTER_PASSED' }, 'lease-1'),
    event('JOB_REQUEUED', {}, 'lease-1'),
    event('JOB_FAILED', { failure: 'QUEUE_TIMEOUT' }),
    event('CALL_DEAD', {}),
  ]);
  witness.granted({ ...work, queuedMs: 1_500, matchMs: 20 });
  witness.started({ ...work, acceptMs: 40 });
  witness.ended({ ...work, state: 'FINISHED', verdict: 'PASSED', attempts: 1, runMs: 180_000 });
  witness.flushed({ rows: 7, ms: 3 });
  witness.pollParked(instance);
  witness.pollEnded({ instance, cause: 'work', heldMs: 12_000 });
  witness.called({ instance, method: 'NotifyStart', outcome: 'answered', ms: 8 });
  witness.delivered({ instance, owedMs: 2_500 });
  witness.fenced('lease');
  witness.missedNotify();
  const call = { type: 'unary', service: 'stationgrid.v1.Jobs', method: 'Enqueue' } as const;
  grpc.started(call);
  grpc.received(call);
  grpc.sent(call);
  grpc.handled(call, { code: 3, seconds: 0.002 });
  const { opened, refused } = door('grpc');
  opened();
  refused('not HTTP/2');
  tls.certificateExpires(new Date('2027-01-01T00:00:00Z'));
  tls.reloadFailed();
  factory.called({ method: 'UploadReport', outcome: 'answered', seconds: 0.02 });
  factory.uploaded('REPORT', 'kept', 1024);
  factory.told('kept', 3);
  factory.room(instance, { left: 5e9, of: 5e10 });
  const facts = { replicas: 2, amnesty: false, sessions: [{ instance, status: 1, n: 5 }], quarantined: [{ instance }] };
  lead.knowsDuty('history');
  lead.leads(true);
  lead.dutyFailed('alarms');
  lead.eventsHeld(12_000);
  lead.historyLeft(1);
  lead.auditBroken(2);
  gauges.answered(facts, new Date('2026-01-01T00:00:00Z'));
  gauges.sessions(tableOf([{ status: 1, capacity: 2, properties: { model: ['octopus'] } }]));
  gauges.breakers([{ instance, state: 'open' }]);
  gauges.waits({ idleMatches: [{ instance, seconds: 3 }], unserved: [{ ...work, seconds: 70 }] });
  gauges.footing({ isDurable: true, schema: { pending: [], future: [], changed: [] } });
  gauges.pauses([{ instance, isPaused: false }]);
  const counts = { due: 3, blocked: 1, owed: 17 };
  gauges.farm({
    jobs: [{ instance, station: 'FAT', state: 'QUEUED', n: 12 }],
    instances: [{ instance, ...counts, oldestQueuedSeconds: 30, oldestOwedSeconds: 4.5 }],
  });
};
