/**
 * What the factory door is compared with: node's own HTTP server with nothing in it. A POST is read into memory, as an
 * echo does, and answered with the same bytes every time; a PUT is streamed into a file, which is on disk before the answer.
 * `node http-server.ts FOLDER ANSWER`, the answer in base64.
 */
import { createWriteStream } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

const [, , folder = '.', given = ''] = process.argv;
const answer = Buffer.from(given, 'base64');
let kept = 0;

const server = createServer((request, response) => {
  const end = (): void => {
    response.writeHead(200, { 'content-type': 'text/xml', 'content-length': answer.length });
    response.end(answer);
  };
  if (request.method !== 'PUT') {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.once('end', () => {
      if (Buffer.concat(pieces).length > 0) end();
      else response.writeHead(400).end();
    });
    return;
  }
  kept += 1;
  // `flush`: fsync before it is closed.
  const file = createWriteStream(join(folder, `plain-${kept}`), { flush: true });
  pipeline(request, file).then(end, () => response.destroy());
});
server.listen(0, '127.0.0.1', () => {
  const bound = server.address();
  process.stdout.write(`HTTP 127.0.0.1:${typeof bound === 'object' ? bound?.port : ''}\n`);
});
process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
