/**
 * The plot page's charts: fetches the numbers of the picture that is there already, and puts charts in its place that
 * can be zoomed into and read by mouse, finger and keyboard. Whatever fails leaves the picture as it is.
 */
import { createChart } from './chart.ts'
import type { Chart, Channel } from './chart.ts'

interface Numbers {
  readonly timestamp_unit: 's' | 'ms'
  readonly timestamps: readonly number[]
  readonly channels: Readonly<Record<string, (number | null)[]>>
  readonly band: Readonly<
    Record<string, { readonly low: (number | null)[]; readonly high: (number | null)[] }>
  >
  readonly anomalies: readonly {
    readonly index: number
    readonly channel: string
    readonly score: number
  }[]
}

/** Of what is in sight, per press. */
const ZOOM = 0.5
const PAN = 0.5
/** Points left in sight when there is nothing more to zoom into. */
const LEAST_POINTS = 8
/** What is shown around an odd point: a share of all, but not less than so many points. */
const AROUND = 0.02
const AROUND_POINTS = 60
/** Rows from one odd point to the next that belongs to it. */
const TOGETHER = 3

const channelsOf = (numbers: Numbers): Channel[] => {
  const factor = numbers.timestamp_unit === 's' ? 1000 : 1
  const timesMs = numbers.timestamps.map((time) => time * factor)
  return Object.entries(numbers.channels).map(([name, values]) => ({
    name,
    timesMs,
    values,
    band: numbers.band[name] ?? null,
    odd: new Map(
      numbers.anomalies.flatMap(({ index, channel, score }) => (channel === name ? [[index, score]] : [])),
    ),
  }))
}

