/**
 * `npm run bench:forecast`: how good forecasts are on made-up series, by rolling origins. Options:
 * --kind daily|weekly|hourly|all  --series 90 (of each kind)  --family cash  --set tune|report  --method NAME
 * --horizon N (7 days, 13 weeks, 48 hours)  --origins 3  --json
 * --file FILE (the series of a CSV instead of made-up ones)  --metric, --date, --by (its columns)
 */
import { parseArgs } from 'node:util'
import { performance } from 'node:perf_hooks'
import { openForecaster } from './forecasters.ts'
import { seriesOfFile } from './files.ts'
import { scoreSeries, summarise } from './evaluate.ts'
import type { Forecaster, SeriesScore, Summary } from './evaluate.ts'
import { KINDS, PERIODS, SETS, seriesOf, simulate } from './simulate.ts'
import type { BenchSeries, Kind, SeriesSet } from './simulate.ts'
import { renderTable } from '../../cli/output.ts'
import type { Column } from '../../cli/output.ts'

const HORIZONS: Readonly<Record<Kind, number>> = { daily: 7, weekly: 13, hourly: 48 }

const { values: options } = parseArgs({
  options: {
    kind: { type: 'string', default: 'all' },
    series: { type: 'string', default: '90' },
    family: { type: 'string' },
    set: { type: 'string', default: 'report' },
    method: { type: 'string', default: 'vigia' },
    horizon: { type: 'string' },
    origins: { type: 'string', default: '3' },
    file: { type: 'string' },
    metric: { type: 'string' },
    date: { type: 'string' },
    by: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})

const count = (option: string, text: string): number => {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new Error(`--${option}: ${text} is no whole number above 0`)
}

const oneOf = <T extends string>(option: string, text: string, names: readonly T[]): T => {
  const found = names.find((name) => name === text)
  if (found !== undefined) return found
  throw new Error(`--${option}: ${text} is none of ${names.join(', ')}`)
}

interface Row extends Summary {
  readonly kind: Kind
  /** Or what several of them come to. */
  readonly family: string
}

function* chosen(set: SeriesSet, kind: Kind): Generator<BenchSeries> {
  const many = count('series', options.series)
  if (options.family === undefined) yield* seriesOf(set, kind, many)
  else for (let i = 0; i < many; i += 1) yield simulate(set, kind, options.family, i)
}

const benchKind = (kind: Kind, all: Iterable<BenchSeries>, forecaster: Forecaster): readonly Row[] => {
  const plan = {
    horizon: options.horizon === undefined ? HORIZONS[kind] : count('horizon', options.horizon),
    origins: count('origins', options.origins),
  }
  const scores: SeriesScore[] = []
  const families = new Set<string>()
  for (const series of all) {
    families.add(series.family)
    const score = scoreSeries(series, plan, forecaster, () => performance.now())
    if (score) scores.push(score)
  }
  const rowOf = (family: string, some: readonly SeriesScore[]): Row => ({ kind, family, ...summarise(some) })
  const rows = Array.from(families, (family) =>
    rowOf(
      family,
      scores.filter((score) => score.family === family),
    ),
  )
  if (rows.length <= 1) return rows
  const seasonal = scores.filter((score) => score.isSeasonal)
  return [...rows, rowOf('all', scores), rowOf('all with a season', seasonal)]
}

const figure = (value: number, digits = 3): string => (Number.isNaN(value) ? '' : value.toFixed(digits))

const number = (title: string, pick: (row: Row) => string): Column<Row> => ({
  title,
  align: 'right',
  cell: pick,
})

const columnsOf = (kind: Kind): readonly Column<Row>[] => [
  { title: kind, cell: (row) => row.family },
  number('series', (row) => String(row.series)),
  number('sMAPE %', (row) => figure(100 * row.smape, 2)),
  number('MASE', (row) => figure(row.mase)),
  number('OWA', (row) => figure(row.owa)),
  ...PERIODS[kind].map((period, i) =>
    number(`beats naive ${period}`, (row) => `${figure(100 * (row.beats[i] as number), 0)}%`),
  ),
  number('coverage', (row) => figure(row.coverage)),
  number('MSIS', (row) => figure(row.intervalScore, 2)),
  number('ms', (row) => figure(row.ms, 2)),
]

const set = oneOf('set', options.set, Object.keys(SETS) as SeriesSet[])
const kinds = options.kind === 'all' ? KINDS : [oneOf('kind', options.kind, KINDS)]
const forecaster = await openForecaster(options.method)
const found =
  options.file === undefined
    ? null
    : await seriesOfFile(options.file, {
        date: options.date ?? null,
        value: options.metric ?? null,
        series: options.by ?? null,
      })
const rows = (found ? KINDS.filter((kind) => found.some((one) => one.kind === kind)) : kinds).flatMap(
  (kind) => benchKind(kind, found?.filter((one) => one.kind === kind) ?? chosen(set, kind), forecaster),
)
if (options.json) console.log(JSON.stringify({ method: options.method, set, rows }))
else
  for (const kind of new Set(rows.map((row) => row.kind)))
    console.log(
      `${renderTable(
        columnsOf(kind),
        rows.filter((row) => row.kind === kind),
      )}\n`,
    )
