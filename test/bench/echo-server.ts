/**
 * What the farm is compared with: a grpc-js server of the Bots service with nothing in it. It decodes and encodes the same
 * messages by the same generated code. `node echo-server.ts` answers each UpdateBotSession with the session it was given;
 * with the word `hold` it holds the calls, as one that parks polls must, and answers none.
 */
import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall } from '@grpc/grpc-js';
import { defaultLimits } from '../../src/core/limits.ts';
import {
  BotSession,
  BotsService,
  type CreateBotSessionRequest,
  type PostBotEventTempRequest,
  type UpdateBotSessionRequest,
} from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import type { Empty } from '../../src/gen/google/protobuf/empty.ts';

const holds = process.argv[2] === 'hold';
const held = new Set<sendUnaryData<BotSession>>();

const server = new Server({ 'grpc.max_concurrent_streams': defaultLimits.grpc.streamsMax });
server.addService(BotsService, {
  createBotSession: (
    { request }: ServerUnaryCall<CreateBotSessionRequest, BotSession>,
    answer: sendUnaryData<BotSession>,
  ) => {
    answer(null, request.botSession ?? BotSession.create());
  },
  updateBotSession: (
    { request }: ServerUnaryCall<UpdateBotSessionRequest, BotSession>,
    answer: sendUnaryData<BotSession>,
  ) => {
    if (holds) held.add(answer);
    else answer(null, request.botSession ?? BotSession.create());
  },
  postBotEventTemp: (_call: ServerUnaryCall<PostBotEventTempRequest, Empty>, answer: sendUnaryData<Empty>) => {
    answer(null, {});
  },
});

server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`gRPC 127.0.0.1:${port}\n`);
});
process.once('SIGTERM', () => server.forceShutdown());
