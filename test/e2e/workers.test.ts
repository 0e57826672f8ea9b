/** One host of three workers: a primary, and replicas that share its doors. Real processes of the real command. */
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { JobState } from '../../src/gen/stationgrid/v1/jobs.ts';
import { runCli } from '../cli/run-cli.ts';
import { type FarmDoor, LINE, openFarmDoor } from '../support/farm-door.ts';
import { eventually, freePort, openSite, type Site, type StandingFarm } from '../support/farm-site.ts';
import { type FieldBot, openFieldBot } from './field-bot.ts';

const WORKERS = 3;
const BOTS = 6;
/** As long as a test may last: what waits longer hangs. */
const TIMEOUT_MS = 180_000;
/** Shorter than the farm's own hold, so that a bot that has nothing to do calls now and then. */
const POLL_MS = 3_000;
const TRIES_MAX = 20;
const SAID_AGAIN: ReadonlySet<number | undefined> = new Set([status.DEADLINE_EXCEEDED, status.UNAVAILABLE]);

/** A machine that does other things too starts its workers slowly while the bots are at work. */
const PATIENT = ['limits.workers.start=150s', 'limits.workers.answer=5s'];

let site: Site;
let farm: StandingFarm;
let door: FarmDoor;
let opsUrl: string;
let bots: readonly FieldBot[];
beforeAll(async () => {
  site = await openSite({ lines: () => [{ instance: LINE }] });
  const ops = `127.0.0.1:${await freePort()}`;
  opsUrl = `http://${ops}`;
  farm = await site.farm('farm', { set: [`workers=${WORKERS}`, `doors.ops=${ops}`, ...PATIENT] });
  await farm.start();
  await allServe();
  door = openFarmDoor(farm);
  // Each with a connection of its own: the primary deals connections out, not calls.
  bots = Array.from({ length: BOTS }, (_, number) => openFieldBot(farm.address, number));
}, TIMEOUT_MS);
afterAll(async () => {
  for (const one of [door, ...bots]) one.close();
  await site.close();
});

const get = async (url: string): Promise<{ readonly status: number; readonly text: string }> => {
  const answer = await fetch(url);
  return { status: answer.status, text: await answer.text() };
};

const allServe = (): Promise<void> =>
  eventually(async () => {
    expect(await get(`${opsUrl}/readyz`)).toEqual({
      status: 200,
      text: `ok: ${WORKERS} of ${WORKERS} workers serve\n`,
    });
  });

/** Of the workers that serve, by their number: what the log said last. */
const pids = (): ReadonlyMap<number, number> => {
  const served = [...farm.log().matchAll(/^\{.*"a worker of the farm serves"\}$/gm)].map(([line]) => toServed(line));
  return new Map(served.map(({ worker, pid }) => [worker, pid]));
};

function toServed(line: string): { readonly worker: number; readonly pid: number } {
  return JSON.parse(line) as { readonly worker: number; readonly pid: number };
}

/** The sum of a counter's series whose labels say this. */
const counter = (page: string, name: string, says = ''): number =>
  page
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && line.includes(says))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);

/** As any client does, it says the same again when no answer came, or one that sends it elsewhere. */
const persist = async <T>(call: () => Promise<T>): Promise<T> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      if (tries === TRIES_MAX || !SAID_AGAIN.has(toCode(error))) throw error;
    }
  }
};

function toCode(error: unknown): number | undefined {
  return (error as { readonly code?: number }).code;
}

/** A bot at work: it starts what it is given, completes what it has started, until it is let go. */
const toil = async (bot: FieldBot, botId: string, letGo: AbortSignal): Promise<void> => {
  const self = { bot_id: botId, status: 'OK' };
  let reply = await persist(() => bot.create(LINE, self));
  const { name } = reply;
  while (!letGo.aborted || reply.leases.length > 0) {
    const leases = reply.leases.map(({ id, state }) => ({ id, state: state === 'PENDING' ? 'ACTIVE' : 'COMPLETED' }));
    reply = await persist(() => bot.update({ ...self, name, leases }, POLL_MS));
  }
};

const payload = { typeUrl: 'type.example.com/field.Work', value: Buffer.from('go') };
const enqueue = async (jobs: number): Promise<void> => {
  // The worker behind the door's own connection may be the one that is killed.
  const requests = Array.from({ length: jobs }, () => ({ station: '', payload, requestId: randomUUID() }));
  await persist(() => door.enqueueAll(requests));
};

