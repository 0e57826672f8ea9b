import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { createShopfloorClient } from '../../src/bridge/shopfloor-client.ts';
import { startReferenceShopfloor } from '../../src/reference-shopfloor/reference-shopfloor.ts';
import { encodeCall } from '../../src/wire/xml-rpc.ts';
import { wallClock } from '../support/wall-clock.ts';

const python = spawnSync('python3', ['-c', 'import xmlrpc.client, xmlrpc.server'], { encoding: 'utf8' });
const missing = python.status === 0 ? null : (python.error?.message ?? python.stderr.trim());
if (missing !== null) process.stderr.write(`skipped: test/bridge/python-peers: no python3 with xmlrpc (${missing})\n`);

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

const CALLER = `
import sys, json, xmlrpc.client
shop = xmlrpc.client.ServerProxy(sys.argv[1], allow_none=True)
unit = {'serials.mlb_serial_number': 'C123', 'factory.line': None, 'factory.n': 7, 'factory.x': 1.5, 'factory.ok': True}
said = [
    shop.GetVersion(), shop.NotifyStart(unit, 'SMT'), shop.UpdateTestResult(unit, 'SMT.a', 'PASSED', None),
    shop.UpdateTestResult(unit, 'SMT.b', 'FAILED', {'error_message': 'd\\u00e9faut <&>'}), shop.NotifyEnd(unit, 'SMT'),
    shop.NotifyStart(unit, 'FAT'), shop.GetDeviceInfo(unit), shop.NotifyEvent(unit, 'Finalize'),
]
try:
    shop.NotifyEvent(unit, 'Ready')
except xmlrpc.client.Fault as fault:
    said.append([fault.faultCode, fault.faultString])
print(json.dumps(said))
`;

/** Answers every method with the arguments it got, as Python read them. */
const SERVICE = `
import sys, xmlrpc.server
class Handler(xmlrpc.server.SimpleXMLRPCRequestHandler):
    rpc_paths = ('/', '/RPC2')
    protocol_version = sys.argv[1]
class Service:
    def GetDeviceInfo(self, data): return {'factory.echo': repr(sorted(data.items())), 'component.has_camera': 2, 'factory.gone': None}
    def UpdateTestResult(self, data, test_id, status, details): return {'factory.echo': repr([test_id, status, details])}
    def NotifyStart(self, data, station): return None
    def NotifyEnd(self, data, station): raise KeyError(station)
server = xmlrpc.server.SimpleXMLRPCServer(('127.0.0.1', 0), Handler, logRequests=False, allow_none=True)
server.register_instance(Service())
print(server.server_address[1], flush=True)
server.serve_forever()
`;

describe.skipIf(missing !== null)('CPython', { timeout: 60_000 }, () => {
  test('its client calls the reference shopfloor', async () => {
    const shopfloor = await startReferenceShopfloor({ clock: wallClock, port: 0, journalPath: null });
    cleanups.push(() => shopfloor.stop());
    for (const path of ['', 'RPC2']) {
      const caller = spawn('python3', ['-c', CALLER, shopfloor.url + path], { stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      caller.stdout.on('data', (chunk) => (said += String(chunk)));
      await once(caller, 'close');
      expect(JSON.parse(said)).toEqual([
        ...['1.0', {}, {}, {}, {}, { 'serials.serial_number': 'SN-C123' }],
        { 'vpd.ro.region': 'us', 'vpd.rw.ubind_attribute': '', 'vpd.rw.gbind_attribute': '' },
        {},
        [-32602, 'event must be Finalize or Refinalize'],
      ]);
    }
  });

  test.each(['HTTP/1.0', 'HTTP/1.1'])('our client calls its server on %s', async (protocol) => {
    const service = spawn('python3', ['-c', SERVICE, protocol], { stdio: ['ignore', 'pipe', 'inherit'] });
    cleanups.push(() => service.kill('SIGKILL'));
    const [line] = (await once(service.stdout, 'data')) as [Buffer];
    const client = createShopfloorClient({ url: `http://127.0.0.1:${line.toString().trim()}/`, clock: wallClock });
    cleanups.push(() => client.close());
    const call = (method: string, ...params: Parameters<typeof encodeCall>[1]) =>
      client.call(method, encodeCall(method, params), { idempotencyKey: 'k' });

    expect(await call('GetDeviceInfo', { a: 1, b: 1.5, c: null, d: true, e: 'é<&>\r\n😀', f: 2 ** 40 })).toEqual({
      kind: 'answered',
      value: {
        'factory.echo': String.raw`[('a', 1), ('b', 1.5), ('c', None), ('d', True), ('e', 'é<&>\r\n😀'), ('f', 1099511627776.0)]`,
        'component.has_camera': 2,
        'factory.gone': null,
      },
    });
    expect(await call('UpdateTestResult', {}, 'SMT.a', 'FAILED', { error_message: 'x', list: [1, 'y'] })).toEqual({
      kind: 'answered',
      value: { 'factory.echo': `['SMT.a', 'FAILED', {'error_message': 'x', 'list': [1, 'y']}]` },
    });
    expect(await call('NotifyStart', {}, 'SMT')).toMatchObject({ kind: 'fault', text: 'service returned no data' });
    expect(await call('NotifyEnd', {}, 'SMT')).toEqual({ kind: 'fault', code: 1, text: "<class 'KeyError'>:'SMT'" });
    expect(await call('Unknown')).toMatchObject({ kind: 'fault', code: 1 });
  });
});
