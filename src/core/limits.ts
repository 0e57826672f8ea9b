/**
 * Every parameter of the farm, declared once: its name, its default, its meaning. The type, the defaults, the
 * configuration file and docs/reference/config.md all come from this table, so a new limit is one line here.
 *
 * A name tells its unit: `…Ms` is a duration in milliseconds (the file drops the ending: `ttl: 90 s`), `…BytesMax` or
 * `…BytesMin` is a size in bytes, `…Share` lies between 0 and 1, anything else is a count.
 */
type Declared = Readonly<Record<string, Readonly<Record<string, readonly [byDefault: number, meaning: string]>>>>;

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

// prettier-ignore
export const limitTable = {
  session: {
    ttlMs: [90 * SECOND, 'A bot session not heard of for this long is lost; leases it has not started go back to the queue.'],
    lostAfterMs: [90 * SECOND, 'An ACTIVE lease whose bot has been silent this long is lost, where the station does not say otherwise.'],
    fenceMs: [30 * SECOND, 'A bot that gets no answer stops its work by itself this long before lostAfter.'],
    closedRememberedMs: [24 * HOUR, 'A closed session is remembered this long, to tell its bot why it was closed.'],
    takeoversMax: [3, 'So many alternations of one bot_id between sessions within the takeover window quarantine the bot.'],
    takeoverWindowMs: [5 * MINUTE, 'The window in which takeovers of one bot_id are counted.'],
    propertiesMax: [256, 'Properties of one session, all its devices counted.'],
    propertyBytesMax: [4 * KIB, 'One property: its key or its value.'],
    devicesMax: [64, 'Devices of one session.'],
    leasesMax: [256, 'Leases a bot may list in one request.'],
    capacityMax: [256, 'Most leases at once that a bot may ask for by its capacity.'],
    workBytesMax: [2 * MIB, 'Work of all leases of one bot, which every answer tells it. A bot that has none gets one of any size.'],
  },
  replica: {
    tickMs: [5 * SECOND, 'Heartbeat of a replica, renewal of its sessions, sweep of what expired; 20 % more or less at random.'],
    silentMaxMs: [20 * SECOND, 'A bot is answered from memory only while the database has heard of it within this; shorter than session.fence.'],
    amnestyAfterMs: [15 * SECOND, 'If no replica was seen for this long, nobody is declared lost for one session ttl: the outage was ours.'],
    flushRowsMax: [500, 'Most bots whose writes share one commit.'],
    flushWaitingMax: [20_000, 'Most writes that wait for a commit; more are refused as UNAVAILABLE.'],
    wakesPerSecondMax: [100, 'Most NOTIFY a second to the other replicas; more are gathered.'],
    watchersMax: [1000, 'Most watch streams open on one replica.'],
    drainMs: [4 * SECOND, 'After SIGTERM parked polls are answered and writes flushed within this time.'],
  },
  leadership: {
    takeoverMs: [10 * SECOND, 'When the replica that leads has died, was stopped or is cut off, another one leads within this.'],
    eventsHeldMs: [10 * SECOND, 'An alarm is logged when watchers have not been told of an event for this long, since an older transaction is open.'],
  },
  workers: {
    max: [8, 'Most workers of one host. Each takes the connections of a replica to the database.'],
    startMs: [60 * SECOND, 'A worker must serve within this after its start, or is killed and started anew.'],
    stopMs: [20 * SECOND, 'A worker that was told to stop and still lives after this is killed. Less than what Kubernetes gives the host.'],
    answerMs: [2 * SECOND, 'A worker that does not answer its primary within this counts as not serving; its metrics are shown as it told them last.'],
    silentMs: [60 * SECOND, 'A worker that has answered nothing for this long is killed and started anew.'],
    backoffMinMs: [250, 'Wait before a worker that died is started anew; doubles with every death.'],
    backoffMaxMs: [30 * SECOND, 'Longest such wait.'],
    steadyMs: [60 * SECOND, 'The waits begin anew after a worker has served this long.'],
    startsMax: [5, 'So many starts in a row that failed, while no worker serves, end the farm.'],
  },
  autoscaling: {
    freshMs: [1 * SECOND, 'Autoscalers are told figures of at most this age: what they ask about is counted no more often.'],
    countedMax: [1000, 'Jobs that are counted for one requirement set; an autoscaler is told of no more.'],
    pagesMax: [64, 'Fleets whose figures are kept at once for that; beyond it the one asked for longest ago goes.'],
    streamsMax: [100, 'StreamIsActive of autoscalers open on one replica.'],
  },
  streams: {
    openMax: [500, 'Watches and streams of events open over HTTP on one replica.'],
    perCallerMax: [50, 'Of these, of one caller; where nobody is asked for credentials, of one address.'],
    heartbeatMs: [15 * SECOND, 'A stream of Server-Sent Events on which nothing happens says so at least this often.'],
    stallMs: [30 * SECOND, 'A stream whose reader takes nothing for this long is told so and ended.'],
    paceMs: [200, 'Farm events are looked for at most so often, by one replica for all who follow them.'],
    eventsKept: [2000, 'Newest events that are kept for those who follow a little behind; who is further behind reads by itself.'],
  },
  poll: {
    holdMaxMs: [45 * SECOND, 'Longest hold of an idle bot\'s poll.'],
    repliesPerSecondMax: [10, 'Most replies a second to one session; faster callers are delayed, 1 s at most.'],
    parkedMax: [20_000, 'Most polls parked on one replica; more are answered at once.'],
  },
  jobs: {
    attemptsMax: [3, 'Attempts of a job, where neither the job nor its station says otherwise. Only loss and retryable errors retry.'],
    refusalsMax: [3, 'So many bots may refuse a job before it FAILED.'],
    acceptUnechoedMs: [60 * SECOND, 'A lease that its bot never showed back is withdrawn after this.'],
    acceptEchoedMs: [10 * MINUTE, 'A lease that its bot shows as PENDING but does not start is withdrawn after this.'],
    cancelGraceMs: [30 * SECOND, 'A cancelled lease that its bot does not acknowledge is closed after this; the DUT then settles.'],
    dutGraceMs: [5 * MINUTE, 'After an unclean end a DUT gets no lease for this long, unless its bot comes back without the old one.'],
    gateClearedMs: [10 * MINUTE, 'A job cleared by the shopfloor must become ACTIVE within this, or clears again.'],
    enqueueRememberedMs: [24 * HOUR, 'Repeating an enqueue with the same request id within this time enqueues nothing new.'],
    queuedMax: [100_000, 'Queued jobs of one instance, held ones included.'],
    batchMax: [1000, 'Jobs in one BatchEnqueue.'],
    constraintsMax: [64, 'Constraints of one job.'],
    constraintsBytesMax: [64 * KIB, 'All of them with their values, as JSON.'],
    allowedValuesMax: [64, 'Allowed values of one constraint.'],
    testsMax: [1000, 'Tests of one station\'s work.'],
    resultsMax: [5000, 'Test results in one report, and of one attempt.'],
    resultBytesMax: [2 * MIB, 'One test result, as JSON.'],
    resultsBytesMax: [16 * MIB, 'All test results of one attempt that count, as JSON; its stale ones may have as much.'],
    staleResultsMax: [1000, 'Test results of one attempt that are kept as stale, beside those that count; later ones are only counted.'],
    measurementsMax: [10_000, 'Measurements of one test result.'],
    attachmentsMax: [256, 'Attachments named by one test result.'],
    queuingTimeoutMaxMs: [20 * 24 * HOUR, 'Longest queuing timeout a job may ask for.'],
    executionTimeoutMaxMs: [48 * HOUR, 'Longest execution timeout a job may ask for.'],
  },
  bots: {
    errorsMax: [3, 'So many ERROR events of a bot, with no INFO and no completed lease between, quarantine it.'],
    eventsKeptMax: [100, 'Events kept of one bot, the newest.'],
    drainRulesMax: [1000, 'Drain patterns in force in one instance.'],
  },
  tokens: {
    refreshMs: [2 * SECOND, 'What a replica knows of bots\' tokens is read anew this often; a wake makes it sooner.'],
    staleMs: [4 * SECOND, 'When it could not be read for this long, bots with tokens are answered UNAVAILABLE: a revoked one holds no longer than this, and a second.'],
    absentMax: [10_000, 'Unknown tokens that a replica remembers as such, so that showing one again costs nothing.'],
  },
  devices: {
    serialsMax: [16, 'Named serials of one DUT.'],
    componentsMax: [1000, 'Keys of one device record.'],
    recordBytesMax: [64 * KIB, 'One device record, as JSON.'],
  },
  units: {
    jobsMax: [500, 'Jobs of one DUT of which its history tells, the newest.'],
    callsMax: [20_000, 'Shopfloor calls of one DUT of which its history tells, the newest.'],
    uploadsMax: [2000, 'Uploads of one DUT of which its history tells, the newest.'],
    eventsMax: [2000, 'Farm events of one DUT that belong to no job, of which its history tells, the newest.'],
  },
  lanes: {
    leaseMs: [30 * SECOND, 'A replica owns a lane this long at a time; longer than a call may take.'],
    concurrentMax: [16, 'Calls under way at once to one shopfloor, by one replica; it holds twice as many lanes.'],
    backoffMinMs: [1 * SECOND, 'First wait after a failed call; full jitter.'],
    backoffMaxMs: [60 * SECOND, 'Longest wait after failed calls; full jitter.'],
    faultsMax: [5, 'So many answered faults make a call a dead letter, which blocks its lane until an operator retries or skips it.'],
    pollMs: [5 * SECOND, 'The bridge looks for owed calls at least this often, in case a wake was missed.'],
  },
  calls: {
    timeoutMs: [10 * SECOND, 'Time for a shopfloor to answer one call, connecting included.'],
    bodyBytesMax: [1 * MIB, 'Body of one XML-RPC request or response.'],
    depthMax: [32, 'Depth of an XML document.'],
    nodesMax: [10_000, 'Nodes of an XML document.'],
    reconciledMs: [1 * HOUR, 'After a restore: DUTs of which the shopfloor heard within this before the newest kept fact are to be reconciled too.'],
    replyKeptBytesMax: [4 * KIB, 'What is kept of a shopfloor\'s answer for people to read.'],
  },
  breaker: {
    windowMs: [30 * SECOND, 'The window over which a shopfloor\'s failures are counted. An answered fault is no failure.'],
    callsMin: [20, 'So many calls in the window before their share counts.'],
    failingShare: [0.5, 'The breaker opens when this share of the window\'s calls fails.'],
    refusedConnectionsMax: [5, 'The breaker opens after so many refused connections in a row.'],
    openMs: [10 * SECOND, 'An open breaker lets one call through to try after this.'],
  },
  postgres: {
    poolMax: [16, 'Connections of one replica\'s pool.'],
    connectMs: [2 * SECOND, 'Time to connect.'],
    statementMs: [5 * SECOND, 'Longest statement.'],
    lockMs: [1 * SECOND, 'Longest wait for a lock.'],
    idleInTransactionMs: [10 * SECOND, 'A transaction left idle this long is ended by the server.'],
  },
  grpc: {
    receiveBytesMax: [4 * MIB, 'One received message.'],
    requestMs: [20 * SECOND, 'A request must have arrived whole this long after its headers; a half-sent one is ended with CANCELLED.'],
    sessionBytesMax: [64 * MIB, 'Memory of HTTP/2 for one connection; calls beyond it are refused.'],
    streamsMax: [1000, 'Calls at once on one connection. Each session parks one.'],
    keepaliveMs: [30 * SECOND, 'A silent connection is pinged after this.'],
    keepaliveTimeoutMs: [10 * SECOND, 'A connection whose ping is not answered within this is closed.'],
    idleMs: [5 * MINUTE, 'A connection without calls is closed after this.'],
    ageMs: [30 * MINUTE, 'A connection is asked to leave after this, so that load spreads.'],
    ageGraceMs: [90 * SECOND, 'Calls on a connection that was asked to leave may last this long.'],
  },
  http: {
    headersMs: [10 * SECOND, 'The headers of a request must have arrived within this, on a new connection counted from its start.'],
    requestMs: [30 * SECOND, 'A request must have arrived whole, body and all, within this.'],
    checkMs: [2 * SECOND, 'How often these two are looked at; a slow connection may live so much longer.'],
    idleMs: [72 * SECOND, 'A connection that is kept open between requests is closed after this.'],
    headerBytesMax: [16 * KIB, 'All headers of one request.'],
    headersMax: [100, 'Headers of one request, by number.'],
    bodyBytesMax: [1 * MIB, 'Body of one request.'],
    requestsPerConnectionMax: [10_000, 'Requests on one connection; the last is answered with `connection: close`.'],
  },
  factory: {
    requestMs: [1 * HOUR, 'A call to the factory door must have arrived whole within this: reports are large, and lines slow.'],
    stallMs: [30 * SECOND, 'A call of which nothing arrives for this long is ended.'],
    callsAtOnceMax: [500, 'Calls to the factory door under way on one replica; more are answered 503.'],
    resendMs: [15 * SECOND, 'A call that comes again within this, after its connection broke before the answer was out, gets the first answer.'],
    resendsMax: [20_000, 'Calls whose answer is kept for that; beyond it the oldest go.'],
    binariesMax: [16, 'Binary values of one call.'],
  },
  external: {
    answerMs: [8 * SECOND, 'A DUT that calls the shopfloor by the factory door is answered within this, whatever the shopfloor does. DUTs give up after 10 s.'],
    lookMs: [1 * SECOND, 'Whoever waits for that answer looks for it at least this often, in case a wake was missed.'],
    silentMs: [24 * HOUR, 'A station that a DUT runs by itself is lost when the DUT has not called for this long. A RUNIN is silent for 20 h.'],
    rememberedMs: [72 * HOUR, 'What a DUT says again within this, or while its station runs, is the same call; after it, a new one. Longer than a weekend.'],
    atOnceMax: [8, 'Calls of DUTs that one replica puts on record at once. Each takes a connection of the pool.'],
    crossingsMax: [5, 'So often a call of a DUT starts over because others about the same DUT were quicker; then it is answered 503.'],
  },
  uploads: {
    fileBytesMax: [8 * GIB, 'One report or aux log.'],
    appendBytesMax: [32 * MIB, 'One piece of an event log, or one row of a CSV file.'],
    perSerialBytesMax: [64 * GIB, 'Reports of one unit within 24 hours; more are answered 503 until it is less.'],
    freeBytesMin: [1 * GIB, 'So much of the disk is left free: uploads are answered 503 while there is less.'],
    atOnceMax: [4, 'Uploads that one replica names and records at once. Each takes a connection of the pool.'],
    appendBatchBytesMax: [4 * MIB, 'Pieces of one file that share a commit, a larger one alone.'],
    appendsWaitingMax: [1000, 'Pieces that wait for one file; more are answered 503.'],
    keepDays: [36_500, 'Days for which what DUTs uploaded, and logs that rsync brought, are kept. By default for ever: say less, or make room yourself.'],
    folderBytesMax: [1024 * 1024 * GIB, 'What the folder may hold of uploads and logs; more are answered 503 until it is less.'],
    checkMs: [5 * MINUTE, 'How often what is past its time is forgotten, what the folder holds is measured, and what a crash left there is put in order.'],
    forgottenMax: [5000, 'Most names that one such round forgets.'],
    lockWaitMs: [5 * SECOND, 'A piece waits this long for another process that writes into the same file; then it is answered 503.'],
    lockMs: [60 * SECOND, 'The lock of a file whose holder cannot be seen from here, as on another machine, counts as left behind after this. Whoever holds one writes for half of it at most.'],
  },
  parameters: {
    fileBytesMax: [64 * MIB, 'One parameter, and all that one GetParameters gives: it is held in memory then.'],
    versionsMax: [1000, 'Versions of one parameter.'],
    pathsMax: [10_000, 'Parameters that have versions.'],
    activationsShown: [100, 'Activations of a parameter that are shown, the newest. All are kept.'],
  },
  testlog: {
    requestBytesMax: [2 * GIB, 'One upload of events. Uploaders stop for good at one event that is larger, so never make it less than 2 GiB.'],
    eventBytesMax: [4 * MIB, 'One event without its attachments; a larger one is put aside.'],
    partsMax: [8192, 'Parts of one upload: events and attachments.'],
    batchBytesMax: [16 * MIB, 'Events of one upload, and small attachments of them, that are in memory and share a commit.'],
    batchEventsMax: [1024, 'As many events at most.'],
    atOnceMax: [16, 'Uploads of events under way on one replica; more are answered 503.'],
    keepDays: [90, 'Days for which events, and those that were put aside, are kept. 36500 is for ever.'],
    quarantinedMax: [10_000, 'Events that were put aside and are kept; beyond it those that were not seen for longest are forgotten.'],
    forgottenMax: [5000, 'Most rows of each kind that one round of forgetting deletes.'],
  },
  logSync: {
    connectionsMax: [100, 'DUTs that the rsync daemon serves at once; further ones come again by themselves.'],
    stallMs: [60 * SECOND, 'A DUT that sends the daemon nothing for this long is cut off.'],
    backoffMinMs: [1 * SECOND, 'Ceiling of the first wait before a daemon that ended is started again; doubles with each end.'],
    backoffMaxMs: [60 * SECOND, 'Longest such wait.'],
    steadyMs: [60 * SECOND, 'The waits begin anew after it has run this long.'],
    logBytesMax: [16 * MIB, 'What the daemon says of itself, in rsyncd.log; when it is more, that begins anew.'],
    logCheckMs: [1 * MINUTE, 'How often that is looked at.'],
    stopMs: [3 * SECOND, 'A daemon that was told to stop and still runs after this is killed.'],
  },
  downloads: {
    slots: [10, 'DUTs that may download payloads at once, of those that ask for a slot.'],
    silentMs: [80 * SECOND, 'A DUT not heard of for this long has left the queue for downloads.'],
    waitingMax: [5000, 'DUTs in that queue of one replica; more are answered 503.'],
  },
  doors: {
    connectionsMax: [10_000, 'Connections open at once on one door of a replica. Any more are closed unheard.'],
    perAddressMax: [2000, 'Of these, from one address. An IPv6 address counts as its /64. Behind a proxy addresses are not counted.'],
    unprovedPerAddressMax: [256, 'Of these, not yet through TLS and the preface of HTTP/2.'],
    newPerSecondMax: [200, 'New connections a second from one address, in the long run.'],
    newBurst: [2000, 'New connections from one address at once, after a quiet time.'],
    strayPerSecondMax: [100, 'gRPC calls a second of one address, in the long run, that come to nothing: reset by their client, or without credentials that hold.'],
    strayBurst: [2000, 'Such calls of one address at once. With one more its connection is closed, and the address is shut out.'],
    shutOutMs: [10 * SECOND, 'An address that was shut out makes no new connection for so long. Those it has stay.'],
    handshakeMs: [10 * SECOND, 'A connection must be through TLS and the preface of HTTP/2 within this.'],
    certificatesCheckMs: [5 * SECOND, 'How often the files of `tls` are looked at for a change.'],
  },
  history: {
    keepDays: [90, 'Whole days, in UTC, for which ended jobs and all that belongs to them are kept; then a day is dropped. 36500 is for ever.'],
    aheadDays: [3, 'Days of history that are made ahead.'],
    checkMs: [10 * MINUTE, 'How often days are made and dropped.'],
    dropsMax: [200, 'Most days, each of one table, that are dropped in one round.'],
    strayRowsMax: [2000, 'Most rows deleted by one statement of what lies in no day of its own and is past its time.'],
  },
  audit: {
    waitingMax: [10_000, 'Records of the audit that wait to be written; more audited calls are refused as UNAVAILABLE.'],
    flushRowsMax: [500, 'Most records of the audit that share one commit.'],
    denialWindowMs: [1 * MINUTE, 'Denials of one caller for one reason within this are one record with a count.'],
    verifyEveryMs: [30 * SECOND, 'How often the leader verifies the next records of the audit; after the last it begins anew.'],
    verifyRowsMax: [500, 'Most records of the audit that it verifies at once.'],
    verifyHeadsMax: [1000, 'Most ends of chains that it remembers from one round to the next: what is missed, and what no chain names.'],
    denialKindsMax: [1000, 'Kinds of denials that are told apart at once; further ones are counted together. Callers without credentials have as many to themselves.'],
  },
  principals: {
    callsPerSecond: [500, 'Calls a second that one caller with credentials may begin on one replica, in the long run.'],
    burst: [2000, 'Calls that it may begin at once after a quiet time.'],
    callsAtOnceMax: [500, 'Calls of one caller under way on one replica, held polls and watches included.'],
    rememberedMax: [50_000, 'Callers whose calls are counted at once; further ones are refused.'],
  },
  text: {
    nameBytesMax: [256, 'Names and ids: instance, bot id, station, test id, route, serial, request id.'],
    reasonBytesMax: [2 * KIB, 'Reasons and notes people give, and messages of bot events.'],
    payloadBytesMax: [1 * MIB, 'Payload or result of a job.'],
    logsTailBytesMax: [64 * KIB, 'Tail of the logs in a station\'s result.'],
    pageMax: [1000, 'Entries of one page of a list.'],
    pageDefault: [100, 'Entries of a page when the caller does not say.'],
  },
} as const satisfies Declared;

/** What the embedded PostgreSQL is started with. */
export const EMBEDDED_CONNECTIONS_MAX = 200;

type Table = typeof limitTable;

/** All parameters by group and name. Durations are in milliseconds, sizes in bytes. */
export type Limits = { readonly [G in keyof Table]: { readonly [K in keyof Table[G]]: number } };

/** Limits with every value given by `valueOf`, which is asked for each name of the table. */
export const limitsFrom = (valueOf: (group: string, name: string, byDefault: number) => number): Limits =>
  toLimits(
    Object.fromEntries(
      Object.entries<Declared[string]>(limitTable).map(([group, declared]) => [
        group,
        Object.fromEntries(
          Object.entries(declared).map(([name, [byDefault]]) => [name, valueOf(group, name, byDefault)]),
        ),
      ]),
    ),
  );

/** Entries lose their key types; that they come from the table above, name by name, is what makes this true. */
function toLimits(entries: Readonly<Record<string, Readonly<Record<string, number>>>>): Limits {
  return entries as Limits;
}

export const defaultLimits: Limits = limitsFrom((_group, _name, byDefault) => byDefault);
