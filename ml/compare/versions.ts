/** What became different from one version of a series model to another. */
import type { ColumnStats, DriftBins, MemberRecord } from '../series/member.ts'
import { trainingDivergence } from './histograms.ts'

export interface Change<T> {
  readonly from: T
  readonly to: T
}

/** `to` less `from`. */
export interface Delta extends Change<number> {
  readonly delta: number
}

export const deltaOf = (from: number, to: number): Delta => ({ from, to, delta: to - from })

export interface ColumnChange {
  readonly mean: Delta
  readonly std: Delta
  readonly min: Delta
  readonly max: Delta
  /** At QUANTILES. */
  readonly quantiles: readonly Delta[]
  /** Of the training values, in nats. */
  readonly kl: number
}

/** What is compared of a version; all by column. */
export interface TrainedOn {
  readonly stats: Readonly<Record<string, ColumnStats>>
  readonly driftBins: Readonly<Record<string, DriftBins>>
}

const own = <T>(record: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

/** By column both versions know, in ascending order. */
export const statsChanges = (from: TrainedOn, to: TrainedOn): Readonly<Record<string, ColumnChange>> =>
  Object.fromEntries(
    Object.keys(from.stats)
      .sort()
      .flatMap((column): [string, ColumnChange][] => {
        const [a, b] = [own(from.stats, column), own(to.stats, column)]
        const [binsA, binsB] = [own(from.driftBins, column), own(to.driftBins, column)]
        if (!a || !b || !binsA || !binsB) return []
        const change = {
          mean: deltaOf(a.mean, b.mean),
          std: deltaOf(a.std, b.std),
          min: deltaOf(a.min, b.min),
          max: deltaOf(a.max, b.max),
          quantiles: a.quantiles.map((quantile, i) => deltaOf(quantile, b.quantiles[i] as number)),
          kl: trainingDivergence(binsA, binsB),
        }
        return [[column, change]]
      }),
  )

/** A part of what a member was asked to be; null: it has none of that name. */
export interface FieldChange extends Change<string | number | readonly string[] | null> {
  /** `family`, `channels`, or e.g. `params.k`. */
  readonly field: string
}

export interface MemberChange {
  readonly name: string
  readonly change: 'same' | 'changed' | 'added' | 'removed'
  /** Null: added. */
  readonly from: MemberRecord | null
  /** Null: removed. */
  readonly to: MemberRecord | null
  /** What was asked for differently; what was learnt is in `from` and `to`. */
  readonly fields: readonly FieldChange[]
}

const fieldChanges = (from: MemberRecord, to: MemberRecord): FieldChange[] => {
  const fields: FieldChange[] = []
  if (from.family !== to.family) fields.push({ field: 'family', from: from.family, to: to.family })
  if (from.channels.join() !== to.channels.join())
    fields.push({ field: 'channels', from: from.channels, to: to.channels })
  const params = [...new Set([...Object.keys(from.params), ...Object.keys(to.params)])].sort()
  for (const param of params) {
    const change = { from: own(from.params, param) ?? null, to: own(to.params, param) ?? null }
    if (change.from !== change.to) fields.push({ field: `params.${param}`, ...change })
  }
  return fields
}

/** In the order of `from`, then what was added in the order of `to`. */
export const memberChanges = (
  from: readonly MemberRecord[],
  to: readonly MemberRecord[],
): readonly MemberChange[] => {
  const before = new Map(from.map((member) => [member.name, member]))
  const after = new Map(to.map((member) => [member.name, member]))
  return [
    ...from.map((member): MemberChange => {
      const { name } = member
      const other = after.get(name)
      if (!other) return { name, change: 'removed', from: member, to: null, fields: [] }
      const fields = fieldChanges(member, other)
      return { name, change: fields.length > 0 ? 'changed' : 'same', from: member, to: other, fields }
    }),
    ...to
      .filter(({ name }) => !before.has(name))
      .map((member): MemberChange => ({
        name: member.name,
        change: 'added',
        from: null,
        to: member,
        fields: [],
      })),
  ]
}
