import assert from 'node:assert/strict';
import { Client, credentials, Metadata, Server, ServerCredentials, status, type ServiceError } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import {
  BotsClient,
  BotSession,
  BotsService,
  BotStatus,
  type BotsServer,
  LeaseState,
  UpdateBotSessionRequest,
} from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';

// The golden bytes are counted by hand from the field numbers of the public API. Each line is one field: its tag
// (number × 8 + wire type; type 0 is a number, 2 a length and so many bytes), then its value.
const bytes = (...lines: string[]): Buffer =>
  Buffer.concat(
    lines.map((line) => {
      const [hex = '', text = ''] = line.split(/ '(.*)'$/);
      return Buffer.concat([Buffer.from(hex.replaceAll(' ', ''), 'hex'), Buffer.from(text)]);
    }),
  );

const sessionBytes = bytes(
  "0a 03 'l/1'", // name = 1
  "12 02 'b1'", // bot_id = 2
  '18 2a', // status = 3: 42, which no schema knows
  '22 23', // worker = 4
  '0a 12', //   devices = 1
  "0a 03 'dut'", //     handle = 1
  '12 0b', //     properties = 2
  "0a 02 'os'", //       key = 1
  "12 05 'linux'", //       value = 2
  '12 0d', //   properties = 2
  "0a 04 'pool'", //     key = 1
  "12 05 'line1'", //     value = 2
  '2a 4f', // leases = 5
  '10 04', //   state = 2: COMPLETED
  '1a 08', //   status = 3
  '08 09', //     code = 1: FAILED_PRECONDITION
  "12 04 'busy'", //     message = 2
  '2a 04', //   expire_time = 5
  '08 01', //     seconds = 1
  '10 07', //     nanos = 2
  "3a 02 'L1'", //   id = 7
  '42 1b', //   payload = 8
  "0a 14 'x.test/not.Known.Msg'", //     type_url = 1
  '12 03 ff 00 80', //     value = 2: no message, no text
  '4a 1a', //   result = 9
  "0a 14 'x.test/not.Known.Res'", //     type_url = 1
  '12 02 fe ff', //     value = 2
  '32 06', // expire_time = 6
  '08 ff ff ff ff 07', //   seconds = 1: 2^31 - 1
  "3a 03 '1.0'", // version = 7
);
const session = BotSession.create({
  name: 'l/1',
  botId: 'b1',
  status: 42 as BotStatus,
  worker: {
    devices: [{ handle: 'dut', properties: [{ key: 'os', value: 'linux' }] }],
    properties: [{ key: 'pool', value: 'line1' }],
  },
  leases: [
    {
      state: LeaseState.COMPLETED,
      status: { code: 9, message: 'busy' },
      expireTime: { seconds: 1n, nanos: 7 },
      id: 'L1',
      payload: { typeUrl: 'x.test/not.Known.Msg', value: Buffer.from([0xff, 0x00, 0x80]) },
      result: { typeUrl: 'x.test/not.Known.Res', value: Buffer.from([0xfe, 0xff]) },
    },
  ],
  expireTime: { seconds: 2_147_483_647n, nanos: 0 },
  version: '1.0',
});

const updateBytes = bytes(
  "0a 03 'l/1'", // name = 1
  '12 0b', // bot_session = 2
  "0a 03 'l/1'", //   name = 1
  '18 05', //   status = 3: INITIALIZING
  '2a 02', //   leases = 5
  '10 05', //     state = 2: CANCELLED
  '1a 08', // update_mask = 3
  "0a 06 'status'", //   paths = 1
);

const opened: { forceShutdown?: () => void; close?: () => void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) {
    one.close?.();
    one.forceShutdown?.();
  }
});

const unimplemented = (_call: unknown, reply: (error: Partial<ServiceError>) => void): void => {
  reply({ code: status.UNIMPLEMENTED, details: 'not in this test' });
};

async function serve(bots: Partial<BotsServer>): Promise<{ address: string }> {
  const server = new Server();
  opened.push(server);
  server.addService(BotsService, {
    createBotSession: unimplemented,
    updateBotSession: unimplemented,
    postBotEventTemp: unimplemented,
    ...bots,
  });
  const port = await new Promise<number>((bound, failed) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) bound(port);
      else failed(error);
    });
  });
  return { address: `127.0.0.1:${port}` };
}

function connected<C extends Client>(
  ClientOf: new (address: string, secret: ReturnType<typeof credentials.createInsecure>) => C,
  address: string,
): C {
  const client = new ClientOf(address, credentials.createInsecure());
  opened.push(client);
  return client;
}

test('a bot session is on the wire what the public API says', () => {
  expect(Buffer.from(BotSession.encode(session).finish()).toString('hex')).toBe(sessionBytes.toString('hex'));
});

test('a bot session is read from the wire as it was written, also a status and payloads that nobody knows', () => {
  expect(BotSession.decode(sessionBytes)).toEqual(session);
});

test('an update is on the wire what the public API says, both ways', () => {
  const update = UpdateBotSessionRequest.decode(updateBytes);
  expect(update).toEqual({
    name: 'l/1',
    botSession: BotSession.create({
      name: 'l/1',
      status: BotStatus.INITIALIZING,
      leases: [{ state: LeaseState.CANCELLED }],
    }),
    updateMask: ['status'],
  });
  expect(Buffer.from(UpdateBotSessionRequest.encode(update).finish()).toString('hex')).toBe(
    updateBytes.toString('hex'),
  );
});

test('a field that a newer schema adds is passed over', () => {
  const newer = bytes("0a 03 'l/1'", "a2 06 03 'new'", 'a8 06 07', "12 02 'b1'"); // fields 100 and 101 are unknown
  expect(BotSession.decode(newer)).toEqual(BotSession.create({ name: 'l/1', botId: 'b1' }));
});

test('a message that ends too early is refused', () => {
  expect(() => BotSession.decode(sessionBytes.subarray(0, sessionBytes.length - 1))).toThrow();
});

test('an update travels from a client through a server and back unharmed', async () => {
  const { address } = await serve({
    updateBotSession: (call, reply) => {
      assert.equal(call.request.name, session.name);
      reply(null, call.request.botSession);
    },
  });
  const bots = connected(BotsClient, address);
  const answer = await new Promise<BotSession>((answered, failed) => {
    bots.updateBotSession({ name: session.name, botSession: session, updateMask: undefined }, (error, reply) => {
      if (error === null) answered(reply);
      else failed(error);
    });
  });
  expect(answer).toEqual(session);
});

test('a refusal travels with its code, its words and its details', async () => {
  const details = Buffer.from([1, 2, 255]);
  const { address } = await serve({
    createBotSession: (_call, reply) => {
      const metadata = new Metadata();
      metadata.set('grpc-status-details-bin', details);
      reply({ code: status.INVALID_ARGUMENT, details: 'bot_id is empty', metadata });
    },
  });
  const bots = connected(BotsClient, address);
  const error = await new Promise<ServiceError | null>((answered) => {
    bots.createBotSession({ parent: '', botSession: undefined }, answered);
  });
  expect(error).toMatchObject({ code: status.INVALID_ARGUMENT, details: 'bot_id is empty' });
  expect(error?.metadata.get('grpc-status-details-bin')).toEqual([details]);
});
