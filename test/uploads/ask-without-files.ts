/** A process that has no file left to open, and is asked whether another one is over: argv is that one's mark, as JSON. */
import { openSync } from 'node:fs';
import { isOver, ownMark, type ProcessMark } from '../../src/uploads/process-mark.ts';

const own = await ownMark();
const mark = JSON.parse(process.argv[2] ?? '') as Partial<ProcessMark>;
const before = await isOver({ ...own, ...mark }, own);
try {
  for (;;) openSync('/dev/null', 'r');
} catch {
  // There is none left.
}
const after = await isOver({ ...own, ...mark }, own);
process.stdout.write(JSON.stringify({ before, after }));
process.exit();
