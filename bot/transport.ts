import type {
  BotSession,
  CreateBotSessionRequest,
  PostBotEventTempRequest,
  UpdateBotSessionRequest,
} from '../src/gen/google/devtools/remoteworkers/v1test2/bots.ts';
import type { ReportTestResultsRequest, ReportTestResultsResponse } from '../src/gen/stationgrid/v1/results.ts';

/** An outage is no surprise to a bot: it comes back as a value. `code` is a google.rpc code. */
export type Answer<T> =
  | { readonly kind: 'answered'; readonly reply: T }
  | { readonly kind: 'failed'; readonly code: number; readonly message: string };

export type CallBounds = {
  readonly deadlineMs: number;
  /** Cuts the call, which then fails with CANCELLED. */
  readonly signal: AbortSignal;
};

type Call<Request, Reply> = (request: Request, bounds: CallBounds) => Promise<Answer<Reply>>;

/** The bot's way to a farm. Calls never reject; connecting again is the transport's own affair. */
export type Transport = {
  readonly createBotSession: Call<CreateBotSessionRequest, BotSession>;
  readonly updateBotSession: Call<UpdateBotSessionRequest, BotSession>;
  readonly postBotEvent: Call<PostBotEventTempRequest, unknown>;
  readonly reportTestResults: Call<ReportTestResultsRequest, ReportTestResultsResponse>;
  readonly close: () => void;
};
