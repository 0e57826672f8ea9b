/** The bot SDK's way to the farm: real messages, encoded, through the simulated network, and decoded again. */
import type { Answer, CallBounds, Transport } from '../../bot/transport.ts';
import { type BotSession, BotsService } from '../../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import type { Credentials } from '../../src/farm/identify.ts';
import { ResultsService } from '../../src/gen/stationgrid/v1/results.ts';
import type { History } from './history.ts';
import type { Life } from './life.ts';
import type { Prng } from './prng.ts';
import type { World } from './world.ts';

type Method<Request, Reply> = {
  readonly path: string;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Reply;
};

export type Unary = <Request, Reply>(
  method: Method<Request, Reply>,
  request: Request,
  bounds: CallBounds,
) => Promise<Answer<Reply>>;

/** Stays with one replica until a call fails there, as a connection does; a wanderer is balanced anew at every call. */
export const createUnary = (
  world: World,
  life: Life,
  options: { readonly prng: Prng; readonly wanders: number; readonly shown: () => Credentials },
): Unary => {
  const { prng, wanders, shown } = options;
  let address: string | null = null;
  return async (method, request, { deadlineMs, signal }) => {
    const addresses = world.network.addresses();
    if (address === null || !addresses.includes(address) || prng.chance(wanders)) {
      address = addresses.length === 0 ? 'nobody' : prng.pick(addresses);
    }
    const bytes = method.requestSerialize(request);
    const call = { path: method.path, bytes, deadlineMs, signal, credentials: shown() };
    const answered = await world.network.call(life, address, call);
    if (answered.kind === 'reply') {
      return { kind: 'answered', reply: method.responseDeserialize(Buffer.from(answered.bytes)) };
    }
    // UNAVAILABLE and DEADLINE_EXCEEDED: the connection is given up.
    if (answered.code === 14 || answered.code === 4) address = null;
    return answered;
  };
};

export const createSimTransport = (unary: Unary, history: History): Transport => {
  const inSession = async (
    botSession: BotSession | undefined,
    call: () => Promise<Answer<BotSession>>,
  ): Promise<Answer<BotSession>> => {
    if (botSession !== undefined) history.sent(botSession);
    const answer = await call();
    if (botSession !== undefined && answer.kind === 'answered') history.heard(botSession, answer.reply);
    return answer;
  };
  return {
    createBotSession: (request, bounds) =>
      inSession(request.botSession, () => unary(BotsService.createBotSession, request, bounds)),
    updateBotSession: (request, bounds) =>
      inSession(request.botSession, () => unary(BotsService.updateBotSession, request, bounds)),
    postBotEvent: (request, bounds) => unary(BotsService.postBotEventTemp, request, bounds),
    reportTestResults: (request, bounds) => {
      for (const result of request.results) history.said(request.leaseId, result);
      return unary(ResultsService.reportTestResults, request, bounds);
    },
    close: () => undefined,
  };
};
