/** A thousand bots, each with a parked poll, on one replica; the bots speak from this one process. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { JobState } from '../../src/gen/stationgrid/v1/jobs.ts';
import { type FarmDoor, LINE, openFarmDoor } from '../support/farm-door.ts';
import { eventually, openSite, type Site, type StandingFarm } from '../support/farm-site.ts';
import { type FieldBot, type FieldReply, openFieldBot } from './field-bot.ts';

const BOTS = 1_000;
/** `limits.grpc.streamsMax` calls fit one connection; these leave room. */
const CONNECTIONS = 4;
/** They come as a rack's power comes back: many at once, but not all in one instant. */
const ARRIVING_AT_ONCE = 50;
/** Far above what it takes; what takes longer was not woken, and was found by a tick at best. */
const LATENCY_MAX_MS = 5_000;
/** The farm's word is 5 s; the rest is for a machine that does other things too. */
const STOP_MAX_MS = 5_000 + 10_000;

let site: Site;
let farm: StandingFarm;
let door: FarmDoor;
let connections: readonly FieldBot[];
beforeAll(async () => {
  site = await openSite({
    lines: () => [{ instance: LINE }],
    // The tick is a backstop; as long as it is here, it cannot be what hands out the work.
    set: ['limits.replica.tick=10s', 'limits.replica.amnestyAfter=30s'],
  });
  farm = await site.farm();
  await farm.start();
  door = openFarmDoor(farm);
  connections = Array.from({ length: CONNECTIONS }, (_, number) => openFieldBot(farm.address, number));
});
afterAll(async () => {
  for (const one of [door, ...connections]) one.close();
  await site.close();
});

test('a thousand parked bots: none is refused, the last one is reached at once, and all are let go at the end', async () => {
  const names = Array.from({ length: BOTS }, (_, index) => `bot-${index}`);
  const sessions: FieldReply[] = [];
  for (let from = 0; from < BOTS; from += ARRIVING_AT_ONCE) {
    const arriving = names.slice(from, from + ARRIVING_AT_ONCE);
    sessions.push(
      ...(await Promise.all(
        arriving.map((bot_id, index) => connections[index % CONNECTIONS]!.create(LINE, { bot_id, status: 'OK' })),
      )),
    );
  }
  // No deadline: each is held until there is work, or until the farm has had enough.
  const polls = sessions.map((session, index) => connections[index % CONNECTIONS]!.update(session));
  const last = polls.at(-1)!;
  await eventually(async () => expect(await farm.parkedPolls(LINE)).toBe(BOTS));

  const enqueuedMs = performance.now();
  const enqueued = door.enqueue({
    station: '',
    requestedBotId: names.at(-1)!,
    payload: { typeUrl: 'type.example.com/field.Work', value: Buffer.from('go') },
  });
  const { leases } = await last;
  const latencyMs = performance.now() - enqueuedMs;
  expect(leases).toMatchObject([{ state: 'PENDING' }]);
  process.stdout.write(
    `a job reached the last of ${BOTS} parked bots ${latencyMs.toFixed(0)} ms after it was enqueued\n`,
  );
  expect(latencyMs).toBeLessThan(LATENCY_MAX_MS);
  expect(await door.getJob((await enqueued).id)).toMatchObject({ state: JobState.LEASED, botId: names.at(-1) });
  // Nobody else was woken for it.
  expect(await farm.parkedPolls(LINE)).toBe(BOTS - 1);

  const stoppedMs = performance.now();
  const [how, ...replies] = await Promise.all([farm.stop(), ...polls]);
  const tookMs = performance.now() - stoppedMs;
  process.stdout.write(`the farm answered ${BOTS - 1} parked polls and left within ${tookMs.toFixed(0)} ms\n`);
  expect(how).toBe(0);
  expect(replies.filter((reply) => reply.leases.length > 0)).toHaveLength(1);
  expect(tookMs).toBeLessThan(STOP_MAX_MS);
});
