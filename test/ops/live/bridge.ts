/** A shopfloor that answers late, refuses a call for good, or is away; and a bridge that waits for people. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CallState, ShopfloorService } from '../../../src/gen/stationgrid/v1/shopfloor.ts';
import { root } from '../../docs/pages.ts';
import { LINE } from '../../support/farm-door.ts';
import { boards, type Stage } from './stage.ts';

const run = promisify(execFile);
const labels = { exported_instance: LINE };

export const bridge = async (stage: Stage): Promise<void> => {
  await answersLate(stage);
  await refusesForGood(stage);
  await isAway(stage);
  await waitsForPeople(stage);
  await stage.ends('StationGridDeliverySlow');
};

/** Longer than the minute of the objective is in `shortened`, and shorter than the bridge's patience. */
const LATE_MS = 150;
/** Of each DUT. Each owes three calls, one of them late: together more than the twenty that the objective asks for. */
const JOBS = 4;

const answersLate = async ({ site, door, fires }: Stage): Promise<void> => {
  await site.command({ faults: [{ kind: 'slow', method: 'UpdateTestResult', ms: LATE_MS }] });
  const ofEach = Array.from({ length: JOBS }, () => boards).flat();
  await door.enqueueAll(ofEach.map((board) => ({ station: 'SMT', board, ms: 1 })));
  await fires('StationGridDeliverySlow', { ...labels, severity: 'critical' });
};

const refusesForGood = async ({ site, door, fires, ends }: Stage): Promise<void> => {
  await site.command({ faults: [{ kind: 'fault', method: 'UpdateTestResult', text: 'never heard of it' }] });
  await door.enqueue({ station: 'FAT', board: 'UNIT-1', ms: 500 });
  await fires('StationGridDeadLetters', labels);
  await fires('StationGridCycleOverTakt', { station: 'FAT' });
  await site.command({ faults: [] });
  for (const { id } of (await door.calls()).filter(({ state }) => state === CallState.DEAD)) {
    await door.ask(ShopfloorService.retryCall, { instance: LINE, id });
  }
  await ends('StationGridDeadLetters');
  await ends('StationGridCycleOverTakt');
};

const isAway = async ({ shopfloor, door, fires, ends }: Stage): Promise<void> => {
  await shopfloor.stop();
  await door.enqueue({ station: 'SMT', board: 'UNIT-1' });
  await fires('StationGridBreakerOpen', labels);
  await fires('StationGridBridgeBacklogOld', labels);
  await shopfloor.start();
  await ends('StationGridBreakerOpen');
  await ends('StationGridBridgeBacklogOld');
};

const waitsForPeople = async ({ site, farm, fires, ends }: Stage): Promise<void> => {
  const stationgrid = (...words: string[]) =>
    run(process.execPath, [join(root, 'src/cli/stationgrid.mjs'), ...words], {
      env: { ...process.env, STATIONGRID_SERVER: farm.address, STATIONGRID_INSTANCE: LINE },
    });
  await stationgrid('db', 'restored', '--data', site.folder);
  await fires('StationGridBridgePaused', labels);
  await stationgrid('bridge', 'resume', '--reason', 'compared by hand');
  await ends('StationGridBridgePaused');
};
