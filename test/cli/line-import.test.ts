/** Test lists, real and small, as lines that the farm takes. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { importLine } from '../../src/cli/line-import.ts';
import { linesOf, loadConfig } from '../../src/config.ts';
import { runCli } from './run-cli.ts';

const REAL = fileURLToPath(new URL('test-lists/generic-main.resolved.json', import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stationgrid-line-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Imported = {
  readonly instance: string;
  readonly testList: { readonly id: string; readonly listed?: Record<string, unknown> };
  readonly stations: readonly {
    readonly name: string;
    readonly groups: readonly { readonly id: string; readonly listed?: Record<string, unknown> }[];
    readonly tests: readonly {
      readonly testId: string;
      readonly handler: string;
      readonly args?: unknown;
      readonly listed?: Record<string, unknown>;
    }[];
  }[];
};

/** Writes the lists beside each other and imports the first. */
const importLists = async (
  lists: Readonly<Record<string, unknown>>,
  include?: readonly string[],
): Promise<Imported> => {
  for (const [name, list] of Object.entries(lists)) {
    writeFileSync(
      join(folder, `${name}.test_list.json`),
      typeof list === 'string' ? list : JSON.stringify(list, null, 2),
    );
  }
  return importFile(join(folder, `${Object.keys(lists)[0]!}.test_list.json`), include);
};

const importFile = async (path: string, include?: readonly string[]): Promise<Imported> => {
  let printed = '';
  const terminal = { print: (line: string) => (printed += `${line}\n`), say: () => undefined };
  await importLine({ ...terminal, progress: null, stdin: process.stdin, env: {} }, path, {
    ...(include === undefined ? {} : { include }),
  });
  const file = join(folder, 'line.yaml');
  writeFileSync(file, printed);
  expect(loadConfig({ file })).toMatchObject({ kind: 'ok' });
  return (parse(printed) as { lines: [Imported] }).lines[0];
};

const ids = ({ stations }: Imported): readonly string[] =>
  stations.flatMap(({ tests }) => tests.map(({ testId }) => testId));

describe('the real list generic_main', () => {
  it('is five stations by their names on the wire, with all its tests in order', async () => {
    const line = await importFile(REAL);
    expect(line.instance).toBe('generic_main');
    expect(line.stations.map(({ name, groups, tests }) => [name, groups.length, tests.length])).toEqual([
      ['SMT', 10, 56],
      ['FAT', 5, 28],
      ['RUNIN', 7, 41],
      ['FFT', 12, 69],
      ['GRT', 3, 17],
    ]);
    const leaves = (JSON.parse(readFileSync(REAL, 'utf8')) as { path: string; leaf: boolean }[]).filter((n) => n.leaf);
    expect(ids(line)).toEqual(leaves.map(({ path }) => path));
  });

  it('keeps args, run_if, parallel groups and locals as they are', async () => {
    const { stations } = await importFile(REAL);
    const start = stations[0]!.tests.find(({ testId }) => testId.endsWith('.SMTStart.ShopfloorNotifyStart'));
    expect(start).toEqual({
      testId: 'generic_main:SMT.SMTStart.ShopfloorNotifyStart',
      handler: 'shopfloor_service',
      args: { method: 'NotifyStart', args: ['eval! locals.station'] },
      listed: { label: 'Shopfloor Service (NotifyStart)', run_if: 'constants.enable_factory_server' },
    });
    expect(stations[0]!.groups.slice(0, 3)).toEqual([
      {
        id: 'generic_main:SMT',
        listed: {
          label: 'SMT (SA Test)',
          run_if: 'not device.factory.end_SMT',
          locals: { station_end_upload_report: true, station: 'SMT', factory_server_url: '' },
        },
      },
      { id: 'generic_main:SMT.SMTStart', listed: { label: 'Prepare' } },
      { id: 'generic_main:SMT.SMTComponents', listed: { label: 'Parallel Test', parallel: true } },
    ]);
  });

  it('becomes what a job runs that names no test', async () => {
    await importFile(REAL);
    const loaded = loadConfig({ file: join(folder, 'line.yaml') });
    if (loaded.kind !== 'ok') throw new Error('the line is not taken');
    const rule = linesOf(loaded.config)('generic_main')?.stations.get('RUNIN');
    expect(rule?.tests).toHaveLength(41);
    expect(rule?.tests[0]).toMatchObject({ run: { kind: 'handler' }, timeoutMs: null });
  });

  it('is written to a file that the command line takes as a configuration', async () => {
    const output = join(folder, 'line.yaml');
    const words = ['--instance', 'line-7', '--shopfloor', 'jsonrpc:http://mes.example/rpc', '--output', output];
    const imported = await runCli(['line', 'import', REAL, ...words]);
    expect(imported).toMatchObject({ code: 0, stdout: '' });
    expect(imported.stderr).toContain('5 stations (SMT, FAT, RUNIN, FFT, GRT), 211 tests.');
    const printed = await runCli(['config', 'print', '--config', output]);
    expect(printed.code, printed.stderr).toBe(0);
    expect(printed.stdout).toContain('url: jsonrpc:http://mes.example/rpc');
  });
});

