/** The plot of a series in a real browser, on a phone and on a desk, by day and by night. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { HOT, LOW, sensorReadings } from '../../bench/serve/sensor.ts'
import { openTestApi } from '../support/api.ts'
import type { TestApi } from '../support/api.ts'

const PLACES = [
  process.env['CHROMIUM_PATH'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
]
const executablePath = PLACES.find((place) => place !== undefined && existsSync(place))
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
]
/** A folder to keep screenshots in, for whoever wants to look at them. */
const SCREENSHOTS = process.env['PLOT_SCREENSHOTS']
const PLOT = '/plot?series_id=pump_7'

/** In the page. Texts whose contrast with what is behind them is below 4.5:1 (WCAG 2.2, 1.4.3). */
const FAINT_TEXTS = String.raw`(() => {
  const channels = (color) => (color.match(/[\d.]+/g) ?? []).map(Number)
  const luminance = (color) => {
    const [r, g, b] = channels(color).map((value) => {
      const share = value / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const groundOf = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = getComputedStyle(one).backgroundColor
      if ((channels(color)[3] ?? 1) > 0) return color
    }
    return 'rgb(255, 255, 255)'
  }
  const faint = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement
    if (node.textContent.trim() === '' || ['style', 'title', 'desc', 'SCRIPT'].includes(element.tagName)) continue
    const style = getComputedStyle(element)
    const a = luminance(element instanceof SVGElement ? style.fill : style.color)
    const b = luminance(groundOf(element))
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (!(contrast >= 4.5)) faint.push(contrast.toFixed(2) + ': ' + node.textContent)
  }
  return faint
})()`

/** In the page. What reaches beyond its right edge, but for what scrolls within itself. */
const TOO_WIDE = String.raw`(() => {
  const width = document.documentElement.clientWidth
  const wide = [...document.querySelectorAll('body *')]
    .filter((one) => !one.closest('.wide table') && one.getBoundingClientRect().right > width + 0.5)
    .map((one) => one.outerHTML.slice(0, 100))
  return document.documentElement.scrollWidth > width ? [...wide, 'the page scrolls sideways'] : wide
})()`

/** In the page. Letters of the picture in sight, in pixels. */
const LETTERS = String.raw`[...document.querySelectorAll('.picture svg text')]
  .filter((one) => one.getClientRects().length > 0)
  .map((one) => one.getBoundingClientRect().height)`

const SCREENS = [360, 1280].flatMap((width) =>
  (['light', 'dark'] as const).map((colorScheme) => ({ viewport: { width, height: 900 }, colorScheme })),
)

