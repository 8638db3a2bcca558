/**
 * What makes the plot page move: uPlot, and our script (`web/`) that draws with it. Addresses hold the hash of what
 * they answer, so a browser may keep it for good.
 */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import express from 'express'
import type { RequestHandler } from 'express'
import type { PageAssets } from '../shared/series/plot-html.ts'

export const PLOT_ASSETS_PATH = '/plot/assets'

/** Of `web/`, compiled; they import each other by these names. */
const OURS = ['plot.js', 'chart.js', 'labels.js']

interface Files {
  /** Hash of them all: one folder, so that a script finds those it imports beside it. */
  readonly folder: string
  readonly bytes: ReadonlyMap<string, Buffer>
}

export interface PlotAssets {
  /** What a page names. */
  page(): Promise<PageAssets>
  readonly serve: RequestHandler
}

const readFiles = async (): Promise<Files> => {
  const uplot = join(dirname(createRequire(import.meta.url).resolve('uplot/package.json')), 'dist')
  const ours = fileURLToPath(new URL('../web/', import.meta.url))
  const paths = [
    ['uplot.js', join(uplot, 'uPlot.iife.min.js')],
    ['uplot.css', join(uplot, 'uPlot.min.css')],
    ...OURS.map((name) => [name, join(ours, name)] as const),
  ] as const
  const bytes = new Map(
    await Promise.all(paths.map(async ([name, path]) => [name, await readFile(path)] as const)),
  )
  const hash = createHash('sha256')
  for (const [name, content] of bytes) hash.update(`${name} ${content.length}\n`).update(content)
  return { folder: hash.digest('hex').slice(0, 16), bytes }
}

/** The files are read when they are first asked for. */
export const createPlotAssets = (): PlotAssets => {
  let reading: Promise<Files> | undefined
  const files = (): Promise<Files> => (reading ??= readFiles())
  const router = express.Router()
  router.get('/:folder/:name', async (request, response, next) => {
    const { folder, bytes } = await files()
    const { name } = request.params
    const content = request.params.folder === folder ? bytes.get(name) : undefined
    if (!content) return next()
    response.setHeader('Cache-Control', 'private, max-age=31536000, immutable')
    response.type(name.endsWith('.css') ? 'css' : 'js').send(content)
  })
  return {
    page: async () => {
      const { folder } = await files()
      const at = (name: string): string => `${PLOT_ASSETS_PATH}/${folder}/${name}`
      return {
        styles: [at('uplot.css')],
        scripts: [
          { src: at('uplot.js'), isModule: false },
          { src: at('plot.js'), isModule: true },
        ],
      }
    },
    serve: router,
  }
}
