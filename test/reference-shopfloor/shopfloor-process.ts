/** A reference shopfloor in a process of its own, so that a test can kill it: `node shopfloor-process.ts JOURNAL PORT`. */
import { startReferenceShopfloor } from '../../src/reference-shopfloor/reference-shopfloor.ts';
import { wallClock } from '../support/wall-clock.ts';

const [journalPath, port] = process.argv.slice(2);
const shopfloor = await startReferenceShopfloor({ clock: wallClock, journalPath: journalPath!, port: Number(port) });
process.on('SIGTERM', () => void shopfloor.stop());
process.stdout.write(`${shopfloor.port}\n`);
