/** An OpenTelemetry collector's side of OTLP over HTTP: takes spans in protobuf, and reads them by the published numbers. */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export type TakenSpan = {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: it has none. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: number;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** 2: an error. */
  readonly statusCode: number;
};

export type Collector = {
  /** With `/v1/traces`. */
  readonly url: string;
  readonly spans: readonly TakenSpan[];
  /** `service.name` of those that sent. */
  readonly services: ReadonlySet<string>;
  readonly requests: () => number;
  readonly close: () => Promise<void>;
};

export const startCollector = async (): Promise<Collector> => {
  const spans: TakenSpan[] = [];
  const services = new Set<string>();
  let requests = 0;
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      requests += 1;
      if (request.url !== '/v1/traces' || request.headers['content-type'] !== 'application/x-protobuf') {
        response.writeHead(400).end();
        return;
      }
      for (const resource of messages(body, 1)) {
        for (const about of messages(resource, 1)) services.add(String(attributesOf(about, 1)['service.name']));
        for (const scope of messages(resource, 2)) spans.push(...messages(scope, 2).map(toSpan));
      }
      // ExportTraceServiceResponse, with nothing rejected.
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1/traces`,
    spans,
    services,
    requests: () => requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};

type Field = { readonly number: number; readonly bytes: Uint8Array; readonly integer: bigint };

/** The fields of a message in their order: length-delimited ones as bytes, the others as integers. */
const fieldsOf = (message: Uint8Array): readonly Field[] => {
  const reader = new BinaryReader(message);
  const fields: Field[] = [];
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const [bytes, integer] =
      type === WireType.LengthDelimited
        ? [reader.bytes(), 0n]
        : [
            new Uint8Array(),
            BigInt(
              type === WireType.Bit64 ? reader.fixed64() : type === WireType.Bit32 ? reader.fixed32() : reader.uint64(),
            ),
          ];
    fields.push({ number, bytes, integer });
  }
  return fields;
};

const messages = (message: Uint8Array, number: number): readonly Uint8Array[] =>
  fieldsOf(message).flatMap((field) => (field.number === number ? [field.bytes] : []));

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');
const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('utf8');

const attributesOf = (message: Uint8Array, number: number): TakenSpan['attributes'] =>
  Object.fromEntries(
    messages(message, number).map((pair) => {
      const [value] = fieldsOf(messages(pair, 2)[0] ?? new Uint8Array());
      // AnyValue: 1 a string, 2 a bool, 3 an integer.
      const said =
        value?.number === 1 ? text(value.bytes) : value?.number === 2 ? value.integer === 1n : Number(value?.integer);
      return [text(messages(pair, 1)[0]), said];
    }),
  );

const toSpan = (span: Uint8Array): TakenSpan => {
  const fields = fieldsOf(span);
  const of = (number: number): Field | undefined => fields.find((field) => field.number === number);
  const status = fieldsOf(of(15)?.bytes ?? new Uint8Array()).find(({ number }) => number === 3);
  return {
    traceId: hex(of(1)?.bytes),
    spanId: hex(of(2)?.bytes),
    parentSpanId: hex(of(4)?.bytes),
    name: text(of(5)?.bytes),
    kind: Number(of(6)?.integer ?? 0n),
    startNs: of(7)?.integer ?? 0n,
    endNs: of(8)?.integer ?? 0n,
    attributes: attributesOf(span, 9),
    statusCode: Number(status?.integer ?? 0n),
  };
};
