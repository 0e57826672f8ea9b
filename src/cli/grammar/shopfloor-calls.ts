import type { Command } from 'commander';
import { choices, farmNumber } from '../operands.ts';
import { callStates } from '../state-words.ts';
import { asksFarm, type Enact, limited } from './enact.ts';

export const callsGrammar = (parent: Command, enact: Enact): void => {
  const calls = parent.command('calls').description('See what the shopfloor is owed, and mend what it refused.');
  limited(asksFarm(calls.command('list').description('List shopfloor calls, newest first.')))
    .option('--state <states>', `only these: ${callStates.join(', ')}; repeatable`, choices(callStates))
    .option('--serial <value>', 'only the DUT with this serial')
    .option('--job <id>', 'only this job', farmNumber)
    .action(enact(async () => (await import('../calls.ts')).listCalls));
  asksFarm(calls.command('retry').description('Send a dead letter again.'))
    .argument('<id>', "the call's key")
    .action(enact(async () => (await import('../calls.ts')).retryCall));
  asksFarm(calls.command('skip').description('Give a dead letter up, so that its lane goes on.'))
    .argument('<id>', "the call's key")
    .requiredOption('--reason <words>', 'why, for the record')
    .action(enact(async () => (await import('../calls.ts')).skipCall));
};

export const lanesGrammar = (parent: Command, enact: Enact): void => {
  const lanes = parent.command('lanes').description("See the DUTs' ordered streams of shopfloor calls.");
  limited(asksFarm(lanes.command('list').description('List lanes, the blocked ones first.')))
    .option('--blocked', 'only lanes that a dead letter blocks')
    .action(enact(async () => (await import('../calls.ts')).listLanes));
};

export const bridgeGrammar = (parent: Command, enact: Enact): void => {
  const bridge = parent
    .command('bridge')
    .description('After a restore of the database: see what to compare with the partner, and go on.');
  limited(
    asksFarm(
      bridge
        .command('reconciliation')
        .description('List the DUTs of which the shopfloor may know more than the farm; nothing unless it is paused.'),
    ),
  ).action(enact(async () => (await import('../bridge.ts')).listReconciliation));
  asksFarm(bridge.command('resume').description('Let the shopfloor be told again what it is owed.'))
    .requiredOption('--reason <words>', 'what the comparison has shown, for the record')
    .action(enact(async () => (await import('../bridge.ts')).resumeBridge));
};

export const resultsGrammar = (parent: Command, enact: Enact): void => {
  const results = parent.command('results').description('See test results, and say what is known of them.');
  asksFarm(results.command('list').description('List the test results of a job, all attempts.'))
    .argument('<job>', "the job's number", farmNumber)
    .action(enact(async () => (await import('../results.ts')).listResults));
  asksFarm(results.command('notes').description('List the notes on the results of a job.'))
    .argument('<job>', "the job's number", farmNumber)
    .action(enact(async () => (await import('../results.ts')).listNotes));
  asksFarm(results.command('annotate').description('Put a note beside the results of a job; nothing edits a result.'))
    .argument('<job>', "the job's number", farmNumber)
    .requiredOption('--note <words>', 'what is known of them, for good')
    .action(enact(async () => (await import('../results.ts')).annotateResults));
};
