/** The table of `vigia forecast`: every point where that fits a page or two, else a line per series. */
import type { FileForecast, ForecastPoint } from '../../shared/forecasting/forecast-file.ts'
import { clip } from '../../shared/core/columns.ts'
import { renderTable } from '../output.ts'
import type { Column } from '../output.ts'

/** Lines of points that people still read. */
const POINTS_SHOWN = 120
const SERIES_SHOWN = 60
const NAME_WIDTH = 40
const DIGITS = 6

const numbers = new Intl.NumberFormat('en', { maximumSignificantDigits: DIGITS, useGrouping: false })
const figure = (value: number): string => {
  const size = Math.abs(value)
  return size !== 0 && (size >= 1e12 || size < 1e-6) ? value.toExponential(3) : numbers.format(value)
}

/** An id may hold anything, also what moves a terminal's cursor. */
const nameOf = (id: string): string => clip(id.replace(/\p{C}/gu, '�'), NAME_WIDTH)

type Row = ForecastPoint & { readonly id: string; readonly model: string }

const right = (title: string, cell: (row: Row) => string): Column<Row> => ({ title, align: 'right', cell })

const FIGURES: readonly Column<Row>[] = [
  right('forecast', ({ predicted }) => figure(predicted)),
  right('95% from', ({ lower }) => figure(lower)),
  right('to', ({ upper }) => figure(upper)),
]

const rowOf = ({ id, model }: FileForecast, point: ForecastPoint): Row => ({ id, model, ...point })

const blockOf = (one: FileForecast): string => {
  const columns = [{ title: 'date', cell: ({ date }: Row) => date }, ...FIGURES]
  const rows = one.points.map((point) => rowOf(one, point))
  return `${nameOf(one.id)} (${one.model.replaceAll('_', ' ')})\n${renderTable(columns, rows)}`
}

const overview = (shown: readonly FileForecast[], total: number): string => {
  const columns: Column<Row>[] = [
    { title: 'series', cell: ({ id }) => nameOf(id) },
    { title: 'model', cell: ({ model }) => model.replaceAll('_', ' ') },
    { title: 'last date', cell: ({ date }) => date },
    ...FIGURES,
  ]
  const rows = shown.map((one) => rowOf(one, one.points.at(-1) as ForecastPoint))
  const rest = total > shown.length ? `\n… and ${total - shown.length} more series` : ''
  return `${renderTable(columns, rows)}${rest}\n\nThe last of each series' steps; --json has every step of every series.`
}

export const renderFileForecasts = (series: Iterable<FileForecast>): string => {
  const first: FileForecast[] = []
  let total = 0
  for (const one of series) {
    total += 1
    if (first.length < SERIES_SHOWN) first.push(one)
  }
  const points = total * (first[0]?.points.length ?? 0)
  return total === 1 || points <= POINTS_SHOWN ? first.map(blockOf).join('\n\n') : overview(first, total)
}
