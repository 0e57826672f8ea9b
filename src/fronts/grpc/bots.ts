/** google.devtools.remoteworkers.v1test2.Bots: what DUT bots call. */
import { callingBot } from '../../core/principal.ts';
import { Refusal } from '../../core/refusal.ts';
import type { SessionReport } from '../../core/session-report.ts';
import { checkText } from '../../core/text.ts';
import { createBotSession } from '../../farm/create-bot-session.ts';
import type { Home } from '../../farm/home.ts';
import { postBotEvent } from '../../farm/post-bot-event.ts';
import { updateBotSession } from '../../farm/update-bot-session.ts';
import {
  BotSession,
  type BotsService,
  type CreateBotSessionRequest,
  type UpdateBotSessionRequest,
} from '../../gen/google/devtools/remoteworkers/v1test2/bots.ts';
import type { HandlersOf } from './endpoints.ts';
import { declaredCapacity, newBotSessionOf, sessionNameBytesMax, sessionReportOf } from './to-report.ts';
import { createToWire, type EchoPayload } from './to-wire.ts';

export type BotsOptions = {
  /** False: PostBotEventTemp is UNIMPLEMENTED, as BuildGrid has it. */
  readonly recordBotEvents: boolean;
  readonly echoPayload: EchoPayload;
};

export const createBots = (home: Home, options: BotsOptions): HandlersOf<BotsService> => {
  const toWire = createToWire(options.echoPayload);
  const { limits } = home;
  /** As long as the request is at hand: that of a bot which says nothing new is the one it was before (reread.ts). */
  const reports = new WeakMap<UpdateBotSessionRequest, SessionReport>();
  const reportOf = (request: UpdateBotSessionRequest): SessionReport => {
    const report = reports.get(request) ?? sessionReportOf(request, limits);
    reports.set(request, report);
    return report;
  };
  return {
    createBotSession: async (request, { peer, signal }) => {
      const asked = newBotSessionOf(request, { limits, peer });
      warnOfCapacity(home, request);
      return toWire(received(request.botSession), await createBotSession(home, asked, signal));
    },
    updateBotSession: async (request, { untilDeadlineMs, signal }) => {
      const report = reportOf(request);
      return toWire(received(request.botSession), await updateBotSession(home, report, { untilDeadlineMs, signal }));
    },
    postBotEventTemp: async ({ name, type, msg }, { principal }) => {
      if (!options.recordBotEvents) throw notRecorded();
      checkText('The session name', name, sessionNameBytesMax(limits));
      checkText('The msg of the event', msg, limits.text.reasonBytesMax);
      await postBotEvent(home, { session: name, caller: callingBot(principal), type, message: msg });
      return {};
    },
  };
};

/** Requests without one have been refused by then. */
const received = (session: BotSession | undefined): BotSession => session ?? BotSession.create();

/** R-CAP-1: a capacity that cannot be read means 1, and somebody should hear of it, once a session. */
const warnOfCapacity = (home: Home, { parent, botSession }: CreateBotSessionRequest): void => {
  const worker = botSession?.worker;
  if (botSession === undefined || worker === undefined || declaredCapacity(worker) !== null) return;
  const declared = worker.configs.find(({ key }) => key === 'capacity')?.value;
  if (declared === undefined) return;
  home.log.warn(
    { instance: parent, botId: botSession.botId, declared },
    'a bot declares no number as its capacity; 1 is assumed',
  );
};

const notRecorded = (): Refusal =>
  new Refusal(
    'NOT_OFFERED',
    'BOT_EVENTS_OFF',
    'This farm is configured to record no bot events; the bot need not post any.',
  );
