/** What a bot is asked to do, free of any wire (stationgrid/v1/work.proto says it field by field). */

export type TestRun =
  | {
      readonly kind: 'command';
      readonly argv: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly workingDirectory: string;
    }
  | { readonly kind: 'handler'; readonly name: string };

export type Test = {
  readonly testId: string;
  /** Null: the bot finds its own way to run a test of this id. */
  readonly run: TestRun | null;
  readonly args: Readonly<Record<string, unknown>> | null;
  /** Null: no limit. */
  readonly timeoutMs: number | null;
};

/** As a scheduler submits it. */
export type StationWork = {
  readonly station: string;
  readonly tests: readonly Test[];
};

/** As a bot is handed it. */
export type GrantedWork = StationWork & {
  readonly jobId: number;
  readonly attempt: number;
  /** Serials of the DUT by name; empty when the work is for no particular DUT. */
  readonly serials: Readonly<Record<string, string>>;
  /** FactoryDeviceData: dotted keys, scalar values. */
  readonly deviceData: Readonly<Record<string, unknown>>;
  readonly lostAfterMs: number;
  /** Null: no limit. */
  readonly executionTimeoutMs: number | null;
};
