import { existsSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { embeddedFolder } from '../../src/store/embedded/folder.ts';
import { stopPostmaster } from '../../src/store/embedded/postmaster.ts';
import { isRunning } from '../../src/uploads/process-mark.ts';

/** Folders of tests and of the bench: the number is that of the process that made them. */
const FOLDER = /^stationgrid-(?:test|bench)-(\d+)-/;

/** A run that was killed leaves its server behind, which outlives it by design. */
export function removeAbandoned(): void {
  for (const name of readdirSync(tmpdir())) {
    const [, pid] = FOLDER.exec(name) ?? [];
    if (pid === undefined || isRunning(Number(pid))) continue;
    const dataDir = join(tmpdir(), name);
    if (existsSync(embeddedFolder(dataDir).postmasterPid)) stopPostmaster(embeddedFolder(dataDir));
    // While the server still stops it may write; the next run takes what is left.
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 10 });
  }
}
