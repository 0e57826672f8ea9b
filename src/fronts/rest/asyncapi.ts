/** What may be heard of the farm, as AsyncAPI 3.0 describes it: made of the declarations of farm events and of their shapes. */
import { type Json, type Schemas, schemasInto } from './json-schema.ts';
import { eventSays, eventWatched, FARM_EVENT_KINDS } from './shapes/event.ts';

const preface = {
  asyncapi: '3.0.0',
  info: {
    title: 'StationGrid, farm events',
    version: 'v1',
    description:
      'Committed facts of a farm, each told once and in an order that can be resumed. New kinds and members may be added: ' +
      'ignore those that you do not know.',
    license: { name: 'Apache-2.0' },
  },
  defaultContentType: 'application/json',
};

const EVENTS = 'events';

export const asyncApi = (): Json => {
  const schemas: Schemas = new Map();
  const watched = schemasInto(schemas, eventWatched, 'output');
  return {
    ...preface,
    channels: {
      [EVENTS]: {
        address: '/api/v1/instances/{instance}/events',
        title: 'What happens in an instance',
        description:
          'By GET, as Server-Sent Events or as lines of JSON. Resumed by the header Last-Event-ID, or by `?cursor=`. ' +
          'Narrowed by `?kind=`, `?jobId=`, `?botId=` and `?deviceId=`.',
        parameters: { instance: { description: 'The empty instance is written `-`.' } },
        messages: Object.fromEntries(FARM_EVENT_KINDS.map((kind) => [kind, { $ref: `#/components/messages/${kind}` }])),
        bindings: { http: {} },
      },
    },
    operations: {
      tellEvents: {
        action: 'send',
        channel: { $ref: `#/channels/${EVENTS}` },
        summary: 'The farm tells what has happened.',
        bindings: { http: { method: 'GET', bindingVersion: '0.3.0' } },
      },
    },
    components: {
      messages: Object.fromEntries(FARM_EVENT_KINDS.map((kind) => [kind, messageOf(kind, watched)])),
      schemas: Object.fromEntries(schemas),
    },
  };
};

const messageOf = (kind: (typeof FARM_EVENT_KINDS)[number], watched: Json): Json => ({
  name: kind,
  title: kind,
  summary: eventSays[kind],
  contentType: 'application/json',
  payload: { allOf: [watched, { properties: { event: { properties: { kind: { const: kind } } } } }] },
});