const start = (place: HTMLElement, numbers: Numbers): void => {
  const channels = channelsOf(numbers)
  const timesMs = channels[0]?.timesMs ?? []
  const n = timesMs.length
  if (n < 2) return
  const firstMs = timesMs[0] ?? 0
  const lastMs = timesMs[n - 1] ?? 0
  const stepMs = (lastMs - firstMs) / (n - 1)
  // Odd points that follow each other are one stop.
  const oddRows = numbers.anomalies
    .map(({ index }) => index)
    .filter((odd, i, all) => odd - (all[i - 1] ?? -Infinity) > TOGETHER)
  let range = { from: firstMs, to: lastMs }
  let row: number | null = null

  const said = document.createElement('output')
  said.className = 'hidden'
  const charts: Chart[] = []

  const showAll = (except: Chart | null, from: number, to: number): void => {
    range = { from, to }
    for (const chart of charts) if (chart !== except) chart.show(from, to)
  }
  /** As long as asked for, not shorter than can be told apart, within what there is. */
  const show = (from: number, to: number): void => {
    const length = Math.min(Math.max(to - from, LEAST_POINTS * stepMs), lastMs - firstMs)
    const middle = (from + to) / 2
    const begin = Math.min(Math.max(middle - length / 2, firstMs), lastMs - length)
    showAll(null, begin, begin + length)
  }
  const zoom = (factor: number): void => {
    const middle =
      row === null ? (range.from + range.to) / 2 : Math.min(Math.max(timesMs[row] ?? 0, range.from), range.to)
    show(middle - (middle - range.from) * factor, middle + (range.to - middle) * factor)
  }
  const pan = (share: number): void => {
    const by = (range.to - range.from) * share
    show(range.from + by, range.to + by)
  }
  const point = (to: number | null, except: Chart | null = null): void => {
    row = to
    for (const chart of charts) if (chart !== except) chart.point(to)
  }
  const say = (chart: Chart | undefined): void => {
    if (chart && row !== null) said.textContent = chart.tell(row)
  }
  const goTo = (to: number, chart: Chart | undefined): void => {
    const at = timesMs[Math.min(Math.max(to, 0), n - 1)] ?? 0
    if (at < range.from || at > range.to) {
      const half = (range.to - range.from) / 2
      show(at - half, at + half)
    }
    point(Math.min(Math.max(to, 0), n - 1))
    say(chart)
  }
  const oddAfter = (): number | undefined => oddRows.find((odd) => odd > (row ?? -1)) ?? oddRows[0]
  const oddBefore = (): number | undefined => oddRows.findLast((odd) => odd < (row ?? n)) ?? oddRows.at(-1)
  /** The chart that tells why a row is odd. */
  const chartOf = (odd: number): Chart | undefined =>
    charts.find(({ channel }) => channel.odd.has(odd)) ?? charts[0]
  const goToOdd = (odd: number | undefined): void => {
    if (odd === undefined) return
    const half = Math.max((lastMs - firstMs) * AROUND, (AROUND_POINTS / 2) * stepMs)
    const at = timesMs[odd] ?? 0
    if (range.to - range.from > 2 * half) show(at - half, at + half)
    goTo(odd, chartOf(odd))
  }

  const onKey = (event: KeyboardEvent, chart: Chart): void => {
    const first = timesMs.findIndex((ms) => ms >= range.from)
    const here = row ?? first
    const actions: Readonly<Record<string, () => void>> = {
      ArrowRight: () => (event.shiftKey ? pan(PAN) : goTo(row === null ? first : here + 1, chart)),
      ArrowLeft: () => (event.shiftKey ? pan(-PAN) : goTo(here - 1, chart)),
      Home: () => goTo(0, chart),
      End: () => goTo(n - 1, chart),
      '+': () => zoom(ZOOM),
      '=': () => zoom(ZOOM),
      '-': () => zoom(1 / ZOOM),
      '0': () => show(firstMs, lastMs),
      n: () => goToOdd(oddAfter()),
      p: () => goToOdd(oddBefore()),
      Escape: () => point(null),
    }
    const action = actions[event.key]
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    action()
  }

  const button = (text: string, label: string, press: () => void): HTMLButtonElement => {
    const one = document.createElement('button')
    one.type = 'button'
    one.textContent = text
    one.setAttribute('aria-label', label)
    one.title = label
    one.addEventListener('click', press)
    return one
  }
  const tools = document.createElement('div')
  tools.className = 'tools'
  tools.setAttribute('role', 'toolbar')
  tools.setAttribute('aria-label', 'Part of the time that is shown')
  tools.append(
    button('+', 'Zoom in', () => zoom(ZOOM)),
    button('−', 'Zoom out', () => zoom(1 / ZOOM)),
    button('‹', 'Earlier', () => pan(-PAN)),
    button('›', 'Later', () => pan(PAN)),
    button('All', 'Show all', () => show(firstMs, lastMs)),
  )
  if (oddRows.length > 0) {
    tools.append(
      button('‹ odd', 'Odd point before', () => goToOdd(oddBefore())),
      button('odd ›', 'Next odd point', () => goToOdd(oddAfter())),
    )
  }
  tools.append(said)

  for (const channel of channels) {
    const chart = createChart(channel, Number(place.dataset['threshold']), {
      onRange: (from, min, max) => showAll(from, min, max),
      onPoint: (from, to) => point(to, from),
    })
    charts.push(chart)
    const { element } = chart
    element.tabIndex = 0
    element.setAttribute('role', 'application')
    element.setAttribute(
      'aria-label',
      `Chart of ${channel.name}, ${n} points. Arrows go from point to point, n and p to odd points, plus and minus zoom, 0 shows all.`,
    )
    element.addEventListener('keydown', (event) => onKey(event, chart))
  }
  place.replaceChildren(tools, ...charts.map(({ element }) => element))
  const resize = (): void => charts.forEach((chart) => chart.resize())
  resize()
  new ResizeObserver(resize).observe(place)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    for (const chart of charts) chart.recolour()
  })

  for (const time of document.querySelectorAll<HTMLElement>('time[data-row]')) {
    const odd = Number(time.dataset['row'])
    const jump = button(time.textContent ?? '', `Show ${time.textContent ?? ''}`, () => {
      goToOdd(odd)
      const element = chartOf(odd)?.element
      element?.focus({ preventScroll: true })
      element?.scrollIntoView({ block: 'center' })
    })
    jump.className = 'jump'
    time.replaceChildren(jump)
  }
}

const place = document.querySelector<HTMLElement>('[data-plot]')
const address = place?.dataset['plot']
if (place && address !== undefined) {
  const reply = await fetch(address)
  if (reply.ok) start(place, (await reply.json()) as Numbers)
}
