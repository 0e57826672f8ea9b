/** From a BotSession as bots send it to what the farm hears. Odd bots are tolerated, text that cannot be stored is not. */
import { isLeaseId } from '../../core/lease.ts';
import type { Limits } from '../../core/limits.ts';
import { bareKey, canonicalProperties, propertiesText } from '../../core/match.ts';
import { invalid, Refusal } from '../../core/refusal.ts';
import type { Completion, ReportedLease, SelfDescription, SessionReport } from '../../core/session-report.ts';
import { checkName, checkText, storableText } from '../../core/text.ts';
import type { NewBotSession } from '../../farm/begin-sessions.ts';
import {
  type BotSession,
  type CreateBotSessionRequest,
  type Lease,
  LeaseState,
  type UpdateBotSessionRequest,
} from '../../gen/google/devtools/remoteworkers/v1test2/bots.ts';
import type { Worker } from '../../gen/google/devtools/remoteworkers/v1test2/worker.ts';
import type { Any } from '../../gen/google/protobuf/any.ts';
import { StationResult } from '../../gen/stationgrid/v1/work.ts';
import { resultsOf } from './convert-results.ts';

/** @throws Refusal INVALID. */
export const newBotSessionOf = (
  { parent, botSession }: CreateBotSessionRequest,
  { limits, peer }: { readonly limits: Limits; readonly peer: string },
): NewBotSession => {
  const session = given(botSession);
  checkText('The parent', parent, limits.text.nameBytesMax);
  return { instance: parent, peer, ...spoken(session, limits) };
};

/** @throws Refusal INVALID. */
export const sessionReportOf = ({ name, botSession }: UpdateBotSessionRequest, limits: Limits): SessionReport => {
  const session = given(botSession);
  if (name === '' || name !== session.name) {
    const words =
      `The request is for session ${JSON.stringify(name)}, but its bot_session is named ` +
      `${JSON.stringify(session.name)}. Send the name that CreateBotSession gave, in both.`;
    throw invalid('NAME_MISMATCH', words);
  }
  checkText('The session name', name, sessionNameBytesMax(limits));
  return { name, ...spoken(session, limits) };
};

/** `<instance>/<uuid>`, with room for the uuid. */
export const sessionNameBytesMax = ({ text }: Limits): number => text.nameBytesMax + 64;

const given = (session: BotSession | undefined): BotSession => {
  if (session === undefined) throw invalid('NO_BOT_SESSION', 'The request carries no bot_session. Send one.');
  return session;
};

const spoken = (session: BotSession, limits: Limits): Omit<SessionReport, 'name'> => {
  const { botId, leases } = session;
  if (botId === '')
    throw invalid('NO_BOT_ID', 'The bot_session has no bot_id. Send the same one for the life of the bot.');
  checkName('The bot_id', botId, limits.text.nameBytesMax);
  const { leasesMax } = limits.session;
  if (leases.length > leasesMax) {
    throw invalid('TOO_MANY_LEASES', `The bot lists ${leases.length} leases; at most ${leasesMax} are allowed.`);
  }
  return { botId, self: selfOf(session, limits), leases: leases.map((lease) => leaseOf(lease, limits)) };
};

const NO_WORKER: Worker = { devices: [], properties: [], configs: [], metadata: [] };

const selfOf = ({ status, version, worker = NO_WORKER }: BotSession, limits: Limits): SelfDescription => {
  checkText('The version', version, limits.text.nameBytesMax);
  checkWorker(worker, limits);
  const pairs = [...worker.devices.flatMap(({ properties }) => properties), ...worker.properties];
  return {
    status,
    version,
    capacity: Math.min(declaredCapacity(worker) ?? 1, limits.session.capacityMax),
    properties: propertiesText(canonicalProperties(pairs.map(({ key, value }) => [key, value] as const))),
    duts: dutsOf(worker, limits),
  };
};

