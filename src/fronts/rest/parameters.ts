/** /api/v1/instances/{instance}/parameters: files that DUTs are given by name at the factory door, in versions. */
import type { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { parameterPath } from '../../core/parameter.ts';
import { invalid, Refusal } from '../../core/refusal.ts';
import { activateParameter, rollBackParameter } from '../../farm/activate-parameter.ts';
import type { Farm } from '../../farm/farm.ts';
import { getParameter } from '../../farm/get-parameter.ts';
import { listParameters } from '../../farm/list-parameters.ts';
import { type OpenShelf, shelfOf } from '../../farm/parameter-shelf.ts';
import { uploadParameter } from '../../farm/upload-parameter.ts';
import type { Depot } from '../../uploads/depot.ts';
import { diskRefusal } from '../../uploads/disk.ts';
import type { Received } from '../../uploads/received.ts';
import { asks, callerOf } from './admit-requests.ts';
import { instanceOf, pageQuery, readBody, readQuery, reasonBody } from './read.ts';
import { json, madeOrThere, type Shape } from './shape.ts';
import { parameter, parameterPage, versionMade } from './shapes/parameter.ts';

/** The folder behind the factory door of this replica. */
export type ParameterDepot = OpenShelf & { readonly instance: string; readonly depot: Depot };

const listQuery = z.strictObject(pageQuery);
const uploadQuery = z.strictObject({
  note: z.string().default(''),
  /** In hex: what the client says that it sends. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable()
    .default(null),
});
const activateBody = reasonBody.extend({ version: z.int().min(1) });

const OCTETS = 'application/octet-stream';
const lists: Shape = {
  says: 'Lists what DUTs are given by name, by path.',
  query: listQuery,
  gives: json(parameterPage),
};
const shows: Shape = { says: 'Shows the versions of one, and which was active when.', gives: json(parameter) };
const uploads: Shape = {
  says: 'Keeps a content as a new version. DUTs are given it when it is activated.',
  query: uploadQuery,
  takes: OCTETS,
  gives: madeOrThere(versionMade),
};
const activates: Shape = {
  says: 'Gives DUTs this version from now on.',
  body: activateBody,
  gives: json(parameter),
};
const rollsBack: Shape = {
  says: 'Gives DUTs again what they were given before.',
  body: reasonBody,
  gives: json(parameter),
};

/** A path of several parts stands escaped, as one part of the URL. */
type Params = { readonly instance: string; readonly path: string };

const ofPath = ({ path = '' }: Readonly<Record<string, string>>): string => `parameter ${path}`;
const ofVersion = (params: Readonly<Record<string, string>>, body: unknown): string => {
  const asked = activateBody.safeParse(body);
  return asked.success ? `${ofPath(params)} version ${asked.data.version}` : ofPath(params);
};

/** @param open null: this replica has no factory door. */
export const addParameters = (app: FastifyInstance, farm: Farm, open: ParameterDepot | null): void => {
  // The content of a version, as it is; it is read only when it is known who sends it.
  app.addContentTypeParser(OCTETS, (_request, payload, done) => {
    done(null, payload);
  });
  const at = (params: { readonly instance: string }): ParameterDepot => shelfOf(open, instanceOf(params));

  app.get<{ Params: Params }>('/parameters', asks('list-parameters', lists), ({ params, query }) =>
    onDisk(listParameters(farm, at(params).shelf, readQuery(listQuery, query))),
  );
  app.get<{ Params: Params }>('/parameters/:path', asks('get-parameter', shows, ofPath), ({ params }) =>
    onDisk(getParameter(farm, at(params).shelf, params.path)),
  );
  app.post<{ Params: Params }>(
    '/parameters/:path/versions',
    asks('upload-parameter', uploads, ofPath),
    async (request, reply) => {
      const { params, query, body } = request;
      const { depot, shelf, instance } = at(params);
      const { note, sha256 } = readQuery(uploadQuery, query);
      // Before its content comes, which may take long.
      const path = parameterPath(params.path);
      const received = await onDisk(takeIn(depot, toContent(body), farm.limits.parameters.fileBytesMax));
      try {
        checkHash(received, sha256);
        const content = { sha256: received.sha256, bytes: received.bytes };
        const by = callerOf(request);
        const made = await onDisk(
          uploadParameter(farm, shelf, { ...content, instance, path, note, by }, () => depot.parameters.keep(received)),
        );
        return await reply.status(made.isNew ? 201 : 200).send({ path, version: made.version, ...content });
      } finally {
        await received.discard();
      }
    },
  );
  app.post<{ Params: Params }>(
    '/parameters/:path/activate',
    asks('activate-parameter', activates, ofVersion),
    async (request) => {
      const { params, body } = request;
      const { shelf, instance } = at(params);
      const change = { ...readBody(activateBody, body), instance, path: params.path, by: callerOf(request) };
      await onDisk(activateParameter(farm, shelf, change));
      return getParameter(farm, shelf, params.path);
    },
  );
  app.post<{ Params: Params }>(
    '/parameters/:path/roll-back',
    asks('roll-back-parameter', rollsBack, ofPath),
    async (request) => {
      const { params, body } = request;
      const { shelf, instance } = at(params);
      const change = { ...readBody(reasonBody, body), instance, path: params.path, by: callerOf(request) };
      await onDisk(rollBackParameter(farm, shelf, change));
      return getParameter(farm, shelf, params.path);
    },
  );
};

/** @throws Refusal for what the disk says. */
const onDisk = <T>(work: Promise<T>): Promise<T> =>
  work.catch((error: unknown) => {
    throw diskRefusal(error) ?? error;
  });

const takeIn = async (depot: Depot, content: Readable, bytesMax: number): Promise<Received> => {
  const receiving = depot.receive();
  try {
    let bytes = 0;
    // Left as it is where it is refused: whoever sends it is to hear why.
    for await (const piece of content.iterator({ destroyOnReturn: false })) {
      bytes += toBytes(piece).length;
      if (bytes > bytesMax)
        throw invalid(
          'PARAMETER_TOO_LARGE',
          `The content has more than ${bytesMax} bytes, which is limits.parameters.fileBytesMax. DUTs fetch larger files from resources.`,
        );
      receiving.write(toBytes(piece));
      await receiving.drain();
    }
    return await receiving.end();
  } catch (error) {
    await receiving.discard();
    if (error instanceof Refusal || content.errored === null) throw error;
    throw invalid('PARAMETER_CUT_OFF', 'The connection broke before all of the content had come. Send it again.');
  }
};

const checkHash = ({ sha256, bytes }: Received, said: string | null): void => {
  if (said === null || said === sha256) return;
  const words = `What came has ${bytes} bytes and the SHA-256 ${sha256}, not ${said}. Nothing was kept: send it again.`;
  throw invalid('PARAMETER_GARBLED', words);
};

/** JSON is parsed by now, and any other type was refused. @throws Refusal INVALID. */
function toContent(body: unknown): Readable {
  if (typeof body === 'object' && body !== null && Symbol.asyncIterator in body) return body as Readable;
  const words = 'The content of a version is the body as it is: send it with `content-type: application/octet-stream`.';
  throw invalid('BAD_BODY', words);
}

/** A request without an encoding yields bytes. */
function toBytes(piece: unknown): Uint8Array {
  return piece as Uint8Array;
}
