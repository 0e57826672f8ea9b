// Writes helm/stationgrid/README.md from values.yaml: every key, its default, and its comment. With --check it only says
// whether the page is current; exit code 1 if not.
import { readFileSync, writeFileSync } from 'node:fs';
import { isMap, parseDocument } from 'yaml';

const chart = new URL('../helm/stationgrid/', import.meta.url);
const page = new URL('README.md', chart);

const intro = `# The chart

<!-- Written by scripts/write-chart-readme.mjs from values.yaml. Do not edit. -->

Runs a farm on a PostgreSQL of yours, with any number of equal replicas. What it needs of you: an image, a database, a
certificate or a mesh, and a way to know callers. [Deploy on Kubernetes](../../docs/how-to/deploy-on-kubernetes.md) takes you
through; [UPGRADING](UPGRADING.md) says what a newer chart asks.

\`\`\`text
kubectl create secret generic farm-database --from-literal=url=postgresql://user:password@host:5432/stationgrid
kubectl create secret tls farm-tls --cert farm.pem --key farm.key
helm install farm helm/stationgrid --values my-line.yaml
helm test farm
\`\`\`

Values that cannot be are refused before anything is installed, and the key to mend is named. Whole examples, each of which a
test starts a farm with, are in \`ci/\`. Objects without keys of their own below go to Kubernetes as they are.
`;

const text = (comment) => comment.trim().replaceAll(/\s*\n\s*/g, ' ');
const shown = (value) => `\`${JSON.stringify(value)}\``.replaceAll('|', '\\|');

/** Maps whose keys are explained one by one are sections; all else is a value. */
const isSection = (node) => isMap(node) && Boolean(node.commentBefore);

/** Rows of all values below a map, in the order of the file; a nested map has its first key's comment itself. */
function rowsOf(map, path, before) {
  return map.items.flatMap(({ key, value }, at) => {
    const own = [...path, key.value];
    const comment = text(key.commentBefore ?? (at === 0 ? before : null) ?? '');
    if (comment === '') throw new Error(`values.yaml: ${own.join('.')} has no comment`);
    const node = value?.toJSON ? value.toJSON() : value;
    if (!isSection(value)) return [{ path: own, value: node, comment }];
    return [{ path: own, comment, isSection: true }, ...rowsOf(value, own, value.commentBefore)];
  });
}

function table(rows) {
  const lines = rows.map(({ path, value, comment, isSection: isHead }) => {
    const meaning = comment.replaceAll('|', '\\|');
    return `| \`${path.join('.')}\` | ${isHead ? '' : shown(value)} | ${meaning} |`;
  });
  return ['| Key | Default | Meaning |', '| --- | --- | --- |', ...lines, ''].join('\n');
}

function write() {
  const document = parseDocument(readFileSync(new URL('values.yaml', chart), 'utf8'));
  const rows = rowsOf(document.contents, []);
  const heads = rows.filter(({ path, isSection: isHead }) => isHead && path.length === 1);
  const loose = rows.filter(({ path, isSection: isHead }) => !isHead && path.length === 1);
  const sections = heads.map(({ path: [name], comment }) => {
    const own = rows.filter(({ path }) => path[0] === name && path.length > 1);
    return `## \`${name}\`\n\n${comment}\n\n${table(own)}`;
  });
  return [intro, `## The top\n\n${table(loose)}`, ...sections].join('\n');
}

const written = write();
if (!process.argv.includes('--check')) writeFileSync(page, written);
else if (readFileSync(page, 'utf8') !== written) {
  process.stderr.write(
    'helm/stationgrid/README.md is not what values.yaml says: node scripts/write-chart-readme.mjs\n',
  );
  process.exitCode = 1;
}
