/** Payloads of the active bundle: the files of `resources`, and what says which of them a DUT is to have. */
import { open, readFile, readdir, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { Refusal } from '../../core/refusal.ts';
import { codeOf } from '../../uploads/disk.ts';
import type { UmpireDut } from './umpire-dut.ts';

export type Resource = { readonly file: FileHandle; readonly size: number; readonly changedAt: Date };

export type Resources = {
  /** Where the list of payloads of the DUT's bundle is, by the name under which the DUT calls; empty: there is none. */
  readonly payloadUrl: (host: string | null, dut: UmpireDut) => Promise<string>;
  /** The text that `/webapps/resourcemap` answers; null: no bundle is active. */
  readonly map: (dut: UmpireDut) => Promise<string | null>;
  /** Null: there is no such file. Whoever asked closes it. */
  readonly open: (name: string) => Promise<Resource | null>;
  readonly list: () => Promise<readonly string[]>;
};

/** What a bundle may be for. Null: nobody said. */
type Unit = { readonly project: string | null; readonly board: string | null; readonly stage: string | null };

type Bundle = { readonly id: string; readonly note: string; readonly payloads: string };

const ACTIVE = 'active_umpire.json';
const CONFIG_BYTES_MAX = 1024 * 1024;

/** @param scheme by which DUTs reach the door. @param project that its DUTs are of; null: nobody says. */
export const createResources = (
  folder: string,
  { scheme, project }: { readonly scheme: 'http' | 'https'; readonly project: string | null },
): Resources => {
  const bundleOf = (dut: UmpireDut): Promise<Bundle | null> =>
    findBundle(folder, { project, board: dut.get('board') ?? null, stage: dut.get('stage') ?? null });
  const files = join(folder, 'resources');
  return {
    payloadUrl: async (host, dut) => {
      const bundle = await bundleOf(dut);
      return bundle === null || host === null ? '' : `${scheme}://${host}/res/${encodeURIComponent(bundle.payloads)}`;
    },
    map: async (dut) => {
      const bundle = await bundleOf(dut);
      if (bundle === null) return null;
      return `id: ${bundle.id}\nnote: ${bundle.note}\n__token__: 00000001\nshop_floor_handler: /umpire\npayloads: ${bundle.payloads}\n`;
    },
    open: (name) => openFile(files, name),
    list: async () => {
      const entries = await readdir(files, { withFileTypes: true }).catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT') return [];
        throw error;
      });
      return entries.flatMap((entry) => (entry.isFile() ? [entry.name] : [])).sort();
    },
  };
};

/** Files lie beside each other; no name leads anywhere else, nor does a link. */
const openFile = async (folder: string, name: string): Promise<Resource | null> => {
  if (name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name)) return null;
  try {
    const [real, realFolder] = await Promise.all([realpath(join(folder, name)), realpath(folder)]);
    if (!real.startsWith(realFolder + sep)) return null;
    const file = await open(real);
    const there = await file.stat();
    if (there.isFile()) return { file, size: there.size, changedAt: there.mtime };
    await file.close();
    return null;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].includes(codeOf(error) ?? '')) return null;
    throw error;
  }
};

/** Null: there is no configuration of the original's form, or none of its bundles is active. */
const findBundle = async (folder: string, unit: Unit): Promise<Bundle | null> => {
  const text = await readFile(join(folder, ACTIVE), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  const bundle = text.length > CONFIG_BYTES_MAX ? null : toBundle(parsed(text), unit);
  if (bundle !== null) return bundle;
  const words = `${ACTIVE} does not say which bundle is active: it needs bundles with id, note and payloads, and active_bundle_id.`;
  throw new Refusal('UNAVAILABLE', 'BUNDLE_UNREADABLE', words);
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

/** Lines of text are made of them, so that they hold none. */
const isLine = (value: unknown): value is string => typeof value === 'string' && !/[\r\n]/.test(value);

type WrittenBundle = { id?: unknown; note?: unknown; payloads?: unknown; for?: unknown } | null;

/** Whether it names all that it is for, and the DUT is that; one that names nothing is for whoever has none of its own. */
const isFor = (bundle: WrittenBundle, unit: Unit): boolean => {
  const wanted = Object.entries(toWanted(bundle?.for));
  return wanted.length > 0 && wanted.every(([key, value]) => isOneOf(value, unitWord(unit, key)));
};

const isOneOf = (value: unknown, said: string | null): boolean =>
  said !== null && (Array.isArray(value) ? value.includes(said) : value === said);

const unitWord = ({ project, board, stage }: Unit, key: string): string | null => {
  if (key === 'project') return project;
  if (key === 'board') return board;
  return key === 'stage' ? stage : null;
};

function toWanted(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

/** The first that is for this very DUT, or else the active one. */
function toBundle(written: unknown, unit: Unit): Bundle | null {
  const { bundles, active_bundle_id: active } = (written ?? {}) as { bundles?: unknown; active_bundle_id?: unknown };
  if (!Array.isArray(bundles)) return null;
  const all = bundles as WrittenBundle[];
  const found =
    all.find((bundle) => isFor(bundle, unit)) ?? all.find((bundle) => bundle !== null && bundle.id === active);
  if (found === undefined || !isLine(found?.id) || !isLine(found.payloads)) return null;
  return { id: found.id, note: isLine(found.note) ? found.note : '', payloads: found.payloads };
}