/** All bots work while `during` goes on, and new work comes all the time; then until all of it is done. */
const underLoad = async (during: () => Promise<void>): Promise<void> => {
  const [isOver, letGo] = [new AbortController(), new AbortController()];
  const working = Promise.all(bots.map((bot, index) => toil(bot, `bot-${index}`, letGo.signal)));
  const feeding = (async () => {
    while (!isOver.signal.aborted) {
      await enqueue(BOTS);
      await eventually(async () => expect(await unfinished()).toBeLessThan(BOTS));
    }
  })();
  try {
    // Whatever goes wrong with the load is heard at once.
    await Promise.race([during(), Promise.all([working, feeding])]);
    isOver.abort();
    await feeding;
    await eventually(async () => expect(await unfinished()).toBe(0));
  } finally {
    isOver.abort();
    letGo.abort();
    await working;
  }
};

const countOf = async (sql: string): Promise<number> => {
  const { rows } = await site.database((db) => db.query<{ n: number }>(`select count(*)::int as n from ${sql}`));
  return rows[0]!.n;
};
const unfinished = (): Promise<number> => countOf(`jobs where state <> 'FINISHED'`);

/** Nothing was lost, handed back or tried twice, and nobody was taken for lost. */
const expectNothingLost = async (): Promise<void> => {
  const strange = `('LEASE_LOST', 'LEASE_WITHDRAWN', 'JOB_REQUEUED', 'SESSION_LAPSED')`;
  expect(await countOf(`farm_events where kind in ${strange}`)).toBe(0);
  expect(await countOf('jobs where attempts <> 1')).toBe(0);
  expect(await countOf(`bot_sessions where closed_reason = 'expired' or state = 'LAPSED'`)).toBe(0);
  expect(await site.doctor()).toEqual([]);
};

test(
  'three workers are one farm: bots at all of them, one page of metrics, one answer to probes',
  async () => {
    await underLoad(async () => {
      await eventually(async () =>
        expect(await countOf('(select distinct home_replica from bot_sessions) as homes')).toBe(3),
      );
    });
    await expectNothingLost();
    const jobs = await countOf('jobs');
    for (const url of [opsUrl, farm.httpUrl]) {
      const page = (await get(`${url}/metrics`)).text;
      expect(counter(page, 'stationgrid_jobs_enqueued_total')).toBe(jobs);
      expect(counter(page, 'stationgrid_leases_granted_total')).toBe(jobs);
      expect(counter(page, 'stationgrid_jobs_ended_total', 'FINISHED')).toBe(jobs);
      expect(counter(page, 'stationgrid_queue_wait_seconds_count')).toBe(jobs);
      expect(counter(page, 'stationgrid_sessions_created_total')).toBe(BOTS);
      expect(page).toMatch(/^stationgrid_replicas 3$/m);
      expect(page).toMatch(/^stationgrid_workers\{state="serving"\} 3$/m);
      expect((await get(`${url}/readyz`)).text).toBe('ok: 3 of 3 workers serve\n');
      expect((await get(`${url}/livez`)).status).toBe(200);
    }
  },
  TIMEOUT_MS,
);

test(
  'a configuration that cannot be used replaces nobody, whether the primary or a new worker finds out',
  async () => {
    const before = pids();
    const config = join(site.folder, 'line.yaml');
    const written = readFileSync(config, 'utf8');
    writeFileSync(config, '{ lins: [] }');
    farm.send('SIGUSR2');
    await eventually(() => expect(farm.log()).toContain('the workers go on with what they have'));
    expect(farm.log()).toContain('unknown key `lins`; did you mean `lines`?');
    // Only who opens the doors sees that there are no such files.
    const tls = { certificate: join(site.folder, 'none.crt'), key: join(site.folder, 'none.key') };
    writeFileSync(config, JSON.stringify({ ...JSON.parse(written), tls }));
    farm.send('SIGUSR2');
    await eventually(() => expect(farm.log()).toContain('a new worker could not start'));
    expect(farm.log()).toMatch(/"code":78,.*TLS cannot be used: ENOENT/);
    writeFileSync(config, written);
    expect(pids()).toEqual(before);
    await allServe();
  },
  TIMEOUT_MS,
);

test(
  'what keeps the workers from starting is said once, with exit code 78',
  async () => {
    const taken = farm.httpUrl.replace('http://', '');
    const words = ['serve', '--workers', '3', '--data', site.folder, '--grpc', '127.0.0.1:0', '--http', taken];
    const { code, stdout, stderr } = await runCli(words);
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    expect(stderr.match(/The HTTP door cannot listen on /g)).toHaveLength(1);
    await allServe();
  },
  TIMEOUT_MS,
);

