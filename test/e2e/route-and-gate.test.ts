/** A line of five stations with real bots and the reference shopfloor: what stops a unit, and what lets it go on. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { JobsService, JobState, Verdict } from '../../src/gen/stationgrid/v1/jobs.ts';
import { type FarmDoor, expectToldInOrder, LINE, MLB, openFarmDoor } from '../support/farm-door.ts';
import { eventually, openSite, type Site } from '../support/farm-site.ts';

const STATIONS = ['SMT', 'FAT', 'RUNIN', 'FFT', 'GRT'];
const BOARDS = ['STOPS', 'GOES-ON', 'ASKS-AGAIN', 'OVERRULED'];

let site: Site;
let door: FarmDoor;
beforeAll(async () => {
  site = await openSite({
    lines: (url) => [
      {
        instance: LINE,
        shopfloor: { url },
        stations: [...STATIONS.map((name) => ({ name })), { name: 'GATED', mode: 'gate' }],
      },
    ],
  });
  await site.shopfloor().start();
  const farm = await site.farm();
  await farm.start();
  door = openFarmDoor(farm);
  for (const board of BOARDS) {
    const words = ['--instance', LINE, '--serial', `mlb_serial_number=${board}`];
    await site.bot(`bot-${board}`, farm, words).start();
  }
});
afterAll(async () => {
  door.close();
  await site.close();
});

const route = (board: string, onFailed: 'stop' | 'continue') =>
  door.enqueueAll(
    STATIONS.map((station) => {
      const outcome = station === 'FAT' ? ('FAILED' as const) : ('PASSED' as const);
      return { station, board, route: 'line', onFailed, outcome };
    }),
  );

test('a route whose second station fails stops there: the rest is held, and the farm can say why', async () => {
  const [smt, fat, runin, fft, grt] = await route('STOPS', 'stop');
  expect(await door.jobIn(smt!.id, JobState.FINISHED)).toMatchObject({ verdict: Verdict.VERDICT_PASSED });
  expect(await door.jobIn(fat!.id, JobState.FINISHED)).toMatchObject({ verdict: Verdict.VERDICT_FAILED, attempts: 1 });
  for (const { id } of [runin!, fft!, grt!]) {
    expect(await door.getJob(id)).toMatchObject({ state: JobState.QUEUED, heldBy: 'ROUTE_STOPPED', attempts: 0 });
    const { code, words } = await door.explain(id);
    expect(code).toBe('HELD');
    expect(words).toContain('FAT');
  }
});

test('a route that is told to continue goes on after a station that failed', async () => {
  const jobs = await route('GOES-ON', 'continue');
  const ended = await Promise.all(jobs.map(({ id }) => door.jobIn(id, JobState.FINISHED)));
  expect(ended.map(({ verdict }) => verdict)).toEqual(
    STATIONS.map((station) => (station === 'FAT' ? Verdict.VERDICT_FAILED : Verdict.VERDICT_PASSED)),
  );
});

test("a gate that the partner refuses holds the job with the partner's words, until it is asked again", async () => {
  await site.command({
    faults: [{ kind: 'fault', method: 'NotifyStart', station: 'GATED', text: 'the unit is on hold at the MES' }],
  });
  const { id } = await door.enqueue({ station: 'GATED', board: 'ASKS-AGAIN' });
  await expectRefused(id);
  const { code, words } = await door.explain(id);
  expect(code).toBe('HELD');
  expect(words).toContain('the unit is on hold at the MES');
  await site.command({ faults: [] });
  await door.ask(JobsService.retryGate, { instance: LINE, id, reason: 'the MES has let it go' });
  expect(await door.jobIn(id, JobState.FINISHED)).toMatchObject({ verdict: Verdict.VERDICT_PASSED, attempts: 1 });
});

test('an operator overrides a refused gate, with a reason', async () => {
  await site.command({ faults: [{ kind: 'fault', method: 'NotifyStart', station: 'GATED', text: 'no' }] });
  const { id } = await door.enqueue({ station: 'GATED', board: 'OVERRULED' });
  await expectRefused(id);
  // The start that is owed now is told as a fact; the partner has been talked to.
  await site.command({ faults: [] });
  await door.ask(JobsService.overrideGate, { instance: LINE, id, reason: 'agreed by telephone' });
  expect(await door.jobIn(id, JobState.FINISHED)).toMatchObject({ verdict: Verdict.VERDICT_PASSED, attempts: 1 });
});

test('the partner was told all of it in order, and the doctor finds nothing', async () => {
  expectToldInOrder(await door.settledCalls(), await site.journal());
  expect(await site.doctor()).toEqual([]);
  expect(new Set((await door.jobs()).map(({ serials }) => serials[MLB]))).toEqual(new Set(BOARDS));
});

const expectRefused = (id: bigint) =>
  eventually(async () => {
    const { heldBy, heldReason } = await door.getJob(id);
    expect({ heldBy, heldReason }).toEqual({
      heldBy: 'GATE_REFUSED',
      heldReason: expect.stringContaining('fault -1001'),
    });
  });
