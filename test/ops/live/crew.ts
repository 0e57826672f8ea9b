/** Bots of another make than ours, over the public API alone: many sessions, as little machine as possible. */
import { setImmediate } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { LINE } from '../../support/farm-door.ts';
import { eventually, PATIENCE_MS } from '../../support/farm-site.ts';
import { type FieldLease, openFieldBot } from '../../e2e/field-bot.ts';

export type FieldCrew = {
  /** So many bots wait for work, take one lease each, start it, and are not heard of again. */
  readonly vanish: (bots: number, properties: Properties, enqueue: () => Promise<unknown>) => Promise<void>;
  /** A bot that does whatever it is given, at once, until it leaves. Resolves when it waits for work. */
  readonly join: (properties: Properties, capacity?: number) => Promise<{ readonly leave: () => Promise<void> }>;
  readonly close: () => void;
};

type Properties = Readonly<Record<string, string>>;

/** Within the site's short time to live of sessions. */
const POLL_MS = 2_000;

export const openCrew = (address: string): FieldCrew => {
  const client = openFieldBot(address);
  const closing = new AbortController();
  let born = 0;
  const begin = async (properties: Properties, capacity: number) => {
    born += 1;
    const declared = Object.entries(properties).map(([key, value]) => ({ key, value }));
    // A device for each lease that it may hold; the first has the properties.
    const devices = Array.from({ length: capacity }, (_, index) => ({
      handle: `device-${index}`,
      properties: index === 0 ? declared : [],
    }));
    const self = { bot_id: `crew-${born}`, status: 'OK', worker: { properties: declared, devices } };
    const { name } = await eventually(() => client.create(LINE, { ...self, leases: [] }, PATIENCE_MS));
    return (leases: readonly FieldLease[], status = 'OK') => client.update({ ...self, status, name, leases }, POLL_MS);
  };
  return {
    vanish: async (bots, properties, enqueue) => {
      const calls = await Promise.all(Array.from({ length: bots }, () => begin(properties, 1)));
      await enqueue();
      await Promise.all(
        calls.map(async (first) => {
          let call = first;
          await eventually(async () => {
            try {
              const { leases } = await call([]);
              if (leases.length === 0) throw new Error('no work yet');
              await call(leases.map((lease) => ({ ...lease, state: 'ACTIVE' })));
            } catch (error) {
              if (isLost(error)) call = await begin(properties, 1);
              throw error;
            }
          });
        }),
      );
    },
    join: async (properties, capacity = 1) => {
      let call = await begin(properties, capacity);
      const leaving = new AbortController();
      const isOver = AbortSignal.any([leaving.signal, closing.signal]);
      const work = async (): Promise<void> => {
        let leases: readonly FieldLease[] = [];
        while (!isOver.aborted) {
          try {
            leases = (await call(leases)).leases.map(goOn);
          } catch (error) {
            // A client that cannot connect fails at once: it must not keep everybody else from their turn.
            await setImmediate();
            if (!isLost(error)) continue;
            const last = call;
            call = await begin(properties, capacity).catch(() => last);
            leases = [];
          }
        }
      };
      const working = work();
      return {
        leave: async () => {
          leaving.abort();
          await working;
        },
      };
    },
    close: () => {
      closing.abort();
      client.close();
    },
  };
};

/** On a machine that is too slow for the site's short clocks a session ends before its time, and its bot comes back. */
const isLost = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === status.DATA_LOSS;

/** From what it is told to what it says next. */
const goOn = (lease: FieldLease): FieldLease => {
  if (lease.state === 'PENDING') return { ...lease, state: 'ACTIVE' };
  if (lease.state === 'ACTIVE') return { ...lease, state: 'COMPLETED', status: { code: 0 } };
  return lease;
};
