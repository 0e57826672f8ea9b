/** Payloads of the active bundle: the files of `resources`, and what says which of them a DUT is to have. */
import { open, readFile, readdir, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { FileHandle } from 'node:fs/promises';
import { Refusal } from '../../core/refusal.ts';
import { codeOf } from '../../uploads/disk.ts';

export type Resource = { readonly file: FileHandle; readonly size: number; readonly changedAt: Date };

export type Resources = {
  /** Where the active bundle's list of payloads is, by the name under which the DUT calls; empty: there is none. */
  readonly payloadUrl: (host: string | null) => Promise<string>;
  /** The text that `/webapps/resourcemap` answers; null: no bundle is active. */
  readonly map: () => Promise<string | null>;
  /** Null: there is no such file. Whoever asked closes it. */
  readonly open: (name: string) => Promise<Resource | null>;
  readonly list: () => Promise<readonly string[]>;
};

type Bundle = { readonly id: string; readonly note: string; readonly payloads: string };

const ACTIVE = 'active_umpire.json';
const CONFIG_BYTES_MAX = 1024 * 1024;

/** @param scheme by which DUTs reach the door. */
export const createResources = (folder: string, scheme: 'http' | 'https'): Resources => {
  const files = join(folder, 'resources');
  return {
    payloadUrl: async (host) => {
      const bundle = await activeBundle(folder);
      return bundle === null || host === null ? '' : `${scheme}://${host}/res/${encodeURIComponent(bundle.payloads)}`;
    },
    map: async () => {
      const bundle = await activeBundle(folder);
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
const activeBundle = async (folder: string): Promise<Bundle | null> => {
  const text = await readFile(join(folder, ACTIVE), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  const bundle = text.length > CONFIG_BYTES_MAX ? null : toBundle(parsed(text));
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

function toBundle(written: unknown): Bundle | null {
  const { bundles, active_bundle_id: active } = (written ?? {}) as { bundles?: unknown; active_bundle_id?: unknown };
  if (!Array.isArray(bundles)) return null;
  const found = (bundles as ({ id?: unknown; note?: unknown; payloads?: unknown } | null)[]).find(
    (bundle) => bundle !== null && bundle.id === active,
  );
  if (found === undefined || !isLine(found?.id) || !isLine(found.payloads)) return null;
  return { id: found.id, note: isLine(found.note) ? found.note : '', payloads: found.payloads };
}
