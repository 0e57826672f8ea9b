/** `stationgrid parameters …`: files that DUTs are given by name, in versions. Asks the HTTP door. */
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { basename } from 'node:path';
import { Transform } from 'node:stream';
import { z } from 'zod';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { Failure } from './failure.ts';
import { askHttp, type HttpFarmOptions } from './http-farm.ts';
import { localTime, NONE, printFacts, printJson, printTable, sayMore } from './print.ts';
import { startProgress } from './progress.ts';
import type { Terminal } from './terminal.ts';

const entrySchema = z.object({
  path: z.string(),
  state: z.string(),
  versions: z.number(),
  bytes: z.number().nullable(),
  sha256: z.string().nullable(),
  activeVersion: z.number().nullable(),
  activatedAt: z.string().nullable(),
  activatedBy: z.string().nullable(),
});
const listSchema = z.object({ parameters: z.array(entrySchema), nextPageToken: z.string() });

const viewSchema = z.object({
  path: z.string(),
  state: z.string(),
  activeVersion: z.number().nullable(),
  versions: z.array(
    z.object({
      version: z.number(),
      sha256: z.string(),
      bytes: z.number(),
      origin: z.string(),
      note: z.string(),
      madeBy: z.string(),
      madeAt: z.string(),
    }),
  ),
  activations: z.array(
    z.object({ version: z.number(), reason: z.string(), activatedBy: z.string(), activatedAt: z.string() }),
  ),
});
type View = z.output<typeof viewSchema>;

const uploadedSchema = z.object({ path: z.string(), version: z.number(), sha256: z.string(), bytes: z.number() });

const PAGE_SIZE = 200;

export type ListParametersOptions = HttpFarmOptions & { readonly limit: number };

export const listParameters = async (terminal: Terminal, options: ListParametersOptions): Promise<ExitCode> => {
  const { limit } = options;
  const entries: z.output<typeof entrySchema>[] = [];
  let pageToken = '';
  do {
    const pageSize = limit === 0 ? PAGE_SIZE : Math.min(PAGE_SIZE, limit - entries.length);
    const query = { pageSize: String(pageSize), pageToken };
    const page = await askHttp(options, { method: 'GET', path: '/parameters', query }, listSchema);
    entries.push(...page.parameters);
    pageToken = page.nextPageToken;
  } while (pageToken !== '' && (limit === 0 || entries.length < limit));
  if (options.output === 'json') printJson(terminal, entries);
  else {
    printTable(
      terminal,
      ['PATH', 'GIVEN', 'ACTIVE', 'VERSIONS', 'BYTES', 'SINCE', 'BY'],
      entries.map((entry) => [
        entry.path,
        entry.state,
        entry.activeVersion ?? NONE,
        entry.versions,
        entry.bytes ?? NONE,
        timeCell(entry.activatedAt),
        entry.activatedBy ?? '',
      ]),
    );
    sayMore(terminal, pageToken !== '');
  }
  return EXIT.ok;
};

export const showParameter = async (terminal: Terminal, path: string, options: HttpFarmOptions): Promise<ExitCode> => {
  showView(terminal, await askHttp(options, { method: 'GET', path: at(path) }, viewSchema), options);
  return EXIT.ok;
};

export type UploadParameterOptions = HttpFarmOptions & {
  readonly as?: string;
  readonly note: string;
  readonly activate?: boolean;
};

export const uploadParameter = async (
  terminal: Terminal,
  file: string,
  options: UploadParameterOptions,
): Promise<ExitCode> => {
  const path = options.as ?? basename(file);
  const bytes = sizeOf(file);
  const sha256 = await hashOf(file);
  const progress = startProgress(terminal, { total: bytes, what: 'bytes sent' });
  const uploaded = await askHttp(
    options,
    {
      method: 'POST',
      path: `${at(path)}/versions`,
      query: { sha256, note: options.note },
      body: { content: watched(file, (sent) => progress.show(sent, path)), bytes },
    },
    uploadedSchema,
  ).finally(() => progress.end());
  if (options.activate === true) return turn(terminal, `${at(path)}/activate`, { ...uploadedTo(uploaded), options });
  if (options.output === 'json') printJson(terminal, uploaded);
  else
    terminal.print(
      `${path} version ${String(uploaded.version)} is kept. DUTs get it after: stationgrid parameters activate ${path} ${String(uploaded.version)}`,
    );
  return EXIT.ok;
};

