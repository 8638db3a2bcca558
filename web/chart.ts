/**
 * One channel as a chart: values, the expected band, odd points; zoomed by dragging, read by pointing at it. `uPlot`
 * itself is a global of the script before this one.
 */
import type UPlot from 'uplot'
import { exactTime, exactValue, roundValue, timeLabels, valueLabels } from './labels.ts'

type Values = (number | null)[]

export interface Channel {
  readonly name: string
  /** Milliseconds since 1970, ascending. */
  readonly timesMs: number[]
  readonly values: Values
  readonly band: { readonly low: Values; readonly high: Values } | null
  /** Scores of the odd points, by row. */
  readonly odd: ReadonlyMap<number, number>
}

export interface ChartEvents {
  /** The part of time that is shown was changed here. */
  readonly onRange: (chart: Chart, fromMs: number, toMs: number) => void
  /** A row is pointed at; null: none is any more. */
  readonly onPoint: (chart: Chart, row: number | null) => void
}

export interface Chart {
  readonly channel: Channel
  readonly element: HTMLElement
  show(fromMs: number, toMs: number): void
  point(row: number | null): void
  resize(): void
  recolour(): void
  /** What is known of a row, in words. */
  tell(row: number): string
}

const PHONE_PX = 640
const PAD = 0.05
const LETTER_PX = 7
const BESIDE_PX = 14
const INSET_PX = 6
const FONT = '12px system-ui, sans-serif'

const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name)
const heightOf = (width: number): number => (width < PHONE_PX ? 220 : 260)

/** All values in sight, and of the band what does not press them into a line. */
const boundsOf = ({ values, band }: Channel, first: number, last: number): [number, number] => {
  let [least, most, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity]
  for (let row = first; row <= last; row++) {
    const value = values[row]
    if (typeof value !== 'number') continue
    least = Math.min(least, value)
    most = Math.max(most, value)
    bottom = Math.min(bottom, band?.low[row] ?? value)
    top = Math.max(top, band?.high[row] ?? value)
  }
  if (least > most) return [0, 1]
  const reach = most > least ? most - least : Math.max(Math.abs(most), 1)
  const low = Math.max(Math.min(bottom, least), least - reach)
  const high = Math.min(Math.max(top, most), most + reach)
  const pad = (high - low) * PAD || reach * PAD
  return [low - pad, high + pad]
}

