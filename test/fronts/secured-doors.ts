/**
 * A farm that asks for credentials: both doors on real sockets and a real database, tokens of bots that the farm made
 * itself, JWTs that a real key signed, and things in two instances to ask for.
 */
import { exportJWK, generateKeyPair, SignJWT, createLocalJWKSet } from 'jose';
import type { Clock } from '../../src/core/clock.ts';
import type { Limits } from '../../src/core/limits.ts';
import { type Admission, createAdmission } from '../../src/farm/admit.ts';
import { createAudit } from '../../src/farm/audit.ts';
import { createBotToken } from '../../src/farm/create-bot-token.ts';
import type { Home } from '../../src/farm/home.ts';
import type { Identify } from '../../src/farm/identify.ts';
import { openHome } from '../../src/farm/open-home.ts';
import { stopHome } from '../../src/farm/stop-home.ts';
import { createTokenBook, type TokenBook } from '../../src/farm/token-book.ts';
import { type GrpcDoor, serveGrpc } from '../../src/fronts/grpc/serve-grpc.ts';
import { serveHttp } from '../../src/fronts/rest/serve-http.ts';
import { createCertificateReader } from '../../src/identity/certificates.ts';
import { createIdentity } from '../../src/identity/identity.ts';
import { createJwtReader } from '../../src/identity/jwt.ts';
import type { Entrance } from '../../src/listen/keep-door.ts';
import type { TlsPaths } from '../../src/listen/tls-files.ts';
import { openTlsKeeper } from '../../src/listen/tls-keeper.ts';
import { type FreshDatabase, freshDatabase } from '../support/database.ts';
import { createTestFarm, testLine } from '../support/farm.ts';
import { plainEntrance } from '../support/plain-entrance.ts';

const ISSUER = 'https://issuer.example';
const AUDIENCE = 'stationgrid';

export type OpenDoors = {
  readonly grpc: GrpcDoor;
  readonly http: Awaited<ReturnType<typeof serveHttp>>;
};

type SomeLimits = { readonly [Group in keyof Limits]?: Partial<Limits[Group]> };

export type SecuredDoors = OpenDoors & {
  readonly database: FreshDatabase;
  readonly home: Home;
  readonly tokens: TokenBook;
  /** Further doors into the same farm, with other limits. */
  readonly openMore: (limits: Partial<Limits>) => Promise<OpenDoors>;
  /** A JWT of a person with these roles, each `instance:role`. */
  readonly memberToken: (name: string, roles: readonly string[]) => Promise<string>;
  readonly botToken: (instance: string, botId: string) => Promise<string>;
  readonly close: () => Promise<void>;
};

/** Doors that speak TLS, and know bots by certificates besides. */
export type ByCertificate = {
  /** The SPIFFE trust domain. */
  readonly farm: string;
  readonly tls: TlsPaths;
  /** By which certificates end. */
  readonly clock: Clock;
};

const INSTANCES = ['line-1', 'line-2', ''];

/** @param known whom callers are taken for, whatever they show. */
export async function openSecuredDoors(
  limits: SomeLimits = {},
  known?: Identify,
  byCertificate: ByCertificate | null = null,
): Promise<SecuredDoors> {
  const database = await freshDatabase();
  const lines = INSTANCES.map((instance) =>
    testLine({ instance, shopfloorUrl: 'http://127.0.0.1:9/', events: new Map([['hello', 'GREETED']]) }),
  );
  const home = openHome(createTestFarm({ database, lines, limits }));
  const tokens = createTokenBook(home);
  await tokens.start();
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const keys = createLocalJWKSet({ keys: [await exportJWK(publicKey)] });
  const rules = {
    issuer: ISSUER,
    audience: AUDIENCE,
    algorithms: ['ES256'],
    rolesClaim: 'stationgrid_roles',
    clockSkewMs: 0,
  };
  const jwt = createJwtReader(rules, keys, home);
  const audit = createAudit(home);
  await audit.start({ version: 'test', settings: 'test' });
  const certificates =
    byCertificate === null
      ? null
      : createCertificateReader(byCertificate.farm, {
          clock: byCertificate.clock,
          rememberedMax: home.limits.poll.parkedMax,
        });
  const identify = known ?? createIdentity({ certificates, tokens, jwt });
  const tls = byCertificate === null ? null : tlsOf(byCertificate.tls, home);
  const admission = createAdmission(home, { identify, audit });
  const opened: OpenDoors[] = [];
  const open = async (through: Home): Promise<OpenDoors> => {
    const more = await openDoors(through, admission, tls);
    opened.push(more);
    return more;
  };
  return {
    ...(await open(home)),
    database,
    home,
    tokens,
    openMore: (changed) => open({ ...home, limits: { ...home.limits, ...changed } }),
    memberToken: (name, roles) =>
      new SignJWT({ stationgrid_roles: roles })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(name)
        .setExpirationTime('1h')
        .sign(privateKey),
    botToken: async (instance, botId) =>
      (await createBotToken(home, { instance, botId, expiresInMs: null }, 'test')).secretText,
    close: async () => {
      await stopHome(home);
      await Promise.all(opened.flatMap(({ grpc, http }) => [grpc.stop(), http.stop()]));
      await audit.stop();
      tokens.stop();
      jwt.stop();
      certificates?.stop();
      tls?.stop();
      await database.drop();
    },
  };
}

const nothing = (): void => undefined;

const tlsOf = (paths: TlsPaths, { clock, limits }: Home) =>
  openTlsKeeper({
    paths,
    checkMs: limits.doors.certificatesCheckMs,
    clock,
    witness: { certificateExpires: nothing, reloaded: nothing, reloadFailed: nothing },
  });

async function openDoors(home: Home, admission: Admission, tls: Entrance['tls']): Promise<OpenDoors> {
  const shared = { home, admission, address: { host: '127.0.0.1', port: 0 } };
  const grpc = await serveGrpc({
    ...shared,
    entrance: { ...plainEntrance(home.limits.doors), tls },
    bots: { recordBotEvents: true, echoPayload: 'until-completed' },
    metrics: { started: nothing, received: nothing, sent: nothing, handled: nothing },
  });
  grpc.setServing(true);
  const http = await serveHttp({
    ...shared,
    entrance: { ...plainEntrance(home.limits.doors), tls },
    names: [],
    metrics: { contentType: () => 'text/plain', text: () => Promise.resolve('# metrics\n') },
    ready: () => Promise.resolve({ ok: true, why: '' }),
  });
  return { grpc, http };
}