const uploadedTo = ({ version }: z.output<typeof uploadedSchema>) => ({ body: { version, reason: '' } });

export type ChangeOptions = HttpFarmOptions & { readonly reason: string };

export const activateParameter = (
  terminal: Terminal,
  path: string,
  version: number,
  options: ChangeOptions,
): Promise<ExitCode> => turn(terminal, `${at(path)}/activate`, { body: { version, reason: options.reason }, options });

export const rollBackParameter = (terminal: Terminal, path: string, options: ChangeOptions): Promise<ExitCode> =>
  turn(terminal, `${at(path)}/roll-back`, { body: { reason: options.reason }, options });

const turn = async (
  terminal: Terminal,
  path: string,
  { body, options }: { readonly body: object; readonly options: HttpFarmOptions },
): Promise<ExitCode> => {
  const view = await askHttp(options, { method: 'POST', path, body: { json: body } }, viewSchema);
  if (options.output === 'json') printJson(terminal, view);
  else terminal.print(`DUTs are given ${view.path} version ${String(view.activeVersion ?? NONE)} from now on.`);
  return EXIT.ok;
};

const showView = (terminal: Terminal, view: View, { output }: HttpFarmOptions): void => {
  if (output === 'json') {
    printJson(terminal, view);
    return;
  }
  printFacts(terminal, [
    ['Path', view.path],
    ['DUTs are given', view.state],
    ['Active version', view.activeVersion ?? NONE],
  ]);
  terminal.print('');
  printTable(
    terminal,
    ['VERSION', 'BYTES', 'SHA-256', 'MADE', 'BY', 'NOTE'],
    view.versions.map((made) => [
      made.version,
      made.bytes,
      made.sha256,
      timeCell(made.madeAt),
      made.origin === 'FOUND' ? 'found' : made.madeBy,
      made.note,
    ]),
  );
  if (view.activations.length === 0) return;
  terminal.print('');
  printTable(
    terminal,
    ['ACTIVATED', 'VERSION', 'BY', 'WHY'],
    view.activations.map((each) => [timeCell(each.activatedAt), each.version, each.activatedBy, each.reason]),
  );
};

/** A path is one part of the URL. */
const at = (path: string): string => `/parameters/${encodeURIComponent(path)}`;

const timeCell = (time: string | null): string => localTime(time === null ? undefined : new Date(time));

const sizeOf = (file: string): number => {
  try {
    const there = statSync(file);
    if (there.isFile()) return there.size;
  } catch (cause) {
    throw new Failure(EXIT.usage, `cannot read ${file}: ${String(cause)}`, 'Check the path.', { cause });
  }
  throw new Failure(EXIT.usage, `${file} is no file`, 'Upload the files of a folder one by one.');
};

const hashOf = async (file: string): Promise<string> => {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file)) hash.update(toBytes(piece));
  return hash.digest('hex');
};

/** Its content, and word of how much of it was taken. */
const watched = (file: string, show: (sent: number) => void): Transform => {
  let sent = 0;
  const counting = new Transform({
    transform: (piece: Buffer, _encoding, done) => {
      sent += piece.length;
      show(sent);
      done(null, piece);
    },
  });
  createReadStream(file)
    .once('error', (error) => counting.destroy(error))
    .pipe(counting);
  return counting;
};

/** A stream of a file without an encoding yields bytes. */
function toBytes(piece: unknown): Uint8Array {
  return piece as Uint8Array;
}
