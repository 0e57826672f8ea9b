import fs from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 200;
/** The holder touches its lock this often … */
const HEARTBEAT_MS = 5_000;
/** … so that one untouched for this long belongs to nobody, whatever its process id has become. */
const STALE_MS = 60_000;

/**
 * Waits for the lock and resolves with its release. A lock whose holder died is taken over: the process id tells on this
 * machine, the heartbeat where the folder is shared with another machine or container.
 */
export async function lockFile(path, { say }) {
  for (let told = false; !create(path, `${process.pid} ${hostname()}\n`);) {
    if (isStale(path) && removeStale(path)) continue;
    if (!told) say('another set-up of this clone is under way; waiting for it.');
    told = true;
    await sleep(POLL_MS);
  }
  return held(path);
}

/** False when the file exists. */
function create(path, text) {
  try {
    fs.writeFileSync(path, text, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function held(path) {
  // A heartbeat that fails has lost the lock to somebody who thought this process dead; the work goes on, as npm's own does.
  const heartbeat = setInterval(() => fs.utimes(path, new Date(), new Date(), () => {}), HEARTBEAT_MS);
  heartbeat.unref();
  const release = () => {
    clearInterval(heartbeat);
    process.off('exit', release);
    fs.rmSync(path, { force: true });
  };
  process.on('exit', release);
  return release;
}

function isStale(path) {
  const stat = fs.statSync(path, { throwIfNoEntry: false });
  if (!stat) return false;
  if (Date.now() - stat.mtimeMs > STALE_MS) return true;
  const [pid, host] = readOrEmpty(path).trim().split(' ');
  return host === hostname() && !isAlive(Number(pid));
}

/**
 * Two waiters may find the same stale lock; only one may remove it, or the slower would remove the quicker one's new
 * lock. So the removal has a lock of its own, under which staleness is judged again. False when another is at it.
 */
function removeStale(path) {
  const breaking = `${path}.breaking`;
  if (!create(breaking, '')) {
    const stat = fs.statSync(breaking, { throwIfNoEntry: false });
    if (stat && Date.now() - stat.mtimeMs > STALE_MS) fs.rmSync(breaking, { force: true });
    return false;
  }
  if (isStale(path)) fs.rmSync(path, { force: true });
  fs.rmSync(breaking, { force: true });
  return true;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function readOrEmpty(path) {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
