// What the compiler cannot say. Where a rule bans something, its message carries the cure.
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const clockCure = 'Take a Clock (src/core/clock.ts) as an argument: simulation runs this code on its own time.';
const randomCure = 'Take newId or random as an argument: simulation runs this code from a printed seed.';

/** Rooms that simulation must be able to run: time, ids and chance reach them as arguments only. */
const seamed = ['src/{core,store,farm,bridge,events}/**/*.ts', 'src/fronts/grpc/**/*.ts', 'bot/**/*.ts'];
/** Where those rooms meet a real process. */
const processEdges = ['bot/main.ts', 'src/store/embedded-postgres*.ts', 'src/store/embedded/**/*.ts'];

const bannedGlobals = [
  ...['setTimeout', 'setInterval', 'performance'].map((name) => ({ name, message: clockCure })),
  { name: 'crypto', message: randomCure },
];
const bannedProperties = [
  { object: 'Date', property: 'now', message: clockCure },
  { object: 'AbortSignal', property: 'timeout', message: clockCure },
  { object: 'process', property: 'hrtime', message: clockCure },
  { object: 'Math', property: 'random', message: randomCure },
  { object: 'crypto', property: 'randomUUID', message: randomCure },
];
const bannedImports = [
  ...['node:timers', 'node:timers/promises', 'node:perf_hooks'].map((name) => ({ name, message: clockCure })),
  { name: 'node:crypto', importNames: ['randomUUID', 'randomBytes', 'randomInt'], message: randomCure },
  { name: 'uuidv7', message: randomCure },
];
const bannedClocks = [
  { selector: 'NewExpression[callee.name="Date"][arguments.length=0]', message: clockCure },
  { selector: 'CallExpression[callee.name="Date"]', message: clockCure },
];
/** A cast is a promise the compiler cannot check, so each stands in a function whose name says what it makes. */
const castsOutsideToX = {
  selector: 'TSAsExpression:not([typeAnnotation.typeName.name="const"]):not(FunctionDeclaration[id.name=/^to[A-Z]/] *)',
  message: 'Cast only inside a toX function that checks what it was given; elsewhere narrow the type instead.',
};

export default defineConfig(
  globalIgnores(['src/gen/', 'dist/', 'coverage/', '.cache/', '.stationgrid/']),
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    files: ['src/**/*.ts', 'bot/**/*.ts'],
    rules: {
      'max-lines': ['error', 400],
      'max-lines-per-function': ['error', 70],
      'no-restricted-syntax': ['error', castsOutsideToX],
    },
  },
  {
    files: seamed,
    ignores: processEdges,
    rules: {
      'no-restricted-globals': ['error', ...bannedGlobals],
      'no-restricted-properties': ['error', ...bannedProperties],
      'no-restricted-imports': ['error', { paths: bannedImports }],
      // A later entry replaces an earlier one of the same rule, so the ban on casts is named again.
      'no-restricted-syntax': ['error', castsOutsideToX, ...bannedClocks],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // A test's "what if it were missing" is a failed test, which is the point; matchers are typed any.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unnecessary-condition': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    extends: [tseslint.configs.strict],
    languageOptions: { globals: { process: 'readonly' } },
    rules: { '@typescript-eslint/no-require-imports': 'off', eqeqeq: 'error' },
  },
);
