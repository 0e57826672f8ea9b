/** What a replica answers to probes and scrapes when it answers for itself. */
import type { Readiness } from '../core/readiness.ts';
import type { Home } from '../farm/home.ts';
import { silenceOf } from '../farm/vouch.ts';
import type { Operations } from '../fronts/rest/operations.ts';
import type { OpenFarm } from './open-farm.ts';

export const ownOperations = ({ home, metrics }: OpenFarm): Operations => ({
  metrics: { contentType: metrics.contentType, text: metrics.text },
  ready: () => readiness(home),
});

/** Ready: not leaving, and the database answers, its heartbeat as well. */
const readiness = async (home: Home): Promise<Readiness> => {
  if (home.stopping) return { ok: false, why: 'the replica is shutting down' };
  const silence = silenceOf(home);
  if (silence !== null) return { ok: false, why: silence };
  try {
    await home.pool.query('select');
    return { ok: true, why: '' };
  } catch (error) {
    return {
      ok: false,
      why: `the database does not answer: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
};
