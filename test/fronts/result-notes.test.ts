/** Notes on results through both doors: signed by whoever calls, on record, and not for everybody to write. */
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import { AnnotateResultsRequest, type ResultNote, ResultsService } from '../../src/gen/stationgrid/v1/results.ts';
import { jobRequest } from '../support/job-requests.ts';
import { openSecuredDoors, type SecuredDoors } from './secured-doors.ts';

let doors: SecuredDoors;
let client: Client;
beforeAll(async () => {
  doors = await openSecuredDoors();
  client = new Client(doors.grpc.address, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await doors.close();
});

const annotate = (bearer: string, jobId: bigint, note: string): Promise<ResultNote> => {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${bearer}`);
  const { path, requestSerialize, responseDeserialize } = ResultsService.annotateResults;
  const request = AnnotateResultsRequest.create({ instance: 'line-1', jobId, note });
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, (error, reply) => {
      if (error === null) resolve(reply!);
      else reject(error);
    });
  });
};

const ask = async (bearer: string, path: string, body?: object) => {
  const answer = await fetch(`http://127.0.0.1:${doors.http.port}/api/v1/instances/line-1${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return {
    status: answer.status,
    body: (await answer.json()) as { readonly reason?: string; readonly notes?: object },
  };
};

test('an operator writes them, whoever may see results reads them, and the audit has them', async () => {
  const { id } = await enqueueJob(doors.home, jobRequest());
  const [otto, vera, sam] = await Promise.all([
    doors.memberToken('otto', ['line-1:operator']),
    doors.memberToken('vera', ['line-1:viewer']),
    doors.memberToken('sam', ['line-1:submitter']),
  ]);
  expect(await annotate(otto, BigInt(id), 'the probe was worn')).toMatchObject({ author: 'member:otto' });
  expect(await ask(otto, `/jobs/${id}/notes`, { note: 'changed' })).toMatchObject({
    status: 201,
    body: { author: 'member:otto', note: 'changed' },
  });
  for (const reader of [vera, sam]) {
    await expect(annotate(reader, BigInt(id), 'mine')).rejects.toMatchObject({ code: 7 });
    expect((await ask(reader, `/jobs/${id}/notes`, { note: 'mine' })).body.reason).toBe('ROLE_MISSING');
  }
  const expected = ['the probe was worn', 'changed'].map((note) => ({ author: 'member:otto', note }));
  expect((await ask(vera, `/jobs/${id}/results`)).body.notes).toMatchObject(expected);

  const { rows } = await doors.database.pool.query<{ text: string }>('select text from audit order by seq');
  const asked = rows.map(({ text }) => text).filter((text) => text.includes('"verb":"annotate-results"'));
  for (const { note } of expected) {
    const words = ['"principal":"member:otto"', `"object":"job ${id}"`, `"reason":"${note}"`];
    expect(asked.filter((text) => words.every((word) => text.includes(word)))).not.toEqual([]);
  }
});
