/** stationgrid.v1.Results: what a bot has found before its lease completes, what was found in all, and what people say of it. */
import { callingBot, principalName } from '../../core/principal.ts';
import { checkText } from '../../core/text.ts';
import { annotateResults } from '../../farm/annotate-results.ts';
import type { Home } from '../../farm/home.ts';
import { listResultNotes, type ResultNote } from '../../farm/list-result-notes.ts';
import { listTestResults } from '../../farm/list-test-results.ts';
import { reportTestResults } from '../../farm/report-test-results.ts';
import type { ResultNote as ResultNoteMessage, ResultsService } from '../../gen/stationgrid/v1/results.ts';
import type { HandlersOf } from './endpoints.ts';
import { idOf } from './convert-ids.ts';
import { resultMessageOf, resultsOf } from './convert-results.ts';
import { timestampOf } from './convert-time.ts';
import { sessionNameBytesMax } from './to-report.ts';

export const createResults = (home: Home): HandlersOf<ResultsService> => ({
  reportTestResults: async ({ session, leaseId, results }, { principal }) => {
    checkText('The session name', session, sessionNameBytesMax(home.limits));
    const caller = callingBot(principal);
    return reportTestResults(home, { session, caller, leaseId, results: resultsOf(results, home.limits) });
  },
  listTestResults: async ({ instance, jobId, pageSize, pageToken }) => {
    const job = { instance, id: idOf('job', jobId) };
    const { results, nextPageToken } = await listTestResults(home, { ...job, pageSize, pageToken });
    const notes = pageToken === '' ? await listResultNotes(home, job) : [];
    return {
      nextPageToken,
      notes: notes.map(noteMessageOf),
      results: results.map(({ attempt, leaseId, botId, stale, result }) => ({
        attempt,
        leaseId,
        botId,
        stale,
        result: resultMessageOf(result),
      })),
    };
  },
  annotateResults: async ({ instance, jobId, note }, { principal }) =>
    noteMessageOf(await annotateResults(home, { instance, id: idOf('job', jobId), note }, principalName(principal))),
});

export const noteMessageOf = ({ at, author, note }: ResultNote): ResultNoteMessage => ({
  createTime: timestampOf(at),
  author,
  note,
});
