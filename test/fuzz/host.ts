/**
 * A process for what has no door of its own: it reads what it is sent, on a port of loopback, and says what came of it. So
 * that what hangs or dies hangs and dies here, under watch. The first line of a request names the reader.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig, printConfig } from '../../src/config.ts';
import { decodeCall, decodeResponse } from '../../src/wire/xml-rpc.ts';

const folder = mkdtempSync(join(tmpdir(), `stationgrid-test-${String(process.pid)}-fuzz-host-`));
const file = join(folder, 'line.yaml');

/** Takes bytes, gives one line. */
const readers: Readonly<Record<string, (body: Buffer) => string>> = {
  config: (body) => {
    writeFileSync(file, body);
    const loaded = loadConfig({ file });
    if (loaded.kind === 'bad') return `refused ${JSON.stringify(loaded.problems)}`;
    // What was taken can be shown, and what is shown is taken: but for what is secret.
    printConfig(loaded.config);
    return 'taken';
  },
  'xml-rpc call': (body) => resultLine(decodeCall(body)),
  'xml-rpc answer': (body) => resultLine(decodeResponse(body)),
};

const resultLine = (read: { readonly kind: string; readonly why?: string }): string =>
  read.kind === 'malformed' ? `refused ${JSON.stringify([read.why])}` : `taken ${read.kind}`;

const serve = (socket: Socket): void => {
  const parts: Buffer[] = [];
  socket.on('error', () => undefined);
  socket.on('data', (part: Buffer) => parts.push(part));
  socket.on('end', () => {
    const request = Buffer.concat(parts);
    const end = request.indexOf('\n');
    const reader = readers[request.toString('utf8', 0, end)];
    socket.end(reader === undefined ? 'no such reader' : reader(request.subarray(end + 1)));
  });
};

const server = createServer({ allowHalfOpen: true }, serve);
server.listen(0, '127.0.0.1', () => {
  const at = server.address();
  process.stdout.write(`ready ${typeof at === 'object' && at !== null ? String(at.port) : ''}\n`);
});
process.once('SIGTERM', () => {
  rmSync(folder, { recursive: true, force: true });
  process.exit(0);
});
