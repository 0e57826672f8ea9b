/** A partner's backend that answers with what it should not: no unit waits for that, and no call is lost over it. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { JobState, Verdict } from '../../src/gen/stationgrid/v1/jobs.ts';
import { CallState } from '../../src/gen/stationgrid/v1/shopfloor.ts';
import { type FarmDoor, LINE, openFarmDoor, testIdOf } from '../support/farm-door.ts';
import { eventually, openSite, type Site } from '../support/farm-site.ts';

const MIB = 1024 * 1024;
const EMPTY = '<struct></struct>';
const answer = (value: string): string =>
  `<?xml version="1.0"?><methodResponse><params><param><value>${value}</value></param></params></methodResponse>`;

/** What it answers to every call; it remembers the methods of those it answered well. */
let says = answer(EMPTY);
const taken: string[] = [];
let partner: Server;
let site: Site;
let door: FarmDoor;
beforeAll(async () => {
  partner = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      if (says === answer(EMPTY)) taken.push(/<methodName>(.*)<\/methodName>/.exec(body)?.[1] ?? body);
      response.writeHead(200, { 'Content-Type': 'text/xml' });
      response.end(says);
    });
  });
  await new Promise<void>((resolve) => partner.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(partner.address() as AddressInfo).port}/`;
  site = await openSite({ lines: () => [{ instance: LINE, shopfloor: { url }, stations: [{ name: 'SMT' }] }] });
  const farm = await site.farm();
  await farm.start();
  door = openFarmDoor(farm);
  await site.bot('bot-1', farm, ['--instance', LINE, '--serial', 'mlb_serial_number=UNIT-1']).start();
});
afterAll(async () => {
  door.close();
  await site.close();
  partner.closeAllConnections();
  partner.close();
});

// prettier-ignore
const answers: readonly [what: string, body: string, words: RegExp][] = [
  ['a DOCTYPE', `<!DOCTYPE x [<!ENTITY a "${'a'.repeat(99)}">]>${answer('<string>&a;</string>')}`, /document type declaration is refused/],
  ['10 MB', answer(`<string>${'x'.repeat(10 * MIB)}</string>`), /more than 1048576 bytes/],
  ['no XML at all', 'It works! <p>', /text data outside of root node/],
  ['a tower of arrays', answer('<array><data><value>'.repeat(40) + '</value></data></array>'.repeat(40)), /more than 32 levels/],
  ['text with U+0000', answer('<string>a\0b</string>'), /disallowed character/],
];

test('the unit goes through whatever the partner answers, and the partner hears of it once it has come to its senses', async () => {
  says = answers[0]![1];
  const { id } = await door.enqueue({ station: 'SMT', board: 'UNIT-1' });
  for (const [what, body, words] of answers) {
    says = body;
    await eventually(async () => {
      const [head] = (await door.calls()).filter(({ position }) => position === 1n);
      expect(head, what).toMatchObject({ state: CallState.OWED, possiblyDuplicated: true });
      expect(head?.lastError, what).toMatch(words);
    });
  }
  expect(await door.jobIn(id, JobState.FINISHED)).toMatchObject({ verdict: Verdict.VERDICT_PASSED, attempts: 1 });
  expect(taken).toEqual([]);

  says = answer(EMPTY);
  const calls = await door.settledCalls();
  expect(calls.map(({ state }) => state)).toEqual(calls.map(() => CallState.DELIVERED));
  expect(taken).toEqual(['NotifyStart', 'UpdateTestResult', 'NotifyEnd']);
  expect(calls.map(({ testId }) => testId).filter((known) => known !== '')).toEqual([testIdOf('SMT')]);
  expect(await site.doctor()).toEqual([]);
});
