/** Every measure, in the order of the table. */
import type { Measure } from './measure.ts';
import { measure as update } from './measures/01-update-bot-session.ts';
import { measure as oneByOne } from './measures/02-one-job-a-commit.ts';
import { measure as batched } from './measures/03-batched.ts';
import { measure as barest } from './measures/04-against-barest.ts';
import { measure as enqueueToLease } from './measures/05-enqueue-to-lease.ts';
import { measure as otherReplica } from './measures/06-other-replica.ts';
import { measure as memoryPerBot } from './measures/07-memory-per-bot.ts';
import { measure as parkedBots } from './measures/08-parked-bots.ts';
import { measure as idleStatements } from './measures/09-idle-statements.ts';
import { measure as backlog } from './measures/10-backlog.ts';
import { measure as finishedJobs } from './measures/11-finished-jobs.ts';
import { measure as sessionsAndClasses } from './measures/12-sessions-and-classes.ts';
import { measure as heldTransaction } from './measures/13-held-transaction.ts';
import { measure as bridge } from './measures/14-bridge.ts';
import { measure as partnerDown } from './measures/15-partner-down.ts';
import { measure as scrape } from './measures/16-scrape.ts';
import { measure as start } from './measures/17-start.ts';
import { measure as stop } from './measures/18-stop.ts';
import { measure as replicas } from './measures/19-replicas.ts';
import { measure as reconnect } from './measures/20-reconnect.ts';
import { measure as wholeJobs } from './measures/21-whole-jobs.ts';
import { measure as factoryCalls } from './measures/22-factory-calls.ts';
import { measure as factoryUploads } from './measures/23-factory-uploads.ts';

export const measures: readonly Measure[] = [
  update,
  oneByOne,
  batched,
  barest,
  enqueueToLease,
  otherReplica,
  memoryPerBot,
  parkedBots,
  idleStatements,
  backlog,
  finishedJobs,
  sessionsAndClasses,
  heldTransaction,
  bridge,
  partnerDown,
  scrape,
  start,
  stop,
  replicas,
  reconnect,
  wholeJobs,
  factoryCalls,
  factoryUploads,
];