const suite = executablePath === undefined ? describe.skip : describe
suite('the plot of a series in Chromium', () => {
  let api: TestApi
  let browser: Browser
  const readings = sensorReadings()

  const train = async (id: string, from: number, models: readonly string[]): Promise<void> => {
    await api.ask(`/api/v1/series/${id}`, { method: 'PUT', body: { class: 'short' } })
    const points = readings.slice(from)
    const trained = await api.ask(`/api/v1/series/${id}/train`, {
      body: {
        timestamps: points.map(({ timeMs }) => timeMs / 1000),
        channels: {
          temperature_c: points.map(({ temperature }) => temperature),
          pressure_bar: points.map(({ pressure }) => pressure),
        },
        models,
      },
      headers: { Prefer: 'wait=20' },
    })
    expect(trained.status, trained.text).to.equal(201)
  }

  before(async () => {
    api = await openTestApi({ workers: true, environment: { RATE_LIMITS: 'off' } })
    await train('pump_7', 0, ['zscore'])
    await train('pump_7', 10, ['zscore', 'isolation_forest'])
    await train('pump_8', 0, ['zscore'])
    await api.ask('/api/v1/series/boiler', { method: 'PUT', body: { class: 'short' } })
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: ARGS })
  })
  after(async () => {
    await browser?.close()
    await api?.close()
  })

  /** Opens an address; whatever the page says to the console or asks of another host is trouble. */
  const open = async (
    path: string,
    options: BrowserContextOptions,
    look: (page: Page, trouble: readonly string[]) => Promise<void>,
  ): Promise<void> => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
    try {
      const page = await context.newPage()
      const trouble: string[] = []
      page.on('pageerror', (error) => trouble.push(`error: ${error.message}`))
      page.on('console', (message) => trouble.push(`console: ${message.text()}`))
      page.on('request', (request) => {
        const url = request.url()
        if (!url.startsWith(`${api.url}/plot`) && !url.startsWith('data:')) trouble.push(`request: ${url}`)
      })
      await page.goto(`${api.url}${path}`)
      await look(page, trouble)
    } finally {
      await context.close()
    }
  }
  const drawn = (page: Page): Promise<void> => page.locator('.chart canvas').last().waitFor()
  const range = (page: Page): Promise<string> =>
    page.locator('.chart').first().getAttribute('data-range') as Promise<string>

  for (const screen of SCREENS) {
    const { viewport, colorScheme } = screen
    const name = `${viewport.width}-${colorScheme}`
    it(`fits ${viewport.width} pixels of a ${colorScheme} screen and can be read`, () =>
      open(PLOT, screen, async (page, trouble) => {
        await drawn(page)
        // With what is told of a point.
        await page.getByRole('button', { name: 'Next odd point' }).click()
        await page.locator('.tip', { hasText: 'odd: score' }).waitFor()
        if (SCREENSHOTS !== undefined)
          await page.screenshot({ path: join(SCREENSHOTS, `plot-${name}.png`), fullPage: true })
        expect(await page.evaluate<string[]>(TOO_WIDE)).to.deep.equal([])
        expect(await page.evaluate<string[]>(FAINT_TEXTS)).to.deep.equal([])
        expect(trouble).to.deep.equal([])
      }))

    it(`fits ${viewport.width} pixels of a ${colorScheme} screen without scripts`, () =>
      open(PLOT, { ...screen, javaScriptEnabled: false }, async (page, trouble) => {
        if (SCREENSHOTS !== undefined)
          await page.screenshot({ path: join(SCREENSHOTS, `plot-plain-${name}.png`), fullPage: true })
        expect(await page.evaluate<string[]>(TOO_WIDE)).to.deep.equal([])
        expect(await page.evaluate<string[]>(FAINT_TEXTS)).to.deep.equal([])
        expect(await page.getByRole('img', { name: 'pump_7 v2' }).count()).to.equal(1)
        const letters = await page.evaluate<number[]>(LETTERS)
        expect(letters.length).to.be.greaterThan(10)
        expect(Math.min(...letters)).to.be.at.least(11)
        expect(trouble).to.deep.equal([])
      }))

    it(`lists series on ${viewport.width} pixels of a ${colorScheme} screen`, () =>
      open('/plot', screen, async (page, trouble) => {
        expect(await page.evaluate<string[]>(TOO_WIDE)).to.deep.equal([])
        expect(await page.evaluate<string[]>(FAINT_TEXTS)).to.deep.equal([])
        expect(trouble).to.deep.equal([])
      }))
  }

  it('has one title, a heading for each part, and names for all that can be used', () =>
    open(PLOT, {}, async (page) => {
      await drawn(page)
      expect(await page.title()).to.equal('pump_7 v2')
      expect(await page.locator('h1').count()).to.equal(1)
      expect(await page.locator('h2').allTextContents()).to.deep.equal([
        `Odd points ${HOT[1] - HOT[0] + 1 + LOW[1] - LOW[0] + 1}`,
        'What it learnt from',
        'Models',
      ])
      for (const role of ['banner', 'main', 'contentinfo'] as const)
        expect(await page.getByRole(role).count(), role).to.equal(1)
      for (const name of ['Version', 'Model', 'Channel'])
        expect(await page.getByRole('combobox', { name }).count(), name).to.equal(1)
      expect(
        await page.getByRole('application', { name: /^Chart of pressure_bar, 4022 points/ }).count(),
      ).to.equal(1)
    }))

  it('says what a point is to who moves over it, in all charts alike', () =>
    open(PLOT, {}, async (page) => {
      await drawn(page)
      await page.locator('.u-over').first().hover()
      const tips = page.locator('.tip:visible')
      await tips.nth(1).waitFor()
      const [pressure = '', temperature = ''] = await tips.allTextContents()
      expect(pressure).to.match(/^2026-10-0\d \d\d:\d\d:00 UTC6\.\d{6,}expected 6\.14\d+ to 7\.04\d+$/)
      expect(temperature.slice(0, 20)).to.equal(pressure.slice(0, 20))
      await page.mouse.move(5, 5)
      await tips.first().waitFor({ state: 'hidden' })
    }))

  it('zooms by dragging, in all charts at once, and shows all again on a double click', () =>
    open(PLOT, {}, async (page) => {
      await drawn(page)
      const whole = await range(page)
      const [first, second] = [page.locator('.u-over').first(), page.locator('.chart').nth(1)]
      const box = await first.boundingBox()
      if (!box) throw new Error('there is no chart')
      await page.mouse.move(box.x + box.width * 0.5, box.y + 50)
      await page.mouse.down()
      await page.mouse.move(box.x + box.width * 0.75, box.y + 60, { steps: 4 })
      await page.mouse.up()
      await page.locator(`.chart:not([data-range="${whole}"])`).nth(1).waitFor()
      const part = await range(page)
      const [from = 0, to = 0] = part.split(' ').map(Number)
      const days = (to - from) / 86_400_000
      expect(days).to.be.closeTo(14 / 4, 0.1)
      expect(await second.getAttribute('data-range')).to.equal(part)
      await first.dblclick()
      await page.locator(`.chart[data-range="${whole}"]`).nth(1).waitFor()
    }))

  it('is used by keyboard alone', () =>
    open(PLOT, {}, async (page) => {
      await drawn(page)
      const whole = await range(page)
      const chart = page.getByRole('application').first()
      await chart.focus()
      await page.keyboard.press('Home')
      const said = page.locator('output')
      await said.filter({ hasText: '2026-10-01 00:50:00 UTC' }).waitFor()
      await page.keyboard.press('ArrowRight')
      await said.filter({ hasText: '2026-10-01 00:55:00 UTC' }).waitFor()
      await page.keyboard.press('n')
      await said.filter({ hasText: /^2026-10-11 01:40:00 UTC: .*odd, score 0\.\d+$/ }).waitFor()
      await page.locator(`.chart:not([data-range="${whole}"])`).nth(1).waitFor()
      await page.keyboard.press('0')
      await page.locator(`.chart[data-range="${whole}"]`).nth(1).waitFor()
      await page.keyboard.press('+')
      await page.locator(`.chart:not([data-range="${whole}"])`).nth(1).waitFor()
      await page.keyboard.press('End')
      await said.filter({ hasText: '2026-10-14 23:55:00 UTC' }).waitFor()
      await page.keyboard.press('Escape')
      await page.locator('.tip:visible').first().waitFor({ state: 'hidden' })
    }))

  it('goes from the list of odd points to where they are', () =>
    open(PLOT, {}, async (page) => {
      await drawn(page)
      await page.getByRole('button', { name: 'Show 2026-10-13 12:00 to 12:35' }).click()
      await page.locator('.tip', { hasText: /^2026-10-13 12:\d\d:00 UTC4\.\d+.*odd: score/ }).waitFor()
      expect(await page.evaluate('document.activeElement.ariaLabel')).to.contain('Chart of pressure_bar')
    }))

  it('is drawn in the colours of the night when it falls', () =>
    open(PLOT, { colorScheme: 'light' }, async (page) => {
      await drawn(page)
      const shot = (): Promise<Buffer> => page.locator('.chart canvas').first().screenshot()
      const day = await shot()
      await page.emulateMedia({ colorScheme: 'dark' })
      await page.waitForFunction("getComputedStyle(document.body).backgroundColor === 'rgb(17, 21, 27)'")
      expect((await shot()).equals(day)).to.equal(false)
    }))

  it('keeps its picture when the numbers cannot be had', () =>
    open(PLOT, { javaScriptEnabled: true }, async (page) => {
      await page.route('**/plot?*format=json*', (route) => route.fulfill({ status: 503, body: 'no' }))
      await page.reload({ waitUntil: 'networkidle' })
      expect(await page.getByRole('img', { name: 'pump_7 v2' }).count()).to.equal(1)
      expect(await page.locator('.chart').count()).to.equal(0)
    }))

  it('shows another version, model and channel by its pickers, without any script', () =>
    open(PLOT, { javaScriptEnabled: false }, async (page) => {
      await page.selectOption('select[name=model]', 'isolation_forest')
      await page.selectOption('select[name=channel]', 'pressure_bar')
      await page.click('button')
      expect(new URL(page.url()).searchParams.get('model')).to.equal('isolation_forest')
      expect(await page.locator('.broad .line').count()).to.equal(1)
      expect(await page.locator('.broad desc').textContent()).to.contain('odd to isolation_forest.')
      await page.selectOption('select[name=model]', 'zscore')
      await page.selectOption('select[name=version]', 'v1')
      await page.click('button')
      expect(await page.title()).to.equal('pump_7 v1')
      expect(await page.locator('.broad .line').count()).to.equal(1)
    }))

  it('finds a series by how its name begins', () =>
    open('/plot', {}, async (page) => {
      expect(await page.locator('.items b').allTextContents()).to.deep.equal(['boiler', 'pump_7', 'pump_8'])
      await page.getByRole('searchbox').fill('pump_8')
      await page.keyboard.press('Enter')
      await page.getByRole('link', { name: 'pump_8' }).click()
      expect(await page.title()).to.equal('pump_8 v1')
      await page.getByRole('link', { name: 'All series' }).click()
      expect(await page.title()).to.equal('Series')
    }))
})

