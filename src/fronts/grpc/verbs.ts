/**
 * What each method of the gRPC door asks for: the verb of the authorisation table, which instance and which bot the
 * request is about, and the words for the audit. Nothing else decides who may call what.
 */
import type { Target, Verb } from '../../core/authorisation.ts';
import { instanceOfSession } from '../../core/bot-session.ts';
import type { BotsService } from '../../gen/google/devtools/remoteworkers/v1test2/bots.ts';
import type { ReservationsService } from '../../gen/google/devtools/remoteworkers/v1test2/reservations.ts';
import type { FleetService } from '../../gen/stationgrid/v1/fleet.ts';
import type { IdentityService } from '../../gen/stationgrid/v1/identity.ts';
import type { JobsService } from '../../gen/stationgrid/v1/jobs.ts';
import type { ResultsService } from '../../gen/stationgrid/v1/results.ts';
import type { ShopfloorService } from '../../gen/stationgrid/v1/shopfloor.ts';
import type { UnitsService } from '../../gen/stationgrid/v1/units.ts';
import type { ExternalScalerService, ScaledObjectRef } from '../../gen/externalscaler/externalscaler.ts';
import type { Asking, AskingsOf } from './endpoints.ts';
import { instancesOf } from './to-scaling.ts';

/** About an instance, not about a bot of it that would have to be the caller. */
const about = (instance: string): Target => ({ instance, botId: null });

type InInstance = { readonly instance: string };

/** Of a request that names its instance. */
const inInstance = <Q extends InInstance>(verb: Verb): Asking<Q> => ({
  verb,
  targets: ({ instance }) => [about(instance)],
});

const givenReason = ({ reason }: { readonly reason: string }): string => reason;

const ofJob = <Q extends InInstance & { readonly id: bigint }>(verb: Verb): Asking<Q> => ({
  ...inInstance<Q>(verb),
  object: ({ id }) => `job ${id}`,
});
const ofBot = <Q extends InInstance & { readonly botId: string }>(verb: Verb): Asking<Q> => ({
  ...inInstance<Q>(verb),
  object: ({ botId }) => `bot ${botId}`,
});

export const botsVerbs: AskingsOf<BotsService> = {
  createBotSession: {
    verb: 'create-bot-session',
    targets: ({ parent, botSession }) => [{ instance: parent, botId: botSession?.botId ?? '' }],
    object: ({ botSession }) => `bot ${botSession?.botId ?? ''}`,
  },
  updateBotSession: {
    verb: 'update-bot-session',
    targets: ({ name, botSession }) => [{ instance: instanceOfSession(name), botId: botSession?.botId ?? '' }],
    object: ({ name }) => name,
    waits: true,
  },
  postBotEventTemp: {
    verb: 'post-bot-event',
    // Which bot's the session is, the farm knows; it is told who calls.
    targets: ({ name }) => [about(instanceOfSession(name))],
    object: ({ name }) => name,
  },
};

/** Names are `<instance>/reservations/<id>`. */
const RESERVATION = /^(?:(.*)\/)?reservations\/[^/]+$/s;

/** Null: no name of a reservation. */
export const instanceOfReservation = (name: string): string | null => {
  const match = RESERVATION.exec(name);
  return match === null ? null : (match[1] ?? '');
};

const ofReservation = <Q extends { readonly name: string }>(verb: Verb): Asking<Q> => ({
  verb,
  targets: ({ name }) => {
    const instance = instanceOfReservation(name);
    return instance === null ? [] : [about(instance)];
  },
  object: ({ name }) => `reservation ${name}`,
});

export const reservationsVerbs: AskingsOf<ReservationsService> = {
  createReservation: { verb: 'create-reservation', targets: ({ parent }) => [about(parent)] },
  getReservation: { ...ofReservation('get-reservation'), waits: true },
  cancelReservation: ofReservation('cancel-reservation'),
};

