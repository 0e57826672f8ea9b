/** The files of `tls`: would the farm take them, and would bots? */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { isOpenToOthers, modeText } from '../../core/file-mode.ts';
import { certificatesIn, type TlsPaths } from '../../listen/tls-files.ts';
import { type Check, fail, type Finding, ok, skipped, warn, wordsOf } from './check.ts';
import { isCalledFromAfar, type Site } from './site.ts';

const DAY_MS = 86_400_000;
/** Authorities that renew by themselves do so earlier. */
const EXPIRES_SOON_DAYS = 14;

export const certificateChecks = (site: Site): readonly Check[] => {
  const { tls } = site.config;
  if (tls === null || tls === 'terminated-by-proxy') {
    const saw =
      tls === null ? 'the doors are plain' : 'the proxy does it: `--server` with --tls or --ca looks from outside';
    return [{ ...aboutChain, id: 'tls', run: () => skipped(saw) }];
  }
  return [
    { ...aboutKey, id: 'tls.key', run: () => judgeKey(tls) },
    { ...aboutChain, id: 'tls.chain', run: () => judgeChain(tls.certificate) },
    { ...aboutNames, id: 'tls.names', run: () => judgeNames(ownOf(tls), site) },
    { ...aboutExpiry, id: 'tls.expiry', run: () => judgeExpiry(ownOf(tls), site.clock.now()) },
    { ...aboutAuthorities, id: 'tls.authorities', run: () => judgeAuthorities(tls, site.clock.now()) },
  ];
};

const aboutKey = {
  what: 'The key is private, can be read, and is the one of the certificate.',
  why: 'With a key that others can read anybody can be the farm; with another key no connection comes about.',
  mend: 'chmod 600 the key, give it to the user of the farm, and let `tls.certificate` and `tls.key` name one pair.',
};
const aboutChain = {
  what: "The certificate's file holds the farm's own first, and after it each one's issuer.",
  why: 'Bots know an authority only. What lies between must come from the farm, or some of them refuse to connect.',
  mend: 'Write the own certificate first, then the intermediate ones in order, into `tls.certificate`.',
};
export const aboutNames = {
  what: 'The certificate is for the names by which the farm is called.',
  why: 'A bot that calls a name which is not in it closes the connection.',
  mend: 'Have a certificate issued with each of these as a subject alternative name.',
};
export const aboutExpiry = {
  what: `The certificate holds for more than ${String(EXPIRES_SOON_DAYS)} days.`,
  why: 'Once it has ended no bot connects any more, and a farm that is started then does not start.',
  mend: 'Renew it; the farm takes the new files by itself. docs/how-to/rotate.md tells how.',
};
const aboutAuthorities = {
  what: 'The authorities of `tls.clientAuthorities` can be read and hold.',
  why: 'A bot whose certificate none of them vouches for gets no connection.',
  mend: 'Put the present authority into the file, beside the one before it while bots still show certificates of that.',
};

const judgeKey = ({ certificate, key }: TlsPaths): Finding => {
  try {
    const found = statSync(key);
    if (isOpenToOthers(found, process.getuid?.() ?? null))
      return fail(`others may read ${key} (mode ${modeText(found.mode)})`);
    const secret = createPrivateKey(readFileSync(key));
    const own = firstIn(certificate);
    if (own === null) return skipped('there is no certificate to compare it with');
    return own.checkPrivateKey(secret) ? ok(key) : fail(`${key} is the key of another certificate than ${certificate}`);
  } catch (error) {
    return fail(`${key}: ${wordsOf(error)}`);
  }
};

const judgeChain = (path: string): Finding => {
  const chain = certificatesIn(path, readFileSync(path, 'utf8'));
  for (const [at, issued] of chain.entries()) {
    const issuer = chain[at + 1];
    if (issuer === undefined) return ok(`${count(chain.length)}, the last issued by ${oneLine(issued.issuer)}`);
    if (!issued.checkIssued(issuer) || !issued.verify(issuer.publicKey))
      return fail(`certificate ${String(at + 2)} of ${path} did not issue the one before it`);
  }
  return fail(`${path} has no certificate`);
};

const judgeNames = (own: X509Certificate | null, { config: { doors }, way }: Site): Finding => {
  if (own === null) return skipped('there is no certificate that can be read');
  const hosts = [doors.grpc, doors.http, doors.ops, doors.factory].flatMap((door) =>
    door === null ? [] : [door.host],
  );
  const called = [...hosts, ...(way.by === 'named' ? [way.address.host] : [])].filter(isCalledFromAfar);
  const names = [...new Set([...doors.names, ...called])];
  if (names.length === 0)
    return skipped(
      `no name to look for: \`doors.names\` and --server say some. It is for ${own.subjectAltName ?? 'none'}`,
    );
  return namesFinding(own, names);
};

export const namesFinding = (certificate: X509Certificate, names: readonly string[]): Finding => {
  const missing = names.filter((name) => !isFor(certificate, name));
  return missing.length === 0
    ? ok(names.join(', '))
    : fail(`not for ${missing.join(', ')}, but for ${certificate.subjectAltName ?? 'nothing'}`);
};

const isFor = (certificate: X509Certificate, name: string): boolean =>
  (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined;

export const judgeExpiry = (own: X509Certificate | null, now: Date): Finding => {
  if (own === null) return skipped('there is no certificate that can be read');
  const [from, to] = [new Date(own.validFrom), new Date(own.validTo)];
  const saw = `valid from ${from.toISOString()} to ${to.toISOString()}`;
  if (from > now || to <= now) return fail(saw);
  return to.getTime() - now.getTime() < EXPIRES_SOON_DAYS * DAY_MS ? warn(saw) : ok(saw);
};

const judgeAuthorities = ({ clientAuthorities }: TlsPaths, now: Date): Finding => {
  if (clientAuthorities === null) return skipped('bots are not asked for certificates');
  const authorities = certificatesIn(clientAuthorities, readFileSync(clientAuthorities, 'utf8'));
  const living = authorities.filter(({ validTo }) => new Date(validTo) > now);
  const saw = `${String(living.length)} of ${count(authorities.length)} hold`;
  if (living.length === authorities.length) return ok(saw);
  return living.length === 0 ? fail(saw) : warn(saw);
};

const ownOf = ({ certificate }: TlsPaths): X509Certificate | null => firstIn(certificate);

/** Null: the check of the chain says why. */
const firstIn = (path: string): X509Certificate | null => {
  try {
    return certificatesIn(path, readFileSync(path, 'utf8'))[0] ?? null;
  } catch {
    return null;
  }
};

const count = (n: number): string => `${String(n)} certificate${n === 1 ? '' : 's'}`;

const oneLine = (name: string): string => name.replaceAll('\n', ', ');