suite('a plot of a hundred thousand points', () => {
  it('is drawn whole, and zooms down to single points', async () => {
    const n = 100_000
    const api = await openTestApi({
      workers: true,
      environment: { RATE_LIMITS: 'off', SERIES_KEEP_POINTS: String(n) },
    })
    const browser = await chromium.launch({ executablePath: executablePath ?? '', args: ARGS })
    try {
      const trained = await api.ask('/api/v1/series/long/train', {
        body: {
          timestamps: Array.from({ length: n }, (_, i) => 1_700_000_000 + 60 * i),
          values: Array.from({ length: n }, (_, i) =>
            i === 61_803 ? 9 : Math.sin(i / 500) + ((i * 7919) % 13) / 20,
          ),
          models: ['zscore'],
        },
        headers: { Prefer: 'wait=30' },
      })
      expect(trained.status, trained.text).to.equal(201)
      const page = await browser.newPage()
      await page.goto(`${api.url}/plot?series_id=long`)
      await page.locator('.chart canvas').waitFor()
      await page.getByRole('button', { name: 'Next odd point' }).click()
      await page.locator('.tip', { hasText: 'UTC9expected' }).waitFor()
      const zoomIn = page.getByRole('button', { name: 'Zoom in' })
      for (let i = 0; i < 20; i++) await zoomIn.click()
      await page.waitForFunction(
        "(() => { const [a, b] = document.querySelector('.chart').dataset.range.split(' ').map(Number); return b - a < 600000 })()",
      )
    } finally {
      await browser.close()
      await api.close()
    }
  })
})
