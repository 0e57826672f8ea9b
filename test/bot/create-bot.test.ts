import { afterEach, expect, test } from 'vitest';
import { createBot, type BotOptions } from '../../bot/create-bot.ts';
import { BotStatus } from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import type { StationWork, DeepPartial } from '../../src/gen/stationgrid/v1/work.ts';
import { createManualClock } from '../support/manual-clock.ts';
import { active, cancelled, pending, ScriptedFarm, stationResult, told } from './scripted-farm.ts';

const UNAVAILABLE = 14;
const DATA_LOSS = 15;
const fat: DeepPartial<StationWork> = {
  station: 'FAT',
  tests: [{ testId: 'FAT.Probe', run: { $case: 'handler', value: 'probe' } }],
  lostAfter: { seconds: 90n },
};

const stops: AbortController[] = [];
afterEach(() => stops.splice(0).forEach((stop) => stop.abort()));

/** A bot with one handler, `probe`, which ends when the test says so and knows when it is stopped. */
function startBot(options: Partial<BotOptions> = {}) {
  const farm = new ScriptedFarm();
  const clock = createManualClock();
  const probes: { end: () => void; stopped: Promise<void> }[] = [];
  const starts: (() => void)[] = [];
  const nextStart = (): Promise<void> => new Promise((resolve) => starts.push(resolve));
  const probe = ({ signal }: { signal: AbortSignal }): Promise<void> =>
    new Promise((resolve) => {
      const stopped = new Promise<void>((isStopped) => {
        signal.addEventListener('abort', () => {
          isStopped();
          resolve();
        });
      });
      probes.push({ end: resolve, stopped });
      starts.shift()?.();
    });
  const bot = createBot({
    ...{ transport: farm.transport, instance: 'line', botId: 'b1', handlers: { probe }, clock, random: () => 0 },
    ...options,
  });
  const stop = new AbortController();
  stops.push(stop);
  const exit = bot.run(stop.signal);
  /** Takes the bot to where it runs lease L. */
  const run = async () => {
    const started = nextStart();
    (await farm.next()).reply([pending('L', fat)]);
    (await farm.next()).reply([active('L')]);
    await started;
    return probes.at(-1)!;
  };
  return { farm, clock, bot, exit, run, probes, stop };
}

test('accepts, starts when the farm has heard it, completes with the results, and waits for more', async () => {
  const { farm, bot, probes, clock } = startBot({ serials: { mlb_serial_number: 'M1' }, version: '7' });
  const create = await farm.next();
  expect(create.kind).toBe('create');
  expect(create.session).toMatchObject({ botId: 'b1', status: BotStatus.OK, version: '7', name: '' });
  expect(create.session.worker?.devices[0]?.properties).toEqual([{ key: 'serials.mlb_serial_number', value: 'M1' }]);
  create.reply();
  const idle = await farm.next();
  expect(idle.deadlineMs).toBeCloseTo(47_500);
  idle.reply([pending('L', fat)]);

  const accepting = await farm.next();
  expect(told(accepting.session)).toEqual(['L ACTIVE']);
  expect(probes).toHaveLength(0);
  accepting.reply([active('L')]);
  await clock.untilSleepOf(2_000 + 8_000);
  expect(bot.state()).toEqual({ session: 'line/1', isDraining: false, leases: [{ id: 'L', stage: 'RUNNING' }] });
  probes[0]!.end();

  const completing = await farm.next();
  expect(told(completing.session)).toEqual(['L COMPLETED 0']);
  expect(farm.reports.map(({ leaseId, results }) => [leaseId, results[0]?.testId])).toEqual([['L', 'FAT.Probe']]);
  completing.reply([pending('M', fat)]);
  expect(told((await farm.next()).session)).toEqual(['M ACTIVE']);
  expect(farm.events.map(({ msg }) => msg)).toEqual(['started, version 7']);
});

test('says the same again while replies are lost, with the same session', async () => {
  const { farm, clock, run } = startBot();
  (await run()).end();
  const lost = await farm.next();
  expect(told(lost.session)).toEqual(['L COMPLETED 0']);
  lost.fail(UNAVAILABLE);
  await clock.untilSleepOf(200);
  await clock.advance(200);
  const again = await farm.next();
  expect(again.kind).toBe('update');
  expect(again.session).toEqual(lost.session);
});

test('results that could not be reported go with the completion', async () => {
  const { farm, run } = startBot();
  farm.reportAnswer = { code: UNAVAILABLE };
  (await run()).end();
  const completing = await farm.next();
  expect(stationResult(completing.session).results.map(({ testId }) => testId)).toEqual(['FAT.Probe']);
});

test('a lost session is created anew at once, with the leases it held, and the work runs on', async () => {
  const { farm, clock, run } = startBot();
  const probe = await run();
  await clock.untilSleepOf(10_000);
  await clock.advance(10_000);
  (await farm.next()).fail(DATA_LOSS, 'expired');
  const create = await farm.next();
  expect([create.kind, ...told(create.session)]).toEqual(['create', 'L ACTIVE']);
  create.reply([active('L')], 'line/2');
  await clock.untilSleepOf(10_000);
  probe.end();
  const completing = await farm.next();
  expect([completing.session.name, ...told(completing.session)]).toEqual(['line/2', 'L COMPLETED 0']);
});