const base = {
  definitions: { FactoryTest: { inherit: 'FactoryTest' }, TestGroup: { inherit: 'TestGroup' } },
};
const smt = {
  inherit: ['base.test_list'],
  constants: { phase: 'EVT', has_fan: true },
  definitions: {
    Barrier: { pytest_name: 'summary', action_on_failure: 'STOP', args: { accessibility: true, quiet: false } },
    SMT: {
      inherit: 'TestGroup',
      label: 'SMT (SA Test)',
      locals: { station: 'SMT' },
      subtests: ['Barrier', { inherit: 'TestGroup', subtests: ['Barrier', 'Barrier'] }],
    },
  },
};
const runIn = {
  inherit: ['base.test_list'],
  definitions: { RunIn: { subtests: [{ id: 'Stress', pytest_name: 'stress', run_if: 'constants.has_fan' }] } },
};

describe('inheritance', () => {
  it('merges lists, resolves definitions, hoists flat groups, numbers siblings, overrides args', async () => {
    const main = {
      __comment: 'The main list.',
      inherit: ['smt.test_list', 'run_in.test_list'],
      label: 'Main',
      options: { phase: 'DVT' },
      definitions: {
        FATP: { inherit: 'FlattenGroup', locals: { line: 'L1' }, subtests: ['RunIn'] },
        SMT: { locals: { factory_server_url: 'http://f/' } },
        Barrier: { args: { quiet: true } },
      },
      tests: ['SMT', 'FATP', { id: 'Last', pytest_name: 'finalize', locals: { station: 'eval! 1' } }],
      override_args: { 'SMT.Barrier': { accessibility: false } },
    };
    const line = await importLists({ main, smt, run_in: runIn, base });
    expect(ids(line)).toEqual([
      ...['main:SMT.Barrier', 'main:SMT.TestGroup.Barrier', 'main:SMT.TestGroup.Barrier_2'],
      ...['main:RunIn.Stress', 'main:Last'],
    ]);
    expect(line.stations.map(({ name }) => name)).toEqual(['SMT', 'RunIn', 'Last']);
    expect(line.testList).toEqual({
      id: 'main',
      listed: { label: 'Main', options: { phase: 'DVT' }, constants: { phase: 'EVT', has_fan: true } },
    });
    expect(line.stations[0]!.tests.map(({ args }) => args)).toEqual([
      { accessibility: false, quiet: true },
      { accessibility: true, quiet: true },
      { accessibility: true, quiet: true },
    ]);
    expect(line.stations[0]!.groups[0]).toEqual({
      id: 'main:SMT',
      listed: { label: 'SMT (SA Test)', locals: { station: 'SMT', factory_server_url: 'http://f/' } },
    });
    expect(line.stations[1]).toEqual({
      name: 'RunIn',
      groups: [{ id: 'main:RunIn', listed: { locals: { line: 'L1' } } }],
      tests: [{ testId: 'main:RunIn.Stress', handler: 'stress', listed: { run_if: 'constants.has_fan' } }],
    });
  });

  it('goes by C3: of two lists the one named first wins, and both before what they share', async () => {
    const one = (args: object) => ({ inherit: ['base'], definitions: { Test: { args } } });
    const line = await importLists({
      main: { inherit: ['left', 'right'], tests: ['Test'] },
      left: one({ a: 'left' }),
      right: one({ a: 'right', b: 'right' }),
      base: { definitions: { Test: { pytest_name: 'led', args: { a: 'base', b: 'base', c: 'base' } } } },
    });
    expect(line.stations[0]!.tests[0]!.args).toEqual({ a: 'left', b: 'right', c: 'base' });
  });

  it('takes a value in place of the inherited one where it says __replace__', async () => {
    const line = await importLists({
      main: { inherit: ['base'], definitions: { Test: { args: { __replace__: true, b: 2 } } }, tests: ['Test'] },
      base: { definitions: { Test: { pytest_name: 'led', args: { a: 1 } } } },
    });
    expect(line.stations[0]!.tests[0]!.args).toEqual({ b: 2 });
  });

  it('gives children the action that their group names for them', async () => {
    const line = await importLists({
      main: {
        tests: [
          {
            ...{ id: 'SMT', child_action_on_failure: 'PARENT' },
            subtests: [
              { id: 'A', pytest_name: 'a' },
              { id: 'B', pytest_name: 'b', action_on_failure: 'STOP' },
            ],
          },
        ],
      },
    });
    expect(line.stations[0]!.tests.map(({ listed }) => listed)).toEqual([
      { action_on_failure: 'PARENT' },
      { action_on_failure: 'STOP' },
    ]);
  });

  it('finds inherited lists in the folders it is told of', async () => {
    mkdirSync(join(folder, 'generic'));
    writeFileSync(
      join(folder, 'generic', 'base.test_list.json'),
      JSON.stringify({ definitions: { T: { pytest_name: 't' } } }),
    );
    const line = await importLists({ main: { inherit: ['base.test_list'], tests: ['T'] } }, [join(folder, 'generic')]);
    expect(ids(line)).toEqual(['main:T']);
  });
});

