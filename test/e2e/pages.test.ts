/** The pages in a real browser: whole, by themselves, without a word of complaint in its console. */
import { existsSync } from 'node:fs'
import { expect } from 'chai'
import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'
import { loadConfig } from '../../shared/config.ts'
import { timetable } from '../../shared/schedules/timetable.ts'
import { openTestApi } from '../support/api.ts'
import type { TestApi } from '../support/api.ts'
import { redisAvailable, sharedRedisUrl } from '../support/redis.ts'

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

/** Everything a page did that it should not. */
const watch = (page: Page, base: string): readonly string[] => {
  const trouble: string[] = []
  page.on('pageerror', (error) => trouble.push(`error: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') trouble.push(`console: ${message.text()}`)
  })
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(base) && !url.startsWith('data:')) trouble.push(`foreign: ${url}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 400) trouble.push(`${response.status()}: ${response.url()}`)
  })
  return trouble
}

const suite = executablePath === undefined ? describe.skip : describe
for (const backend of ['postgres', 'redis'] as const) {
  const here = backend === 'redis' && !redisAvailable() ? describe.skip : suite
  here(`pages in Chromium, queues in ${backend}`, () => {
    let api: TestApi
    let browser: Browser

    before(async () => {
      const environment = backend === 'redis' ? { REDIS_URL: await sharedRedisUrl() } : {}
      api = await openTestApi({ environment })
      browser = await chromium.launch({ executablePath: executablePath ?? '', args: ARGS })
      const rows = timetable(loadConfig({}))
      await api.store.schedules.sync(
        rows.map(({ id, job, cron, timezone }) => ({ id, job: job.name, cron, timezone })),
      )
    })
    after(async () => {
      await browser.close()
      await api.close()
    })

    const visit = async (
      path: string,
      look: (page: Page, trouble: readonly string[]) => Promise<void>,
      httpCredentials?: { username: string; password: string },
    ): Promise<void> => {
      const context = await browser.newContext({
        viewport: { width: 1280, height: 900 },
        ...(httpCredentials ? { httpCredentials } : {}),
      })
      try {
        const page = await context.newPage()
        const trouble = watch(page, api.url)
        await page.goto(`${api.url}${path}`, { waitUntil: 'networkidle' })
        await look(page, trouble)
      } finally {
        await context.close()
      }
    }

    it('the docs show the API, and try it out', () =>
      visit('/docs', async (page, trouble) => {
        await page.getByText('/api/v1/configs', { exact: true }).first().waitFor()
        await page.locator('#operations-Schedules-getSchedules .opblock-summary-control').click()
        await page.getByRole('button', { name: 'Try it out' }).click()
        await page.getByRole('button', { name: 'Execute' }).click()
        await page.locator('.live-responses-table').getByText('train.all').first().waitFor()
        expect(trouble).to.deep.equal([])
      }))

    it('the board lists the queues and a job', async () => {
      const configId = await api.newConfig()
      const payload = {
        configId,
        asOf: '2026-06-16T10:00:00.000Z',
        day: '2026-06-15',
        watermark: '2026-06-16T09:00:00.000Z',
      }
      expect((await api.ask('/api/v1/jobs', { body: { name: 'train.config', payload } })).status).to.equal(
        202,
      )
      await visit('/admin/queues', async (page, trouble) => {
        await page
          .getByRole('link', { name: /training/i })
          .first()
          .waitFor()
        expect(trouble).to.deep.equal([])
        await page.goto(`${api.url}/admin/queues/queue/training`, { waitUntil: 'networkidle' })
        await page.getByText('train.config').first().waitFor()
        expect(trouble).to.deep.equal([])
      })
    })

    it('the board asks for a key where there are keys, and lets an admin pause a queue', async () => {
      const key = await api.key('root', 'admin')
      await visit(
        '/admin/queues/queue/maintenance',
        async (page, trouble) => {
          await page
            .getByRole('link', { name: /maintenance/i })
            .first()
            .waitFor()
          const paused = await page.evaluate(
            async () => (await fetch('/admin/queues/api/queues/maintenance/pause', { method: 'PUT' })).status,
          )
          expect(paused).to.equal(200)
          await page.evaluate(() => fetch('/admin/queues/api/queues/maintenance/resume', { method: 'PUT' }))
          // The browser first tries without, and says so.
          expect(trouble.filter((line) => !/\b401\b/.test(line))).to.deep.equal([])
        },
        { username: 'me', password: key },
      )
      await api.services.keys.revoke('root')
    })
  })
}
