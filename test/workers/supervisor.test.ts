import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CannotStart } from '../../src/core/cannot-start.ts';
import { defaultLimits } from '../../src/core/limits.ts';
import { openScriptedHost } from './scripted-host.ts';

test('the first worker is started alone, so that what is wrong with the configuration is said once', async () => {
  const { supervisor, forked, nth } = openScriptedHost(3);
  const why = 'The HTTP door cannot listen on 127.0.0.1:8081.';
  const refused = expect(supervisor.start()).rejects.toThrow(new CannotStart(why));
  const first = await nth(1);
  await first.tell.begin(null);
  await first.tell.refused({ why });
  await first.ends({ code: 78 });
  await refused;
  expect(forked).toHaveLength(1);
});

test('a first worker that ends without a word is a defect', async () => {
  const { supervisor, nth } = openScriptedHost(2);
  const words = 'worker 1 ended with SIGSEGV before it served';
  const failed = expect(supervisor.start()).rejects.toThrow(new Error(words));
  await (await nth(1)).ends({ signal: 'SIGSEGV' });
  await failed;
});

test('the host is ready while one worker serves, and says how many do, and what ails the others', async () => {
  const { supervisor, forked, start } = openScriptedHost(3);
  await start();
  expect(await supervisor.readiness()).toEqual({ ok: true, why: '3 of 3 workers serve' });
  forked[0]!.ready = { ok: false, why: 'the database does not answer' };
  await forked[2]!.ends({ signal: 'SIGKILL' });
  expect(await supervisor.readiness()).toEqual({
    ok: true,
    why: '1 of 3 workers serves (worker 1: the database does not answer; worker 3: it is being started)',
  });
  forked[1]!.ready = { ok: false, why: 'the replica is shutting down' };
  expect(await supervisor.readiness()).toMatchObject({
    ok: false,
    why: expect.stringMatching(/^0 of 3 workers serve /),
  });
});

test('a worker that does not answer a probe counts as not serving', async () => {
  const { supervisor, forked, clock, limits, start } = openScriptedHost(2);
  await start();
  forked[1]!.hangs();
  const asked = supervisor.readiness();
  await clock.untilSleepOf(limits.answerMs);
  await clock.advance(limits.answerMs);
  expect(await asked).toMatchObject({ ok: true, why: expect.stringMatching(/^1 of 2 /) });
});

test('a worker that dies is started anew: at once, then after waits that double, until it has been steady', async () => {
  const { supervisor, clock, limits, deaths, nth, start } = openScriptedHost(2);
  await start();
  await (await nth(2)).ends({ signal: 'SIGKILL' });
  let next = 3;
  for (const waitMs of [limits.backoffMinMs, 2 * limits.backoffMinMs, 4 * limits.backoffMinMs]) {
    const again = await nth(next);
    expect(again.place).toBe(2);
    await again.serves();
    await again.ends({ signal: 'SIGKILL' });
    await clock.untilSleepOf(waitMs);
    await clock.advance(waitMs);
    next += 1;
  }
  await (await nth(next)).serves();
  await clock.advance(limits.steadyMs);
  await (await nth(next)).ends({ code: 0 });
  // As if it had been the first time.
  await (await nth(next + 1)).serves();
  expect(deaths.count).toBe(5);
  expect(await supervisor.readiness()).toEqual({ ok: true, why: '2 of 2 workers serve' });
});

test('when none serves and so many starts in a row have failed, the farm is lost, for the reason that was given', async () => {
  const { supervisor, clock, limits, nth, start } = openScriptedHost(1, { startsMax: 3 });
  await start();
  await (await nth(1)).ends({ signal: 'SIGKILL' });
  for (let failed = 1; failed <= 3; failed += 1) {
    expect(supervisor.lost.aborted).toBe(false);
    const again = await nth(1 + failed);
    await again.tell.begin(null);
    await again.tell.refused({ why: 'No PostgreSQL lets the farm in.' });
    await again.ends({ code: 78 });
    await clock.advance(limits.backoffMaxMs);
  }
  expect(supervisor.lost.reason).toEqual(new CannotStart('No PostgreSQL lets the farm in.'));
});

test('as long as another serves, a worker that cannot start is tried for ever', async () => {
  const { supervisor, clock, limits, nth, start } = openScriptedHost(2, { startsMax: 3 });
  await start();
  await (await nth(2)).ends({ signal: 'SIGKILL' });
  for (let failed = 1; failed <= 10; failed += 1) {
    await (await nth(2 + failed)).ends({ code: 78 });
    await clock.advance(limits.backoffMaxMs);
  }
  expect(supervisor.lost.aborted).toBe(false);
  await (await nth(13)).serves();
  expect(await supervisor.readiness()).toEqual({ ok: true, why: '2 of 2 workers serve' });
});

test('one that does not serve in time is killed, and so is one that has stopped answering', async () => {
  const { clock, limits, forked, deaths, nth, start } = openScriptedHost(2);
  await start();
  forked[0]!.hangs();
  await clock.advance(limits.silentMs);
  expect(forked[0]!.heard).toEqual(['alive', 'SIGKILL']);
  expect(forked[1]!.heard).not.toContain('SIGKILL');
  const slow = await nth(3);
  expect(slow.place).toBe(1);
  await clock.advance(limits.startMs);
  expect(slow.heard).toEqual(['SIGKILL']);
  expect(deaths.count).toBe(2);
});