export const jobsVerbs: AskingsOf<JobsService> = {
  enqueueJob: { verb: 'enqueue-job', targets: ({ job }) => [about(job?.instance ?? '')] },
  batchEnqueueJobs: {
    verb: 'enqueue-job',
    targets: ({ requests }) => [...new Set(requests.map(({ job }) => job?.instance ?? ''))].map(about),
  },
  getJob: ofJob('get-job'),
  listJobs: inInstance('list-jobs'),
  cancelJob: { ...ofJob('cancel-job'), reason: givenReason },
  watchJob: { ...ofJob('watch-job'), waits: true },
  explainJob: ofJob('explain-job'),
  retryGate: { ...ofJob('retry-gate'), reason: givenReason },
  overrideGate: { ...ofJob('override-gate'), reason: givenReason },
};

export const fleetVerbs: AskingsOf<FleetService> = {
  listBots: inInstance('list-bots'),
  getBot: ofBot('get-bot'),
  drainBots: {
    ...inInstance('drain-bots'),
    object: ({ pattern }) => `bots ${pattern}`,
    reason: ({ note }) => note,
  },
  undrainBots: { ...inInstance('undrain-bots'), object: ({ pattern }) => `bots ${pattern}` },
  quarantineBot: { ...ofBot('quarantine-bot'), reason: givenReason },
  releaseBot: { ...ofBot('release-bot'), reason: givenReason },
  getDevice: inInstance('get-device'),
  releaseDevice: { ...inInstance('release-device'), object: ({ id }) => `device ${id}`, reason: givenReason },
};

export const unitsVerbs: AskingsOf<UnitsService> = {
  getUnit: inInstance('get-unit'),
  checkStation: inInstance('check-station'),
};

export const shopfloorVerbs: AskingsOf<ShopfloorService> = {
  listCalls: inInstance('list-calls'),
  listLanes: inInstance('list-lanes'),
  retryCall: { ...inInstance('retry-call'), object: ({ id }) => `call ${id}` },
  skipCall: { ...inInstance('skip-call'), object: ({ id }) => `call ${id}`, reason: givenReason },
  listReconciliation: inInstance('list-reconciliation'),
  resumeBridge: { ...inInstance('resume-bridge'), reason: givenReason },
};

export const resultsVerbs: AskingsOf<ResultsService> = {
  reportTestResults: {
    verb: 'report-test-results',
    targets: ({ session }) => [about(instanceOfSession(session))],
    object: ({ session }) => session,
  },
  listTestResults: { ...inInstance('list-test-results'), object: ({ jobId }) => `job ${jobId}` },
  annotateResults: {
    ...inInstance('annotate-results'),
    object: ({ jobId }) => `job ${jobId}`,
    reason: ({ note }) => note,
  },
};

export const identityVerbs: AskingsOf<IdentityService> = {
  whoAmI: { verb: 'who-am-i', targets: () => [] },
  createBotToken: ofBot('create-bot-token'),
  rotateBotToken: ofBot('rotate-bot-token'),
  revokeBotToken: {
    ...inInstance('revoke-bot-token'),
    object: ({ botId, tokenId }) => (tokenId === '' ? `bot ${botId}` : `token ${tokenId}`),
  },
  listBotTokens: inInstance('list-bot-tokens'),
};

/** Who asks about nothing is refused for that, not for what it may. */
const scaling = { verb: 'scale-bots', targets: (ref: ScaledObjectRef) => instancesOf(ref).map(about) } as const;

export const scalerVerbs: AskingsOf<ExternalScalerService> = {
  isActive: scaling,
  streamIsActive: { ...scaling, waits: true },
  getMetricSpec: scaling,
  getMetrics: { verb: 'scale-bots', targets: ({ scaledObjectRef }) => instancesOf(scaledObjectRef).map(about) },
};

/** Methods of packages that are not ours to type; checked by name at start (adapt-foreign.ts). */
export const foreignVerbs: Readonly<Record<string, Verb>> = {
  '/grpc.health.v1.Health/Check': 'read-health',
  '/grpc.health.v1.Health/List': 'read-health',
  '/grpc.health.v1.Health/Watch': 'read-health',
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo': 'read-schema',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo': 'read-schema',
};
