/** How much the registry holds, and how trainings of series went lately: a few counts, asked now and then. */

export interface RegistryFigures {
  /** Series with at least one version. */
  readonly seriesTrained: number
  /** Versions by state, series and entities alike. */
  readonly versions: Readonly<Record<string, number>>
  /** Series by how far they drifted. */
  readonly drifting: Readonly<Record<'warn' | 'alert', number>>
  /** Of versions of series trained in the last five minutes; null when there is none. */
  readonly training: { readonly averageMs: number | null; readonly p95Ms: number | null }
}

export type ReadFigures = () => Promise<RegistryFigures>

const REMEMBER_MS = 15_000

/**
 * Asks the store at most every 15 s, however many look.
 * @param now milliseconds, ascending
 */
export const rememberFigures = (read: ReadFigures, now: () => number): ReadFigures => {
  let known: { readonly until: number; readonly figures: Promise<RegistryFigures> } | undefined
  return () => {
    if (known && known.until > now()) return known.figures
    const figures = read()
    const asked = { until: now() + REMEMBER_MS, figures }
    known = asked
    // What failed is asked again.
    figures.catch(() => {
      if (known === asked) known = undefined
    })
    return figures
  }
}
