/**
 * A replica as a scrape finds it: `node scrape-server.ts BOTS` has so many sessions in memory, as if their bots had called,
 * the farm's own metrics with everything in them that four lines of five stations count, and the door for operations.
 */
import { randomUUID } from 'node:crypto';
import { defaultLimits } from '../../src/core/limits.ts';
import type { Line } from '../../src/core/line.ts';
import type { Witness } from '../../src/farm/farm.ts';
import { addSession, newSession, newSessionTable, type SessionTable } from '../../src/farm/sessions.ts';
import { serveOperations } from '../../src/fronts/rest/operations.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import { processClock } from '../../src/process-clock.ts';
import { testLine, testRule } from '../support/farm.ts';
import { plainEntrance } from '../support/plain-entrance.ts';

const STATIONS = ['SMT', 'FAT', 'RUNIN', 'FFT', 'GRT'];
const MODELS = ['rex', 'kip', 'lux'];
const lines: readonly Line[] = [1, 2, 3, 4].map((n) =>
  testLine({
    instance: `line-${n}`,
    stations: new Map(STATIONS.map((station) => [station, testRule({ station, taktMs: 60_000 })])),
  }),
);

const sessionsOf = (bots: number): SessionTable => {
  const table = newSessionTable();
  for (let at = 0; at < bots; at += 1) {
    const instance = lines[at % lines.length]!.instance;
    const properties = JSON.stringify({
      model: [MODELS[at % MODELS.length]],
      station: [STATIONS[at % STATIONS.length]],
    });
    const said = { status: 1, version: '1.0.0', capacity: 1, properties, deviceIds: [at] };
    const row = { name: `${instance}/${randomUUID()}`, instance, botId: `bot-${at}`, attachEpoch: 1 };
    addSession(table, newSession({ ...row, ...said, quarantineReason: null, erring: false, unsettled: false }, 0));
  }
  return table;
};

/** Each station has had jobs of every end, and each bot its poll. */
const live = (witness: Witness, { byName }: SessionTable): void => {
  for (const { instance } of byName.values()) {
    witness.pollParked(instance);
    witness.pollEnded({ instance, cause: 'work', heldMs: 10 });
    witness.pollParked(instance);
  }
  for (const { instance } of lines) {
    for (const station of STATIONS) {
      witness.granted({ instance, station, queuedMs: 5, matchMs: 5 });
      witness.started({ instance, station, acceptMs: 5 });
      for (const verdict of ['PASSED', 'FAILED'])
        witness.ended({ instance, station, state: 'FINISHED', verdict, attempts: 1, runMs: 30_000 });
    }
    for (const method of ['NotifyStart', 'UpdateTestResult', 'NotifyEnd'])
      witness.called({ instance, method, outcome: 'answered', ms: 20 });
  }
};

const metrics = createMetrics({
  version: 'bench',
  lines,
  propertyLabels: ['model'],
  pool: { totalCount: 16, idleCount: 16, waitingCount: 0 },
  poolMax: 16,
});
const table = sessionsOf(Number(process.argv[2]));
live(metrics.witness, table);
metrics.gauges.sessions(table);
const silent = (): void => undefined;
const door = await serveOperations({
  home: {
    clock: processClock,
    limits: defaultLimits,
    newId: randomUUID,
    log: { info: silent, warn: silent, error: silent },
  },
  address: { host: '127.0.0.1', port: 0 },
  entrance: plainEntrance(),
  names: [],
  metrics,
  ready: () => Promise.resolve({ ok: true, why: '' }),
});
process.stdout.write(`ops http://${door.address}\n`);
process.once('SIGTERM', () => {
  metrics.close();
  void door.stop();
});
