/** The plot of a series in a real browser, on a phone and on a desk, by day and by night. */
import { existsSync } from 'node:fs'
import { expect } from 'chai'
import { chromium } from 'playwright-core'
import type { Browser } from 'playwright-core'
import { sensorReadings } from '../../bench/serve/sensor.ts'
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

describe('the plot of a series in Chromium', function () {
  this.timeout(60_000)
  let api: TestApi
  let browser: Browser
  before(async function () {
    if (executablePath === undefined) return this.skip()
    api = await openTestApi({ workers: true, environment: { RATE_LIMITS: 'off' } })
    await api.ask('/api/v1/series/pump_7', { method: 'PUT', body: { class: 'short' } })
    const readings = sensorReadings()
    const trained = await api.ask('/api/v1/series/pump_7/train', {
      body: {
        timestamps: readings.map(({ timeMs }) => timeMs / 1000),
        channels: {
          temperature_c: readings.map(({ temperature }) => temperature),
          pressure_bar: readings.map(({ pressure }) => pressure),
        },
      },
      headers: { Prefer: 'wait=20' },
    })
    expect(trained.status, trained.text).to.equal(201)
    browser = await chromium.launch({ executablePath, args: ARGS })
    return undefined
  })
  after(async () => {
    await browser?.close()
    await api?.close()
  })

  for (const [width, colorScheme] of [
    [360, 'light'],
    [360, 'dark'],
    [1280, 'light'],
    [1280, 'dark'],
  ] as const) {
    it(`fits ${width} pixels by ${colorScheme}, and says nothing to the console`, async () => {
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme })
      const page = await context.newPage()
      const trouble: string[] = []
      page.on('pageerror', (error) => trouble.push(error.message))
      page.on('console', (message) => {
        // A browser asks for an icon by itself.
        if (!message.location().url.endsWith('/favicon.ico')) trouble.push(message.text())
      })
      await page.goto(`${api.url}/plot?series_id=pump_7`)
      await page.locator('.u-over').nth(1).waitFor()
      expect(await page.evaluate('document.documentElement.scrollWidth')).to.equal(width)
      expect(trouble).to.deep.equal([])
      await context.close()
    })
  }

  it('says what a point is to who moves over it', async () => {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    await page.goto(`${api.url}/plot?series_id=pump_7&channel=pressure_bar`)
    await page.hover('.u-over')
    await page.locator('.u-legend', { hasText: /2026-10-0\d \d\d:\d\d:\d\d\s*value\D*6\.\d+/ }).waitFor()
    await page.close()
  })

  it('shows another model and a single channel by its pickers, without any script', async () => {
    const context = await browser.newContext({ javaScriptEnabled: false })
    const page = await context.newPage()
    await page.goto(`${api.url}/plot?series_id=pump_7`)
    await page.selectOption('select[name=model]', 'isolation_forest')
    await page.selectOption('select[name=channel]', 'pressure_bar')
    await page.click('button')
    expect(new URL(page.url()).searchParams.get('model')).to.equal('isolation_forest')
    expect(await page.locator('svg .band').count()).to.equal(1)
    expect(await page.locator('svg desc').textContent()).to.contain('to isolation_forest')
    await context.close()
  })
})
