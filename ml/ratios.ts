/**
 * The ratios marketers read, always from sums and never averaged (ads-domain section 1).
 * NaN stands for null: the denominator is 0.
 */
const ratio = (numerator: number, denominator: number): number =>
  denominator === 0 ? Number.NaN : numerator / denominator

/** Percent of impressions that were clicked. */
export const ctrOf = (clicks: number, impressions: number): number => ratio(100 * clicks, impressions)

/** Cost of 1,000 impressions. */
export const cpmOf = (spend: number, impressions: number): number => ratio(1000 * spend, impressions)

/** Cost of a click. */
export const cpcOf = (spend: number, clicks: number): number => ratio(spend, clicks)

/** Percent of clicks that became leads. */
export const conversionRateOf = (leads: number, clicks: number): number => ratio(100 * leads, clicks)

/** Cost of a lead. */
export const cplOf = (spend: number, leads: number): number => ratio(spend, leads)

/** How often one person saw it. NaN also when reach is unknown (NaN). */
export const frequencyOf = (impressions: number, reach: number): number => ratio(impressions, reach)

/**
 * The decimal a quotient stands for. Divided in binary, 4.2 / 6 is a hair above 0.7 and 100 * (16.8 - 14) / 14 a hair
 * above 20: limits are compared with this, so that what meets one exactly does not miss it. 12 digits are far more
 * than sums of cents hold.
 */
export const asDecimal = (quotient: number): number => Number(quotient.toPrecision(12))
