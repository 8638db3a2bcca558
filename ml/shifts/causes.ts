/**
 * Which children a change of their parent comes from (ads-domain, root causes). A sum changes by the sum of what
 * its parts change by; a ratio R = sum of numerators / sum of denominators changes by nearly the sum of what each
 * child does to it: R minus R with that child as expected.
 */

/** A child over the days of the change. Additive figures have denominators of 0. */
export interface ChildFigures {
  readonly numerator: number
  readonly expectedNumerator: number
  readonly denominator: number
  readonly expectedDenominator: number
}

const sumOf = (children: readonly ChildFigures[], value: (child: ChildFigures) => number): number =>
  children.reduce((sum, child) => sum + value(child), 0)

/**
 * What each child does to the figure of all, in its unit.
 * @param additive whether the figure is the sum of the numerators; otherwise numerators / denominators
 */
export const effectsOf = (children: readonly ChildFigures[], additive: boolean): number[] => {
  if (additive) return children.map((child) => child.numerator - child.expectedNumerator)
  const numerator = sumOf(children, (child) => child.numerator)
  const denominator = sumOf(children, (child) => child.denominator)
  return children.map((child) => {
    const without =
      (numerator - child.numerator + child.expectedNumerator) /
      (denominator - child.denominator + child.expectedDenominator)
    const effect = numerator / denominator - without
    // Without a lead in all, or in all others, a cost per lead has no value: nothing can be told apart.
    return Number.isFinite(effect) ? effect : 0
  })
}

/** Effects as shares of their sum; all 0 when they cancel out. */
export const sharesOf = (effects: readonly number[]): number[] => {
  const sum = effects.reduce((total, effect) => total + effect, 0)
  return effects.map((effect) => (sum === 0 ? 0 : effect / sum))
}
