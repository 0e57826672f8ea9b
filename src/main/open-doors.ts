/** The doors of a replica: gRPC, HTTP, and one for operations where it is wanted. */
import { asksCredentials, type Config, isLoopback, printConfig, wideDoors } from '../config.ts';
import { createAdmission } from '../farm/admit.ts';
import { createAudit } from '../farm/audit.ts';
import type { Home } from '../farm/home.ts';
import { stopHome } from '../farm/stop-home.ts';
import { silenceOf } from '../farm/vouch.ts';
import { serveGrpc } from '../fronts/grpc/serve-grpc.ts';
import type { AppOptions } from '../fronts/rest/http-app.ts';
import { type Operations, serveOperations } from '../fronts/rest/operations.ts';
import type { ParameterDepot } from '../fronts/rest/parameters.ts';
import { serveHttp } from '../fronts/rest/serve-http.ts';
import { openIdentity } from '../identity/open-identity.ts';
import type { Names } from '../listen/guard.ts';
import { type Entrances, openEntrances } from '../listen/open-entrances.ts';
import { processClock } from '../process-clock.ts';
import type { Depot } from '../uploads/depot.ts';
import { openFactory, openFactoryFolder } from './open-factory.ts';
import type { OpenFarm } from './open-farm.ts';
import { tendFolder } from './tend-folder.ts';
import type { Undo } from './undo.ts';
import { VERSION } from './version.ts';

/** What was opened on purpose is said, for whoever did not mean it. */
const warnOfExposure = (config: Config, log: Home['log']): void => {
  const doors = wideDoors(config);
  if (doors.length === 0) return;
  const isPlain = config.tls === null;
  const isOpen = !asksCredentials(config);
  if (config.tls === 'terminated-by-proxy')
    log.warn(
      { doors },
      'the doors are plain, as tls: terminated-by-proxy says: only the proxy must be able to reach them',
    );
  if (isPlain || isOpen)
    log.warn({ doors, isPlain, isOpen }, 'anyone on this network can falsify results, as the configuration wants it');
};

export type Doors = {
  readonly grpcAddress: string;
  readonly httpUrl: string;
  /** Null: there is no door for operations. */
  readonly opsUrl: string | null;
  /** Null: there is no factory door. */
  readonly factoryUrl: string | null;
};

/** @param operations what probes and scrapes are answered with. */
export const openDoors = async (
  config: Config,
  farm: OpenFarm,
  { operations, undo }: { readonly operations: Operations; readonly undo: Undo },
): Promise<Doors> => {
  const { home, metrics } = farm;
  warnOfExposure(config, home.log);
  const { limits, tls } = config;
  const entrances = openEntrances(tls, { limits: limits.doors, clock: processClock, log: home.log, metrics });
  undo.push(() => {
    entrances.stop();
    return Promise.resolve();
  });
  const audit = createAudit(home);
  await audit.start({ version: VERSION, settings: printConfig(config) });
  undo.push(() => audit.stop());
  const identity = await openIdentity(config.auth, home);
  undo.push(() => identity.stop());
  const admission = createAdmission(home, { identify: identity.identify, audit });
  const grpc = await serveGrpc({
    home,
    bots: config.bots,
    address: config.doors.grpc,
    entrance: entrances.at('grpc'),
    metrics: metrics.grpc,
    admission,
  });
  // Of what is undone, this comes before the loops and the pool: polls are answered while there is still a database.
  undo.push(async () => {
    grpc.setServing(false);
    await stopHome(home);
    await grpc.stop();
  });
  const depot = await openFactoryFolder(config, home);
  if (depot !== null) tendFolder(home, depot, undo);
  const http = await serveHttp({
    ...operations,
    home,
    parameters: depot && parametersOf(depot, config),
    address: config.doors.http,
    entrance: entrances.at('http'),
    names: namesOf(config),
    admission,
  });
  undo.push(() => http.stop());
  const factory = await openFactory(config, farm, { depot, admission, entrances });
  if (factory !== null) undo.push(() => factory.stop());
  const opsUrl = await openOpsDoor(config, home, { operations, entrances, undo });
  grpc.setServing(true);
  farm.onBeat(() => {
    grpc.setServing(!home.stopping && silenceOf(home) === null);
  });
  return {
    grpcAddress: grpc.address,
    httpUrl: urlOf(config, http.address),
    opsUrl,
    factoryUrl: factory && urlOf(config, factory.address),
  };
};

/** Its URL; null: none is wanted. */
export const openOpsDoor = async (
  config: Config,
  home: AppOptions['home'],
  parts: { readonly operations: Operations; readonly entrances: Entrances; readonly undo: Undo },
): Promise<string | null> => {
  const { ops: address } = config.doors;
  if (address === null) return null;
  const { operations, entrances, undo } = parts;
  const entrance = entrances.at('ops');
  const door = await serveOperations({ ...operations, home, address, entrance, names: opsNames(address) });
  undo.push(() => door.stop());
  return urlOf(config, door.address);
};

const parametersOf = (depot: Depot, { factory: { instance } }: Config): ParameterDepot => ({
  depot,
  instance,
  shelf: { ...depot.parameters, depot: depot.id },
});

const urlOf = ({ tls }: Config, address: string): string =>
  `${tls === null || tls === 'terminated-by-proxy' ? 'http' : 'https'}://${address}/`;

/** Where credentials are asked for, a name that was bent to point here brings none, unless somebody lists the names. */
const namesOf = (config: Config): Names => {
  const { names, http } = config.doors;
  return names.length === 0 && !isLoopback(http.host) && asksCredentials(config) ? 'any' : names;
};

/** What it shows is not secret. On loopback it is shown to this machine only, all the same. */
const opsNames = ({ host }: { readonly host: string }): Names => (isLoopback(host) ? [] : 'any');
