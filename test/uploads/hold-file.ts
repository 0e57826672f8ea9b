/** A process that takes the lock of a file, says so, and never gives it back: `hold-file.ts FOLDER PATH`. */
import { randomUUID } from 'node:crypto';
import { openFileLocks } from '../../src/uploads/file-lock.ts';
import { processClock } from '../../src/process-clock.ts';

const [folder = '', path = ''] = process.argv.slice(2);
const limits = { lockWaitMs: 60_000, lockMs: 60_000 };
const locks = await openFileLocks({ folder, clock: processClock, newId: randomUUID, limits });
await locks.alone(path, async () => {
  process.stdout.write('held\n');
  await new Promise((resolve) => process.stdin.once('end', resolve).resume());
});