test('a second loss in a row waits before the next session', async () => {
  const { farm, clock } = startBot();
  (await farm.next()).reply();
  (await farm.next()).fail(DATA_LOSS);
  (await farm.next()).reply([], 'line/2');
  (await farm.next()).fail(DATA_LOSS);
  await clock.untilSleepOf(200);
});

test('a cancel stops the work, and is confirmed until the farm omits the lease', async () => {
  const { farm, clock, run } = startBot();
  const probe = await run();
  await clock.untilSleepOf(10_000);
  await clock.advance(10_000);
  (await farm.next()).reply([cancelled('L')]);
  await probe.stopped;
  const confirming = await farm.next();
  expect(told(confirming.session)).toEqual(['L CANCELLED']);
  confirming.reply([cancelled('L')]);
  await clock.untilSleepOf(1_000);
  await clock.advance(1_000);
  const again = await farm.next();
  expect(told(again.session)).toEqual(['L CANCELLED']);
  again.reply();
  expect(told((await farm.next()).session)).toEqual([]);
});

test('a report of results that is answered "fenced" stops the work', async () => {
  const two = { ...fat, tests: [...fat.tests!, { testId: 'FAT.Second', run: { $case: 'handler', value: 'probe' } }] };
  const { farm, probes, clock } = startBot();
  farm.reportAnswer = { fenced: true };
  (await farm.next()).reply([pending('L', two as DeepPartial<StationWork>)]);
  (await farm.next()).reply([active('L')]);
  await clock.untilSleepOf(10_000);
  probes[0]!.end();
  expect(told((await farm.next()).session)).toEqual([]);
});

test('fences itself 30 s before the farm may give the work away, and comes back without the lease', async () => {
  const { farm, clock, bot, run } = startBot();
  const probe = await run();
  await clock.untilSleepOf(10_000);
  let stopped = false;
  void probe.stopped.then(() => (stopped = true));
  // The farm answers nothing from here on: one call hangs, and the clock runs to just before the fence.
  await clock.advance(10_000);
  const hanging = await farm.next();
  await clock.advance(49_999);
  expect([stopped, told(hanging.session)]).toEqual([false, ['L ACTIVE']]);
  await clock.advance(1);
  await probe.stopped;
  const create = await farm.next();
  expect([create.kind, told(create.session)]).toEqual(['create', []]);
  expect(bot.state()).toEqual({ session: null, isDraining: false, leases: [] });
});

test('begins no other test when its host wakes after the fence, though no timer has told it yet', async () => {
  let sleptMs = 0;
  const manual = createManualClock();
  const clock = { ...manual, monotonicMs: () => manual.monotonicMs() + sleptMs };
  const { farm, probes } = startBot({ clock });
  const [test] = fat.tests!;
  (await farm.next()).reply([pending('L', { ...fat, tests: [test!, { ...test!, testId: 'FAT.Second' }] })]);
  (await farm.next()).reply([active('L')]);
  await expect.poll(() => probes.length).toBe(1);
  sleptMs = 60_000;
  // The first thing that runs when the host is awake: the test ends by itself.
  probes[0]!.end();
  const back = await farm.next();
  expect([back.kind, told(back.session)]).toEqual(['create', []]);
  expect(probes).toHaveLength(1);
});

test('a request that was answered moves the fence, counted from when it was sent', async () => {
  const { farm, clock, run } = startBot();
  const probe = await run();
  await clock.untilSleepOf(10_000);
  await clock.advance(10_000);
  const slow = await farm.next();
  await clock.advance(5_000);
  slow.reply([active('L')]);
  await clock.advance(54_999);
  let stopped = false;
  void probe.stopped.then(() => (stopped = true));
  await clock.advance(0);
  expect(stopped).toBe(false);
  await clock.advance(1);
  await probe.stopped;
});

test('a drain lets the work finish, delivers it, and says goodbye without leases', async () => {
  const { farm, clock, bot, exit, run } = startBot();
  const probe = await run();
  await clock.untilSleepOf(10_000);
  bot.drain();
  const leaving = await farm.next();
  expect([leaving.session.status, told(leaving.session)]).toEqual([BotStatus.BOT_TERMINATING, ['L ACTIVE']]);
  leaving.reply([active('L')]);
  await clock.untilSleepOf(10_000);
  probe.end();
  const completing = await farm.next();
  expect([completing.session.status, told(completing.session)]).toEqual([4, ['L COMPLETED 0']]);
  completing.reply();
  const goodbye = await farm.next();
  expect([goodbye.session.status, told(goodbye.session)]).toEqual([4, []]);
  goodbye.reply();
  expect(await exit).toBe('drained');
});