describe('what is wrong with a list', () => {
  const test = { id: 'T', pytest_name: 't' };

  it.for([
    [
      { main: { inherit: ['gone.test_list'], tests: [test] } },
      /main.*json:3: inherits gone\.test_list, and there is no/,
    ],
    [
      { main: { inherit: ['a'], tests: [test] }, a: { inherit: ['main.test_list'] } },
      /a\.test_list\.json:3: inherits itself: main\.test_list → a\.test_list → main\.test_list/,
    ],
    [{ main: { test: [test] } }, /main.*json:2: unknown key `test`; did you mean `tests`\?/],
    [
      { main: { definitions: { A: { pytest_nam: 'x' } }, tests: ['A'] } },
      /main.*json:4: unknown key `pytest_nam` in definitions\.A; did you mean `pytest_name`\?/,
    ],
    [
      { main: { definitions: { Barrier: test }, tests: ['Barier'] } },
      /json:9: there is no definition Barier; did you mean `Barrier`\?/,
    ],
    [
      { main: { definitions: { A: { inherit: 'B' }, B: { inherit: 'A' } }, tests: ['A'] } },
      /json:4: definition A inherits itself: A → B → A/,
    ],
    [
      { main: { definitions: { A: { subtests: ['A'] } }, tests: ['A'] } },
      /json:3: groups are nested deeper than 32: A → A/,
    ],
    [
      { main: { tests: [test], override_args: { 'SMT.Q': {} } } },
      /json:9: `override_args` names SMT\.Q, and the list has no/,
    ],
    [{ main: { tests: [{ id: 'T' }] } }, /main:T has neither `pytest_name` nor `subtests`/],
    [{ main: { definitions: { A: test } } }, /has no tests: it is there to be inherited/],
    [{ main: { tests: [7] } }, /json:3: a test is neither a name nor an object/],
    [{ main: '{\n "tests": [,]\n}' }, /main.*json:2: is no JSON/],
    [{ main: '[{"path": "x"}]' }, /is no resolved test list/],
    [{ main: '7' }, /is no test list/],
  ] as const)('%j', async ([lists, words]) => {
    await expect(importLists(lists)).rejects.toThrow(words);
  });

  it('orders that contradict each other', async () => {
    const lists = {
      main: { inherit: ['a', 'b'], tests: [test] },
      ...{ a: { inherit: ['x', 'y'] }, b: { inherit: ['y', 'x'] }, x: {}, y: {} },
    };
    await expect(importLists(lists)).rejects.toThrow(/there is no order for what it inherits: x\S* and y/);
  });

  it('is told with what to do, and ends with 78', async () => {
    writeFileSync(join(folder, 'main.test_list.json'), '{"inherit": ["gone"]}');
    const { code, stderr } = await runCli(['line', 'import', join(folder, 'main.test_list.json')]);
    expect(stderr).toContain('--include');
    expect(code).toBe(78);
  });
});
