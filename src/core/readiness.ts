/**
 * Whether there is somebody to serve, as probes are told. `why` in words: what is amiss, or what is to be said all the
 * same; empty when there is nothing to say.
 */
export type Readiness = { readonly ok: boolean; readonly why: string };
