/** The morning report in a real browser: on a phone and on a desk, by day and by night. */
import { existsSync } from 'node:fs'
import { expect } from 'chai'
import { chromium } from 'playwright-core'
import type { Browser } from 'playwright-core'
import { forecastLevel } from '../../shared/jobs/forecasting.ts'
import type { ForecastPayload } from '../../shared/jobs/forecasting.ts'
import type { WorkContext, WorkOutcome } from '../../shared/core/work.ts'
import { silentLogger } from '../../shared/platform/logger.ts'
import { newRunId } from '../../shared/runs/run-id.ts'
import { adDays, insertDays } from '../support/accounts.ts'
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

const NOW = '2026-03-11T12:00:00.000Z'
const DAY = '2026-03-10'
/** Names are what anybody called their ads. */
const HOSTILE = `</title><script>window.broken = 1</script>"'&${'x'.repeat(80)} 🦊`

/** Runs in the page: the least contrast of any text with what lies behind it (WCAG 2.2, 1.4.3). */
const LEAST_CONTRAST = `(() => {
  const parse = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number)
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((value) => {
      const share = value / 255
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * x + 0.7152 * y + 0.0722 * z
  }
  const groundOf = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor)
      if (colour.length >= 3 && colour[3] !== 0) return colour
    }
    return [255, 255, 255]
  }
  let least = { ratio: 21, text: '' }
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())
    if (!own || element.closest('svg')) continue
    const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(groundOf(element))]
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (ratio < least.ratio) least = { ratio, text: element.textContent.slice(0, 60) }
  }
  return least
})()`

const suite = executablePath === undefined ? describe.skip : describe
suite('the morning report in Chromium', () => {
  let api: TestApi
  let browser: Browser
  let configId: number

  before(async () => {
    api = await openTestApi({ clock: { now: () => new Date(NOW) } })
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: ARGS })
    configId = await api.newConfig()
    const rows = ['one', 'two', 'three'].flatMap((ad) =>
      adDays(ad, 60, DAY, { adsetId: `set-${ad}`, campaignId: `camp-${ad}` }),
    )
    await insertDays(api.knex, configId, rows)
    await api
      .knex('ads_campaigns')
      .where({ config_id: configId, campaign_id: 'camp-one' })
      .update({ name: HOSTILE })
    const { services } = api
    const step = { configId, asOf: NOW, day: DAY, watermark: NOW, entityIds: null, force: false }
    const work = async (doIt: (context: WorkContext) => Promise<WorkOutcome>): Promise<void> => {
      const id = newRunId(new Date(NOW))
      await api.knex('runs').insert({
        id,
        job: 'test',
        key: id,
        queue: 'ml',
        config_id: configId,
        payload: '{}',
        actor: 'test',
        status: 'running',
        attempt: 1,
      })
      const outcome = await doIt({
        signal: new AbortController().signal,
        fence: { runId: id, attempt: 1 },
        logger: silentLogger,
        progress: () => {},
      })
      expect(outcome.status).to.equal('succeeded')
    }
    const forecast: ForecastPayload = forecastLevel.campaign.payload.parse(step)
    await work((context) => services.features.computeLevel('campaign', step, context))
    await work((context) => services.classification.classifyLevel('campaign', step, context))
    await work((context) => services.forecasting.forecastLevel('campaign', forecast, context))
    await work((context) => services.recommendation.recommendLevel('campaign', step, context))
  })
  after(async () => {
    await browser.close()
    await api.close()
  })

  for (const width of [360, 1280]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      it(`is whole and readable at ${width} px, ${colorScheme}`, async () => {
        const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme })
        try {
          const page = await context.newPage()
          const trouble: string[] = []
          page.on('pageerror', (error) => trouble.push(error.message))
          page.on('console', (message) => trouble.push(message.text()))
          page.on('request', (request) => {
            if (!request.url().startsWith(api.url) && !request.url().startsWith('data:'))
              trouble.push(request.url())
          })
          await page.goto(`${api.url}/api/v1/reports/daily?config_id=${configId}`, {
            waitUntil: 'networkidle',
          })

          expect(await page.locator('h1').count()).to.equal(1)
          expect(await page.locator('h2').allTextContents()).to.deep.equal([
            'How it went',
            'What to do',
            'What is odd',
            'Next week 11 Mar to 17 Mar',
            'How everything does',
          ])
          for (const name of [
            /^Spend: BRL .* expected in the next 7 days\.$/,
            /^Leads: .* in the last 28 days/,
          ]) {
            const box = await page.getByRole('img', { name }).boundingBox()
            expect(box?.width).to.be.greaterThan(width / 3)
            expect(box?.height).to.be.greaterThan(100)
          }
          expect(
            await page.evaluate(
              'document.documentElement.scrollWidth - document.documentElement.clientWidth',
            ),
          ).to.equal(0)
          expect(await page.evaluate(`'broken' in window`)).to.equal(false)
          const { ratio, text } = await page.evaluate<{ ratio: number; text: string }>(LEAST_CONTRAST)
          expect(ratio, text).to.be.at.least(4.5)
          expect(trouble).to.deep.equal([])
        } finally {
          await context.close()
        }
      })
    }
  }
})
