// Writes docs/reference/config.md from the schema of the configuration; a test asserts that the page is current.
import { writeFileSync } from 'node:fs';
import { configReference } from '../src/config.ts';

writeFileSync(new URL('../docs/reference/config.md', import.meta.url), configReference());
