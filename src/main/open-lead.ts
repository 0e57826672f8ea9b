/** A replica stands for leadership. What is done once a farm, whatever the number of its replicas, is listed here. */
import { forgetOldTestlog } from '../farm/forget-testlog.ts';
import type { Home } from '../farm/home.ts';
import { type Duty, Lead, leadershipTimes } from '../farm/lead.ts';
import { lookAfterHistory } from '../farm/look-after-history.ts';
import { watchAudit } from '../farm/watch-audit.ts';
import { watchHorizon } from '../farm/watch-horizon.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { createStand } from '../store/leadership.ts';
import type { Undo } from './undo.ts';

const dutiesOf = (home: Home, told: Metrics['lead']): readonly Duty[] => [
  watchHorizon(home, told.eventsHeld),
  lookAfterHistory(home, told.historyLeft),
  forgetOldTestlog(home),
  watchAudit(home, told.auditBroken),
];

export const openLead = (
  home: Home,
  told: Metrics['lead'],
  { url, undo }: { readonly url: string; readonly undo: Undo },
): void => {
  const { replica, clock, limits, log, wake, onWake } = home;
  const { silentMs, answerMs } = leadershipTimes(limits.leadership.takeoverMs);
  const stand = createStand({ url, replica, connectMs: limits.postgres.connectMs, silentMs, answerMs });
  const duties = dutiesOf(home, told);
  for (const { name } of duties) told.knowsDuty(name);
  const lead = new Lead({ clock, limits, log, wake, onWake, stand, duties, told });
  lead.start();
  undo.push(() => lead.stop());
};
