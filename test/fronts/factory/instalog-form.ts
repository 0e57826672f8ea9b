/** Forms as DUT software sends them to `/instalog`, and events to put in them. */
import type { TestFactory } from './open-factory.ts';

export type Field = { readonly name: string; readonly value: string | Buffer; readonly filename?: string };

const BOUNDARY = 'x--boundary--of--a--test';
export const FORM = `multipart/form-data; boundary=${BOUNDARY}`;

export const formOf = (fields: readonly Field[]): Buffer =>
  Buffer.concat([
    ...fields.flatMap(({ name, value, filename }) => [
      Buffer.from(
        `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"` +
          `${filename === undefined ? '' : `; filename="${filename}"`}\r\n\r\n`,
      ),
      Buffer.from(value),
      Buffer.from('\r\n'),
    ]),
    Buffer.from(`--${BOUNDARY}--\r\n`),
  ]);

/** The standard uploader sends files; by their names they are fields all the same. */
export const eventField = (event: unknown): Field => ({
  name: 'event',
  value: typeof event === 'string' ? event : JSON.stringify(event),
  filename: 'event',
});

export const MULTI = { 'multi-event': 'True', 'node-id': 'goofy-1' };

export const put = (factory: TestFactory, fields: readonly Field[], headers: Record<string, string> = MULTI) =>
  factory.post(formOf(fields), '/instalog', { 'content-type': FORM, ...headers });

export const message = (uuid: string, more: object = {}): Record<string, unknown> => ({
  type: 'station.message',
  uuid,
  apiVersion: '0.21',
  time: 1_700_000_000.5,
  message: 'hello',
  ...more,
});

export const testRun = (uuid: string, more: object = {}): Record<string, unknown> => ({
  type: 'station.test_run',
  uuid,
  apiVersion: '0.21',
  seq: 1,
  time: 1_700_000_020.5,
  testRunId: 'run-1',
  testName: 'generic_main:SMT.Probe',
  testType: 'probe',
  status: 'FAIL',
  startTime: 1_700_000_000.25,
  endTime: 1_700_000_020.25,
  duration: 20,
  serialNumbers: { serial_number: 'A1234', mlb_serial_number: 'C123' },
  parameters: {
    rssi: {
      type: 'measurement',
      valueUnit: 'dBm',
      data: [{ numericValue: -55.2, expectedMinimum: -60, expectedMaximum: -30, status: 'PASS' }],
    },
  },
  failures: [{ code: 'GoofyErrorMsg', details: 'component mismatch: dram' }],
  ...more,
});

/** As the envelope of Instalog puts it. */
export const enveloped = (payload: unknown, attachments: Record<string, string> = {}): unknown => ({
  __type__: 'Event',
  payload,
  attachments,
  history: [
    { __type__: 'ProcessStage', node_id: 'goofy-1', time: 1, plugin_id: 'out', plugin_type: 'BUFFER', target: 'x' },
  ],
});
