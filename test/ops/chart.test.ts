/** The chart without a cluster: linted and rendered by Helm, held against the schemas of Kubernetes and of its extensions. */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { toScaling } from '../../src/fronts/grpc/to-scaling.ts';
import {
  chart,
  COMPILE_MS,
  type Container,
  KUBERNETES,
  NAMESPACE,
  objectsOf,
  podOf,
  RELEASE,
  render,
  valuesFile,
  valuesNames,
  withHelm,
} from '../support/chart.ts';
import { goTool } from '../support/go-tool.ts';
import { kubernetesSchemas } from '../support/kubernetes-schemas.ts';

const run = promisify(execFile);
let helm: string;
const rendered = new Map<string, string>();
withHelm(async (tool) => {
  helm = tool;
  for (const name of valuesNames) rendered.set(name, await render(helm, name));
});

const objectsWith = (name: string) => objectsOf(rendered.get(name) ?? '');

test('Helm lints the chart strictly, with every values file', async () => {
  for (const name of valuesNames) {
    const { stdout } = await run(helm, ['lint', '--strict', chart, '--values', valuesFile(name)]);
    expect(stdout).toContain('0 chart(s) failed');
  }
});

test(
  'every object is what Kubernetes, and who extends it, says that it must be',
  { timeout: COMPILE_MS },
  async (context) => {
    const kubeconform = await goTool('github.com/yannh/kubeconform/cmd/kubeconform', 'v0.7.0');
    if (typeof kubeconform !== 'string') return context.skip(kubeconform.skip);
    const schemas = await kubernetesSchemas();
    if (typeof schemas !== 'string') return context.skip(schemas.skip);
    const folder = mkdtempSync(join(tmpdir(), 'stationgrid-chart-'));
    const judge = async (files: Readonly<Record<string, string>>): Promise<Verdict> => {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, `${name}.yaml`), text);
      const paths = Object.keys(files).map((name) => join(folder, `${name}.yaml`));
      const words = ['-strict', '-summary', '-output', 'json', '-schema-location', schemas];
      // It ends with 1 where something is wrong; what, is printed all the same.
      const ended = await run(kubeconform, [...words, ...paths]).catch((error: unknown) => toPrinted(error));
      return toVerdict(JSON.parse(ended.stdout));
    };
    try {
      const verdict = await judge(Object.fromEntries(rendered));
      expect(verdict.resources).toEqual([]);
      expect(verdict.summary.valid).toBe(valuesNames.flatMap(objectsWith).length);
      expect(verdict.summary).toMatchObject({ invalid: 0, errors: 0, skipped: 0 });

      // A judge that finds nothing wrong with these would find nothing at all.
      const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' }, spec: { replicaz: 1 } };
      const scaled = {
        apiVersion: 'keda.sh/v1alpha1',
        kind: 'ScaledObject',
        metadata: { name: 'a' },
        spec: { triggers: 'x' },
      };
      const broken = await judge({ deployment: JSON.stringify(deployment), scaled: JSON.stringify(scaled) });
      expect(broken.summary).toMatchObject({ valid: 0, invalid: 2, errors: 0, skipped: 0 });
      expect(
        broken.resources
          .map(({ msg }) => msg)
          .sort()
          .join('\n'),
      ).toMatch(/replicaz[\s\S]*triggers|triggers[\s\S]*replicaz/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

describe.for(valuesNames)('with %s-values.yaml', (name) => {
  const pods = () =>
    objectsWith(name).flatMap((object) => {
      const pod = podOf(object);
      return pod === null ? [] : [{ is: `${object.kind} ${object.metadata.name}`, pod }];
    });
  const containers = (): readonly { readonly is: string; readonly container: Container }[] =>
    pods().flatMap(({ is, pod }) =>
      [...(pod.initContainers ?? []), ...pod.containers].map((container) => ({
        is: `${is}: ${container.name}`,
        container,
      })),
    );

  test('pods are of the restricted profile of Pod Security, without a token of the cluster', () => {
    for (const { is, pod } of pods()) {
      expect(pod.securityContext, is).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      expect(Number(pod.securityContext?.['runAsUser']), is).toBeGreaterThan(0);
      expect(pod.automountServiceAccountToken, is).toBe(false);
      for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) expect(pod[key], is).toBeUndefined();
      const sources = (pod.volumes ?? []).flatMap((volume) => Object.keys(volume)).filter((key) => key !== 'name');
      expect(['configMap', 'emptyDir', 'persistentVolumeClaim', 'projected', 'secret'], is).toEqual(
        expect.arrayContaining(sources),
      );
    }
    for (const { is, container } of containers()) {
      expect(container.securityContext, is).toMatchObject({ allowPrivilegeEscalation: false });
      expect(container.securityContext?.capabilities?.drop, is).toEqual(['ALL']);
    }
  });

  test('our containers write nowhere but in volumes, have a limit of memory, and an image that says what it is', () => {
    for (const { is, container } of containers()) {
      expect(container.resources?.limits?.memory, is).toMatch(/^\d+[KMG]i$/);
      expect(container.image, is).toMatch(/(:[\w.-]+|@sha256:[0-9a-f]{64})$/);
      expect(container.image, is).not.toMatch(/:latest$/);
      if (/^(wait|beside)$/.test(container.name)) continue;
      expect(container.securityContext?.['readOnlyRootFilesystem'], is).toBe(true);
    }
  });

  test('replicas are probed for their start, their life and their readiness', () => {
    const [farm] = objectsWith(name).flatMap((object) =>
      object.kind === 'Deployment' ? (podOf(object)?.containers ?? []) : [],
    );
    expect(farm).toMatchObject({
      startupProbe: { httpGet: { path: '/livez', port: 'ops' } },
      livenessProbe: { httpGet: { path: '/livez', port: 'ops' } },
      readinessProbe: { httpGet: { path: '/readyz', port: 'ops' } },
    });
  });

  test('renders what it rendered before, where that differs from the defaults', async () => {
    const usual = new Set(name === 'default' ? [] : documents('default'));
    const own = documents(name).filter((document) => !usual.has(document));
    await expect(own.join('---\n')).toMatchFileSnapshot(`rendered/${name}.yaml`);
  });
});

/** Rules and dashboards are files of the chart, held by tests of their own. */
const documents = (name: string): readonly string[] =>
  (rendered.get(name) ?? '')
    .split(/^---\n/m)
    .filter((document) => document.trim() !== '')
    .map((document) =>
      document
        .replace(/^(kind: PrometheusRule[\s\S]*?\n {2}groups:\n)[\s\S]*/m, '$1    # files/alerts.yaml\n')
        .replaceAll(/^( {2}[\w-]+\.json: )"\{.*"$/gm, (line, key: string) =>
          line.includes('jwks') ? line : `${key}# files/dashboards\n`,
        ),
    );

test('a change of the configuration replaces the pods, and so does one of a file beside it', async () => {
  const checksum = async (words: readonly string[]): Promise<unknown> => {
    const found = /checksum\/config: (\w+)/.exec(await render(helm, 'default', words));
    return found?.[1];
  };
  const usual = await checksum([]);
  expect(usual).toMatch(/^[0-9a-f]{64}$/);
  expect(await checksum(['--set', 'config.instances=declared'])).not.toBe(usual);
  expect(await checksum(['--set', 'configFiles.a=b'])).not.toBe(usual);
  expect(await checksum(['--set', 'replicas=3'])).toBe(usual);
});

test('KEDA is told what the scaler of the farm takes', () => {
  const scaled = valuesNames.flatMap(objectsWith).filter(({ kind }) => kind === 'ScaledObject');
  expect(scaled.length).toBeGreaterThan(0);
  for (const { spec } of scaled) {
    const { triggers } = toTriggers(spec);
    expect(triggers).toHaveLength(1);
    expect(triggers[0]?.type).toBe('external-push');
    const { asked, jobsPerBot } = toScaling({ scalerMetadata: triggers[0]?.metadata ?? {} });
    expect(asked).toMatchObject({ instance: 'line-1', bots: 'farm-stationgrid-bot-*' });
    expect(jobsPerBot).toBeGreaterThan(0);
  }
});

test('each alert says where its page is kept', async () => {
  const words = ['--set', 'monitoring.prometheusRule.runbookUrl=https://wiki.example/'];
  const [rule] = objectsOf(await render(helm, 'everything-on', words)).filter(({ kind }) => kind === 'PrometheusRule');
  const alerts = toGroups(rule?.spec?.['groups'])
    .flatMap(({ rules }) => rules)
    .filter(({ alert }) => alert !== undefined);
  expect(alerts.length).toBeGreaterThan(0);
  for (const { alert, annotations } of alerts)
    expect(annotations?.['runbook_url'], alert).toMatch(/^https:\/\/wiki\.example\/[\w-]+\.md$/);
});

test('each alert carries the labels that the values want, and the rules stand as they are in the file', () => {
  const [rule] = objectsWith('everything-on').filter(({ kind }) => kind === 'PrometheusRule');
  const groups = toGroups(rule?.spec?.['groups']);
  const written = toGroups(toRules(parse(readFileSync(join(chart, 'files/alerts.yaml'), 'utf8'))).groups);
  expect(groups.map(({ rules }) => rules.length)).toEqual(written.map(({ rules }) => rules.length));
  const alerts = groups.flatMap(({ rules }) => rules).filter(({ alert }) => alert !== undefined);
  expect(alerts.length).toBeGreaterThan(0);
  for (const { alert, labels } of alerts) expect(labels, alert).toMatchObject({ team: 'line-tools' });
});

test.for(['default', 'bots'])('with %s-values.yaml Helm says the next three commands', async (name) => {
  const folder = mkdtempSync(join(tmpdir(), 'stationgrid-notes-'));
  try {
    // Only `install` shows notes, and asks a cluster first. So a copy of the chart has them as data.
    cpSync(chart, folder, { recursive: true });
    cpSync(join(chart, 'templates/NOTES.txt'), join(folder, 'files/notes.txt'));
    writeFileSync(join(folder, 'templates/notes.yaml'), 'notes: {{ tpl (.Files.Get "files/notes.txt") . | quote }}\n');
    const where = ['--namespace', NAMESPACE, '--kube-version', KUBERNETES, '--values', valuesFile(name)];
    const words = [RELEASE, folder, '--show-only', 'templates/notes.yaml', ...where];
    const { stdout } = await run(helm, ['template', ...words]);
    const { notes } = toNotes(parse(stdout));
    expect(notes.match(/^ {2}(kubectl|helm) .*$/gm)).toHaveLength(3);
    expect(notes.includes('There is no `helm test` yet')).toBe(name === 'default');
    expect(notes).not.toMatch(/<no value>|\{\{/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the values of the how-to page are some that Helm takes', async () => {
  const page = readFileSync(join(chart, '../../docs/how-to/deploy-on-kubernetes.md'), 'utf8');
  const [, values = ''] = /my-line\.yaml" <<END\n([\s\S]*?)\nEND$/m.exec(page) ?? [];
  expect(values).not.toBe('');
  const words = [RELEASE, chart, '--kube-version', KUBERNETES, '--values', '-'];
  const rendering = run(helm, ['template', ...words]);
  rendering.child.stdin?.end(values.replace(/\$\(cat [^)]*\)/, '{}'));
  expect((await rendering).stdout).toContain('- /etc/stationgrid-token/token');
});

test('the command of the README is one that Helm takes', async () => {
  const readme = readFileSync(join(chart, '../../README.md'), 'utf8');
  const [, words = ''] = /^helm install farm (\S+ --set[\s\S]*?)\n```/m.exec(readme) ?? [];
  const { stdout } = await run(helm, ['template', RELEASE, ...words.split(/[\s\\]+/), '--kube-version', KUBERNETES], {
    cwd: join(chart, '../..'),
  });
  expect(stdout).toContain('image: "registry.example/stationgrid:0.1.0"');
});

/** What is wrong with these values, and the key that Helm must name. */
test.for<[words: string, said: RegExp]>([
  ['replica=3', /'replica' not allowed|replica is not allowed|additional properties 'replica'/i],
  ['tls.mode=none', /tls\/mode|tls\.mode/],
  ['service.grpcPort=http', /service\/grpcPort|service\.grpcPort/],
  ['image.tag=latest', /image\/tag|image\.tag/],
  ['config.databaseUrl=postgresql://x', /databaseUrl/],
  ['bots.autoscaling.jobsPerBot=0', /jobsPerBot/],
  ['database.existingSecret=', /database\.existingSecret: name the Secret/],
  ['tls.secretName=', /tls\.secretName: name the Secret/],
  ['tls.mode=cert-manager', /tls\.certManager\.issuerRef\.name: name the Issuer/],
  ['config.auth.botTokens=false', /config\.auth: nobody is asked for credentials/],
  ['config.auth.farm=farm.example', /tls\.clientAuthorities: set it to true/],
  ['config.auth.farm=farm.example,tls.mode=terminated-by-proxy', /config\.auth\.farm: behind a proxy/],
  ['config.doors.grpc=0.0.0.0:1', /config\.doors\.grpc: the chart opens the doors/],
  ['ingress.enabled=true', /ingress\.grpc\.host: give it/],
  ['gateway.enabled=true', /gateway\.parentRefs: name your Gateway/],
  ['config.doors.factory=0.0.0.0:8080', /dataVolume: what DUTs upload would be gone/],
  ['podDisruptionBudget.minAvailable=1', /podDisruptionBudget\.maxUnavailable: give it or/],
  ['autoscaling.enabled=true,autoscaling.minReplicas=9', /autoscaling\.maxReplicas: is smaller/],
  ['bots.enabled=true', /bots\.tokensSecret: name the Secret/],
  ['bots.autoscaling.enabled=true', /bots\.enabled: set it to true/],
  ['bots.enabled=true,bots.tokensSecret=a,bots.autoscaling.enabled=true', /config\.auth\.farm: KEDA sends no tokens/],
  [
    'tests.tokenSecret=a,config.auth.botTokens=false,config.auth.jwt.issuer=b',
    /config\.auth\.botTokens: set it to true/,
  ],
  ['serviceAccount.create=false', /serviceAccount\.name: name the account/],
])('--set %s is refused, and the key to mend is named', async ([words, said]) => {
  await expect(render(helm, 'default', ['--set', words])).rejects.toThrow(said);
});

afterAll(() => {
  rendered.clear();
});

type Verdict = {
  readonly resources: readonly { readonly msg: string }[];
  readonly summary: Readonly<Record<'valid' | 'invalid' | 'errors' | 'skipped', number>>;
};
type Groups = readonly {
  readonly rules: readonly {
    readonly alert?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  }[];
}[];

function toVerdict(parsed: unknown): Verdict {
  return parsed as Verdict;
}
function toNotes(parsed: unknown): { readonly notes: string } {
  return parsed as { readonly notes: string };
}
function toPrinted(error: unknown): { readonly stdout: string } {
  return error as { readonly stdout: string };
}
function toGroups(groups: unknown): Groups {
  return groups as Groups;
}
type Trigger = { readonly type: string; readonly metadata: Record<string, string> };
function toTriggers(spec: unknown): { readonly triggers: readonly Trigger[] } {
  return spec as { readonly triggers: readonly Trigger[] };
}
function toRules(parsed: unknown): { readonly groups: unknown } {
  return parsed as { readonly groups: unknown };
}