test('workers are replaced one after another, each leaving only when its successor serves', async () => {
  const { supervisor, forked, log, deaths, nth, start } = openScriptedHost(2);
  await start();
  const rolling = supervisor.roll();
  // A second request while it goes on changes nothing.
  const again = supervisor.roll();
  const first = await nth(3);
  expect(first.place).toBe(1);
  expect(forked.flatMap(({ heard }) => heard)).toEqual([]);
  expect(await supervisor.readiness()).toEqual({ ok: true, why: '2 of 2 workers serve' });
  await first.serves();
  expect(forked[0]!.heard).toContain('stop');
  const second = await nth(4);
  expect(second.place).toBe(2);
  expect(forked[1]!.heard).not.toContain('stop');
  await second.serves();
  await Promise.all([rolling, again]);
  expect(forked).toHaveLength(4);
  expect(deaths.count).toBe(0);
  expect(log.at(-1)).toBe('all workers were replaced');
  expect(await supervisor.readiness()).toEqual({ ok: true, why: '2 of 2 workers serve' });
});

test('nobody is replaced before all is started, nor once all are told to stop', async () => {
  const { supervisor, forked, nth } = openScriptedHost(1);
  const starting = supervisor.start();
  const first = await nth(1);
  await supervisor.roll();
  await first.serves();
  await starting;
  await supervisor.stop();
  await supervisor.roll();
  expect(forked).toHaveLength(1);
});

test('a successor that cannot start ends the replacing, and nobody has lost anything', async () => {
  const { supervisor, forked, log, nth, start } = openScriptedHost(2);
  await start();
  const rolling = supervisor.roll();
  const successor = await nth(3);
  await successor.tell.begin(null);
  await successor.tell.refused({ why: 'the files of tls cannot be used' });
  await successor.ends({ code: 78 });
  await rolling;
  expect(log.at(-1)).toBe('1: a new worker could not start: those that are left go on as they are');
  expect(forked.flatMap(({ heard }) => heard)).toEqual([]);
  expect(await supervisor.readiness()).toEqual({ ok: true, why: '2 of 2 workers serve' });
});

test('when the one to be replaced dies first, its successor has the place, and there is no third', async () => {
  const { supervisor, forked, deaths, nth, start } = openScriptedHost(1);
  await start();
  const rolling = supervisor.roll();
  const successor = await nth(2);
  await forked[0]!.ends({ signal: 'SIGKILL' });
  await successor.serves();
  await rolling;
  expect(forked).toHaveLength(2);
  expect(deaths.count).toBe(1);
  expect(await supervisor.readiness()).toEqual({ ok: true, why: '1 of 1 workers serves' });
});

test('at the stop all are told at once, and whoever does not follow in time is killed', async () => {
  const { supervisor, clock, limits, forked, nth, start } = openScriptedHost(3, { silentMs: 300_000 });
  await start();
  forked[2]!.hangs();
  // This one has just been started, and listens to nobody yet.
  await forked[1]!.ends({ signal: 'SIGKILL' });
  const unborn = await nth(4);
  const stopping = supervisor.stop();
  await clock.untilSleepOf(limits.answerMs);
  expect([forked[0]!.heard, unborn.heard]).toEqual([['stop'], ['SIGKILL', 'stop']]);
  await clock.advance(limits.answerMs);
  await clock.advance(limits.stopMs);
  await stopping;
  expect(forked[2]!.heard).toEqual(['stop', 'SIGKILL']);
  expect(forked).toHaveLength(4);
  expect(await supervisor.readiness()).toMatchObject({ ok: false, why: 'the farm is shutting down' });
});

test('a stop while workers are replaced ends that too, and is no failure of the successor', async () => {
  const { supervisor, forked, log, nth, start } = openScriptedHost(2);
  await start();
  const rolling = supervisor.roll();
  // It has not begun yet.
  const successor = await nth(3);
  await supervisor.stop();
  await rolling;
  expect(successor.heard).toEqual(['SIGKILL', 'stop']);
  expect(forked).toHaveLength(3);
  expect(log).toEqual(['the workers are replaced, one after another']);
});

test('what is heard of a worker after its end does not count, or it would count twice', async () => {
  const { forked, counted, gone, start } = openScriptedHost(2);
  await start();
  await forked[0]!.ends({ code: 0 });
  await forked[0]!.tell.counted({ page: 'last word' });
  expect({ counted, gone }).toEqual({ counted: [], gone: [1] });
});

test('a host is given longer to stop by Kubernetes than its workers by their primary', () => {
  const values = readFileSync(new URL('../../helm/stationgrid/values.yaml', import.meta.url), 'utf8');
  const graceS = Number(/^terminationGracePeriodSeconds: (\d+)$/m.exec(values)?.[1]);
  // What is left is for the primary and its database.
  expect(defaultLimits.workers.stopMs + 5_000).toBeLessThanOrEqual(graceS * 1000);
});

test('those that serve are asked what they have counted; a last word is taken too, and whoever is gone is told', async () => {
  const { supervisor, forked, counted, gone, start } = openScriptedHost(2);
  await start();
  expect(await supervisor.count()).toBe(2);
  await forked[0]!.tell.counted({ page: 'last word' });
  await forked[0]!.ends({ code: 0 });
  expect(counted).toEqual([
    [1, 'page of 1'],
    [2, 'page of 2'],
    [1, 'last word'],
  ]);
  expect(gone).toEqual([1]);
});
