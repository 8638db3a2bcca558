/** The table of forecasts: a line per entity, what its days add up to, largest spend first. */
import type { ForecastMetric, ForecastPointRow, ForecastRow } from '../../shared/forecasting/forecasts.ts'
import { figure } from '../../shared/detection/words.ts'
import { clip, printable } from '../../shared/core/columns.ts'
import { renderTable } from '../output.ts'
import type { Column } from '../output.ts'

const NAME_WIDTH = 34

/** What the days of a forecast add up to; a cost per lead is their mean. */
export interface ForecastTotal {
  readonly predicted: number
  readonly lower: number | null
  readonly upper: number | null
}

const sumOf = (
  points: readonly ForecastPointRow[],
  column: 'predicted' | 'lower' | 'upper',
  weightOf: (point: ForecastPointRow) => number,
): number | null => {
  let sum = 0
  for (const point of points) {
    const value = point[column]
    if (value === null) return null
    sum += value * weightOf(point)
  }
  return sum
}

/**
 * Sums of the days. The interval adds up the days' bounds as if all were off the same way: cautious, as errors
 * of neighbouring days are alike but not the same.
 */
const addedUp = (points: readonly ForecastPointRow[]): ForecastTotal | null => {
  const predicted = sumOf(points, 'predicted', () => 1)
  return predicted === null || points.length === 0
    ? null
    : {
        predicted,
        lower: sumOf(points, 'lower', () => 1),
        upper: sumOf(points, 'upper', () => 1),
      }
}

/** The mean cost per lead of the days that expect leads, weighted by them: the days' spend by their leads. */
const meanCost = (cpl: ForecastRow, leads: ForecastRow | undefined): ForecastTotal | null => {
  const expected = new Map(leads?.points.map((point) => [point.step, point.predicted ?? 0]))
  const weightOf = (point: ForecastPointRow): number => (leads ? (expected.get(point.step) ?? 0) : 1)
  const points = cpl.points.filter((point) => point.predicted !== null)
  const weight = points.reduce((sum, point) => sum + weightOf(point), 0)
  if (weight === 0) return null
  const share = (point: ForecastPointRow): number => weightOf(point) / weight
  const predicted = sumOf(points, 'predicted', share)
  return predicted === null
    ? null
    : { predicted, lower: sumOf(points, 'lower', share), upper: sumOf(points, 'upper', share) }
}

export interface EntityForecasts {
  readonly entityId: string
  readonly name: string
  readonly horizonDays: number
  readonly insufficientData: boolean
  readonly totals: Readonly<Partial<Record<ForecastMetric, ForecastTotal | null>>>
}

/** Rows of one day, a line per entity and horizon; the largest expected spend first. */
export const byEntity = (rows: readonly ForecastRow[]): readonly EntityForecasts[] => {
  const groups = new Map<string, ForecastRow[]>()
  for (const row of rows) {
    const key = `${row.entity_id} ${row.horizon_days}`
    const group = groups.get(key)
    if (group) group.push(row)
    else groups.set(key, [row])
  }
  const lines = [...groups.values()].flatMap((group): EntityForecasts[] => {
    const [first] = group
    if (!first) return []
    const leads = group.find((row) => row.metric === 'leads')
    const totals = group.map(
      (row) => [row.metric, row.metric === 'cpl' ? meanCost(row, leads) : addedUp(row.points)] as const,
    )
    return [
      {
        entityId: first.entity_id,
        name: first.entity_name ?? first.entity_id,
        horizonDays: first.horizon_days,
        insufficientData: group.every((row) => row.insufficient_data),
        totals: Object.fromEntries(totals),
      },
    ]
  })
  const spendOf = ({ totals }: EntityForecasts): number => totals.spend?.predicted ?? -1
  return lines.toSorted(
    (a, b) =>
      spendOf(b) - spendOf(a) ||
      a.name.localeCompare(b.name, 'en') ||
      a.entityId.localeCompare(b.entityId, 'en') ||
      a.horizonDays - b.horizonDays,
  )
}

const TITLES: Readonly<Record<ForecastMetric, string>> = {
  spend: 'Spend',
  leads: 'Leads',
  cpl: 'Cost per lead',
}

const totalText = (total: ForecastTotal | null | undefined, metric: ForecastMetric, currency: string) => {
  if (!total) return '-'
  // The unit is in the title, or before the first number.
  const plain = (value: number | null): string =>
    value === null
      ? '?'
      : figure(value, metric, currency)
          .replace(/ leads$/, '')
          .replace(`${currency} `, '')
  const unit = metric === 'leads' ? '' : `${currency} `
  return `${unit}${plain(total.predicted)} (${plain(total.lower)} - ${plain(total.upper)})`
}

export interface ForecastTableOptions {
  readonly currency: string
  readonly metrics: readonly ForecastMetric[]
  /** Lines to show; the rest is counted below the table. */
  readonly limit: number
}

export const renderForecasts = (rows: readonly ForecastRow[], options: ForecastTableOptions): string => {
  const lines = byEntity(rows)
  const shown = lines.slice(0, options.limit)
  const table = renderTable<EntityForecasts>(
    [
      { title: 'Entity', cell: (line) => clip(printable(line.name) || line.entityId, NAME_WIDTH) },
      { title: 'Days', align: 'right', cell: (line) => String(line.horizonDays) },
      ...options.metrics.map((metric): Column<EntityForecasts> => ({
        title: TITLES[metric],
        cell: (line) =>
          line.insufficientData ? 'too few days' : totalText(line.totals[metric], metric, options.currency),
      })),
    ],
    shown,
  )
  const hidden = lines.length - shown.length
  return [
    table,
    ...(hidden > 0 ? ['', `... and ${hidden} more, smaller`] : []),
    '',
    "Totals of the days; a cost per lead is their mean. In brackets the days' 95% intervals added up, a cautious range.",
  ].join('\n')
}
