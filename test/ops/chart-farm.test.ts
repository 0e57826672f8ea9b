/**
 * Each rendered configuration starts the farm: the command, the files and the variables of the rendered pods, with paths
 * moved into a folder and ports chosen by the system. All doors stay bound wide, so the rule of safe binds judges each.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get as getPlain } from 'node:http';
import { get as getSecurely } from 'node:https';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createInterface } from 'node:readline';
import { Client, credentials, status } from '@grpc/grpc-js';
import { afterAll, expect, test } from 'vitest';
import { JobsService } from '../../src/gen/stationgrid/v1/jobs.ts';
import { cliProgram, runCli } from '../cli/run-cli.ts';
import { openAuthority } from '../support/certificates.ts';
import {
  type Container,
  type KubernetesObject,
  NAMESPACE,
  objectsOf,
  podOf,
  RELEASE,
  render,
  valuesNames,
  withHelm,
} from '../support/chart.ts';
import { eventually } from '../support/farm-site.ts';
import { openTcpPostgres, type TcpPostgres } from '../support/tcp-postgres.ts';

const CANNOT_START = 78;

const authority = openAuthority();
let folder: string;
let helm: string;
let postgres: TcpPostgres;
let jwks: string;
/** What people would have put into the cluster before. */
let secrets: Readonly<Record<string, Readonly<Record<string, string>>>>;
withHelm(async (tool) => {
  helm = tool;
  folder = mkdtempSync(join(tmpdir(), `stationgrid-test-${process.pid}-chart-`));
  postgres = await openTcpPostgres();
  const key = join(folder, 'signing-key.json');
  jwks = (await runCli(['jwt', 'key', '--out', key])).stdout;
  const claims = ['--issuer', 'my-line', '--audience', 'stationgrid', '--subject', 'helm', '--role', '*:admin'];
  const jwt = await runCli(['jwt', 'sign', '--key', key, ...claims]);
  const server = authority.server();
  const tls = { 'tls.crt': server.certificate, 'tls.key': server.key, 'ca.crt': authority.certificate };
  secrets = {
    'farm-database': { url: postgres.url },
    'farm-database-owner': { url: postgres.ownerUrl, 'owner-url': postgres.ownerUrl },
    'farm-tls': tls,
    'farm-stationgrid-tls': tls,
    'line-authority': { 'ca.crt': authority.certificate },
    'farm-admin': { token: jwt.stdout.trim() },
  };
  await migrate();
});
afterAll(async () => {
  await postgres?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

/** A folder that stands for the `/` of a pod, with its volumes in it. */
const mount = (name: string, objects: readonly KubernetesObject[], owner: KubernetesObject): string => {
  const root = join(folder, `${name}-${owner.kind}`);
  mkdirSync(root, { recursive: true });
  const pod = podOf(owner);
  const files = new Map(
    (pod?.volumes ?? []).map((volume) => {
      const configMap = objects.find(
        ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === volume.configMap?.name,
      );
      return [volume.name, configMap?.data ?? secrets[volume.secret?.secretName ?? ''] ?? {}];
    }),
  );
  for (const container of pod?.containers ?? []) {
    for (const { name: volume, mountPath } of container.volumeMounts ?? []) {
      mkdirSync(join(root, mountPath), { recursive: true });
      for (const [file, words] of Object.entries(files.get(volume) ?? {})) {
        const path = join(root, mountPath, file);
        writeFileSync(path, file === 'jwks.json' ? jwks : inRoot(root, words));
        chmodSync(path, 0o600);
      }
    }
  }
  return root;
};

/** Paths lead into the pod's folder; a wide door stays wide, at a port that is free. */
const inRoot = (root: string, words: string): string =>
  words.replaceAll(/(^|[=\s])(\/(?:etc|var)\/)/g, `$1${root}$2`).replaceAll(/\b0\.0\.0\.0:\d+/g, '0.0.0.0:0');

const envOf = ({ env = [] }: Container, podName: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    env.map(({ name, value, valueFrom }) => {
      const { secretKeyRef: ref, fieldRef } = valueFrom ?? {};
      return [name, value ?? (fieldRef === undefined ? secrets[ref?.name ?? '']?.[ref?.key ?? ''] : podName) ?? ''];
    }),
  );

type Pod = { readonly container: Container; readonly root: string; readonly env: Readonly<Record<string, string>> };

const podNamed = (name: string, objects: readonly KubernetesObject[], kind: string, suffix = ''): Pod | null => {
  const owner = objects.find((object) => object.kind === kind && object.metadata.name.endsWith(suffix));
  const container = owner && podOf(owner)?.containers[0];
  if (container === undefined) return null;
  return { container, root: mount(name, objects, owner!), env: envOf(container, `${owner!.metadata.name}-0`) };
};

/** The words of the pod, as Kubernetes would have filled them in. */
const wordsOf = ({ container, root, env }: Pod): readonly string[] =>
  (container.args ?? []).map((word) =>
    inRoot(
      root,
      word.replaceAll(/\$\((\w+)\)/g, (_, key: string) => env[key] ?? ''),
    ),
  );

const started = new Set<ReturnType<typeof start>>();
const start = (pod: Pod, words = wordsOf(pod)) => {
  const child = spawn(process.execPath, [cliProgram, ...words], {
    cwd: pod.root,
    env: { PATH: process.env['PATH'], ...pod.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return {
    child,
    log: text(child.stderr),
    ended: new Promise((resolve, reject) =>
      child.once('error', reject).once('close', (code, signal) => resolve(signal ?? code)),
    ),
    lines,
  };
};
afterAll(() => {
  for (const { child } of started) child.kill('SIGKILL');
});

const statusOf = (url: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const options = { ca: authority.certificate, agent: false };
    const asked = url.startsWith('https') ? getSecurely(url, options) : getPlain(url);
    asked.once('response', (answer) => resolve(answer.resume().statusCode)).once('error', reject);
  });

/** Serves, and its doors: as pods would reach them by name, here by loopback. */
const serve = async (pod: Pod) => {
  const farm = start(pod);
  started.add(farm);
  const over = farm.ended.then(async (how) => {
    throw new Error(`the farm ended with ${String(how)}:\n${await farm.log}`);
  });
  over.catch(() => undefined);
  const said = eventually(() =>
    [/^gRPC 0\.0\.0\.0(:\d+)$/, /^HTTP (https?:.*)\/$/, /^ops (https?:.*)\/$/].map((pattern) => {
      const [, at] = farm.lines.map((line) => pattern.exec(line)).find((found) => found !== null) ?? [];
      if (at === undefined) throw new Error(`nothing was said like ${pattern.source}`);
      return at.replace('0.0.0.0', '127.0.0.1');
    }),
  );
  const [grpc = '', http = '', ops = ''] = await Promise.race([said, over]);
  await eventually(async () => expect(await statusOf(`${ops}/readyz`)).toBe(200));
  return { ...farm, server: `localhost${grpc}`, http, ops };
};

/** By the Job of the chart, as the role that owns the schema; the replicas may not change it. */
let migration: ReturnType<typeof start>;
const migrate = async (): Promise<void> => {
  const objects = objectsOf(await render(helm, 'tls-secret'));
  migration = start(podNamed('migration', objects, 'Job')!);
  await migration.ended;
};

test('the migration Job makes the schema, as the role that owns it', async () => {
  expect([await migration.ended, await migration.log]).toEqual([0, '']);
  expect(migration.lines.length).toBeGreaterThan(1);
});

test.for(valuesNames)(
  '%s-values.yaml starts the farm with all doors bound wide, and lets nobody in unasked',
  async (name) => {
    const objects = objectsOf(await render(helm, name));
    const pod = podNamed(name, objects, 'Deployment')!;
    const farm = await serve(pod);
    const isPlain = wordsOf(pod).includes('tls=terminated-by-proxy');
    expect(farm.ops).toMatch(isPlain ? /^http:/ : /^https:/);
    expect(await statusOf(`${farm.ops}/metrics`)).toBe(200);
    expect(await statusOf(`${farm.http}/api/v1/instances/line-1/jobs`)).toBe(401);

    const trusted = Buffer.from(authority.certificate);
    const stranger = new Client(farm.server, isPlain ? credentials.createInsecure() : credentials.createSsl(trusted));
    await expect(listJobs(stranger)).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
    stranger.close();

    const main = podNamed(`${name}-test`, objects, 'Pod', '-test');
    if (main !== null) {
      const load = start(main, towards(farm.server, wordsOf(main)));
      expect([await load.ended, await load.log], load.lines.join('\n')).toEqual([0, expect.any(String)]);
    }
    const bot = podNamed(`${name}-bot`, objects, 'StatefulSet');
    if (bot?.container.args?.includes('--simulate') === true) await tryBot(farm.server, bot);

    farm.child.kill('SIGTERM');
    expect(await farm.ended, await farm.log).toBe(0);
  },
);

const listJobs = (client: Client): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = JobsService.listJobs;
    const all = { instance: 'line-1', states: [], station: '', route: '', serial: '', pageSize: 1, pageToken: '' };
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, all, (error, reply) => {
      if (error === null) resolve(reply);
      else reject(error);
    });
  });

const towards = (server: string, words: readonly string[]): readonly string[] =>
  words.map((word) => (word.startsWith(`${RELEASE}-`) && word.includes(`.${NAMESPACE}.svc:`) ? server : word));

const caFile = (): string => {
  const path = join(folder, 'authority.pem');
  writeFileSync(path, authority.certificate);
  return path;
};

/** The first bot of the StatefulSet gets its token as the how-to says, and takes a job through. */
const tryBot = async (server: string, pod: Pod): Promise<void> => {
  const words = towards(server, wordsOf(pod));
  const flag = (name: string): string => words[words.indexOf(name) + 1] ?? '';
  const jwt = join(folder, 'admin.jwt');
  writeFileSync(jwt, secrets['farm-admin']?.['token'] ?? '', { mode: 0o600 });
  const asAdmin = ['--server', server, '--instance', flag('--instance'), '--ca', caFile(), '--token-file', jwt];
  mkdirSync(dirname(flag('--token-file')), { recursive: true });
  const made = await runCli(['bot', 'token', 'create', flag('--bot-id'), '--out', flag('--token-file'), ...asAdmin]);
  expect(made.code, made.stderr).toBe(0);
  const bot = start(pod, words);
  started.add(bot);
  const work = ['--station', flag('--stations'), '--handler', 'SMT.Probe=simulate', '--bot', flag('--bot-id')];
  const job = await runCli(['job', 'enqueue', ...work, '--wait', '--timeout', '1min', ...asAdmin]);
  expect([job.code, job.stdout], job.stderr).toEqual([0, expect.stringContaining('PASSED')]);
  bot.child.kill('SIGTERM');
  expect(await bot.ended, await bot.log).toBe(0);
};

test('without what the chart gives it, the same pod does not start: the rule of safe binds is met, not turned off', async () => {
  const objects = objectsOf(await render(helm, 'default'));
  const pod = podNamed('unsafe', objects, 'Deployment')!;
  const words = wordsOf(pod);
  const withoutTls = words.filter((word, at) => !word.startsWith('tls.') && !words[at + 1]?.startsWith('tls.'));
  const config = join(pod.root, 'etc/stationgrid/stationgrid.yaml');
  const plain = start(pod, withoutTls);
  expect([await plain.ended, await plain.log]).toEqual([CANNOT_START, expect.stringContaining('there is no TLS')]);
  writeFileSync(config, readFileSync(config, 'utf8').replace('botTokens: true', 'botTokens: false'));
  const open = start(pod);
  expect([await open.ended, await open.log]).toEqual([CANNOT_START, expect.stringContaining('set `auth`')]);
});
