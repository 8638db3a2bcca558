/** What the families of members take, with defaults and bounds (series-service section 3). */
import type { SeriesFamily } from './member.ts'

interface Param {
  readonly fallback: number
  readonly min: number
  readonly max: number
  readonly whole: boolean
}

const whole = (fallback: number, min: number, max: number): Param => ({ fallback, min, max, whole: true })
const real = (fallback: number, min: number, max: number): Param => ({ fallback, min, max, whole: false })

export const FAMILY_PARAMS: Readonly<Record<SeriesFamily, Readonly<Record<string, Param>>>> = {
  zscore: { k: real(3, 0.01, 1000) },
  isolation_forest: {
    n_estimators: whole(100, 1, 1000),
    max_samples: whole(256, 2, 100_000),
    contamination: real(0.01, 0.0001, 0.5),
    random_state: whole(42, 0, 4_294_967_295),
    window: whole(12, 1, 1000),
  },
  autoencoder: {
    window: whole(32, 1, 512),
    epochs: whole(20, 1, 200),
    batch_size: whole(64, 1, 4096),
    learning_rate: real(1e-3, 1e-6, 1),
    max_windows: whole(4096, 16, 16_384),
    seed: whole(42, 0, 4_294_967_295),
    contamination: real(0.01, 0.0001, 0.5),
  },
}

/** Every parameter of a family, or what is wrong with those given. */
export const resolveParams = (
  family: SeriesFamily,
  given: Readonly<Record<string, unknown>>,
): { readonly params: Readonly<Record<string, number>> } | { readonly problem: string } => {
  const known = FAMILY_PARAMS[family]
  for (const [name, value] of Object.entries(given)) {
    const param = Object.hasOwn(known, name) ? known[name] : undefined
    if (!param)
      return {
        problem: `${family} has no parameter ${JSON.stringify(name.slice(0, 40))}; it takes ${Object.keys(known).join(', ')}`,
      }
    const fits =
      typeof value === 'number' &&
      value >= param.min &&
      value <= param.max &&
      (!param.whole || Number.isInteger(value))
    if (!fits) {
      const kind = param.whole ? 'a whole number' : 'a number'
      return { problem: `${family}.${name} is ${kind} from ${param.min} to ${param.max}` }
    }
  }
  const params = Object.fromEntries(
    Object.entries(known).map(([name, { fallback }]) => [
      name,
      (given[name] as number | undefined) ?? fallback,
    ]),
  )
  return { params }
}
