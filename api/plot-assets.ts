/**
 * What makes the plot page move: uPlot (served by ourselves) and a script that draws the same numbers with it, to zoom
 * by dragging and read values off. Without scripts the page keeps its picture.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import express from 'express'
import type { RequestHandler } from 'express'

export const PLOT_ASSETS_PATH = '/plot/assets'

/** A file of its own, so that the page needs no inline script. */
const SCRIPT = `'use strict'
const place = document.querySelector('[data-plot]')
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
const short = (value) => (value === null || value === undefined ? '' : String(Number(value.toPrecision(7))))
const draw = async () => {
  const reply = await fetch(place.dataset.plot)
  if (!reply.ok) return
  const data = await reply.json()
  const factor = place.dataset.unit === 'ms' ? 1000 : 1
  const times = data.timestamps.map((time) => time / factor)
  if (times.length === 0) return
  const shown = place.dataset.channel ? [place.dataset.channel] : Object.keys(data.channels).slice(0, 8)
  const holder = document.createElement('div')
  const sync = uPlot.sync('plot')
  const charts = shown.map((name) => {
    const odd = new Map(data.anomalies.filter(({ channel }) => channel === name).map(({ index, score }) => [index, score]))
    const values = data.channels[name]
    const band = data.band[name]
    const none = values.map(() => null)
    const label = (self, value, column, row) => (row === null ? '--' : short(value))
    const axis = { stroke: css('--soft'), grid: { stroke: css('--line'), width: 1 }, ticks: { stroke: css('--line'), width: 1 } }
    return new uPlot(
      {
        title: name,
        width: place.clientWidth,
        height: 260,
        tzDate: (second) => uPlot.tzDate(new Date(second * 1000), 'UTC'),
        cursor: { sync: { key: sync.key }, drag: { x: true, y: false } },
        bands: [{ series: [3, 2], fill: css('--band') }],
        series: [
          { label: 'UTC', value: '{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}' },
          { label: 'value', stroke: css('--brand'), width: 1.4, points: { show: false }, value: label },
          { label: 'low', stroke: 'transparent', points: { show: false }, value: label },
          { label: 'high', stroke: 'transparent', points: { show: false }, value: label },
          {
            label: 'odd',
            stroke: css('--bad'),
            paths: () => null,
            points: { show: true, size: 6, fill: css('--bad') },
            value: (self, value, column, row) => (row !== null && odd.has(row) ? 'score ' + odd.get(row).toFixed(4) : ''),
          },
        ],
        axes: [axis, { ...axis, size: 60 }],
      },
      [times, values, band ? band.low : none, band ? band.high : none, values.map((value, row) => (odd.has(row) ? value : null))],
      holder,
    )
  })
  place.replaceChildren(holder)
  new ResizeObserver(() => charts.forEach((chart) => chart.setSize({ width: place.clientWidth, height: 260 }))).observe(place)
}
if (place) {
  draw()
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw)
}
`

export const createPlotAssets = (): RequestHandler => {
  const dist = join(dirname(createRequire(import.meta.url).resolve('uplot/package.json')), 'dist')
  const router = express.Router()
  const files = { 'uplot.js': 'uPlot.iife.min.js', 'uplot.css': 'uPlot.min.css' }
  for (const [name, file] of Object.entries(files)) {
    router.get(`/${name}`, (_request, response) =>
      response.sendFile(join(dist, file), { maxAge: '1d', dotfiles: 'allow' }),
    )
  }
  router.get('/plot.js', (_request, response) => void response.type('js').send(SCRIPT))
  return router
}
