/** Calls and uploads of DUTs. */
import type { Instruments } from './instruments.ts';

export type FactoryCounts = {
  /** @param method one of the door's own names, or `other`. */
  readonly called: (call: { readonly method: string; readonly outcome: string; readonly seconds: number }) => void;
  readonly told: (fate: string, events: number) => void;
  readonly uploaded: (kind: string, fate: string, bytes: number) => void;
  /** Bytes that uploads may still take, and of how many. */
  readonly room: (instance: string, room: { readonly left: number; readonly of: number }) => void;
};

export const createFactoryCounts = (m: Instruments): FactoryCounts => ({
  called: ({ method, outcome, seconds }) => {
    m.stationgrid_factory_calls_total.inc({ method, outcome });
    m.stationgrid_factory_call_seconds.observe({ method }, seconds);
  },
  told: (fate, events) => {
    m.stationgrid_testlog_events_total.inc({ fate }, events);
  },
  uploaded: (kind, fate, bytes) => {
    m.stationgrid_uploads_total.inc({ kind, fate });
    if (fate === 'kept') m.stationgrid_upload_bytes_total.inc({ kind }, bytes);
  },
  room: (instance, { left, of }) => {
    m.stationgrid_uploads_room_bytes.set({ instance }, left);
    m.stationgrid_uploads_capacity_bytes.set({ instance }, of);
  },
});
