// One direction: core <- store <- farm <- edges <- main <- cli. Each rule's comment carries the cure.
// Edges are src/fronts/<one>, src/bridge, src/events, src/identity, src/metrics, src/tracing and src/console; src/listen is what fronts stand on.

const ours = '^(src|bot|test|scripts)/';
const edges = '^src/(fronts|bridge|events|identity|metrics|tracing|console)/';
/** The types of a configuration or a log line may be named anywhere above core; their code may not. */
const settings = '^src/(config(\\.ts$|/)|log\\.ts$)';

/** `from` may import, of our own files, only what matches one of `allowed`. */
function room({ name, from, allowed, comment }) {
  return { name, comment, severity: 'error', from: { path: from }, to: { path: ours, pathNot: [from, ...allowed] } };
}

/** The same, for a room whose signatures may name the types of the settings. */
function roomAboveCore({ allowed, ...rest }) {
  return room({ ...rest, allowed: [...allowed, settings] });
}

module.exports = {
  forbidden: [
    room({
      name: 'core-imports-only-core',
      from: '^src/core/',
      allowed: [],
      comment: 'core is pure decisions. Pass what it needs as an argument, or move the deciding part into core.',
    }),
    {
      name: 'core-does-no-io',
      comment: 'core knows no package and no I/O (node:assert and node:crypto hashes apart). Let store or farm do it.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-optional'], pathNot: '^(node:)?(assert|crypto)(/|$)' },
    },
    roomAboveCore({
      name: 'store-imports-only-core',
      from: '^src/store/',
      allowed: ['^src/core/'],
      comment: 'store remembers. A decision belongs to core, a sequence of steps to farm: move it there.',
    }),
    roomAboveCore({
      name: 'farm-imports-only-store-and-core',
      from: '^src/farm/',
      allowed: ['^src/(store|core)/'],
      comment: 'farm knows no protocol. Take the effect as an argument that main connects.',
    }),
    roomAboveCore({
      name: 'fronts-import-only-farm-core-wire-gen-listen',
      from: '^src/fronts/',
      allowed: ['^src/(farm|core|wire|gen|listen|uploads)/'],
      comment: 'A front translates its protocol. Ask farm for the verb; if farm lacks it, add a file to src/farm.',
    }),
    {
      name: 'fronts-are-strangers',
      comment:
        'Fronts never import each other. What two need is a farm verb, a core type or a wire codec: move it there.',
      severity: 'error',
      from: { path: '^src/fronts/([^/]+)/' },
      to: { path: '^src/fronts/[^/]+/', pathNot: '^src/fronts/$1/' },
    },
    ...['bridge', 'events', 'identity', 'metrics', 'tracing', 'console'].map((edge) =>
      roomAboveCore({
        name: `${edge}-imports-only-farm-core-wire`,
        from: `^src/${edge}/`,
        allowed: ['^src/(farm|core|wire)/'],
        comment: 'Edges never import each other nor store. Ask farm; if farm lacks the verb, add a file to src/farm.',
      }),
    ),
    room({
      name: 'listen-imports-only-core',
      from: '^src/listen/',
      allowed: ['^src/core/'],
      comment: 'listen lets connections in and knows no farm. What a connection says is for the front that takes it.',
    }),
    room({
      name: 'uploads-import-only-core',
      from: '^src/uploads/',
      allowed: ['^src/core/'],
      comment:
        'uploads keeps files and knows no farm. What is on record of them is for farm; a front brings the two together.',
    }),
    room({
      name: 'workers-import-only-core',
      from: '^src/workers/',
      allowed: ['^src/core/'],
      comment: 'workers keeps processes and knows no farm. What they serve with is connected in src/main/.',
    }),
    room({
      name: 'wire-imports-nothing-of-ours',
      from: '^src/wire/',
      allowed: [],
      comment: 'wire is bytes to plain values. Let the edge turn those values into core types with a toX function.',
    }),
    room({
      name: 'gen-imports-only-gen',
      from: '^src/gen/',
      allowed: [],
      comment: 'Generated code stands alone: mend protos/ or scripts/generate.mjs.',
    }),
    room({
      name: 'bot-imports-only-gen',
      from: '^bot/',
      allowed: ['^src/gen/'],
      comment: 'The bot is a stranger to the farm: say it in protos/, or copy the few lines into bot/.',
    }),
    room({
      name: 'reference-shopfloor-imports-only-wire',
      from: '^src/reference-shopfloor/',
      // The clock is a type: the seam by which tests and simulation own its time.
      allowed: ['^src/wire/', '^src/core/clock\\.ts$'],
      comment: "The reference shopfloor plays the partner, who has none of our code: it shares the wire's codec only.",
    }),
    room({
      name: 'settings-import-nothing-of-ours',
      from: settings,
      allowed: ['^src/core/'],
      comment: 'config and log know only values. Let main connect them to what they set.',
    }),
    {
      name: 'settings-are-for-main-and-cli',
      comment: 'Take the value (or the log) as an argument from main; `import type` is fine.',
      severity: 'error',
      from: { path: '^(src|bot)/', pathNot: ['^src/main(\\.ts$|/)', '^src/cli/', settings] },
      to: { path: settings, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'only-cli-imports-main',
      comment: 'main is the top of the house. Move what you need out of it, into the room that owns it.',
      severity: 'error',
      from: { path: '^(src|bot)/', pathNot: '^src/cli/' },
      to: { path: '^src/main\\.ts$' },
    },
    {
      name: 'only-main-imports-its-parts',
      comment: 'src/main/ is main.ts in several files, and src/workers/ is for them. Ask main.',
      severity: 'error',
      from: { path: '^(src|bot)/', pathNot: ['^src/main(\\.ts$|/)', '^src/workers/'] },
      to: { path: ['^src/main/', '^src/workers/'] },
    },
    {
      name: 'nobody-imports-cli',
      comment: 'The command line is a way in, not a library: move what you need into the room that owns it.',
      severity: 'error',
      from: { path: '^(src|bot)/', pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'only-main-constructs',
      comment: 'main connects the rooms. A command asks a door of the farm (gRPC or HTTP), or main.',
      severity: 'error',
      from: {
        path: '^src/cli/',
        pathNot: '^src/cli/(grammar/)?(shopfloor|bot|demo|db|doctor|audit|events|with-database)[^/]*(/|$)',
      },
      to: { path: [edges, '^src/(store|farm|reference-shopfloor)/', '^bot/'] },
    },
    {
      name: 'nothing-imports-tests',
      comment: 'What src, bot and test share belongs to src.',
      severity: 'error',
      from: { path: '^(src|bot)/' },
      to: { path: '^(test|scripts)/' },
    },
    {
      name: 'no-cycles',
      comment: 'Merge the files, or move what both need into a third that imports neither.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unresolvable',
      comment: 'Imports carry the .ts extension; a package must be in package.json.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-dev-dependencies-at-run-time',
      comment: 'Make it a dependency (a decision: docs/explanation/dependencies.md), or import only its types.',
      severity: 'error',
      from: { path: '^(src|bot)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'], dependencyTypesNot: ['type-only'], pathNot: '@types/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Types count: a room that names another's types knows it.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
