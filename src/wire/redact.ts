/**
 * Registration codes must never be seen beside a serial number, so no log, page or export shows them (S-PRIV-1).
 * Everything that is shown and came from a shopfloor or a device passes through here.
 */

/** The last dotted part of a key whose value is secret: `vpd.rw.ubind_attribute` is one. */
const SECRET_NAMES: ReadonlySet<string> = new Set([
  'ubind_attribute',
  'gbind_attribute',
  'stable_device_secret_DO_NOT_SHARE',
]);

/** The two forms of a registration code, wherever they stand: 72 hex characters, or `=` and base64url. */
const REGISTRATION_CODE = /(?<![\w])[0-9a-f]{72}(?!\w)|(?<![\w=])=[\w-]{40,}={0,2}/g;

/** A secret member as a text tells of one: in JSON, in what Python prints, in a setting. What was redacted before stays so. */
const SECRET_MEMBER = new RegExp(
  String.raw`((?:${[...SECRET_NAMES].join('|')})\\?["']?\s*[:=]\s*\\?["']?)(?!<redacted|null\b|None\b)([^"'\\\s,}\]{[]+)`,
  'g',
);

/** Values nested deeper than this are not shown at all, which also ends a cycle. */
const REDACT_DEPTH_MAX = 32;

/** A copy of any value, safe to show: secret members and registration codes are replaced at any depth. */
export function redact(value: unknown): unknown {
  return redactAt(value, 0);
}

/** The same of a value whose shape has no place for secret members: its texts are freed of codes, its shape stays. */
export function toRedacted<T>(value: T): T {
  return redact(value) as T;
}

/** A text, safe to show: a partner's fault may quote what it was sent. */
export function redactText(text: string): string {
  return text
    .replace(SECRET_MEMBER, (_all, before: string, value: string) => before + redacted(value))
    .replace(REGISTRATION_CODE, redacted);
}

/** A value, safe to show, of what has this name. */
export function redactNamed(name: string, value: unknown): unknown {
  return isSecret(name) ? hide(value) : redact(value);
}

function redactAt(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= REDACT_DEPTH_MAX) return '<nested too deep to show>';
  if (value instanceof Date) return value;
  if (value instanceof Uint8Array) return `<${value.byteLength} bytes>`;
  if (Array.isArray(value)) return value.map((member: unknown) => redactAt(member, depth + 1));
  const shown = Object.entries(value).map(([key, member]: [string, unknown]) => [
    key,
    isSecret(key) ? hide(member) : redactAt(member, depth + 1),
  ]);
  // `fromEntries` defines its members, so one named `__proto__` stays a member.
  return Object.fromEntries(shown);
}

function isSecret(key: string): boolean {
  return SECRET_NAMES.has(key.slice(key.lastIndexOf('.') + 1));
}

function hide(value: unknown): unknown {
  if (value === null || value === undefined) return value;
  return typeof value === 'string' ? redacted(value) : '<redacted>';
}

function redacted(text: string): string {
  return `<redacted ${text.length} chars>`;
}

const REDACTED = /<redacted(?: \d+ chars)?>/;

/** Whether something was taken out of it, at any depth. */
export function isRedacted(value: unknown): boolean {
  return REDACTED.test(JSON.stringify(value));
}
