/** One line for whoever operates the bot. Never a password, never a test's own output. */
export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, string | number | null>>,
) => void;
