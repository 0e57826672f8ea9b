/** The doorkeeper of a farm that asks credentials of nobody, or of one that knows the callers of a test. */
import { type Admission, createAdmission } from '../../src/farm/admit.ts';
import type { Audit } from '../../src/farm/audit.ts';
import type { Farm } from '../../src/farm/farm.ts';
import { askNobody, type Identify } from '../../src/farm/identify.ts';

/** Keeps in memory what a chain would keep on disk. */
export const auditInto = (told: string[]): Audit => ({
  asked: ({ principal, verb, object, reason }) => {
    told.push(`${principal} asked ${verb} ${object}: ${reason}`);
    return Promise.resolve((outcome) => {
      told.push(`${verb} ${object} ${outcome}`);
    });
  },
  denied: ({ principal, verb }, why) => {
    told.push(`${principal} denied ${verb}: ${why}`);
  },
});

export const openAdmission = (
  farm: Farm,
  { identify = askNobody(), told = [] }: { readonly identify?: Identify; readonly told?: string[] } = {},
): Admission => createAdmission(farm, { identify, audit: auditInto(told) });
