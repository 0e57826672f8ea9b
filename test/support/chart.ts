/** The chart, rendered by Helm with each of its `ci/*-values.yaml`. */
import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, beforeEach } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { goTool } from './go-tool.ts';

const run = promisify(execFile);

export const chart = fileURLToPath(new URL('../../helm/stationgrid', import.meta.url));
/** `default`, `mesh` and their like. */
export const valuesNames = globSync('ci/*-values.yaml', { cwd: chart })
  .map((path) => basename(path, '-values.yaml'))
  .sort();
export const valuesFile = (name: string): string => `${chart}/ci/${name}-values.yaml`;

/** Without a cluster Helm does not know whose version it should take. */
export const KUBERNETES = '1.34.0';
export const RELEASE = 'farm';
export const NAMESPACE = 'line';
/** The first time, Helm is compiled. */
export const COMPILE_MS = 1_200_000;

/** Helm for all tests of a file, which are skipped where it cannot be had. @param prepare what they all need besides. */
export const withHelm = (prepare: (helm: string) => Promise<void>): void => {
  let skip: string | null = null;
  beforeAll(async () => {
    const helm = await goTool('helm.sh/helm/v3/cmd/helm', 'v3.19.0');
    if (typeof helm === 'string') await prepare(helm);
    else skip = helm.skip;
  }, COMPILE_MS);
  beforeEach((context) => {
    if (skip !== null) context.skip(skip);
  });
};

/** What `helm template` prints; rejects with Helm's own words. */
export async function render(helm: string, name: string, words: readonly string[] = []): Promise<string> {
  const where = ['--namespace', NAMESPACE, '--kube-version', KUBERNETES, '--values', valuesFile(name)];
  const { stdout } = await run(helm, ['template', RELEASE, chart, ...where, ...words], { maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

export const objectsOf = (rendered: string): readonly KubernetesObject[] =>
  parseAllDocuments(rendered).map((document) => toObject(document.toJS()));

export type Container = {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: {
      readonly secretKeyRef?: { readonly name: string; readonly key: string };
      readonly fieldRef?: { readonly fieldPath: string };
    };
  }[];
  readonly resources?: { readonly limits?: { readonly memory?: string } };
  readonly securityContext?: Readonly<Record<string, unknown>> & {
    readonly capabilities?: { readonly drop?: readonly string[] };
  };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly livenessProbe?: object;
  readonly readinessProbe?: object;
  readonly startupProbe?: object;
};

export type PodSpec = Readonly<Record<string, unknown>> & {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly automountServiceAccountToken?: boolean;
  readonly volumes?: readonly (Readonly<Record<string, unknown>> & {
    readonly name: string;
    readonly configMap?: { readonly name: string };
    readonly secret?: { readonly secretName: string; readonly defaultMode?: number };
  })[];
};

export type KubernetesObject = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: Readonly<Record<string, unknown>> & { readonly template?: { readonly spec: PodSpec } };
};

/** Of whatever runs pods, and of a Pod itself; null of the rest. */
export const podOf = ({ kind, spec }: KubernetesObject): PodSpec | null =>
  kind === 'Pod' ? toPod(spec) : (spec?.template?.spec ?? null);

function toObject(parsed: unknown): KubernetesObject {
  return parsed as KubernetesObject;
}
function toPod(spec: unknown): PodSpec {
  return spec as PodSpec;
}
