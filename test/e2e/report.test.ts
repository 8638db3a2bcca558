/** The morning report in a real browser, on a phone and on a desk, by day and by night. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'
import { toDayNumber, toLocalDate } from '../../shared/core/days.ts'
import type { Notice } from '../../shared/notify/webhooks.ts'
import { insertDays } from '../support/accounts.ts'
import { openTestApi } from '../support/api.ts'
import type { TestApi } from '../support/api.ts'
import {
  insertLinked,
  linkTo,
  ROOM,
  runningFence,
  savedIncident,
  nothingFound,
} from '../support/incidents.ts'
import { HOSTILE_NAMES, insertAdvice, insertAnomaly, insertForecast, insertTier } from '../support/report.ts'

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
const SCREENSHOTS = process.env['REPORT_SCREENSHOTS']

const DAY = '2026-03-10'
const NOW = '2026-03-11T10:00:00.000Z'
const LATER = '2026-03-20T00:00:00Z'
const NAMES = ['Spring sale | Lookalike 1%', 'Retargeting | 30 days', 'Newsletter', 'Brand', 'Video views']

/** Everything a page did that it should not. */
const watch = (page: Page, address: string): readonly string[] => {
  const trouble: string[] = []
  page.on('pageerror', (error) => trouble.push(`error: ${error.message}`))
  page.on('console', (message) => trouble.push(`console: ${message.text()}`))
  page.on('request', (request) => {
    const url = request.url()
    if (url !== address && !url.startsWith('data:')) trouble.push(`request: ${url}`)
  })
  return trouble
}

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
    if (node.textContent.trim() === '') continue
    const a = luminance(getComputedStyle(node.parentElement).color)
    const b = luminance(groundOf(node.parentElement))
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (!(contrast >= 4.5)) faint.push(contrast.toFixed(2) + ': ' + node.textContent)
  }
  return faint
})()`

/** In the page. What reaches beyond its right edge. */
const TOO_WIDE = String.raw`(() => {
  const width = document.documentElement.clientWidth
  const wide = [...document.querySelectorAll('section,li,p,figure,h1,h2,svg,th,td,.plot span,.dates span,footer')]
    .filter((one) => one.getBoundingClientRect().right > width + 0.5)
    .map((one) => one.outerHTML.slice(0, 100))
  return document.documentElement.scrollWidth > width ? [...wide, 'the page scrolls sideways'] : wide
})()`

const suite = executablePath === undefined ? describe.skip : describe
suite('the morning report in Chromium', () => {
  let api: TestApi
  let browser: Browser
  const accounts: Record<string, number> = {}

  const account = async (name: string, campaigns: readonly string[], leads: number): Promise<number> => {
    const configId = await api.newConfig()
    await api.knex('ads_configs').where({ id: configId }).update({ name })
    for (const [c] of campaigns.entries()) {
      await insertDays(
        api.knex,
        configId,
        Array.from({ length: 28 }, (_, i) => {
          const wave = 1 + 0.4 * Math.sin((2 * Math.PI * i) / 7) + 0.1 * Math.sin(i * (c + 2))
          return {
            adId: `a${c}`,
            adsetId: `s${c}`,
            campaignId: `c${c}`,
            date: toLocalDate(toDayNumber(DAY) - 27 + i),
            spend: Math.round(10_000 * wave) / 100,
            impressions: 1000,
            clicks: 30,
            leads: Math.round(leads * wave),
            reach: 900,
          }
        }),
      )
    }
    for (const [table, id, prefix] of [
      ['ads_campaigns', 'campaign_id', 'c'],
      ['ads_adsets', 'adset_id', 's'],
      ['ads_ads', 'ad_id', 'a'],
    ] as const)
      for (const [c, called] of campaigns.entries())
        await api
          .knex(table)
          .where({ config_id: configId, [id]: `${prefix}${c}` })
          .update({ name: called })
    return configId
  }

  const fill = async (configId: number, campaigns: number, findings: number): Promise<void> => {
    const tiers = ['HIGH_PERFORMER', 'MODERATE', 'LOW', 'UNDERPERFORMER'] as const
    for (let c = 0; c < campaigns; c += 1) {
      for (const [level, prefix] of [
        ['campaign', 'c'],
        ['adset', 's'],
        ['ad', 'a'],
      ] as const)
        await insertTier(api.knex, configId, {
          level,
          id: `${prefix}${c}`,
          day: DAY,
          tier: tiers[c % 4] ?? 'LOW',
          previous: level === 'campaign' ? 'MODERATE' : (tiers[c % 4] ?? 'LOW'),
        })
      for (const metric of ['spend', 'leads'] as const)
        await insertForecast(api.knex, configId, {
          level: 'campaign',
          id: `c${c}`,
          metric,
          day: DAY,
          predicted: metric === 'spend' ? 104 : 8,
          halfWidth: metric === 'spend' ? 30 : 4,
        })
      await insertAdvice(api.knex, configId, {
        level: 'campaign',
        id: `c${c}`,
        day: DAY,
        expiresAt: LATER,
        ...(c % 2 === 0
          ? { type: 'SCALE_UP' as const, title: 'Raise the budget by 20%', leads: 4 + c, changePct: 20 }
          : { type: 'PAUSE' as const, title: 'Pause it' }),
        spend7d: 700,
        sentence:
          'It brought 60 leads at BRL 11.67 each in 7 days, where the account pays BRL 15.20 for one, and shows no sign of tiring.',
      })
    }
    for (let i = 0; i < findings; i += 1)
      await insertAnomaly(api.knex, configId, {
        level: i % 3 === 0 ? 'ad' : 'campaign',
        id: `${i % 3 === 0 ? 'a' : 'c'}${i % Math.max(campaigns, 40)}`,
        day: toLocalDate(toDayNumber(DAY) - (i % 7)),
        severity: (['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'] as const)[i % 4] ?? 'LOW',
        polarity: i % 11 === 4 ? 'good' : 'bad',
        type: `cpl_spike_${i}`,
        alerted: i % 5 !== 4,
      })
    // One that goes on, one that nobody is told of and one that is over, of each campaign.
    const day = toDayNumber(DAY)
    const incidents = Array.from({ length: 3 * campaigns }, (_, i) => {
      const c = Math.floor(i / 3)
      const isOver = i % 3 === 2
      return savedIncident({
        campaignId: `c${c}`,
        root: { entityType: 'adset', entityId: `s${c}` },
        figuresOf: { entityType: 'adset', entityId: `s${c}` },
        causes: [{ entityType: 'ad', entityId: `a${c}`, depth: 1, share: 1, observed: 60, expected: 20 }],
        metric: (['cpl', 'ctr', 'spend'] as const)[i % 3] ?? 'cpl',
        alerted: i % 3 !== 1,
        dateFrom: day - (isOver ? 6 : 1),
        dateTo: day - (isOver ? 4 : 0),
      })
    })
    const links = incidents.map(({ root, metric, dateTo }, i) =>
      linkTo(i, { ...root, type: `${metric}_spike` as 'cpl_spike', metric, day: dateTo }),
    )
    for (const link of links) await insertLinked(api.knex, configId, { ...link, incident: null })
    await api.store.incidentWriter.save(
      await runningFence(api.knex),
      {
        configId,
        day,
        ...nothingFound(configId),
        leadsDay: day,
        at: new Date(NOW),
        budget: ROOM,
        incidents,
        links,
      },
      (): Notice => ({ messages: [], run: {} as Notice['run'] }),
    )
  }

  before(async () => {
    api = await openTestApi({ clock: { now: () => new Date(NOW) } })
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: ARGS })
    accounts['ordinary'] = await account('Acme Brazil', NAMES, 8)
    await fill(accounts['ordinary'], NAMES.length, 5)
    accounts['hostile'] = await account(`${HOSTILE_NAMES[6]} ${HOSTILE_NAMES[0]}`, HOSTILE_NAMES, 8000)
    await fill(accounts['hostile'], HOSTILE_NAMES.length, 200)
    accounts['new'] = await account('One campaign, no leads', ['Only one'], 0)
  })
  after(async () => {
    await browser?.close()
    await api?.close()
  })

  for (const name of ['ordinary', 'hostile', 'new'])
    for (const width of [360, 1280])
      for (const colorScheme of ['light', 'dark'] as const)
        it(`fits ${width} pixels of a ${colorScheme} screen and can be read: the ${name} account`, async () => {
          const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme })
          try {
            const page = await context.newPage()
            const address = `${api.url}/api/v1/reports/daily?config_id=${accounts[name]}`
            const trouble = watch(page, address)
            const response = await page.goto(address, { waitUntil: 'networkidle' })
            expect(response?.headers()['content-type']).to.equal('text/html; charset=utf-8')
            if (SCREENSHOTS !== undefined) {
              const path = join(SCREENSHOTS, `${name}-${width}-${colorScheme}.png`)
              await page.screenshot({ path, fullPage: true })
            }
            expect(trouble).to.deep.equal([])
            expect(await page.evaluate<string[]>(TOO_WIDE)).to.deep.equal([])
            // The table behind the charts as well, once it is unfolded.
            await page.getByText('Day by day').click()
            await page.getByRole('columnheader', { name: 'Day' }).waitFor()
            for (const fold of await page.locator('#odd ~ details summary').all()) await fold.click()
            expect(await page.evaluate<string[]>(TOO_WIDE)).to.deep.equal([])
            expect(await page.evaluate<string[]>(FAINT_TEXTS)).to.deep.equal([])
          } finally {
            await context.close()
          }
        })

  const open = async (name: string, look: (page: Page) => Promise<void>): Promise<void> => {
    const page = await browser.newPage()
    try {
      await page.goto(`${api.url}/api/v1/reports/daily?config_id=${accounts[name]}&format=html`)
      await look(page)
    } finally {
      await page.close()
    }
  }

  it('has one title, a heading for each part, and two charts told in words', () =>
    open('ordinary', async (page) => {
      expect(await page.title()).to.equal('Acme Brazil: Tuesday, 10 March 2026')
      const headings = await page.locator('h1,h2,h3,h4').evaluateAll((all) => all.map((one) => one.tagName))
      expect(headings).to.deep.equal(['H1', 'H2', 'H2', 'H2', 'H2', 'H3', 'H2'])
      expect(await page.locator('h2').allTextContents()).to.deep.equal([
        'How it went',
        'What is odd',
        'What to do the largest effect first',
        'How each campaign does',
        'Next week 11 Mar to 17 Mar',
      ])
      for (const role of ['banner', 'main', 'contentinfo'] as const)
        expect(await page.getByRole(role).count(), role).to.equal(1)
      expect(await page.getByRole('region').count()).to.equal(5)
      const charts = page.getByRole('img')
      expect(await charts.count()).to.equal(2)
      const [spend = '', leads = ''] = await charts.evaluateAll((all) =>
        all.map((one) => one.getAttribute('aria-label') ?? ''),
      )
      expect(spend).to.match(
        /^Spend: BRL [\d,]+ in 28 days, .*; BRL [\d,]+ expected from 11 Mar to 17 Mar\.$/,
      )
      expect(leads).to.match(/^Leads: [\d,]+ in 28 days, .*; [\d,]+ expected from 11 Mar to 17 Mar\.$/)
      expect(await page.locator('html').getAttribute('lang')).to.equal('en')
    }))

  it('draws no forecast where there is none, and says so', () =>
    open('new', async (page) => {
      expect(await page.locator('svg .next, svg .band').count()).to.equal(0)
      expect(await page.getByText('There are no forecasts yet; make them with').count()).to.equal(1)
      expect(await page.getByRole('img', { name: /^Leads: 0 in 28 days/ }).count()).to.equal(1)
    }))

  it('shows names as they are called and runs none of them', () =>
    open('hostile', async (page) => {
      expect(await page.locator('script,img').count()).to.equal(0)
      expect(await page.getByText('<script>alert(1)</script>').count()).to.be.greaterThan(0)
    }))
})