test(
  'workers are replaced one after another under load: nothing is lost, nothing expires, no count falls',
  async () => {
    const before = pids();
    const sums: number[] = [];
    await underLoad(async () => {
      farm.send('SIGUSR2');
      await eventually(async () => {
        const answers = await get(`${opsUrl}/readyz`);
        expect(answers).toMatchObject({ status: 200 });
        sums.push(counter((await get(`${opsUrl}/metrics`)).text, 'stationgrid_leases_granted_total'));
        expect(farm.log()).toContain('all workers were replaced');
      }, TIMEOUT_MS);
    });
    const after = pids();
    expect([...after.keys()].sort()).toEqual([1, 2, 3]);
    expect([...after.values()].filter((pid) => [...before.values()].includes(pid))).toEqual([]);
    await expectNothingLost();
    expect(sums).toEqual(sums.toSorted((a, b) => a - b));
    // Those that have left told what they had counted.
    const page = (await get(`${farm.httpUrl}/metrics`)).text;
    expect(counter(page, 'stationgrid_leases_granted_total')).toBe(await countOf('jobs'));
    expect(page).toMatch(/^stationgrid_worker_deaths_total 0$/m);
  },
  TIMEOUT_MS,
);

test(
  'a worker that is killed loses no work: its bots go on at the others, and another takes its place',
  async () => {
    const victim = pids().get(2)!;
    let granted = 0;
    await underLoad(async () => {
      granted = counter((await get(`${opsUrl}/metrics`)).text, 'stationgrid_leases_granted_total');
      process.kill(victim, 'SIGKILL');
      await eventually(async () => {
        const page = (await get(`${opsUrl}/metrics`)).text;
        expect(page).toMatch(/^stationgrid_worker_deaths_total 1$/m);
        // What the dead one had counted is kept as it was last heard.
        expect(counter(page, 'stationgrid_leases_granted_total')).toBeGreaterThanOrEqual(granted);
        expect(pids().get(2)).not.toBe(victim);
      });
      await allServe();
    });
    await expectNothingLost();
  },
  TIMEOUT_MS,
);

test(
  'no client is left with a connection that a killed worker was handed and had not taken',
  async () => {
    const victim = pids().get(3)!;
    // Stopped, it takes nothing; of so many connections the primary hands it one.
    process.kill(victim, 'SIGSTOP');
    const first = BOTS;
    const clients = Array.from({ length: BOTS }, (_, number) => openFieldBot(farm.address, first + number));
    let answered = 0;
    const created = clients.map(async (client, index) => {
      await persist(() => client.create(LINE, { bot_id: `waits-${index}`, status: 'OK' }));
      answered += 1;
    });
    await eventually(() => expect(answered).toBe(BOTS - 1));
    process.kill(victim, 'SIGKILL');
    await Promise.all(created);
    for (const client of clients) client.close();
    await allServe();
  },
  TIMEOUT_MS,
);

test(
  'at SIGTERM all parked polls are answered, the database stops last, and the exit code is 0',
  async () => {
    const sessions = await Promise.all(
      bots.map((bot, index) => bot.create(LINE, { bot_id: `parked-${index}`, status: 'OK' })),
    );
    const polls = sessions.map((session, index) => bots[index]!.update(session));
    await eventually(async () => expect(await farm.parkedPolls(LINE)).toBe(BOTS));
    const [how, ...replies] = await Promise.all([farm.stop(), ...polls]);
    expect(how).toBe(0);
    expect(replies).toHaveLength(BOTS);
    expect(() => site.postmasterPid()).toThrow('no PostgreSQL runs here');
  },
  TIMEOUT_MS,
);

test(
  'when the primary is killed its workers answer their bots and leave, and the last one stops the database',
  async () => {
    await farm.start();
    await allServe();
    const sessions = await Promise.all(
      bots.map((bot, index) => bot.create(LINE, { bot_id: `orphan-${index}`, status: 'OK' })),
    );
    const polls = sessions.map((session, index) => bots[index]!.update(session));
    await eventually(async () => expect(await farm.parkedPolls(LINE)).toBe(BOTS));
    const left = [...pids().values()];
    await farm.kill();
    expect(await Promise.all(polls)).toHaveLength(BOTS);
    await eventually(() => {
      for (const pid of left) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    });
    expect(() => site.postmasterPid()).toThrow('no PostgreSQL runs here');
    // Nothing is in the way of the next one.
    await farm.start();
    const { id } = await door.enqueue({ station: '', payload });
    expect((await door.getJob(id)).state).toBe(JobState.QUEUED);
    expect(await farm.stop()).toBe(0);
  },
  TIMEOUT_MS,
);
