import { expect, test } from 'vitest';
import { createBot } from '../../bot/create-bot.ts';
import { BotStatus } from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import { active, pending, ScriptedFarm, told } from './scripted-farm.ts';

// Real gRPC on a real socket and the real clock; what it waits for are the farm's calls, never a time.
const smt = {
  station: 'SMT',
  tests: [{ testId: 'SMT.Probe', run: { $case: 'command', value: { argv: ['/bin/true'] } } as const }],
};

test('works for a farm over gRPC, and finds it again with the same session after a restart', async () => {
  const farm = new ScriptedFarm();
  const first = await farm.serve();
  const bot = createBot({ server: first.address, instance: 'line', botId: 'b1', limits: { repeatMs: 0 } });
  const exit = bot.run(new AbortController().signal);

  (await farm.next()).reply([pending('L', smt)]);
  const accepting = await farm.next();
  expect(told(accepting.session)).toEqual(['L ACTIVE']);
  first.stop();

  const second = await farm.serve(first.address);
  const again = await farm.next();
  expect([again.kind, again.session.name, ...told(again.session)]).toEqual(['update', 'line/1', 'L ACTIVE']);
  again.reply([active('L')]);
  const completing = await farm.next();
  expect(told(completing.session)).toEqual(['L COMPLETED 0']);
  expect(farm.reports[0]?.session).toBe('line/1');
  completing.reply();

  const parked = await farm.next();
  expect(told(parked.session)).toEqual([]);
  bot.drain();
  const goodbye = await farm.next();
  expect([goodbye.session.status, told(goodbye.session)]).toEqual([BotStatus.BOT_TERMINATING, []]);
  goodbye.reply();
  expect(await exit).toBe('drained');
  second.stop();
});
