// Everything about the source that a program can judge. Prints each check's verdict as it falls, and the words of those
// that failed; exits 1 if any did.
import { spawn } from 'node:child_process';

/** Each check is a process of hundreds of megabytes: two at a time fit a small machine. */
const ATONCE_MAX = 2;

const checks = [
  { name: 'types', command: 'tsc', words: [], cure: 'mend the types' },
  { name: 'lint', command: 'eslint', words: ['.', '--max-warnings', '0'], cure: 'npx eslint . --fix mends some' },
  {
    name: 'boundaries',
    command: 'depcruise',
    words: ['src', 'bot', '--config', '.dependency-cruiser.cjs', '--output-type', 'err-long'],
    cure: 'each rule above says how',
  },
  { name: 'format', command: 'prettier', words: ['--check', '.'], cure: 'npx prettier --write .' },
  {
    name: 'generated code',
    command: process.execPath,
    words: ['scripts/generate.mjs', '--check'],
    cure: 'npm run generate, and commit src/gen',
  },
  {
    name: 'authorisation page',
    command: process.execPath,
    words: ['scripts/write-authorisation-reference.mjs', '--check'],
    cure: 'node scripts/write-authorisation-reference.mjs, and commit docs/reference/authorisation.md',
  },
  {
    name: 'chart page',
    command: process.execPath,
    words: ['scripts/write-chart-readme.mjs', '--check'],
    cure: 'node scripts/write-chart-readme.mjs, and commit helm/stationgrid/README.md',
  },
  { name: 'lock file', command: process.execPath, words: ['scripts/check-lock.mjs'], cure: 'each line above says how' },
  {
    name: 'licences',
    command: process.execPath,
    words: ['scripts/write-licences.mjs', '--check'],
    cure: 'each line above says how',
  },
];

/** Resolves with whether it passed; prints the verdict, and the output of a check that failed. */
function run({ name, command, words, cure }) {
  return new Promise((resolve) => {
    const started = performance.now();
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('error', (error) => (output += `${error.message}\n`));
    child.on('close', (code) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      const passed = code === 0;
      const words = passed
        ? `passed  ${name}  ${seconds} s`
        : `FAILED  ${name}  ${seconds} s\n${output}FAILED  ${name}: ${cure}`;
      process.stdout.write(`${words}\n`);
      resolve(passed);
    });
  });
}

/** Takes checks off the list until none is left. */
async function work(queue) {
  let passed = true;
  for (let check = queue.shift(); check; check = queue.shift()) passed = (await run(check)) && passed;
  return passed;
}

const queue = [...checks];
const verdicts = await Promise.all(Array.from({ length: ATONCE_MAX }, () => work(queue)));
process.exitCode = verdicts.every(Boolean) ? 0 : 1;
