import { createHash, randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isSecretOf, newBotToken, parseBotToken, tokenState } from '../../src/core/bot-token.ts';

describe('a new token', () => {
  it('is its id and 256 bits of secret, of which only the hash is to be kept', () => {
    const { id, text, secretSha256 } = newBotToken(randomUUID);
    expect(text).toMatch(/^sgbot_[0-9a-f]{32}_[\w-]{43}$/);
    const presented = parseBotToken(text)!;
    expect(presented.id).toBe(id);
    expect(Buffer.from(presented.secret, 'base64url')).toHaveLength(32);
    expect(secretSha256).toEqual(createHash('sha256').update(presented.secret).digest());
  });

  it('shares its secret with no other, and its hash opens to no other secret', () => {
    const [one, other] = [newBotToken(randomUUID), newBotToken(randomUUID)];
    const secretOf = ({ text }: { text: string }) => parseBotToken(text)!.secret;
    expect(secretOf(one)).not.toBe(secretOf(other));
    expect(isSecretOf(secretOf(one), one.secretSha256)).toBe(true);
    expect(isSecretOf(secretOf(other), one.secretSha256)).toBe(false);
  });
});

const ID = '0'.repeat(32);
const SECRET = 'A'.repeat(43);

it.for([
  ['another mark', `sgbod_${ID}_${SECRET}`],
  ['a short id', `sgbot_${ID.slice(1)}_${SECRET}`],
  ['an id in capitals', `sgbot_${'A'.repeat(32)}_${SECRET}`],
  ['a short secret', `sgbot_${ID}_${SECRET.slice(1)}`],
  ['a long secret', `sgbot_${ID}_${SECRET}A`],
  ['letters of the other base64', `sgbot_${ID}_${SECRET.slice(1)}+`],
  ['a line after it', `sgbot_${ID}_${SECRET}\n`],
  ['nothing', ''],
])('reads no token in %s', ([, text]) => {
  expect(parseBotToken(text!)).toBeNull();
});

it.for([
  [null, 1, 'VALID'],
  [null, 0, 'EXPIRED'],
  [new Date(0), 1, 'REVOKED'],
  [new Date(0), -1, 'REVOKED'],
] as const)('revoked at %s with %s ms left is %s', ([revokedAt, expiresInMs, state]) => {
  expect(tokenState({ revokedAt, expiresInMs })).toBe(state);
});