export const createChart = (channel: Channel, threshold: number, events: ChartEvents): Chart => {
  const { name, timesMs, values, band, odd } = channel
  const element = document.createElement('div')
  element.className = 'chart'
  const heading = document.createElement('h3')
  heading.textContent = name
  const tip = document.createElement('div')
  tip.className = 'tip'
  tip.hidden = true
  element.append(heading)

  const expectedOf = (row: number): string | null => {
    const [low, high] = [band?.low[row], band?.high[row]]
    return typeof low === 'number' && typeof high === 'number'
      ? `${roundValue(low)} to ${roundValue(high)}`
      : null
  }

  const fill = (row: number): void => {
    const line = (text: string, kind = 'div'): HTMLElement => {
      const one = document.createElement(kind)
      one.textContent = text
      return one
    }
    const value = values[row]
    const score = odd.get(row)
    const expected = expectedOf(row)
    const lines = [
      line(`${exactTime(timesMs[row] ?? 0)} UTC`),
      line(typeof value === 'number' ? exactValue(value) : 'no value', 'b'),
    ]
    if (expected !== null) lines.push(line(`expected ${expected}`))
    if (score !== undefined) {
      const oddLine = line(`odd: score ${score.toFixed(4)}, above ${exactValue(threshold)}`)
      oddLine.className = 'bad'
      lines.push(oddLine)
    }
    tip.replaceChildren(...lines)
  }

  /** Beside the cursor, in the half of the chart the point is not in. */
  const place = (left: number, row: number): void => {
    tip.hidden = false
    const { over } = plot
    const at = over.offsetLeft + left
    const width = tip.offsetWidth
    const isRight = at + BESIDE_PX + width <= element.clientWidth
    const start = isRight ? at + BESIDE_PX : at - BESIDE_PX - width
    tip.style.left = `${Math.max(0, Math.min(start, element.clientWidth - width))}px`
    const value = values[row]
    const isHigh = typeof value === 'number' && plot.valToPos(value, 'y') < over.clientHeight / 2
    const top = plot.root.offsetTop + over.offsetTop
    tip.style.top = `${isHigh ? top + over.clientHeight - tip.offsetHeight - INSET_PX : top + INSET_PX}px`
  }

  let shownRow: number | null = null
  let isQuiet = false
  const onCursor = (self: UPlot): void => {
    const row = self.cursor.idx ?? null
    const left = self.cursor.left ?? -1
    if (row === null || left < 0) tip.hidden = true
    else {
      if (row !== shownRow || tip.hidden) fill(row)
      place(left, row)
    }
    const now = tip.hidden ? null : row
    if (now === shownRow) return
    shownRow = now
    if (!isQuiet) events.onPoint(chart, now)
  }

  const none = values.map(() => null)
  const line = { points: { show: false } }
  const axis = { font: FONT, stroke: () => colour('--soft') }
  const lines = { stroke: () => colour('--line'), width: 1 }
  const width = (): number => Math.max(240, element.clientWidth)

  const options: UPlot.Options = {
    width: 240,
    height: heightOf(240),
    ms: 1,
    tzDate: (ms) => uPlot.tzDate(new Date(ms), 'UTC'),
    legend: { show: false },
    padding: [10, 14, 0, 0],
    cursor: {
      drag: { x: true, y: false, dist: 5 },
      y: false,
      points: {
        size: (_self, series) => (series === 1 ? 9 : 0),
        fill: () => colour('--brand'),
        stroke: () => colour('--card'),
      },
    },
    scales: {
      y: {
        range: (self) => {
          const [first, last] = self.series[0]?.idxs ?? [0, values.length - 1]
          return boundsOf(channel, first ?? 0, last ?? values.length - 1)
        },
      },
    },
    bands: [{ series: [3, 2], fill: () => colour('--band') }],
    series: [
      {},
      { ...line, stroke: () => colour('--brand'), width: 1.4 },
      { ...line, stroke: 'transparent' },
      { ...line, stroke: 'transparent' },
      {
        paths: () => null,
        points: { show: true, size: 7, width: 0, fill: () => colour('--bad'), stroke: () => colour('--bad') },
      },
    ],
    axes: [
      {
        ...axis,
        size: 46,
        space: 84,
        grid: { show: false },
        ticks: { ...lines, size: 5 },
        values: (_self, marks, _axis, _space, step) => timeLabels(marks, step),
      },
      {
        ...axis,
        grid: lines,
        ticks: { show: false },
        gap: 8,
        size: (_self, labels) => Math.max(4, ...(labels ?? []).map(({ length }) => length)) * LETTER_PX + 14,
        values: (_self, marks, _axis, _space, step) => valueLabels(marks, step),
      },
    ],
    hooks: {
      setCursor: [onCursor],
      setScale: [
        (self, key) => {
          const { min, max } = self.scales['x'] ?? {}
          if (key !== 'x' || typeof min !== 'number' || typeof max !== 'number') return
          element.dataset['range'] = `${Math.round(min)} ${Math.round(max)}`
          if (!isQuiet) events.onRange(chart, min, max)
        },
      ],
    },
  }
  const data: UPlot.AlignedData = [
    timesMs,
    values,
    band?.low ?? none,
    band?.high ?? none,
    values.map((value, row) => (odd.has(row) ? value : null)),
  ]

  /** What the other charts are told is not news from this one. */
  const quietly = (work: () => void): void => {
    isQuiet = true
    plot.batch(work)
    isQuiet = false
  }

  const chart: Chart = {
    channel,
    element,
    show: (min, max) => quietly(() => plot.setScale('x', { min, max })),
    point: (row) =>
      quietly(() => {
        const left = row === null ? -10 : plot.valToPos(timesMs[row] ?? 0, 'x')
        const value = row === null ? null : values[row]
        plot.setCursor({ left, top: typeof value === 'number' ? plot.valToPos(value, 'y') : -10 })
      }),
    resize: () => plot.setSize({ width: width(), height: heightOf(width()) }),
    recolour: () => plot.redraw(false, true),
    tell: (row) => {
      const value = values[row]
      const expected = expectedOf(row)
      const score = odd.get(row)
      return [
        `${exactTime(timesMs[row] ?? 0)} UTC: ${typeof value === 'number' ? exactValue(value) : 'no value'}`,
        ...(expected === null ? [] : [`expected ${expected}`]),
        ...(score === undefined ? [] : [`odd, score ${score.toFixed(4)}`]),
      ].join(', ')
    },
  }
  const plot = new uPlot(options, data, element)
  element.append(tip)
  // A finger that moves sideways reads values off; up and down it scrolls the page.
  plot.over.addEventListener('pointermove', (event) => {
    if (event.pointerType !== 'touch') return
    const { left, top } = plot.over.getBoundingClientRect()
    plot.setCursor({ left: event.clientX - left, top: event.clientY - top })
  })
  return chart
}
