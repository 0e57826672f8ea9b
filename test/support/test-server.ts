/** The run's PostgreSQL, as the global set-up hands it to every test file. */
export interface TestServer {
  /** A URL of the server, with the application's role. */
  readonly url: string;
  readonly ownerRole: string;
  readonly superuser: string;
  readonly template: string;
  /** The template's, by untouched.shape(). */
  readonly shape: string;
  /** Why the template could not be made; null when it could. */
  readonly broken: string | null;
}

declare module 'vitest' {
  interface ProvidedContext {
    readonly testServer: TestServer;
  }
}

/** The same server's URL for another role or database. */
export function urlOf(url: string, { user, database }: { readonly user?: string; readonly database?: string }): string {
  const changed = new URL(url);
  if (user !== undefined) changed.username = user;
  if (database !== undefined) changed.pathname = `/${database}`;
  return changed.href;
}
