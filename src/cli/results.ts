/** `stationgrid results …`. */
import {
  AnnotateResultsRequest,
  ListTestResultsRequest,
  ResultNote,
  ResultsService,
  StoredTestResult,
} from '../gen/stationgrid/v1/results.ts';
import { TestResult } from '../gen/stationgrid/v1/work.ts';
import { type FarmOptions, readPages, withFarm } from './connect.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { localTime, printJson, printTable } from './print.ts';
import { resultHead, resultRow } from './show-job.ts';
import type { Terminal } from './terminal.ts';

export const listResults = (terminal: Terminal, jobId: bigint, options: FarmOptions): Promise<ExitCode> =>
  withResults(jobId, options, ({ results, notes }) => {
    if (options.output === 'json') {
      printJson(
        terminal,
        results.map((result) => StoredTestResult.toJSON(result)),
      );
      return;
    }
    printTable(
      terminal,
      ['ATTEMPT', 'BOT', 'COUNTS', ...resultHead],
      results.map(({ attempt, botId, stale, result }) => [
        attempt,
        botId,
        stale ? 'no, stale' : 'yes',
        ...resultRow(result ?? TestResult.create()),
      ]),
    );
    if (notes.length === 0) return;
    terminal.print('');
    printNotes(terminal, notes);
  });

export const listNotes = (terminal: Terminal, jobId: bigint, options: FarmOptions): Promise<ExitCode> =>
  withResults(jobId, options, ({ notes }) => {
    if (options.output === 'table') printNotes(terminal, notes);
    else
      printJson(
        terminal,
        notes.map((note) => ResultNote.toJSON(note)),
      );
  });

export type AnnotateOptions = FarmOptions & { readonly note: string };

export const annotateResults = (terminal: Terminal, jobId: bigint, options: AnnotateOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, note, output } = options;
    const asked = AnnotateResultsRequest.create({ instance, jobId, note });
    const written = await farm.ask(ResultsService.annotateResults, asked);
    if (output === 'json') printJson(terminal, ResultNote.toJSON(written));
    else printNotes(terminal, [written]);
    return EXIT.ok;
  });

const withResults = (
  jobId: bigint,
  options: FarmOptions,
  show: (found: { readonly results: readonly StoredTestResult[]; readonly notes: readonly ResultNote[] }) => void,
): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance } = options;
    const notes: ResultNote[] = [];
    const { entries } = await readPages(
      0,
      async (page) => {
        const asked = ListTestResultsRequest.create({ instance, jobId, ...page });
        const reply = await farm.ask(ResultsService.listTestResults, asked);
        notes.push(...reply.notes);
        return reply;
      },
      ({ results }) => results,
    );
    show({ results: entries, notes });
    return EXIT.ok;
  });

const printNotes = (terminal: Terminal, notes: readonly ResultNote[]): void =>
  printTable(
    terminal,
    ['WRITTEN', 'BY', 'NOTE'],
    notes.map(({ createTime, author, note }) => [localTime(createTime), author, note]),
  );
