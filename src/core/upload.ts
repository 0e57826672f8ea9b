/**
 * What DUTs upload, and under which names it is kept: the names that the original Factory Server gives, so that tools which
 * look for them find them. A name that would lead out of its folder is refused and never mended: mended, it would be the
 * name of something else.
 */
import { invalid } from './refusal.ts';
import { bytesOf } from './text.ts';

/**
 * REPORT: kept beside whatever has its name. AUX_LOG, and ATTACHMENT, which came along with an event of Testlog: its name shows
 * the latest. The others are appended to.
 */
export type UploadKind = WholeKind | 'EVENT_LOG' | 'CSV';
export type WholeKind = 'REPORT' | 'AUX_LOG' | 'ATTACHMENT';

/** Of one part of a path, in bytes: what file systems take. */
const PART_BYTES_MAX = 255;
const PATH_BYTES_MAX = 1024;
const PARTS_MAX = 16;

/** What a report is named by. Null: the DUT did not say. */
export type ReportName = {
  readonly serial: string | null;
  readonly stage: string | null;
  readonly reportName: string | null;
};

export type ReportPath = { readonly folder: string; readonly stem: string };

const REPORT_ENDING = '.rpt.xz';

/** Its first name, then those that it gets when others have them. */
export const nthName = ({ folder, stem }: ReportPath, n: number): string =>
  `${folder}/${stem}${n === 1 ? '' : `-${n}`}${REPORT_ENDING}`;

/** @throws Refusal INVALID for parts that no name of a file can have. */
export const reportPath = ({ serial, stage, reportName }: ReportName, at: Date): ReportPath => {
  // A DUT that has no serial is told by the word that the original writes.
  const parts = [stage ?? 'Unknown', ...(reportName === null ? [] : [reportName]), serial ?? 'None', timeOf(at)];
  for (const [what, part] of [
    ['serial', serial],
    ['stage', stage],
    ['report name', reportName],
  ] as const)
    if (part !== null) checkPart(what, part);
  const stem = parts.join('-');
  // Room for the number that tells it from its namesakes.
  if (bytesOf(stem) + REPORT_ENDING.length + 8 > PART_BYTES_MAX)
    throw invalid(
      'UPLOAD_NAME_BAD',
      `Serial, stage and report name make a name of ${bytesOf(stem)} bytes, which no file can have. Shorten them.`,
    );
  return { folder: `umpire_data/report/${dayOf(at)}`, stem };
};

/** @throws Refusal INVALID. */
export const auxLogPath = (name: string, at: Date): string =>
  `umpire_data/aux_log/${dayOf(at)}/${checkedPath('The name of an aux log', name)}`;

/** @throws Refusal INVALID. */
export const eventLogPath = (name: string, at: Date): string =>
  `umpire_data/eventlog/${dayOf(at)}/${checkedPath('The name of an event log', name)}`;

/** @throws Refusal INVALID. */
export const csvPath = (name: string): string =>
  `umpire_data/csv/${checkedPath('The name of a CSV file', `${name}.csv`)}`;

/** One part of a name: it may not make a folder of its own. */
const checkPart = (what: string, part: string): void => {
  const wrong = /[/\\]/.test(part) || hasControl(part) || part === '..' || !part.isWellFormed();
  if (wrong)
    throw invalid(
      'UPLOAD_NAME_BAD',
      `The ${what} ${quoted(part)} becomes part of the name of a file, where "/", "\\", ".." and control characters cannot be. Send it without them.`,
    );
};

/** The words of the first two are the original's, which tools look for. @throws Refusal INVALID. */
export const checkedPath = (what: string, path: string): string => {
  const parts = path.split('/');
  if (path.startsWith('/')) throw badPath(`Disallow absolute paths`, what, path);
  if (parts.some((part) => part === '' || part === '.' || part === '..'))
    throw badPath('Disallow non-normalized paths', what, path);
  if (path.includes('\\') || hasControl(path) || !path.isWellFormed())
    throw badPath('Disallow backslashes and control characters', what, path);
  if (
    bytesOf(path) > PATH_BYTES_MAX ||
    parts.length > PARTS_MAX ||
    parts.some((part) => bytesOf(part) > PART_BYTES_MAX)
  )
    throw badPath('Disallow paths that are too long', what, path);
  return path;
};

const badPath = (rule: string, what: string, path: string) =>
  invalid(
    'UPLOAD_NAME_BAD',
    `${rule}: ${what} is ${quoted(path)}. Give a path such as "folder/name", below its own folder.`,
  );

const QUOTED_MAX = 80;
const quoted = (text: string): string =>
  JSON.stringify(text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX)}…` : text);

const hasControl = (text: string): boolean => /\p{Cc}/u.test(text);

/** In UTC, as the original names its folders. */
const dayOf = (at: Date): string => at.toISOString().slice(0, 10).replaceAll('-', '');
/** `20171205T051541Z`. */
const timeOf = (at: Date): string => at.toISOString().replaceAll(/[-:]|\.\d+/g, '');

/** What a cell of a CSV row may be. */
export type CsvCell = string | number | boolean | null;

/** One row as the original writes it: commas, quotes only where they are needed, `True` and `False` as Python says them. */
export const csvRow = (cells: readonly CsvCell[]): string => `${cells.map(csvCell).join(',')}\n`;

const csvCell = (cell: CsvCell): string => {
  if (cell === null) return '';
  if (typeof cell === 'boolean') return cell ? 'True' : 'False';
  const text = String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
