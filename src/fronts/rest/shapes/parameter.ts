/** Files that DUTs are given by name, as they are shown. */
import { z } from 'zod';
import type { ParameterState, ParameterVersion } from '../../../core/parameter.ts';
import { at, count, nextPageToken, number, type Words } from './words.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const path = z.string().describe('What DUTs call it.');
const state = z
  .enum({
    ACTIVE: 'ACTIVE',
    CHANGED: 'CHANGED',
    BY_HAND: 'BY_HAND',
    MISSING: 'MISSING',
    INACTIVE: 'INACTIVE',
  } satisfies Words<ParameterState>)
  .describe(
    'What DUTs are given. ACTIVE: the active version. CHANGED: what somebody put in its place by hand. BY_HAND: a file of ' +
      'which no version was ever active. MISSING: nothing, as the file was removed. INACTIVE: nothing yet.',
  );

const entry = z
  .strictObject({
    path,
    state,
    versions: count,
    bytes: count.nullable(),
    sha256: sha256.nullable(),
    activeVersion: number.nullable(),
    activatedAt: at.nullable(),
    activatedBy: z.string().nullable(),
  })
  .meta({ id: 'ParameterEntry', description: 'A file that DUTs are given by name.' });

export const parameterPage = z
  .strictObject({ parameters: z.array(entry), nextPageToken })
  .meta({ id: 'ParameterPage', description: 'By path.' });

const version = z
  .strictObject({
    version: number,
    sha256,
    bytes: count,
    origin: z
      .enum({ UPLOADED: 'UPLOADED', FOUND: 'FOUND' } satisfies Words<ParameterVersion['origin']>)
      .describe('FOUND: it lay there, put by hand, when another version took its place.'),
    note: z.string(),
    madeBy: z.string(),
    madeAt: at,
  })
  .meta({ id: 'ParameterVersion', description: 'A content, which never changes.' });

const activation = z
  .strictObject({ version: number, reason: z.string(), activatedBy: z.string(), activatedAt: at })
  .meta({ id: 'ParameterActivation', description: 'When a version became what DUTs are given, and why.' });

export const parameter = z
  .strictObject({
    path,
    state,
    activeVersion: number.nullable(),
    versions: z.array(version).describe('Newest first.'),
    activations: z.array(activation).describe('Newest first.'),
  })
  .meta({ id: 'Parameter', description: 'A file that DUTs are given by name, with its versions.' });

export const versionMade = z
  .strictObject({ path, version: number, sha256, bytes: count })
  .meta({ id: 'ParameterVersionMade', description: 'The version that has this content.' });
