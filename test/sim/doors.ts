/** The farm's gRPC door without its sockets: the very port that src/fronts/grpc/adapt.ts puts on a server. */
import { createAdmission } from '../../src/farm/admit.ts';
import { createAudit } from '../../src/farm/audit.ts';
import type { Home } from '../../src/farm/home.ts';
import { askNobody } from '../../src/farm/identify.ts';
import { createPort } from '../../src/fronts/grpc/port.ts';
import { createServices } from '../../src/fronts/grpc/services.ts';
import type { Handle } from './network.ts';

const uncounted = { started: ignore, received: ignore, sent: ignore, handled: ignore };
function ignore(): void {
  // Nobody counts here.
}

export const openDoors = async (home: Home): Promise<Handle> => {
  const services = createServices({
    home,
    bots: { recordBotEvents: true, echoPayload: 'until-completed' },
    closing: new AbortController().signal,
  });
  // Nobody is asked for credentials. Tokens, and their revocation at any time, would come in here: another Identify, and
  // bearers in the calls.
  const audit = createAudit(home);
  await audit.start({ version: 'simulated', settings: '' });
  const admission = createAdmission(home, { identify: askNobody(), audit });
  const port = createPort(services, { clock: home.clock, log: home.log, metrics: uncounted, admission });
  return async (path, bytes, call, send) => {
    const { code, details } = await port(
      path,
      Buffer.from(bytes),
      { ...call, credentials: { bearer: null, certificate: null }, requestId: null },
      async (reply) => send(reply),
    );
    return { code, message: details };
  };
};
