/** Reads a stream of the HTTP door as it comes. */
import http from 'node:http';

export type Told = { readonly id: string; readonly event: string; readonly data: string };

export type StreamReader = {
  readonly status: number;
  readonly type: string;
  /** All there was so far. */
  readonly text: () => string;
  /** Events of Server-Sent Events that have come whole, as a browser would tell of them. */
  readonly told: () => readonly Told[];
  /** Resolves when it is so. Rejects when the stream has ended and it is not. */
  readonly until: (holds: () => boolean) => Promise<void>;
  readonly ended: Promise<void>;
  readonly response: http.IncomingMessage;
  readonly close: () => void;
};

export const openStream = (
  port: number,
  path: string,
  headers: http.OutgoingHttpHeaders = { accept: 'text/event-stream' },
): Promise<StreamReader> =>
  new Promise((resolve, reject) => {
    const request = http.get({ port, host: '127.0.0.1', path, headers, agent: false });
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      let hasEnded = false;
      let tell = Promise.withResolvers<null>();
      const news = (): void => {
        tell.resolve(null);
        tell = Promise.withResolvers();
      };
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
        news();
      });
      response.on('error', () => undefined);
      const ended = new Promise<void>((end) =>
        response.on('close', () => {
          hasEnded = true;
          news();
          end();
        }),
      );
      resolve({
        status: response.statusCode ?? 0,
        type: response.headers['content-type'] ?? '',
        text: () => text,
        told: () => toldIn(text),
        until: async (holds) => {
          while (!holds()) {
            if (hasEnded) throw new Error(`the stream has ended: ${text.slice(-500)}`);
            await tell.promise;
          }
        },
        ended,
        response,
        close: () => request.destroy(),
      });
    });
  });

/** WHATWG HTML, 9.2.6: an id stays until there is another; without data nothing is told. */
const toldIn = (text: string): readonly Told[] => {
  let id = '';
  return text
    .split('\n\n')
    .slice(0, -1)
    .flatMap((block) => {
      const fields = block.split('\n').map((line) => /^([^:]*): ?(.*)$/.exec(line) ?? []);
      const last = (name: string) => fields.findLast(([, field]) => field === name)?.[2];
      id = last('id') ?? id;
      const data = last('data');
      return data === undefined ? [] : [{ id, event: last('event') ?? 'message', data }];
    });
};