test('a drain hands back what was not started', async () => {
  const { farm, clock, bot, exit } = startBot();
  (await farm.next()).reply([pending('L', fat)]);
  const accepting = await farm.next();
  bot.drain();
  await clock.untilSleepOf(500);
  await clock.advance(500);
  expect(told(accepting.session)).toEqual(['L ACTIVE']);
  const handingBack = await farm.next();
  expect([handingBack.session.status, told(handingBack.session)]).toEqual([4, ['L COMPLETED 14']]);
  handingBack.reply();
  (await farm.next()).reply();
  expect(await exit).toBe('drained');
});

test('a second drain stops the work, and does not wait for ever for a farm that is away', async () => {
  const { farm, clock, bot, exit, run } = startBot();
  const probe = await run();
  await clock.untilSleepOf(10_000);
  bot.drain();
  bot.drain();
  await probe.stopped;
  const telling = await farm.next();
  await clock.advance(500);
  telling.fail(UNAVAILABLE);
  await clock.untilSleepOf(9_500);
  await clock.advance(9_500);
  expect(await exit).toBe('undelivered');
});

test('a drain limit stops work that takes too long', async () => {
  const { farm, clock, bot, exit, run } = startBot({ limits: { drainMs: 50_000 } });
  const probe = await run();
  bot.drain();
  (await farm.next()).reply([active('L')]);
  await clock.untilSleepOf(50_000);
  const answerAll = async (): Promise<never> => {
    for (;;) {
      const call = await farm.next();
      call.reply(told(call.session)[0] === 'L ACTIVE' ? [active('L')] : []);
    }
  };
  void answerAll();
  await clock.advance(50_000);
  await probe.stopped;
  expect(await exit).toBe('drained');
});

test('drained without work, it leaves a farm that is gone within 2 s, however long it would have backed off', async () => {
  const { farm, clock, bot, exit } = startBot({ random: () => 1 });
  (await farm.next()).reply();
  for (let failures = 1; failures <= 6; failures += 1) {
    (await farm.next()).fail(UNAVAILABLE);
    await clock.untilSleepOf(Math.min(10_000, 200 * 2 ** failures));
    if (failures < 6) await clock.advance(10_000);
  }
  bot.drain();
  (await farm.next()).fail(UNAVAILABLE);
  await clock.untilSleepOf(10_000);
  await clock.advance(2_000);
  expect(await exit).toBe('drained');
});

test('drained without work, it does not wait for a farm that has stopped to answer', async () => {
  const { farm, clock, bot, exit } = startBot();
  (await farm.next()).reply();
  await farm.next();
  bot.drain();
  await clock.advance(500);
  expect((await farm.next()).session.status).toBe(BotStatus.BOT_TERMINATING);
  await clock.advance(2_000);
  expect(await exit).toBe('drained');
});

test('an idle poll that is answered at once is not repeated at once', async () => {
  const { farm, clock } = startBot();
  (await farm.next()).reply();
  (await farm.next()).reply();
  await clock.untilSleepOf(1_000);
});

test('no work until the deadline is no fault: it polls on with the same session', async () => {
  const { farm, clock } = startBot();
  (await farm.next()).reply();
  const parked = await farm.next();
  await clock.advance(47_500);
  parked.fail(4);
  const next = await farm.next();
  expect([next.kind, next.session.name]).toEqual(['update', 'line/1']);
});

test('a command that is not on this host hands the work to another bot, and tells people', async () => {
  const { farm, clock } = startBot();
  const run = { $case: 'command', value: { argv: ['/no/such/program'] } } as const;
  (await farm.next()).reply([pending('L', { station: 'FAT', tests: [{ testId: 'T', run }] })]);
  (await farm.next()).reply([active('L')]);
  const refusing = await farm.next();
  expect(told(refusing.session)).toEqual(['L COMPLETED 9']);
  await clock.advance(0);
  expect(farm.events.map(({ type, msg }) => [type, msg])).toEqual([
    [1, 'started, version '],
    [2, expect.stringContaining('FAT cannot be run: /no/such/program cannot be started')],
  ]);
});

test('a farm that refuses the bot ends it; one that is away does not', async () => {
  const { farm, clock, exit } = startBot();
  (await farm.next()).fail(UNAVAILABLE);
  await clock.untilSleepOf(200);
  await clock.advance(200);
  (await farm.next()).fail(3, 'no such instance');
  expect(await exit).toBe('refused');
});

test('an abort stops the work and everything else', async () => {
  const { clock, exit, run, stop } = startBot();
  const probe = await run();
  await clock.untilSleepOf(10_000);
  stop.abort();
  await probe.stopped;
  expect(await exit).toBe('aborted');
});

test('work with a short lost_after is kept alive by calls in time, and fenced after two thirds of it', async () => {
  const { farm, clock, probes } = startBot();
  (await farm.next()).reply([pending('L', { ...fat, lostAfter: { seconds: 6n } })]);
  (await farm.next()).reply([active('L')]);
  await clock.untilSleepOf(4_000);
  await clock.untilSleepOf(1_000);
  await clock.advance(3_999);
  expect((await farm.next()).deadlineMs).toBe(1_000);
  await clock.advance(1);
  await probes[0]!.stopped;
});
