// A process that uses the embedded PostgreSQL as a farm does: node embedded-farm.ts DATA_DIR. It prints the URL once it
// serves, and leaves in order when its standard input ends.
import { randomUUID } from 'node:crypto';
import { CannotStart } from '../../src/core/cannot-start.ts';
import { startEmbeddedPostgres } from '../../src/store/embedded-postgres.ts';
import { processClock } from '../../src/process-clock.ts';

const say = (_fields: unknown, words: string): unknown => process.stderr.write(`${words}\n`);
const options = {
  dataDir: process.argv[2] ?? '',
  log: { info: say, warn: say },
  clock: processClock,
  newId: randomUUID,
};

try {
  const server = await startEmbeddedPostgres(options);
  process.stdout.write(`${server.url}\n`);
  process.stdin.resume().once('end', () => void server.stop());
} catch (error) {
  if (!(error instanceof CannotStart)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.exitCode;
}
