// Writes docs/reference/metrics.md from the table of the metrics; a test asserts that the page is current.
import { writeFileSync } from 'node:fs';
import { metricsReference } from '../src/metrics/reference.ts';

writeFileSync(new URL('../docs/reference/metrics.md', import.meta.url), metricsReference());
