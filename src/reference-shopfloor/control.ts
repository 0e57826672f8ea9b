/** The control door: from the same machine, faults and replies are changed and the journal is read while it runs. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { checkJournal } from './check-journal.ts';
import { type Defects, defectsSchema } from './defects.ts';
import type { FaultRules } from './fault-rules.ts';
import { faultRulesSchema } from './fault-rules.ts';
import type { Journal } from './journal.ts';
import type { Replies } from './replies.ts';
import { repliesSchema } from './replies.ts';

const commandSchema = z.strictObject({
  /** Puts these rules in place of all there are. */
  faults: faultRulesSchema.optional(),
  /** Puts these rules behind those there are. */
  addFaults: faultRulesSchema.optional(),
  /** Puts these replies in place of the present ones; members left out get their defaults. */
  replies: repliesSchema.optional(),
  /** Puts these mistakes in place of all it makes. */
  defects: defectsSchema.optional(),
  /** Stops listening for so long, once this command is answered. */
  refuseForMs: z.int().positive().optional(),
});
export type ControlCommand = z.input<typeof commandSchema>;

export interface ControlAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** Once this answer is out: stop listening for so long. Null: go on. */
  readonly refuseForMs: number | null;
}

export interface ControlDoor {
  /** Answers a request whose path begins with `/control`. */
  answer(request: IncomingMessage, path: string, command: Buffer): Promise<ControlAnswer>;
}

export interface ControlOptions {
  readonly journal: Journal;
  readonly rules: FaultRules;
  readonly defects: Defects;
  readonly replies: { readonly get: () => Replies; readonly set: (replies: Replies) => void };
}

export function createControlDoor(options: ControlOptions): ControlDoor {
  const { journal, rules, defects, replies } = options;

  function obey(body: Buffer): ControlAnswer {
    const command = commandSchema.safeParse(toJson(body));
    if (!command.success) return inJson(400, { error: z.prettifyError(command.error) });
    const { faults, addFaults, replies: newReplies, refuseForMs } = command.data;
    const joined = [...(faults ?? rules.list()), ...(addFaults ?? [])];
    const all = faultRulesSchema.safeParse(joined);
    if (!all.success) return inJson(400, { error: z.prettifyError(all.error) });
    rules.replace(all.data);
    if (command.data.defects !== undefined) defects.replace(command.data.defects);
    if (newReplies !== undefined) replies.set(newReplies);
    return { ...state(), refuseForMs: refuseForMs ?? null };
  }

  function state(): ControlAnswer {
    return inJson(200, { faults: rules.list(), replies: replies.get(), defects: defects.list() });
  }

  return {
    async answer(request, path, command) {
      const forbidden = whyForbidden(request);
      if (forbidden !== null) return inJson(403, { error: forbidden });
      if (path === '/control' && request.method === 'POST') return obey(command);
      if (request.method !== 'GET') return inJson(405, { error: 'GET here, or POST to /control' });
      if (path === '/control') return state();
      if (path === '/control/check') return inJson(200, checkJournal(await journal.lines()));
      if (path !== '/control/journal') {
        return inJson(404, { error: 'there are /control, /control/journal and /control/check' });
      }
      const lines = (await journal.lines()).map((line) => `${JSON.stringify(line)}\n`);
      const body = lines.join('');
      return { status: 200, contentType: 'application/jsonl; charset=utf-8', body, refuseForMs: null };
    },
  };
}

/** Loopback only; and no web page may reach it through a browser on this machine, by its own name or by a false one. */
function whyForbidden(request: IncomingMessage): string | null {
  const peer = request.socket.remoteAddress ?? '';
  if (!/^(?:::ffff:)?127\.|^::1$/.test(peer)) return 'the control door is open to this machine only';
  if (request.headers.origin !== undefined) return 'the control door is closed to web pages';
  const host = (request.headers.host ?? 'localhost').replace(/:\d+$/, '');
  return /^(?:localhost|127\.[\d.]+|\[::1\])$/i.test(host) ? null : 'the Host header must name this machine';
}

function toJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

function inJson(status: number, value: unknown): ControlAnswer {
  const body = `${JSON.stringify(value)}\n`;
  return { status, contentType: 'application/json; charset=utf-8', body, refuseForMs: null };
}
