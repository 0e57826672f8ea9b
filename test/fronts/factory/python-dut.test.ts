/** The door as a DUT sees it: every method, called by Python's own client. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openFactory, runPython, type TestFactory } from './open-factory.ts';

const python = spawnSync('python3', ['-c', 'import xmlrpc.client, tarfile'], { encoding: 'utf8' });
const missing = python.status === 0 ? null : (python.error?.message ?? python.stderr.trim());
if (missing !== null)
  process.stderr.write(`skipped: test/fronts/factory/python-dut: no python3 with xmlrpc (${missing})\n`);

/** What every program begins with. `said` is what it prints: answers, and faults as [code, last line]. */
const BEGIN = `
import sys, json, io, tarfile, time, xmlrpc.client
from xmlrpc.client import Binary, Fault
server = xmlrpc.client.ServerProxy(sys.argv[1], allow_none=True)
said = []
def plain(value):
    if isinstance(value, Binary): return value.data.decode('latin1')
    if isinstance(value, dict): return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value
def say(call, *args):
    try: said.append(plain(call(*args)))
    except Fault as fault: said.append([fault.faultCode, fault.faultString.splitlines()[-1]])
`;
const END = '\nprint(json.dumps(said))\n';

let factory: TestFactory;
beforeAll(async () => {
  factory = await openFactory({ project: 'eve' });
});
afterAll(() => factory.close());

const ask = (program: string, path = '') => runPython(BEGIN + program + END, factory.url + path) as Promise<unknown[]>;

