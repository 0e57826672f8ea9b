/** Where a door listens. Without zod, which every command would load else: the grammar asks for no more than this. */
export type Address = { readonly host: string; readonly port: number };

/** HOST:PORT, an IPv6 host in brackets. */
export const addressText = ({ host, port }: Address): string =>
  `${host.includes(':') ? `[${host}]` : host}:${String(port)}`;
