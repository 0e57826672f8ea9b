/**
 * The steps of a Dockerfile, taken without a container engine: each stage is a folder that stands for `/`. It knows what
 * ours uses and throws at the rest, so a Dockerfile that outgrows it fails the test instead of passing it untried.
 */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join, posix } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const RUN_MS = 600_000;

export type Image = {
  /** What `/` of the image is. */
  readonly root: string;
  /** As in the image: where its processes start. */
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** `UID:GID`. */
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** Of every FROM, the stages' own names left out. */
  readonly bases: readonly string[];
};

type Stage = {
  readonly root: string;
  readonly env: Record<string, string>;
  readonly args: Record<string, string>;
  readonly labels: Record<string, string>;
  workdir: string;
  user: string;
  entrypoint: readonly string[];
  cmd: readonly string[];
};

type Build = {
  readonly context: string;
  readonly into: string;
  /** Of RUN: where node and npm are found. */
  readonly path: string;
};

/** @param build `into` is an empty folder; each stage becomes a folder in it. */
export async function buildImage({ context, into, path }: Build): Promise<Image> {
  const allowed = readIgnore(context);
  const stages = new Map<string, Stage>();
  const bases: string[] = [];
  let stage: Stage | null = null;
  for (const { word, rest } of readSteps(join(context, 'Dockerfile'))) {
    if (word === 'FROM') {
      const [, base = '', name = 'image'] = /^(?:--platform=\S+ )?(\S+)(?: AS (\S+))?$/.exec(rest) ?? [];
      if (!stages.has(base)) bases.push(base);
      stage = openStage(join(into, name));
      stages.set(name, stage);
      continue;
    }
    if (stage === null) throw new Error(`${word} before any FROM`);
    await takeStep(stage, { word, rest }, { context, allowed, stages, path });
  }
  if (stage === null) throw new Error('the Dockerfile has no FROM');
  return { ...stage, bases };
}

function openStage(root: string): Stage {
  mkdirSync(root, { recursive: true });
  return { root, env: {}, args: {}, labels: {}, workdir: '/', user: '0:0', entrypoint: [], cmd: [] };
}

type Step = { readonly word: string; readonly rest: string };

type Around = {
  readonly context: string;
  readonly allowed: readonly string[];
  readonly stages: ReadonlyMap<string, Stage>;
  readonly path: string;
};

async function takeStep(stage: Stage, { word, rest }: Step, around: Around): Promise<void> {
  const resolved = rest.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => stage.args[name] ?? '');
  switch (word) {
    case 'WORKDIR':
      stage.workdir = resolved;
      mkdirSync(join(stage.root, resolved), { recursive: true });
      return;
    case 'ARG':
      Object.assign(stage.args, pairs(resolved));
      return;
    case 'ENV':
      Object.assign(stage.env, pairs(resolved));
      return;
    case 'LABEL':
      Object.assign(stage.labels, pairs(resolved));
      return;
    case 'USER':
      stage.user = resolved;
      return;
    case 'EXPOSE':
      return;
    case 'ENTRYPOINT':
      stage.entrypoint = toWords(JSON.parse(rest));
      return;
    case 'CMD':
      stage.cmd = toWords(JSON.parse(rest));
      return;
    case 'COPY':
      copy(stage, resolved.split(/\s+/), around);
      return;
    case 'RUN':
      await run('/bin/sh', ['-c', rest], {
        cwd: join(stage.root, stage.workdir),
        env: { PATH: around.path, HOME: process.env['HOME'], ...stage.env },
        timeout: RUN_MS,
        maxBuffer: 64 * 1024 * 1024,
      });
      return;
    default:
      throw new Error(`${word}: test/support/dockerfile.ts does not know this step yet`);
  }
}

function copy(stage: Stage, words: readonly string[], { context, allowed, stages }: Around): void {
  const [first = ''] = words;
  const from = first.startsWith('--from=') ? stages.get(first.slice('--from='.length)) : undefined;
  const sources = words.slice(first.startsWith('--') ? 1 : 0, -1);
  const target = join(stage.root, posix.resolve(stage.workdir, words.at(-1) ?? ''));
  const isFolder = (words.at(-1) ?? '').endsWith('/') || sources.length > 1;
  for (const source of sources) {
    if (from !== undefined) cpSync(join(from.root, source), target, { recursive: true });
    else if (source === '.')
      for (const path of allowed) cpSync(join(context, path), join(target, path), { recursive: true });
    else if (allowed.includes(source))
      cpSync(join(context, source), isFolder ? join(target, basename(source)) : target, { recursive: true });
    else throw new Error(`COPY ${source}: .dockerignore leaves it out`);
  }
}

/** The files of the context: our .dockerignore leaves all out and names what comes in. */
function readIgnore(context: string): readonly string[] {
  const [first, ...rest] = lines(join(context, '.dockerignore'));
  if (first !== '*' || !rest.every((line) => /^![\w./-]+$/.test(line)))
    throw new Error('.dockerignore: expected `*`, then lines of `!PATH`');
  const paths = rest.map((line) => line.slice(1));
  const missing = paths.filter((path) => !existsSync(join(context, path)));
  if (missing.length > 0) throw new Error(`.dockerignore names what is not there: ${missing.join(', ')}`);
  return paths;
}

const lines = (path: string): readonly string[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'));

function readSteps(path: string): readonly Step[] {
  const joined = lines(path)
    .join('\n')
    .replaceAll(/\\\n\s*/g, '');
  return joined.split('\n').map((line) => {
    const [, word = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
    return { word, rest };
  });
}

const pairs = (text: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)].map(([, key, quoted, bare]) => [key, quoted ?? bare ?? '']),
  );

function toWords(parsed: unknown): readonly string[] {
  if (!Array.isArray(parsed)) throw new Error('expected the exec form: a list of words');
  return parsed.map(String);
}
