/** The section `tracing`: where spans go. With no endpoint nothing is traced. */
import { z } from 'zod';
import { says } from './says.ts';
import { share } from './units.ts';

/** As OpenTelemetry's own variables have it, where nobody says more (src/config/layers.ts). */
export const tracingSchema = z.strictObject({
  endpoint: z
    .url({ protocol: /^https?$/, error: 'is no http URL; write one such as "http://127.0.0.1:4318/v1/traces"' })
    .nullable()
    .default(null)
    .register(says, {
      meaning:
        'Where an OpenTelemetry collector takes spans, by OTLP over HTTP in protobuf. Headers for it, such as credentials, go by OTEL_EXPORTER_OTLP_HEADERS.',
      byDefault:
        'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, or OTEL_EXPORTER_OTLP_ENDPOINT with `/v1/traces`; without them none: nothing is traced',
    }),
  sampledShare: share().prefault(1).register(says, {
    meaning: 'The share of jobs whose trace is kept, where their caller has not decided it: from 0 to 1.',
    byDefault: '1',
  }),
  name: z.string().min(1, 'is empty; give it a name').default('stationgrid').register(says, {
    meaning: 'What this farm is called among what is traced (`service.name`).',
    byDefault: 'OTEL_SERVICE_NAME, or stationgrid',
  }),
});
