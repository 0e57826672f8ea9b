/** What sides do, and what makes them ready for it, where pairs have it in common. */
import { cancelJob } from '../../src/farm/cancel-job.ts';
import { claimCalls } from '../../src/farm/claim-calls.ts';
import { enqueueJob } from '../../src/farm/enqueue-job.ts';
import type { CallToSend } from '../../src/farm/journal-heads.ts';
import { createCallRecorder, type Reply, type SendEnd } from '../../src/farm/record-call.ts';
import { active, connect, only, type TestBot, type TestHome } from '../support/bot-calls.ts';
import { jobRequest } from '../support/job-requests.ts';

/** A bot that runs the one job there is. */
export const running = async (
  home: TestHome,
  botId: string,
  job: Parameters<typeof jobRequest>[0] = {},
  says: Parameters<typeof connect>[2] = {},
): Promise<{ readonly job: number; readonly bot: TestBot; readonly id: string }> => {
  const { id: jobId } = await enqueueJob(home, jobRequest(job));
  const bot = await connect(home, botId, says);
  const { id } = only(bot.created);
  await bot.poll([active(id)]);
  return { job: jobId, bot, id };
};

export const cancel = (home: TestHome, id: number): Promise<string> =>
  cancelJob(home, { instance: 'line-1', id, reason: 'wrong unit' }).then(({ outcome }) => outcome);

const render = ({ method }: { readonly method: string }): string => method;

/** Takes the one lane that is due, and the call at its head, as the bridge does. Null: none is due. */
export const claim = async (home: TestHome): Promise<CallToSend | null> => {
  const [call = null] = await claimCalls(home, render, () => 1);
  return call;
};

/** Tells the farm that the shopfloor has answered. */
export const record = async (
  home: TestHome,
  call: CallToSend | null,
  said: { readonly deviceData?: Reply['deviceData']; readonly action?: string; readonly goesOn?: boolean } = {},
): Promise<string> => {
  if (call === null) throw new Error('there was no call to be sent');
  const { deviceData = {}, action = null, goesOn = false } = said;
  const reply = { deviceData, action, dropped: [], answer: null };
  const end: SendEnd = { call, outcome: 'answered', code: null, words: null, reply, upForMs: Infinity, goesOn };
  const recorded = await createCallRecorder(home, render)(end, new AbortController().signal);
  return recorded.kind === 'next' ? `next ${recorded.call.event ?? recorded.call.method}` : recorded.kind;
};

/** Tells the farm that the shopfloor has refused. */
export const refuse = async (home: TestHome, call: CallToSend | null): Promise<string> => {
  if (call === null) throw new Error('there was no call to be refused');
  const fault = {
    outcome: 'fault',
    code: -1,
    words: 'not routed',
    reply: null,
    upForMs: Infinity,
    goesOn: false,
  } as const;
  return (await createCallRecorder(home, render)({ call, ...fault }, new AbortController().signal)).kind;
};

/** Has the shopfloor refuse the call at the head of the due lane until it is a dead letter. */
export const kill = async (home: TestHome): Promise<void> => {
  const call = await claim(home);
  await refuse(home, call === null ? null : { ...call, faults: home.limits.lanes.faultsMax - 1 });
};
