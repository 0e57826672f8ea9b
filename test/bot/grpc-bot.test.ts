import { connect, createServer, type AddressInfo } from 'node:net';
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

/** A farm's two replicas: each hears what is said to it. */
const openReplicas = async () => {
  const [a, b] = [new ScriptedFarm(), new ScriptedFarm()];
  return { a, b, doors: [await a.serve(), await b.serve()] as const };
};

test.each(['turned away', 'not answered'] as const)(
  'goes on to another address with its session and its work when it is %s',
  async (how) => {
    const { a, b, doors } = await openReplicas();
    const server = doors.map(({ address }) => address).join(', ');
    const bot = createBot({ server, instance: 'line', botId: 'b1', limits: { repeatMs: 0, callMs: 1_000 } });
    const end = new AbortController();
    const exit = bot.run(end.signal);

    (await a.next()).reply([pending('L', smt)]);
    const accepting = await a.next();
    if (how === 'turned away') accepting.fail(14, 'this replica has not reached the database for 21 s');
    const there = await b.next();
    expect([there.kind, there.session.name]).toEqual(['update', 'line/1']);
    expect(told(there.session)[0]).toMatch(/^L (ACTIVE|COMPLETED 0)$/);
    there.reply([active('L')]);
    // And stays, as long as it is answered.
    const later = await b.next();
    expect(told(later.session)).toEqual(['L COMPLETED 0']);
    later.reply();
    expect(told((await b.next()).session)).toEqual([]);

    end.abort();
    expect(await exit).toBe('aborted');
    for (const door of doors) door.stop();
  },
);

test('is led elsewhere by a balancer when it is turned away, for it connects anew', async () => {
  const { a, b, doors } = await openReplicas();
  let taken = 0;
  const balancer = createServer((socket) => {
    const [host = '', port] = doors[taken++ % doors.length]!.address.split(':');
    const onward = connect({ host, port: Number(port) });
    const cut = (): void => {
      socket.destroy();
      onward.destroy();
    };
    socket.pipe(onward).pipe(socket);
    socket.on('error', cut).on('close', cut);
    onward.on('error', cut).on('close', cut);
  });
  await new Promise<void>((resolve) => balancer.listen(0, '127.0.0.1', resolve));
  const { port } = balancer.address() as AddressInfo;
  const bot = createBot({ server: `127.0.0.1:${String(port)}`, instance: 'line', botId: 'b1' });
  const end = new AbortController();
  const exit = bot.run(end.signal);

  (await a.next()).reply();
  (await a.next()).fail(14, 'this replica has not reached the database for 21 s');
  const there = await b.next();
  expect([there.kind, there.session.name, taken]).toEqual(['update', 'line/1', 2]);

  end.abort();
  expect(await exit).toBe('aborted');
  for (const door of doors) door.stop();
  balancer.close();
});
