/** The levels of an account, from the leaves up: the order in which they are judged. */
export const LEVELS_UP = ['ad', 'adset', 'campaign'] as const
export type Level = (typeof LEVELS_UP)[number]
