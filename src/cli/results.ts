/** `stationgrid results …`. */
import { ListTestResultsRequest, ResultsService, StoredTestResult } from '../gen/stationgrid/v1/results.ts';
import { TestResult } from '../gen/stationgrid/v1/work.ts';
import { type FarmOptions, withFarm } from './connect.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { printJson, printTable } from './print.ts';
import { resultHead, resultRow } from './show-job.ts';
import type { Terminal } from './terminal.ts';

export const listResults = (terminal: Terminal, jobId: bigint, options: FarmOptions): Promise<ExitCode> =>
  withFarm(options, async (farm) => {
    const { instance, output } = options;
    const { results } = await farm.ask(
      ResultsService.listTestResults,
      ListTestResultsRequest.create({ instance, jobId }),
    );
    if (output === 'json')
      printJson(
        terminal,
        results.map((result) => StoredTestResult.toJSON(result)),
      );
    else {
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
    }
    return EXIT.ok;
  });
