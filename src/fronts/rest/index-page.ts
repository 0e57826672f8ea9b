/** What stands at `/`: where the farm's doors are. */

/** A door to be named beside those of this server, such as gRPC's address. */
export type DoorSign = { readonly name: string; readonly at: string; readonly what: string };

const own: readonly DoorSign[] = [
  {
    name: 'api',
    at: '/api/v1/instances/{instance}/',
    what: 'jobs, bots, drains, devices, calls, lanes, results, as JSON; the empty instance is written -',
  },
  { name: 'schema', at: '/api/v1/openapi.json', what: 'the same for programs, as OpenAPI 3.1' },
  { name: 'whoami', at: '/api/v1/whoami', what: 'whom the farm takes you for' },
  { name: 'metrics', at: '/metrics', what: 'for Prometheus' },
  { name: 'live', at: '/livez', what: 'whether the process lives' },
  { name: 'ready', at: '/readyz', what: 'whether it can serve, and if not why' },
];

export const indexJson = (doors: readonly DoorSign[]) => ({ name: 'StationGrid', doors: [...doors, ...own] });

export const indexHtml = (doors: readonly DoorSign[]): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>StationGrid</title></head>
<body><h1>StationGrid</h1><p>A bot farm for factory lines. Its doors:</p>
<dl>${[...doors, ...own].map(({ at, what }) => `<dt>${isPath(at) ? `<a href="${escaped(at)}">${escaped(at)}</a>` : escaped(at)}</dt><dd>${escaped(what)}</dd>`).join('\n')}</dl>
</body></html>
`;

const isPath = (at: string): boolean => at.startsWith('/') && !at.includes('{');

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string): string => text.replaceAll(/[&<>"]/g, (letter) => escapes[letter] ?? letter);
