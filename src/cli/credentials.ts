/** What a command shows the farm of who calls. A token comes from a file or the environment, never from the command line. */
import { readFileSync, statSync } from 'node:fs';
import { type ChannelCredentials, credentials, Metadata } from '@grpc/grpc-js';
import { isOpenToOthers, modeText } from '../core/file-mode.ts';
import { EXIT } from './exit-codes.ts';
import { Failure } from './failure.ts';

export type CredentialOptions = {
  readonly tls?: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly tokenFile?: string;
};

export type ShownByUs = { readonly channel: ChannelCredentials; readonly metadata: () => Metadata };

/** Null: not given. */
export type CredentialFiles = {
  readonly ca: Buffer | null;
  readonly cert: Buffer | null;
  readonly key: Buffer | null;
  readonly token: string | null;
};

/** @throws Failure for a file that cannot be read, or that others can read too. */
export const readCredentials = (options: Omit<CredentialOptions, 'tls'>): CredentialFiles => {
  const { ca, cert, key } = options;
  if ((cert === undefined) !== (key === undefined))
    throw new Failure(EXIT.usage, 'one of --cert and --key is missing', 'Give both, or none of them.');
  return { ca: read(ca), cert: read(cert), key: readSecret(key), token: tokenOf(options) };
};

/** As `tls` and `https` of Node take them. */
export const tlsOptionsOf = ({ ca, cert, key }: Omit<CredentialFiles, 'token'>) => ({
  ...(ca === null ? {} : { ca }),
  ...(cert === null ? {} : { cert }),
  ...(key === null ? {} : { key }),
});

export const speaksTls = ({ tls = false, ca, cert }: CredentialOptions): boolean =>
  tls || ca !== undefined || cert !== undefined;

/** @throws Failure, as `readCredentials`. */
export const openCredentials = (options: CredentialOptions): ShownByUs => {
  const { ca, cert, key, token } = readCredentials(options);
  return {
    channel: speaksTls(options) ? credentials.createSsl(ca, key, cert) : credentials.createInsecure(),
    metadata: () => {
      const metadata = new Metadata();
      if (token !== null) metadata.set('authorization', `Bearer ${token}`);
      return metadata;
    },
  };
};

const tokenOf = ({ tokenFile }: CredentialOptions): string | null => {
  const token = tokenFile === undefined ? process.env['STATIONGRID_TOKEN'] : readSecret(tokenFile)?.toString('utf8');
  const text = token?.trim() ?? '';
  return text === '' ? null : text;
};

const read = (path: string | undefined): Buffer | null => {
  if (path === undefined) return null;
  try {
    return readFileSync(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Failure(EXIT.usage, `cannot read ${path}: ${why}`, 'Check the path.');
  }
};

const readSecret = (path: string | undefined): Buffer | null => {
  const bytes = read(path);
  if (path === undefined || bytes === null) return null;
  const { mode, uid } = statSync(path);
  if (!isOpenToOthers({ mode, uid }, process.getuid?.() ?? null)) return bytes;
  throw new Failure(EXIT.usage, `others may read ${path} (mode ${modeText(mode)})`, `Run: chmod 600 ${path}`);
};
