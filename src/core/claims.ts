/**
 * What the bots of an instance may say of themselves. What a bot declares decides which work, and which DUT's work, it is
 * given; where that must not be left to the bot, the line's configuration pins it.
 */
import { bareKey, type Properties } from './match.ts';
import { matchesPattern } from './pattern.ts';

export type ClaimRule = {
  /** For the bots whose id fits this pattern. */
  readonly bots: string;
  /** The key of a property, with or without `label:`; serials are properties too. */
  readonly property: string;
  /** Patterns of the values that they may declare under it; none: they may not declare it. */
  readonly values: readonly string[];
};

export type Claim = { readonly property: string; readonly value: string };

/**
 * The first claim that the bot may not make; null: it may make them all. A property that no rule names is anybody's to
 * declare. Of one that a rule names, the first rule that fits the bot decides, and a bot that none fits may not have it:
 * under another bot_id there is no way around a pin.
 */
export const claimNotAllowed = (
  rules: readonly ClaimRule[],
  bot: { readonly botId: string; readonly properties: Properties },
): Claim | null => {
  for (const property of new Set(rules.map((rule) => bareKey(rule.property)))) {
    const declared = bot.properties.get(property);
    if (declared === undefined) continue;
    const values = valuesFor(rules, property, bot.botId);
    const value = [...declared].find((each) => !values.some((pattern) => matchesPattern(pattern, each)));
    if (value !== undefined) return { property, value };
  }
  return null;
};

const valuesFor = (rules: readonly ClaimRule[], property: string, botId: string): readonly string[] =>
  rules.find((rule) => bareKey(rule.property) === property && matchesPattern(rule.bots, botId))?.values ?? [];
