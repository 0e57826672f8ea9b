/** A real Prometheus server: it scrapes what it is told to, every second, and computes and alerts by given rules. */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, freePort } from './farm-site.ts';

export type Series = Readonly<Record<string, string>>;
export type Sample = { readonly metric: Series; readonly value: number };

export type Prometheus = {
  /** @throws when the expression is wrong. */
  readonly query: (expr: string) => Promise<readonly Sample[]>;
  /** What was scraped or computed since the start, by a selector. */
  readonly series: (selector: string) => Promise<readonly Series[]>;
  /** Alerts that are pending or firing now, with their texts. */
  readonly alerts: () => Promise<readonly Alert[]>;
  readonly close: () => Promise<void>;
};

export type Alert = {
  readonly labels: Series;
  readonly annotations: Series;
  readonly state: 'pending' | 'firing';
};

export type PrometheusOptions = {
  /** Debian's package, unpacked. */
  readonly programs: string;
  /** For its configuration and its data; there must be nothing of that name. */
  readonly folder: string;
  /** Addresses; their certificates are not verified. */
  readonly targets: readonly { readonly scheme: 'http' | 'https'; readonly address: string }[];
  readonly rules: string;
};

export async function openPrometheus({ programs, folder, targets, rules }: PrometheusOptions): Promise<Prometheus> {
  mkdirSync(folder);
  writeFileSync(join(folder, 'rules.yaml'), rules);
  writeFileSync(join(folder, 'prometheus.yaml'), JSON.stringify(configurationFor(targets)));
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(
    join(programs, 'usr/bin/prometheus'),
    [
      `--config.file=${join(folder, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(folder, 'series')}`,
      `--web.listen-address=${address}`,
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (said: string) => (words += said));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ask = async (path: string, parameters: Record<string, string>): Promise<unknown> => {
    const response = await fetch(`http://${address}/api/v1/${path}`, {
      method: 'POST',
      body: new URLSearchParams(parameters),
    });
    const { data, error } = toAnswer(await response.json());
    if (error !== undefined) throw new Error(`${error}: ${Object.values(parameters).join(' ')}`);
    return data;
  };
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`Prometheus ended:\n${words}`);
    const { status } = await fetch(`http://${address}/-/ready`);
    if (status !== 200) throw new Error(`Prometheus answers ${status}:\n${words}`);
  });
  return {
    query: async (expr) =>
      toResults(await ask('query', { query: expr })).map(({ metric, value }) => ({ metric, value: Number(value[1]) })),
    series: async (selector) => toSeries(await ask('series', { 'match[]': selector })),
    alerts: async () => {
      const response = await fetch(`http://${address}/api/v1/alerts`);
      return toAlerts(await response.json());
    },
    close: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** As docs/how-to/watch-it-with-prometheus.md has it, only quicker. */
const configurationFor = (targets: PrometheusOptions['targets']) => ({
  global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
  rule_files: ['rules.yaml'],
  scrape_configs: targets.map(({ scheme, address }, index) => ({
    job_name: `job-${index}`,
    scheme,
    tls_config: { insecure_skip_verify: true },
    static_configs: [{ targets: [address] }],
    // One farm, however its replicas are reached.
    relabel_configs: [{ target_label: 'job', replacement: 'stationgrid' }],
  })),
});

function toAnswer(read: unknown) {
  return read as { readonly data: unknown; readonly error?: string };
}
function toResults(data: unknown) {
  return (
    data as { readonly result: readonly { readonly metric: Series; readonly value: readonly [number, string] }[] }
  ).result;
}
function toSeries(data: unknown) {
  return data as readonly Series[];
}
function toAlerts(read: unknown) {
  return (read as { readonly data: { readonly alerts: readonly Alert[] } }).data.alerts;
}
