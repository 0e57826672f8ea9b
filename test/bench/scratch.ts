/** The least that PostgreSQL can be asked to keep: one row in a table of one index. */
import pg from 'pg';

export type Scratch = {
  /** One row, committed. */
  readonly insert: () => Promise<void>;
  /** The same, and a notice in the same commit; resolves when another connection has heard it. */
  readonly insertAndHear: () => Promise<void>;
  readonly close: () => Promise<void>;
};

/** About what a job's work takes. */
const BODY = Buffer.alloc(200, 'x').toString();
const CHANNEL = 'bench_scratch';

export const openScratch = async ({
  url,
  ownerUrl,
}: {
  readonly url: string;
  readonly ownerUrl: string;
}): Promise<Scratch> => {
  const owner = new pg.Client(ownerUrl);
  await owner.connect();
  await owner.query(
    'create table if not exists bench_scratch (id bigint generated always as identity primary key, body text)',
  );
  await owner.query('grant insert, select on bench_scratch to public');
  await owner.end();
  const [writer, hearer] = [new pg.Client(url), new pg.Client(url)];
  // When a measure fails half-way, the server goes before they do.
  for (const client of [writer, hearer]) client.on('error', () => undefined);
  await writer.connect();
  await hearer.connect();
  await hearer.query(`listen ${CHANNEL}`);
  return {
    insert: async () => {
      await writer.query({ name: 'insert', text: 'insert into bench_scratch (body) values ($1)', values: [BODY] });
    },
    insertAndHear: async () => {
      const heard = new Promise<void>((resolve) => hearer.once('notification', () => resolve()));
      const sent = writer.query({
        name: 'insert and notify',
        text: `with kept as (insert into bench_scratch (body) values ($1) returning id)
               select pg_notify('${CHANNEL}', id::text) from kept`,
        values: [BODY],
      });
      await Promise.all([heard, sent]);
    },
    close: async () => {
      await writer.end();
      await hearer.end();
    },
  };
};
