/** Locks and fences taken away one by one: the schedules must notice, or they would prove nothing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cross } from './cross.ts';
import { pairNamed } from './pairs.ts';
import { openStage, type Stage } from './stage.ts';

interface PlantedBug {
  readonly bug: string;
  /** Parts of a statement, and what stands there instead; one blank is any white space. */
  readonly instead: readonly (readonly [is: string, becomes: string])[];
  readonly pair: string;
  /** What the first schedule that notices says. */
  readonly words: RegExp;
}

const bugs: readonly PlantedBug[] = [
  {
    bug: 'a write does not look at the attach epoch',
    instead: [
      ['select s.name, s.attach_epoch from', 'select s.name, r."attachEpoch" as attach_epoch from'],
      ['on s.name = r.name and s.attach_epoch = r."attachEpoch" where', 'on s.name = r.name where'],
    ],
    pair: 'a write by an old home / attach',
    words: /"B by epoch 2, version 2"\] is not among/,
  },
  {
    bug: 'jobs are read and not locked',
    instead: [['order by j.id for update of j', 'order by j.id']],
    pair: 'complete / cancel',
    words: /doctor says|is not among/,
  },
  {
    bug: 'a grant insists on a DUT that was leased meanwhile',
    instead: [['on conflict do nothing returning id', 'returning id']],
    pair: 'grant / grant, on one DUT',
    words: /duplicate key .*leases_one_open_a_device/,
  },
  {
    bug: 'sessions of a bot begin without its lock',
    instead: [[' order by b.instance, b.bot_id for update of b', ' order by b.instance, b.bot_id']],
    pair: 'create / create, with the lease and without it',
    words: /duplicate key .*bot_sessions_one_live|doctor says/,
  },
  {
    bug: 'two registrations of one serial do not wait for each other',
    instead: [[`pg_advisory_xact_lock(hashtextextended('serials:' || $1, 0))`, '$1::text']],
    pair: 'create / create, two bots that name a new DUT',
    words: /"2"\] is not among/,
  },
  {
    bug: 'what is done to the tokens of a bot does not wait for each other',
    instead: [[`pg_advisory_xact_lock(hashtextextended('bot tokens:' || $1, 0))`, '$1::text']],
    pair: 'rotate token / revoke tokens',
    words: /"1 hold"\] is not among|can only be ended sooner/,
  },
  {
    bug: 'a reading of tokens goes on from its own transaction, not from the oldest that ran beside it',
    instead: [['pg_snapshot_xmin(pg_current_snapshot())::text as xmin', 'pg_current_xact_id()::text as xmin']],
    pair: 'read what changed / revoke tokens',
    words: /then holds"\] is not among/,
  },
  {
    bug: 'enqueues do not wait for each other',
    instead: [[`pg_advisory_xact_lock(hashtextextended('enqueue:' || $1, 0))`, '$1::text']],
    pair: 'enqueue / enqueue, one request id for two jobs',
    words: /is not among/,
  },
  {
    bug: 'an enqueue does not wait for what is ending on its route',
    instead: [['route text)) order by j.id for share', 'route text)) order by j.id']],
    pair: 'enqueue / complete, which stops the route',
    words: /SMT QUEUED ROUTE"\] is not among/,
  },
  {
    bug: 'a lane is claimed by two at once',
    instead: [['limit w.lanes for update skip locked) due', 'limit w.lanes) due']],
    pair: 'claim / claim',
    words: /\["one","one",/,
  },
  {
    bug: 'a send is recorded by whoever once had the lane',
    instead: [
      ['select l.device_id, l.owner_epoch from lanes l', 'select l.device_id, r.epoch as owner_epoch from lanes l'],
      ['and l.owner_epoch = r.epoch and', 'and'],
      ['where l.owner = $1', 'where $1::uuid is not null'],
    ],
    pair: 'record / claim by a second owner, whose time has come',
    words: /doctor says|is not among/,
  },
  {
    bug: 'sessions are swept that another replica sweeps',
    instead: [['for update of s skip locked', '']],
    pair: 'expire / expire',
    words: /is not among/,
  },
  {
    bug: 'replicas migrate without waiting for each other',
    instead: [['pg_advisory_lock($1)', '$1::bigint']],
    pair: 'migrate / migrate',
    words: /threw/,
  },
];

/** Every boundary of one switch is enough; none of these needs luck. */
const effort = { seed: 1, twoSwitchesMax: 0, tossedMax: 0 };

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

describe('a bug that is planted', () => {
  it.each(bugs)('is caught: $bug', async ({ instead, pair, words }) => {
    const parts = instead.map(([is, becomes]) => ({ is: anyBlanks(is), becomes, planted: 0 }));
    const plant = (text: string): string =>
      parts.reduce((planted, part) => {
        if (!part.is.test(planted)) return planted;
        part.planted += 1;
        return planted.replace(part.is, () => part.becomes);
      }, text);
    await expect(cross(stage, pairNamed(pair), effort, plant)).rejects.toThrow(words);
    // Else a statement has changed since, and something else was caught.
    expect(parts.filter(({ planted }) => planted === 0)).toEqual([]);
  });
});

/** Statements are laid out for people; what is looked for is not. */
const anyBlanks = (text: string): RegExp =>
  new RegExp(
    text
      .split(' ')
      .map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
      .join(String.raw`\s+`),
  );
