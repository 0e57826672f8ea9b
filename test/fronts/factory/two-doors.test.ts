/** A DUT whose call is answered late, and which asks at another replica meanwhile: both wait for the one answer of the partner. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { awaitCall } from '../../../src/farm/await-call.ts';
import { encodeFault, encodeResponse, type XmlRpcValue } from '../../../src/wire/xml-rpc.ts';
import { openFactory, type TestFactory } from './open-factory.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Answers nothing until it is told what. */
const openPartner = async () => {
  const heard: http.ServerResponse[] = [];
  const server = http.createServer((request, response) => {
    request.resume().once('end', () => heard.push(response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, heard };
};

const LIMITS = { lanes: { backoffMinMs: 1, backoffMaxMs: 5 }, external: { answerMs: 60_000, lookMs: 5 } };
const BOARD: XmlRpcValue = { 'serials.mlb_serial_number': 'C1' };
const start = (factory: TestFactory) => factory.call('NotifyStart', BOARD, 'SMT');

/** Two doors on one database; neither hears the other's wakes. */
const openTwo = async (shopfloorUrl: string): Promise<readonly [TestFactory, TestFactory]> => {
  const one = await openFactory({ limits: LIMITS, shopfloorUrl });
  closing.push(() => one.close());
  const other = await openFactory({ limits: LIMITS, shopfloorUrl, folder: one.folder, database: one.database });
  closing.push(() => other.close());
  return [one, other];
};

test.for([
  ['answer', encodeResponse({ 'factory.line': 'L4' }), { kind: 'value', value: { 'factory.line': 'L4' } }],
  ['fault', encodeFault(7, 'not routed'), { kind: 'fault', text: expect.stringContaining('not routed') }],
] as const)('get the same %s', { timeout: 120_000 }, async ([, body, expected]) => {
  const partner = await openPartner();
  const [one, other] = await openTwo(partner.url);
  const first = start(one);
  await vi.waitFor(() => expect(partner.heard).toHaveLength(1), { timeout: 60_000 });
  const { rows } = await one.database.pool.query<{ id: string }>('select id from shopfloor_calls');
  expect(rows).toHaveLength(1);
  const second = start(other);
  // These listen from here on: the answer comes while both replicas wait for it.
  const waiting = [one, other].map(({ farm }) =>
    awaitCall(farm, { id: rows[0]!.id, faults: 0, since: new Date(0), sinceMs: farm.clock.monotonicMs() }),
  );
  partner.heard[0]!.writeHead(200, { 'content-type': 'text/xml' }).end(body);
  expect(await first).toMatchObject(expected);
  const [here, there] = await Promise.all(waiting);
  expect(there).toEqual(here);
  if (expected.kind === 'value') {
    expect(await second).toMatchObject(expected);
    expect(partner.heard).toHaveLength(1);
  } else {
    // Whoever came before the fault hears it; whoever came after it asks again, and is answered by that.
    await vi.waitFor(
      () => {
        for (const again of partner.heard.slice(1))
          if (!again.writableEnded) again.writeHead(200, { 'content-type': 'text/xml' }).end(encodeResponse({}));
        expect(partner.heard.length).toBeGreaterThan(1);
      },
      { timeout: 60_000 },
    );
    expect(['fault', 'value']).toContain((await second).kind);
  }
});
