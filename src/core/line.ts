/** What an instance's configuration says, as the farm uses it. One line (or building) is one instance. */

import type { ClaimRule } from './claims.ts';
import type { Test } from './station-work.ts';

/** How one station of a line is run. Times in milliseconds. */
export type StationRule = {
  readonly station: string;
  /** `gate`: the shopfloor is asked before any bot is chosen. `notify`: it is told when the bot has started. */
  readonly mode: 'notify' | 'gate';
  /** An ACTIVE lease whose bot has been silent this long is lost. */
  readonly lostAfterMs: number;
  readonly attemptsMax: number;
  /** Test ids for which FAILED_AND_WAIVED counts as passed. */
  readonly waivable: ReadonlySet<string>;
  /** NotifyEnd only for a pass (what partners expect), or after every attempt. */
  readonly notifyEnd: 'passed' | 'always';
  /** Takt: the cycle time aimed at; for the metrics and the eye only. Null: none given. */
  readonly taktMs: number | null;
  /** What a job here runs when it names no test itself. Empty: it must name them. */
  readonly tests: readonly Test[];
};

export type Line = {
  readonly instance: string;
  /** Null: the line has no shopfloor and owes no calls. */
  readonly shopfloorUrl: string | null;
  /** The stations it declares; others are refused. Empty: any station goes, by `anyStation`. */
  readonly stations: ReadonlyMap<string, StationRule>;
  readonly anyStation: StationRule;
  /** What a bot's event text means to the shopfloor: an INFO event whose message equals the key owes NotifyEvent(value). */
  readonly events: ReadonlyMap<string, string>;
  /** What to do when a reply to UpdateTestResult carries this `action`. */
  readonly actions: ReadonlyMap<string, 'hold' | 'rerun'>;
  /** What its bots may declare, in the order of the configuration. None: each declares what it likes. */
  readonly claims: readonly ClaimRule[];
};

/** Whether there is anybody to tell; a line without a shopfloor owes no calls. */
export const hasShopfloor = (line: Line | null): line is Line & { readonly shopfloorUrl: string } =>
  line !== null && line.shopfloorUrl !== null;

/** The rule of a station; null when the line declares its stations and this is none of them. */
export const ruleOf = (line: Line, station: string): StationRule | null =>
  line.stations.get(station) ?? (line.stations.size === 0 || station === '' ? line.anyStation : null);