describe.skipIf(missing !== null)("Python's client", { timeout: 60_000 }, () => {
  test.for(['', '/', '/RPC2', '/RPC2/', '/umpire', '/umpire/', '//RPC2//'])('is answered at %j', async (path) => {
    expect(await ask('say(server.Ping)\nsaid.append(bool(server))', path)).toEqual([
      { version: 3, project: 'eve' },
      true,
    ]);
  });

  test('is told the time, as a double', async () => {
    const [isFloat, off] = await ask(
      'before = time.time()\ntold = server.GetTime()\nafter = time.time()\nsaid += [type(told).__name__, max(before - told, told - after)]',
    );
    expect(isFloat).toBe('float');
    expect(off).toBeLessThan(0.1);
  });

  test('finds every method, its words and its types', async () => {
    const [names, help, types, none, noWords] = await ask(
      "names = server.system.listMethods()\nsaid.append(names)\nsay(server.system.methodHelp, 'Ping')\nsay(server.system.methodSignature, 'GetParameters')\nsay(server.system.methodSignature, 'Nothing')\nsaid.append([name for name in names if not server.system.methodHelp(name)])",
    );
    expect(names).toEqual(expect.arrayContaining(METHODS));
    expect(names).toHaveLength(METHODS.length);
    expect(help).toBe('The version of this API, and the project that this server is of.');
    expect(types).toEqual([['base64'], ['base64', 'string'], ['base64', 'string', 'string']]);
    expect(none).toBe('');
    expect(noWords).toEqual([]);
  });

  test('uploads, with every form of the arguments', async () => {
    expect(
      await ask(`
say(server.UploadReport, 'SN1', Binary(b'one'))
say(server.UploadReport, 'SN1', Binary(b'two'), None)
say(server.UploadReport, 'SN1', Binary(b'three'), None, 'SMT')
say(server.UploadReport, 'SN1', Binary(b'four'), 'eve-gooftool', 'GRT')
say(server.UploadReport, 'SN1', Binary(b'five'), 'eve-gooftool', None)
say(server.UploadReport, None, Binary(b'six'))
say(server.UploadReport, 123, Binary(b''))
say(server.UploadCSVEntry, 'registration_code_log', ['eve', 'u,b', 'g"b', None, True, False, 7, 1.5])
say(server.UploadCSVEntry, 'letters', 'abc')
say(server.UploadEvent, 'events', Binary(b'a: 1\\n---\\n'))
say(server.UploadEvent, 'events', Binary(b'b: 2\\n---\\n'))
say(server.SaveAuxLog, 'sub/dir/a.log', Binary(b'old'))
say(server.SaveAuxLog, 'sub/dir/a.log', Binary(b'new'))
`),
    ).toEqual(Array.from({ length: 13 }, () => true));
    const reports = [...factory.files('umpire_data/report')].map(([name, text]) => [
      name.replaceAll(/\d{8}(T\d{6}Z)?/g, '#'),
      text,
    ]);
    expect(Object.fromEntries(reports.map(([name = '', text]) => [text, name.replace(/-2(?=\.rpt)/, '')]))).toEqual({
      one: '#/Unknown-SN1-#.rpt.xz',
      two: '#/Unknown-SN1-#.rpt.xz',
      three: '#/SMT-SN1-#.rpt.xz',
      four: '#/GRT-eve-gooftool-SN1-#.rpt.xz',
      five: '#/Unknown-eve-gooftool-SN1-#.rpt.xz',
      six: '#/Unknown-None-#.rpt.xz',
      '': '#/Unknown-123-#.rpt.xz',
    });
    expect(Object.fromEntries(factory.files('umpire_data/csv'))).toEqual({
      'registration_code_log.csv': 'eve,"u,b","g""b",,True,False,7,1.5\n',
      'letters.csv': 'a,b,c\n',
    });
    expect([...factory.files('umpire_data/eventlog').values()]).toEqual(['a: 1\n---\nb: 2\n---\n']);
    expect([...factory.files('umpire_data/aux_log')].map(([name, text]) => [name.slice(9), text])).toEqual([
      ['sub/dir/a.log', 'new'],
    ]);
    expect([...factory.files('blobs').values()]).toContain('old');
    const rows = await factory.rows();
    expect(rows).toHaveLength(13);
    expect(rows.find(({ stage }) => stage === 'GRT')).toMatchObject({
      kind: 'REPORT',
      bytes: 4,
      serial: 'SN1',
      report_name: 'eve-gooftool',
      peer: '127.0.0.1',
      adopted: false,
    });
  });

  test('is refused in words for what no method takes', async () => {
    expect(
      await ask(`
say(server.Nothing)
say(server.Ping, 1)
say(server.UploadReport, 'SN1')
say(server.UploadReport, 'SN1', 'text')
say(server.UploadReport, {}, Binary(b'x'))
say(server.UploadEvent, 'events', 'text')
say(server.UploadEvent, 5.5, 'text')
say(server.SaveAuxLog, 'a', None)
say(server.UploadCSVEntry, 'a', 5)
say(server.UploadCSVEntry, 'a', [[1]])
say(server.UploadCSVEntry, None, [1])
say(server.GetCROSPayloadURL)
say(server.NotifyStart, 'not a struct', 'SMT')
say(server.NotifyStart, {})
`),
    ).toEqual([
      [-32601, 'Nothing'],
      [-32500, 'TypeError: Ping() takes 0 arguments, and 1 were given.'],
      [
        -32500,
        'TypeError: UploadReport(serial, report_blob, report_name, stage) takes from 2 to 4 arguments, and 1 were given.',
      ],
      [-32500, 'TypeError: report_blob must be binary: in Python, xmlrpc.client.Binary(...).'],
      [-32500, 'TypeError: serial must be a string.'],
      [-32500, 'TypeError: chunk must be binary: in Python, xmlrpc.client.Binary(...).'],
      [-32500, 'TypeError: chunk must be binary: in Python, xmlrpc.client.Binary(...).'],
      [-32500, 'TypeError: contents must be binary: in Python, xmlrpc.client.Binary(...).'],
      [-32500, 'TypeError: data must be a list.'],
      [-32500, 'TypeError: each value of data must be a string, a number, a bool or nil.'],
      [-32500, 'TypeError: csv_name must be a string.'],
      [-32500, 'TypeError: GetCROSPayloadURL(x_umpire_dut) takes 1 arguments, and 0 were given.'],
      [-32500, 'TypeError: data must be a struct.'],
      [-32500, 'TypeError: NotifyStart(data, station) takes 2 arguments, and 1 were given.'],
    ]);
  });

  test('tells a line without a shopfloor its life, and has nobody to ask', async () => {
    const said = await ask(`
data = {'serials.mlb_serial_number': 'C123', 'factory.a': None}
say(server.NotifyStart, data, 'SMT')
say(server.UpdateTestResult, data, 'a', 'PASSED')
say(server.UpdateTestResult, data, 'b', 'PASSED', None)
say(server.UpdateTestResult, data, 'c', 'FAILED', {'error_message': 'x'})
say(server.NotifyEnd, data, 'SMT')
say(server.NotifyEvent, data, 'Finalize')
say(server.Finalize, 'SN1')
say(server.FinalizeFQC, 'SN1')
say(server.GetVersion)
say(server.GetDeviceInfo, data)
say(server.ActivateRegCode, 'u', 'g', 'h')
say(server.UpdateTestResult, data, 'a', 'ACTIVE')
say(server.NotifyStart, {'factory.a': 1}, 'SMT')
say(server.NotifyStart, {'serials.mlb_serial_number': 'C' * 300}, 'SMT')
say(server.NotifyStart, data, '')
`);
    const alone = (method: string) => [
      -32500,
      `RuntimeError: Instance "line-1" has no shopfloor, so nobody can answer ${method}. Give its line one.`,
    ];
    const bad = (words: string) => [-32500, `ValueError: ${words}`];
    expect(said).toEqual([
      ...Array.from({ length: 8 }, () => ({})),
      ...['GetVersion', 'GetDeviceInfo', 'ActivateRegCode'].map(alone),
      bad('status is "ACTIVE"; it must be one of PASSED, FAILED, SKIPPED, FAILED_AND_WAIVED.'),
      bad('The data of this NotifyStart names no serial number, so nobody knows which DUT it is about.'),
      bad('serials.mlb_serial_number has 300 bytes; at most 256 are allowed. Shorten it.'),
      bad('The station is empty. Give it.'),
    ]);
    const { rows } = await factory.database.pool.query('select station, state, verdict, reason, bot_id from jobs');
    const ended = { station: 'SMT', state: 'FINISHED', verdict: 'FAILED', reason: 'c: FAILED', bot_id: '127.0.0.1' };
    expect(rows).toEqual([ended]);
  });

  test('gets parameters, by their old names and by their new', async () => {
    const folder = join(factory.folder, 'parameters');
    mkdirSync(join(folder, 'dir0/dir1'), { recursive: true });
    writeFileSync(join(folder, 'root.txt'), 'root');
    writeFileSync(join(folder, '.hidden'), 'hidden');
    writeFileSync(join(folder, 'dir0/a.bin'), Buffer.from([0, 255, 10]));
    writeFileSync(join(folder, 'dir0/b.txt'), 'b');
    writeFileSync(join(folder, `dir0/dir1/${'long'.repeat(30)}.txt`), 'long');
    writeFileSync(join(factory.folder, 'secret.txt'), 'secret');
    const said = await ask(`
def names(call, *args):
    files = tarfile.open(fileobj=io.BytesIO(call(*args).data))
    return {member.name: files.extractfile(member).read().decode('latin1') for member in files.getmembers()}
for listing, one, several in [(server.ListParameters, server.GetParameter, server.GetParameters), (server.ListFactoryDrives, server.GetFactoryDrive, server.GetFactoryDrives)]:
    said.append([sorted(listing(pattern)) for pattern in ['*', 'dir0/*', '**/*.txt', 'dir?/[ab].*', 'nothing', 'dir0', './root.txt']])
    say(one, 'dir0/a.bin')
    said.append([names(several), names(several, None), names(several, 'dir0'), names(several, 'dir0', 'b.txt'), names(several, 'dir0/dir1', None)])
    for args in [('../*',), ('../parameters_other/*',), ('/etc/*',)]: say(listing, *args)
    for args in [('../secret.txt',), ('/etc/passwd',), ('nothing',), ('dir0',)]: say(one, *args)
    for args in [('..',), ('nowhere',), ('dir0', 'nothing')]: say(several, *args)
`);
    const long = `${'long'.repeat(30)}.txt`;
    const outside = (what: string) => [-32500, `ValueError: ${what} is limited to parameter directory`];
    const absent = [-32500, 'ValueError: File does not exist or it is not a file'];
    const once = [
      [['root.txt'], ['dir0/a.bin', 'dir0/b.txt'], ['dir0/b.txt'], ['dir0/a.bin', 'dir0/b.txt'], [], [], ['root.txt']],
      '\x00\xff\n',
      [
        { '.hidden': 'hidden', 'root.txt': 'root' },
        { '.hidden': 'hidden', 'root.txt': 'root' },
        { 'a.bin': '\x00\xff\n', 'b.txt': 'b' },
        { 'b.txt': 'b' },
        { [long]: 'long' },
      ],
      ...[1, 2, 3].map(() => outside('ListParameters')),
      ...[1, 2].map(() => outside('GetParameter')),
      ...[absent, absent],
      outside('GetParameters'),
      ...[absent, absent],
    ];
    expect(said).toEqual([...once, ...once]);
  });

  test('is told where payloads and logs go, by the name under which it called', async () => {
    const { port } = factory.door;
    expect(await ask("say(server.GetCROSPayloadURL, {'sn': None})\nsay(server.GetFactoryLogPort)")).toEqual([
      '',
      port + 4,
    ]);
    mkdirSync(join(factory.folder, 'resources'), { recursive: true });
    const bundle = { id: 'b1', note: 'first', payloads: 'payload.abc.json' };
    writeFileSync(
      join(factory.folder, 'active_umpire.json'),
      JSON.stringify({ bundles: [bundle], active_bundle_id: 'b1', services: {} }),
    );
    expect(await ask("say(server.GetCROSPayloadURL, 'sn=1; mlb_sn=2')")).toEqual([
      `${factory.url}/res/payload.abc.json`,
    ]);
  });
});

const METHODS = [
  ...['__bool__', '__nonzero__', 'Ping', 'GetTime', 'GetCROSPayloadURL'],
  ...['ListParameters', 'GetParameter', 'GetParameters', 'ListFactoryDrives', 'GetFactoryDrive', 'GetFactoryDrives'],
  ...['GetVersion', 'NotifyStart', 'NotifyEnd', 'NotifyEvent', 'GetDeviceInfo', 'ActivateRegCode', 'UpdateTestResult'],
  ...['Finalize', 'FinalizeFQC', 'UploadReport', 'UploadCSVEntry', 'UploadEvent', 'SaveAuxLog', 'GetFactoryLogPort'],
  ...['system.listMethods', 'system.methodHelp', 'system.methodSignature'],
];
