/** The tracer of a replica, where one is configured. Nothing of it is loaded otherwise. */
import type { Config } from '../config.ts';
import type { FarmSeams, Tracer } from '../farm/farm.ts';
import { VERSION } from './version.ts';
import type { Undo } from './undo.ts';

/** Null: nothing is traced. */
export const openTracer = async (
  { tracing }: Config,
  seams: Pick<FarmSeams, 'replica' | 'clock' | 'newId' | 'random' | 'log'>,
  undo: Undo,
): Promise<Tracer | null> => {
  const { endpoint, sampledShare, name } = tracing;
  if (endpoint === null) return null;
  const { openTracing } = await import('../tracing/otlp.ts');
  const opened = openTracing({ ...seams, endpoint, sampledShare, name, version: VERSION });
  undo.push(() => opened.close());
  return opened.tracer;
};
