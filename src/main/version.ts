import packageJson from '../../package.json' with { type: 'json' };

/** As package.json has it; shown by the metrics and the audit. */
export const VERSION = packageJson.version;
