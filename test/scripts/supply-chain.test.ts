/** What is installed is what was judged: the checks of the lock file and of licences, and the bill of materials. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LockedPackage, toLock } from '../support/lock-file.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const manifestText = readFileSync(join(root, 'package.json'), 'utf8');
const lockText = readFileSync(join(root, 'package-lock.json'), 'utf8');
const lock = toLock(lockText);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'stationgrid-lock-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const run = (command: string, words: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync(command, words, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 });
  return { status, stdout, stderr };
};

describe('the lock file', () => {
  const check = (manifest: string, locked: string): ReturnType<typeof run> => {
    writeFileSync(join(folder, 'package.json'), manifest);
    writeFileSync(join(folder, 'package-lock.json'), locked);
    return run(process.execPath, ['scripts/check-lock.mjs', folder]);
  };
  const withPg = (change: LockedPackage): string => {
    const path = 'node_modules/pg';
    return JSON.stringify({ ...lock, packages: { ...lock.packages, [path]: { ...lock.packages[path], ...change } } });
  };

  it('seals every package', () => {
    expect(check(manifestText, lockText)).toMatchObject({ status: 0, stderr: '' });
  });

  const pg = lock.packages['node_modules/pg']!;
  it.each<[what: string, change: LockedPackage, says: RegExp]>([
    ['a package without its place', { resolved: undefined }, /^node_modules\/pg has no line "resolved"/],
    ['a package without its bytes', { integrity: undefined }, /^node_modules\/pg has no line "integrity"/],
    ['a link', { link: true }, /^node_modules\/pg is linked from this machine/],
    ['another registry', { resolved: pg.resolved!.replace(/\/\/[^/]+/, '//elsewhere.example') }, /public registry/],
    ['another name', { resolved: pg.resolved!.replaceAll('pg', 'pq') }, /under its name and version/],
    ['a weak hash', { integrity: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=' }, /not sealed by SHA-512/],
    ['an install script', { hasInstallScript: true }, /has an install script/],
    ['another version', { version: '8.0.0' }, /holds another pg than/],
  ])('is refused with %s', (_, change, says) => {
    expect(check(manifestText, withPg(change))).toMatchObject({ status: 1, stderr: expect.stringMatching(says) });
  });

  it('says only what is unsealed, where something is: nothing else counts then', () => {
    const { stderr } = check(manifestText.replace('"pg": "', '"pg": "^'), withPg({ integrity: undefined }));
    expect(stderr.trim().split('\n')).toEqual([expect.stringContaining('has no line "integrity"')]);
  });

  it.each(['^', '~', '>='])('is refused with a range of versions, %s', (sign) => {
    const { status, stderr } = check(manifestText.replace('"pg": "', `"pg": "${sign}`), lockText);
    expect(status).toBe(1);
    expect(stderr).toMatch(/package.json asks for pg .*: name one exact version/);
  });
});

describe('the licences', () => {
  it('are listed, and each has been judged', () => {
    expect(run(process.execPath, ['scripts/write-licences.mjs', '--check'])).toMatchObject({ status: 0, stderr: '' });
  });

  it.each<[licence: string | undefined, dev: boolean, isAllowed: boolean]>([
    ['AGPL-3.0-only', false, false],
    ['(MIT AND GPL-2.0-only)', false, false],
    ['(GPL-2.0-only OR MIT)', false, true],
    [undefined, false, false],
    ['MPL-2.0', true, true],
    ['MPL-2.0', false, false],
  ])('of which %s, only for building: %s, is allowed: %s', (license, dev, isAllowed) => {
    const judged = join(folder, 'judged.json');
    writeFileSync(
      judged,
      JSON.stringify({ packages: { 'node_modules/newcomer': { version: '1.0.0', license, dev } } }),
    );
    const { stderr } = run(process.execPath, ['scripts/write-licences.mjs', '--check', judged]);
    expect(stderr.includes('nobody has judged')).toBe(!isAllowed);
  });
});

it('npm run sbom writes a CycloneDX bill of everything that is shipped', () => {
  const { status, stdout } = run('npm', ['run', '--silent', 'sbom']);
  expect(status).toBe(0);
  const bill = toBill(stdout);
  expect(bill).toMatchObject({
    bomFormat: 'CycloneDX',
    metadata: { component: { name: 'stationgrid', type: 'application' } },
  });
  const listed = new Set(bill.components.map(({ purl }) => decodeURIComponent(purl)));
  const shipped = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && dev !== true);
  const expected = shipped.map(([path, { version }]) => `pkg:npm/${path.replace(/^.*node_modules\//, '')}@${version!}`);
  expect([...listed].sort()).toEqual([...new Set(expected)].sort());
});

type Bill = { readonly components: readonly { readonly purl: string }[] };

function toBill(text: string): Bill {
  return JSON.parse(text) as Bill;
}
