/** A partner in a process of its own: the reference shopfloor, which answers all there is and keeps nothing on disk. */
import { join } from 'node:path';
import { start, stop } from '../../src/cli/demo/processes.ts';
import { freePort } from './free-port.ts';
import type { Bench } from './measure.ts';

export type Partner = { readonly url: string; readonly close: () => Promise<void> };

const STOP_MS = 5_000;

export const openPartner = async ({ site }: Bench): Promise<Partner> => {
  const port = await freePort();
  const words = ['shopfloor', '--port', String(port), '--forgets-keys'];
  const running = start('shopfloor', words, join(site.folder, `shopfloor-${port}.log`));
  const [url] = await running.said(/^http:\S+/);
  return {
    url,
    close: async () => {
      await stop(running, STOP_MS);
    },
  };
};
