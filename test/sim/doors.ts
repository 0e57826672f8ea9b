/** The farm's gRPC door without its sockets: the very port that src/fronts/grpc/adapt.ts puts on a server. */
import { createAdmission } from '../../src/farm/admit.ts';
import { createAudit } from '../../src/farm/audit.ts';
import type { Credentials } from '../../src/farm/identify.ts';
import type { Home } from '../../src/farm/home.ts';
import { createTokenBook } from '../../src/farm/token-book.ts';
import { createPort } from '../../src/fronts/grpc/port.ts';
import { createServices } from '../../src/fronts/grpc/services.ts';
import { createCertificateReader } from '../../src/identity/certificates.ts';
import { createIdentity } from '../../src/identity/identity.ts';
import { memberOf } from './members.ts';
import type { Handle } from './network.ts';

/** The trust domain of the bots' certificates. */
export const FARM = 'simulated';

/** A call as its replica saw it. */
export type AnsweredCall = {
  readonly path: string;
  readonly credentials: Credentials;
  readonly tookMs: number;
  readonly code: number;
};

const uncounted = { started: ignore, received: ignore, sent: ignore, handled: ignore };
function ignore(): void {
  // Nobody counts here.
}

/** @param answered is told of every call, at the moment at which its answer leaves. */
export const openDoors = async (home: Home, answered: (call: AnsweredCall) => void): Promise<Handle> => {
  const services = createServices({
    home,
    bots: { recordBotEvents: true, echoPayload: 'until-completed' },
    closing: new AbortController().signal,
  });
  const audit = createAudit(home);
  await audit.start({ version: 'simulated', settings: '' });
  const tokens = createTokenBook(home);
  await tokens.start();
  const certificates = createCertificateReader(FARM, { clock: home.clock, rememberedMax: home.limits.poll.parkedMax });
  const identify = createIdentity({ certificates, tokens, jwt: { memberOf } });
  const admission = createAdmission(home, { identify, audit });
  const port = createPort(services, { clock: home.clock, log: home.log, metrics: uncounted, admission });
  return async (path, bytes, call, send) => {
    const arrivedMs = home.clock.monotonicMs();
    const { code, details } = await port(path, Buffer.from(bytes), { ...call, requestId: null }, async (reply) =>
      send(reply),
    );
    answered({ path, credentials: call.credentials, tookMs: home.clock.monotonicMs() - arrivedMs, code });
    return { code, message: details };
  };
};