/** Property bombs are refused before anything is made of them. */
const checkWorker = ({ devices, properties }: Worker, limits: Limits): void => {
  const { devicesMax, propertiesMax, propertyBytesMax } = limits.session;
  if (devices.length > devicesMax) {
    throw invalid('TOO_MANY_DEVICES', `The bot has ${devices.length} devices; at most ${devicesMax} are allowed.`);
  }
  const count = devices.reduce((sum, device) => sum + device.properties.length, properties.length);
  if (count > propertiesMax) {
    const words = `The bot has ${count} properties, all devices counted; at most ${propertiesMax} are allowed. Declare fewer.`;
    throw invalid('TOO_MANY_PROPERTIES', words);
  }
  for (const { key, value } of [...properties, ...devices.flatMap((device) => device.properties)]) {
    checkText('The key of a property', key, propertyBytesMax);
    checkText(`The value of the property ${storableText(key, SHOWN_BYTES_MAX)}`, value, propertyBytesMax);
  }
};

/** Of a key that is named in words for people. */
const SHOWN_BYTES_MAX = 64;

const WHOLE_NUMBER = /^\d{1,9}$/;

/** R-CAP-1: of the first config `capacity`. Null: none is declared, or what is declared is no number; it then means 1. */
export const declaredCapacity = ({ configs }: Worker): number | null => {
  const value = configs.find(({ key }) => key === 'capacity')?.value;
  return value !== undefined && WHOLE_NUMBER.test(value) ? Number(value) : null;
};

/** The names under which shopfloors and jobs know serials; other keys that begin alike are plain properties. */
const SERIAL_KEY = /^serials\.[_a-zA-Z0-9]+$/;

const dutsOf = ({ devices }: Worker, limits: Limits): SelfDescription['duts'] =>
  devices.flatMap(({ properties }) => {
    const serials = properties.flatMap(({ key, value }) => {
      const name = bareKey(key);
      return value !== '' && SERIAL_KEY.test(name) ? [{ name, value }] : [];
    });
    const { serialsMax } = limits.devices;
    if (serials.length > serialsMax) {
      throw invalid('TOO_MANY_SERIALS', `A device has ${serials.length} serials; at most ${serialsMax} are allowed.`);
    }
    for (const { name, value } of serials) {
      checkText('The name of a serial', name, limits.text.nameBytesMax);
      checkText(`The serial ${name}`, value, limits.text.nameBytesMax);
    }
    return serials.length === 0 ? [] : [serials];
  });

const leaseOf = (lease: Lease, limits: Limits): ReportedLease => {
  const { id, state } = lease;
  switch (state) {
    case LeaseState.PENDING:
      return { id, state: 'PENDING' };
    case LeaseState.ACTIVE:
      return { id, state: 'ACTIVE' };
    case LeaseState.CANCELLED:
      return { id, state: 'CANCELLED' };
    case LeaseState.COMPLETED:
      // The end of a lease that was never ours: as good as let go of, and nothing to look up.
      if (!isLeaseId(id)) return { id, state: 'CANCELLED' };
      return { id, state: 'COMPLETED', completion: completionOf(lease, limits) };
    default:
      return { id, state: 'UNKNOWN' };
  }
};

/**
 * Never refuses: an update does not fail for one lease (R-GEN-3). A result that cannot be read is no result, so the farm
 * finds the unit FAILED; its bytes are kept for whoever looks why.
 */
const completionOf = ({ status, result }: Lease, limits: Limits): Completion => ({
  // R-LEASE-7: no status means OK.
  code: status?.code ?? 0,
  message: storableText(status?.message ?? '', limits.text.reasonBytesMax),
  ...(result === undefined ? NO_RESULTS : stationResults(result, limits)),
  result:
    result === undefined || result.value.byteLength > limits.text.payloadBytesMax
      ? null
      : { typeUrl: storableText(result.typeUrl, limits.text.nameBytesMax), value: result.value },
});

const STATION_RESULT = 'stationgrid.v1.StationResult';

const NO_RESULTS: Pick<Completion, 'results' | 'unread'> = { results: [], unread: null };

const stationResults = ({ typeUrl, value }: Any, limits: Limits): typeof NO_RESULTS => {
  if (typeUrl.slice(typeUrl.lastIndexOf('/') + 1) !== STATION_RESULT) return NO_RESULTS;
  try {
    return { results: resultsOf(StationResult.decode(value).results, limits), unread: null };
  } catch (error) {
    const why = error instanceof Refusal ? error.message : 'they are no stationgrid.v1.StationResult';
    return { results: [], unread: storableText(why, limits.text.reasonBytesMax) };
  }
};
