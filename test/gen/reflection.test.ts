import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fileDescriptorProtos } from '../../src/gen/descriptors.ts';

const botsName = 'google.devtools.remoteworkers.v1test2.Bots';

// grpc/reflection/v1/reflection.proto, as far as is asked and answered here.
const ask = { fileByFilename: 3, fileContainingSymbol: 4, listServices: 7 };
const answered = { files: 4, services: 6 };

let server: Server;
let client: Client;

beforeAll(async () => {
  server = new Server();
  // The package reads nothing of a definition but its files, so one entry that carries them all is enough.
  const definition = {
    protos: { format: 'Protocol Buffer 3 EnumDescriptorProto' as const, type: {}, fileDescriptorProtos },
  };
  new ReflectionService(definition, { services: [botsName] }).addToServer(server);
  const port = await new Promise<number>((bound, failed) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, boundPort) => {
      if (error === null) bound(boundPort);
      else failed(error);
    });
  });
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
});

afterAll(() => {
  client.close();
  server.forceShutdown();
});

/** The length-delimited fields `wanted` of a message, in order. */
function fieldsOf(message: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(message);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === wanted) found.push(reader.bytes());
    else reader.skip(wireType, number);
  }
  return found;
}

/** Asks one question and gives the repeated field 1 of the answer expected. */
async function reflect(question: number, argument: string, answer: number): Promise<Uint8Array[]> {
  const call = client.makeBidiStreamRequest<Uint8Array, Uint8Array>(
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    (request) => Buffer.from(request),
    (reply) => reply,
  );
  call.write(new BinaryWriter().tag(question, WireType.LengthDelimited).string(argument).finish());
  const reply = await new Promise<Uint8Array>((came, failed) => {
    call.once('data', came);
    call.once('error', failed);
  });
  call.end();
  return fieldsOf(reply, answer).flatMap((one) => fieldsOf(one, 1));
}

async function filesOf(question: number, argument: string): Promise<FileDescriptorProto[]> {
  const files = await reflect(question, argument, answered.files);
  return files.map((file) => fromBinary(FileDescriptorProtoSchema, file));
}

test('names the services that are served, and no other that protos/ declares', async () => {
  const services = await reflect(ask.listServices, '*', answered.services);
  expect(services.map((service) => Buffer.from(fieldsOf(service, 1)[0] ?? []).toString())).toEqual([botsName]);
});

test('a stranger can learn a service and every type it uses, following the imports of its file', async () => {
  const [botsFile] = await filesOf(ask.fileContainingSymbol, botsName);
  expect(botsFile?.name).toBe('google/devtools/remoteworkers/v1test2/bots.proto');

  const known = new Map<string, FileDescriptorProto>();
  const learn = async (name: string): Promise<void> => {
    if (known.has(name)) return;
    const [file] = await filesOf(ask.fileByFilename, name);
    if (file === undefined) throw new Error(`${name} is imported and not served`);
    for (const imported of file.dependency) await learn(imported);
    known.set(name, file);
  };
  await learn('google/devtools/remoteworkers/v1test2/bots.proto');

  const registry = createFileRegistry({ $typeName: 'google.protobuf.FileDescriptorSet', file: [...known.values()] });
  const bots = registry.getService(botsName);
  expect(bots?.methods.map((method) => method.name)).toEqual([
    'CreateBotSession',
    'UpdateBotSession',
    'PostBotEventTemp',
  ]);
  expect(bots?.method['updateBotSession']?.input.fields.map((field) => `${field.name} = ${field.number}`)).toEqual([
    'name = 1',
    'bot_session = 2',
    'update_mask = 3',
  ]);
});

test('every file of protos/ is there, whole and after all it imports', () => {
  const files = fileDescriptorProtos.map((file) => fromBinary(FileDescriptorProtoSchema, file));
  const registry = createFileRegistry({ $typeName: FileDescriptorSetSchema.typeName, file: files });
  expect([...registry.files].length).toBe(fileDescriptorProtos.length);
});
