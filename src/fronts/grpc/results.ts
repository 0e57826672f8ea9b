/** stationgrid.v1.Results: what a bot has found before its lease completes, and what was found in all. */
import { callingBot } from '../../core/principal.ts';
import { checkText } from '../../core/text.ts';
import type { Home } from '../../farm/home.ts';
import { listTestResults } from '../../farm/list-test-results.ts';
import { reportTestResults } from '../../farm/report-test-results.ts';
import type { ResultsService } from '../../gen/stationgrid/v1/results.ts';
import type { HandlersOf } from './endpoints.ts';
import { idOf } from './convert-ids.ts';
import { resultMessageOf, resultsOf } from './convert-results.ts';
import { sessionNameBytesMax } from './to-report.ts';

export const createResults = (home: Home): HandlersOf<ResultsService> => ({
  reportTestResults: async ({ session, leaseId, results }, { principal }) => {
    checkText('The session name', session, sessionNameBytesMax(home.limits));
    const caller = callingBot(principal);
    return reportTestResults(home, { session, caller, leaseId, results: resultsOf(results, home.limits) });
  },
  listTestResults: async ({ instance, jobId }) => {
    const results = await listTestResults(home, { instance, id: idOf('job', jobId) });
    return {
      results: results.map(({ attempt, leaseId, botId, stale, result }) => ({
        attempt,
        leaseId,
        botId,
        stale,
        result: resultMessageOf(result),
      })),
    };
  },
});
