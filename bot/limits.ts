/** Every bound of the bot, with its unit. Times in milliseconds, sizes in bytes. */
export const defaultLimits = {
  /** Deadline of a poll that waits for work; shortened or lengthened by up to 5 % so that bots do not call in waves. */
  idlePollMs: 50_000,
  /** Deadline of every other call: two of them fit between an unanswered request and the fence of a 90 s lease. */
  callMs: 10_000,
  /** A bot with nothing new to say calls this often while all its slots are busy: it is how a cancel reaches it. */
  busyPollMs: 10_000,
  /** … and this often while it is busy and still has a free slot. */
  sparePollMs: 2_000,
  /** Between two calls that say the same: an idle poll answered at once, a completion not yet acknowledged. */
  repeatMs: 1_000,
  /** How long a call in flight may still take when there is something new to say; then it is cut and sent anew. */
  hurryMs: 500,
  /** Back-off after a failed call: full jitter between these. */
  backoffMinMs: 200,
  backoffMaxMs: 10_000,
  /** A silent connection is pinged after this, and given up when the ping is not answered in time: one that died without a
   * word, as behind a firewall that forgot it, is found out before the bot would have to fence itself. */
  keepaliveMs: 30_000,
  keepaliveTimeoutMs: 10_000,
  /** Between two tries to connect: a farm that restarts is met again within seconds. */
  reconnectMinMs: 200,
  reconnectMaxMs: 5_000,
  /** Between asking the work to stop (SIGTERM) and making it (SIGKILL). */
  stopGraceMs: 5_000,
  /** How long the pipes of a program that has exited are read on, when its children keep them open. */
  pipesMs: 1_000,
  /** A drain waits this long for running work, then stops it. A run-in may take hours, so without end by default. */
  drainMs: Number.POSITIVE_INFINITY,
  /** How long a drained bot with nothing left to deliver tries to say goodbye. */
  goodbyeMs: 2_000,
  /** How long one in a hurry tries to deliver what it has. */
  farewellMs: 10_000,
  /** Tries of one event. Events are for people: they never hold up work. */
  eventTriesMax: 3,
  /** Log of one test, and of the whole station. */
  testLogBytesMax: 16 * 1024,
  stationLogBytesMax: 64 * 1024,
  /** A line longer than this is cut there. */
  lineBytesMax: 16 * 1024,
  messageBytesMax: 2 * 1024,
  nameBytesMax: 256,
  measurementsMax: 1_000,
  attachmentsMax: 64,
  /** One report of results, and all results in a completion: the farm takes results up to 1 MiB. */
  reportResultsMax: 100,
  reportBytesMax: 768 * 1024,
  completionBytesMax: 768 * 1024,
  /** The results of all completions in one request: the farm takes messages up to 4 MiB. */
  resultsBytesMax: 3 * 1024 * 1024,
};

export type Limits = Readonly<typeof defaultLimits>;
