/** Holds what the HTTP door takes and gives against its own description, in OpenAPI, of itself. */
import ajvFormats from 'ajv-formats';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

type Operation = {
  readonly operationId: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>;
};
export type OpenApi = { readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> };

export type Exchange = {
  readonly method: string;
  readonly path: string;
  /** As it was sent; empty: nothing was. */
  readonly sent: string;
  readonly status: number;
  readonly type: string;
  readonly text: string;
};

export type HeldDoor = {
  /** What is not as described, in words; of what is not served nothing is described. */
  readonly wrongIn: (exchange: Exchange) => readonly string[];
  /** Operations that were answered well so far. */
  readonly answered: ReadonlySet<string>;
};

export const holdTo = (document: OpenApi): HeldDoor => {
  const ajv = new Ajv2020({ strict: false, allErrors: true, logger: false });
  ajvFormats.default(ajv);
  ajv.addSchema(closed(document) as object, 'openapi');
  const known = new Map<string, ValidateFunction>();
  const schemaAt = (...steps: readonly string[]): ValidateFunction => {
    const pointer = steps.map((step) => step.replaceAll('~', '~0').replaceAll('/', '~1')).map(encodeURIComponent);
    const ref = `openapi#/${pointer.join('/')}`;
    const validate = known.get(ref) ?? ajv.compile({ $ref: ref });
    known.set(ref, validate);
    return validate;
  };
  const unlike = (value: unknown, what: string, validate: ValidateFunction): readonly string[] =>
    validate(value) ? [] : [`${what}: ${ajv.errorsText(validate.errors)}: ${JSON.stringify(value).slice(0, 500)}`];
  const answered = new Set<string>();

  const wrongIn = ({ method, path, sent, status, type, text }: Exchange): readonly string[] => {
    const [bare = '', query = ''] = path.split('?');
    const template = Object.keys(document.paths).find((each) => fits(each, bare));
    const operation = template === undefined ? undefined : document.paths[template]?.[method.toLowerCase()];
    if (template === undefined || operation === undefined)
      return status < 400 ? [`${method} ${path} is not told of`] : [];
    const media = type.replace(/;.*/, '');
    if (status >= 400) {
      return media === 'application/problem+json'
        ? unlike(JSON.parse(text), `${operation.operationId} ${status}`, schemaAt('components', 'schemas', 'Problem'))
        : [`${operation.operationId} was refused as ${media}`];
    }
    const at = ['paths', template, method.toLowerCase()];
    const said = operation.responses[status];
    if (said === undefined) return [`${operation.operationId} answered ${status}, which is not told of`];
    answered.add(operation.operationId);
    const names = new Set(operation.parameters?.map(({ name }) => name));
    const strays = [...new URLSearchParams(query).keys()].filter((name) => !names.has(name));
    return [
      ...strays.map((name) => `${operation.operationId} took ?${name}, which is not told of`),
      ...(sent === '' || method === 'GET' || method === 'DELETE'
        ? []
        : operation.requestBody === undefined
          ? [`${operation.operationId} took a body, which is not told of`]
          : operation.requestBody.content['application/json'] === undefined
            ? []
            : unlike(
                JSON.parse(sent),
                `the body of ${operation.operationId}`,
                schemaAt(...at, 'requestBody', 'content', 'application/json', 'schema'),
              )),
      ...(said.content === undefined
        ? text === ''
          ? []
          : [`${operation.operationId} answered with a body, which is not told of`]
        : said.content[media] === undefined
          ? [`${operation.operationId} answered as ${media}, which is not told of`]
          : piecesOf(media, text).flatMap((piece) =>
              unlike(
                piece,
                operation.operationId,
                schemaAt(...at, 'responses', String(status), 'content', media, 'schema'),
              ),
            )),
    ];
  };
  return { wrongIn, answered };
};

const fits = (template: string, path: string): boolean => {
  const [wanted, given] = [template.split('/'), path.split('/')];
  return (
    wanted.length === given.length &&
    wanted.every((part, index) => (part.startsWith('{') ? given[index] !== '' : part === given[index]))
  );
};

/** Of a stream each of its lines. */
const piecesOf = (media: string, text: string): readonly unknown[] => {
  if (media === 'application/json') return [JSON.parse(text)];
  if (media !== 'application/x-ndjson') return [text];
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): unknown => JSON.parse(line));
};

/** Replies may gain members for those who read them, but not for us: what is not told of is found here. */
const closed = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return 'properties' in inner && inner['type'] === 'object' ? { additionalProperties: false, ...inner } : inner;
};
