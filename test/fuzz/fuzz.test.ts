import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { allTargets } from './all-targets.ts';
import { fuzz, leaks, repeatCommand } from './fuzz.ts';
import { shown } from './input.ts';
import { routes } from './targets/rest.ts';

/** The same inputs in every run: what is new is looked for by `npm run fuzz`. */
const SEED = 'every run';
const INPUTS = 50;

it('bears what nobody should send, at every door: no crash, no hang, the right error, nothing stored', async () => {
  const report = await fuzz({
    ...{ seed: SEED, targets: allTargets, seconds: null, inputs: INPUTS, only: null, findingsMax: 5 },
    show: () => undefined,
    found: () => undefined,
  });
  const found = report.findings.map((finding) =>
    [...finding.wrong, shown(finding.input), repeatCommand(finding)].join('\n'),
  );
  expect(found).toEqual([]);
  expect(leaks(report)).toEqual([]);
  for (const { name } of allTargets) {
    expect(report.thrown[name]).toBe(INPUTS);
    // What is answered one way alone was never let in, or never looked at.
    expect(Object.keys(report.answers[name] ?? {}).length).toBeGreaterThan(name === 'partner' ? 0 : 1);
  }
}, 600_000);

it('knows every route that the reference names, and no other', () => {
  const page = readFileSync(new URL('../../docs/reference/protocols.md', import.meta.url), 'utf8');
  const section = /^## JSON over HTTP\n([^]*?)^## /m.exec(page)?.[1] ?? '';
  const paths = [...section.matchAll(/`(\/[^`]*)`/g)]
    .map(([, path = '']) => path)
    .filter((path) => !path.startsWith('/api'));
  const plain = (path: string): string => path.replaceAll(/\{\w+\}/g, '{}');
  expect([...new Set(routes.map(({ path }) => plain(path)))].sort()).toEqual([...new Set(paths.map(plain))].sort());
});
