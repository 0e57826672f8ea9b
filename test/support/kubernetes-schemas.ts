/**
 * What Kubernetes and its extensions say of their objects, as kubeconform reads it: one JSON Schema a kind, strict. The
 * projects publish them inside their Go modules, so Go's proxy is all that is needed.
 */
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { goModule } from './go-tool.ts';

const KUBERNETES = ['k8s.io/kubernetes', 'v1.34.0', 'api/openapi-spec/swagger.json'] as const;
const CRDS = [
  [
    'github.com/prometheus-operator/prometheus-operator',
    'v0.82.2',
    'example/prometheus-operator-crd/*_{servicemonitors,podmonitors,prometheusrules}.yaml',
  ],
  ['github.com/kedacore/keda/v2', 'v2.17.2', 'config/crd/bases/keda.sh_{scaledobjects,triggerauthentications}.yaml'],
  ['github.com/cert-manager/cert-manager', 'v1.18.2', 'deploy/crds/crd-certificates.yaml'],
  ['sigs.k8s.io/gateway-api', 'v1.3.0', 'config/crd/standard/*_{grpcroutes,httproutes}.yaml'],
] as const;

/** A change of what is written below makes the folders of older clones stale. */
const LAYOUT = 1;
const cache = fileURLToPath(new URL('../../.cache/', import.meta.url));

type Schema = Readonly<Record<string, unknown>>;

/** kubeconform's `-schema-location`; or why there is none here. */
export async function kubernetesSchemas(): Promise<string | { readonly skip: string }> {
  const versions = [KUBERNETES, ...CRDS].map(([, version]) => version.slice(1)).join('-');
  const folder = join(cache, `kubernetes-schemas-${LAYOUT}-${versions}`);
  const location = join(folder, '{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json');
  if (existsSync(folder)) return location;
  const draft = `${folder}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  try {
    for (const [module, version, pattern] of [KUBERNETES, ...CRDS]) {
      const source = await goModule(module, version);
      if (typeof source !== 'string') return source;
      for (const path of globSync(pattern, { cwd: source })) {
        const text = readFileSync(join(source, path), 'utf8');
        if (path.endsWith('.json')) writeKinds(draft, toSwagger(JSON.parse(text)).definitions);
        else for (const document of parseAllDocuments(text)) writeCrd(draft, toCrd(document.toJS()));
      }
    }
    // Whoever is done first wins; a second one finds the folder there, and it is as good.
    if (!existsSync(folder)) renameSync(draft, folder);
    return location;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

const write = (folder: string, [group, version, kind]: readonly string[], schema: Schema): void =>
  writeFileSync(join(folder, `${group}_${version}_${kind?.toLowerCase()}.json`), JSON.stringify(schema));

const KIND = 'x-kubernetes-group-version-kind';

/** Each kind with all it refers to, so that a file needs no other. */
function writeKinds(folder: string, definitions: Readonly<Record<string, Schema>>): void {
  for (const [name, definition] of Object.entries(definitions)) {
    for (const { group, version, kind } of toKinds(definition[KIND])) {
      const needed = new Map<string, unknown>();
      const collect = (each: string): void => {
        if (needed.has(each)) return;
        needed.set(each, strict(definitions[each], each));
        for (const [, next = ''] of JSON.stringify(definitions[each]).matchAll(/"#\/definitions\/([^"]+)"/g))
          collect(next);
      };
      collect(name);
      const schema = { $ref: `#/definitions/${name}`, definitions: Object.fromEntries(needed) };
      // The core's group has no name: kubeconform then takes the version for it.
      write(folder, [group === '' ? version : group, version, kind], schema);
    }
  }
}

function writeCrd(folder: string, { kind, spec }: Crd): void {
  if (kind !== 'CustomResourceDefinition') return;
  for (const { name, schema } of spec.versions) {
    const { properties } = schema.openAPIV3Schema;
    // As every server fills it in: a CRD says of metadata only that it is an object.
    const named = { ...schema.openAPIV3Schema, properties: { ...toRecord(properties), metadata: {} } };
    write(folder, [spec.group, name, spec.names.kind], toRecord(strict(named, kind)));
  }
}

const ANY_NUMBER = { type: ['string', 'number', 'integer'] };

/** As OpenAPI has it, made JSON Schema: what is not named is not allowed, and quantities and ports may be numbers. */
function strict(node: unknown, name: string): unknown {
  if (Array.isArray(node)) return node.map((each: unknown) => strict(each, ''));
  if (typeof node !== 'object' || node === null) return node;
  const own = toRecord(node);
  if (/\.(Quantity|IntOrString)$/.test(name) || own['x-kubernetes-int-or-string'] === true) return ANY_NUMBER;
  if (own['format'] === 'int-or-string') return ANY_NUMBER;
  // Formats such as int32 are OpenAPI's; what else there is, such as `default`, judges nothing.
  const kept = Object.entries(own).filter(([key]) => key !== 'format' && !key.startsWith('x-kubernetes'));
  const inner = kept.map(([key, value]) => [key, key === 'properties' ? mapped(value) : strict(value, '')]);
  const isClosed =
    'properties' in own && !('additionalProperties' in own) && own['x-kubernetes-preserve-unknown-fields'] !== true;
  return { ...Object.fromEntries(inner), ...(isClosed ? { additionalProperties: false } : {}) };
}

/** Names of properties are nobody's keywords. */
const mapped = (properties: unknown): unknown =>
  Object.fromEntries(Object.entries(toRecord(properties)).map(([key, value]) => [key, strict(value, '')]));

type Kind = { readonly group: string; readonly version: string; readonly kind: string };
type Crd = {
  readonly kind: string;
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
};

function toSwagger(parsed: unknown): { readonly definitions: Readonly<Record<string, Schema>> } {
  return parsed as { readonly definitions: Readonly<Record<string, Schema>> };
}
function toKinds(told: unknown): readonly Kind[] {
  return (told ?? []) as readonly Kind[];
}
function toCrd(parsed: unknown): Crd {
  return (parsed ?? { kind: '' }) as Crd;
}
function toRecord(value: unknown): Schema {
  return (value ?? {}) as Schema;
}
