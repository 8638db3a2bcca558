/** `vigia demo`: the bundled account from import to findings, with the system left running. */
import type { Command } from 'commander'
import { toLocalDate } from '../../shared/core/days.ts'
import { LEVELS } from '../../shared/core/entity.ts'
import type { AdsConfig } from '../../shared/entities/configs.ts'
import { trainConfig } from '../../shared/jobs/training.ts'
import { AppError } from '../../shared/core/errors.ts'
import { DEMO_ACCOUNT, openDemoFiles } from '../demo/account.ts'
import { renderIncidents } from '../findings/incidents.ts'
import { describeRun, followRuns } from '../follow.ts'
import { printJson, printLine, remark } from '../output.ts'
import { startSystemWorkers } from '../system.ts'
import type { Opener, System } from '../system.ts'
import { findingsOf, startDetection } from './detect.ts'
import { urgentIncidents } from './incidents.ts'
import { startAdvice } from './recommend.ts'
import { describeUrls, startAll, stayUp } from './up.ts'

const DAYS = 7

/** The demo's config, empty: yesterday's copy of the account had other dates. */
const freshConfig = async ({ services }: System): Promise<AdsConfig> => {
  const old = await services.configs.find(DEMO_ACCOUNT.name)
  if (old && old.account_id !== DEMO_ACCOUNT.accountId) {
    throw new AppError(
      'CONFLICT',
      `the config "${DEMO_ACCOUNT.name}" is not the demo's; rename it to run the demo here`,
    )
  }
  if (old) await services.configs.remove(old.id, true)
  return services.configs.create({
    name: DEMO_ACCOUNT.name,
    account_id: DEMO_ACCOUNT.accountId,
    timezone: DEMO_ACCOUNT.timezone,
    currency: DEMO_ACCOUNT.currency,
  })
}

const train = async ({ services }: System, config: AdsConfig, day: number): Promise<void> => {
  const localDate = toLocalDate(day)
  const run = await services.enqueue(
    trainConfig,
    {
      configId: config.id,
      asOf: services.clock.now().toISOString(),
      day: localDate,
      watermark: (await services.freshness.watermark(config.id, localDate)).toISOString(),
      entityType: null,
      entityIds: null,
      verdicts: 0,
    },
    { actor: 'cli' },
  )
  const [ended] = await followRuns(services, [run.id], `training on the 90 days before ${localDate}`)
  if (ended?.status !== 'succeeded')
    throw new AppError('CONFLICT', `the training ended otherwise: ${ended ? describeRun(ended) : ''}`)
}

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`

export const registerDemo = (program: Command, open: Opener): void => {
  program
    .command('demo')
    .description(
      'imports the bundled account, trains, checks its last seven complete days, gives advice, says what to look at first, and stays up',
    )
    .option('--once', 'ends after the incidents')
    .option('--json', 'one JSON object with the incidents and their findings')
    .action(async (options: { once?: boolean; json?: boolean }) => {
      const ending = options.once ? null : stayUp()
      const say = options.json ? remark : printLine
      const system = await open()
      const { services } = system
      let url: string | null = null
      if (options.once) startSystemWorkers(system)
      else url = await startAll(system)

      const files = await openDemoFiles(services.clock.now())
      const newest = files.today - 1
      const config = await freshConfig(system)
      let since = performance.now()
      const report = await services.imports.importInsights({
        configId: config.id,
        source: files.report,
        actor: 'cli',
      })
      await services.imports.importChanges(config.id, files.changes)
      say(
        `Imported ${report.rows_upserted} rows of "${config.name}", ${report.date_from} to ${report.date_to} (${seconds(since)}).`,
      )

      since = performance.now()
      // A day is judged by models trained before it: one training before the week, one for its last day.
      await train(system, config, newest - DAYS + 1)
      await train(system, config, newest)
      say(
        `Trained one model per campaign, ad set and ad with enough days, before the week and again for its last day (${seconds(since)}).`,
      )

      since = performance.now()
      const dateTo = toLocalDate(newest)
      const dateFrom = toLocalDate(newest - DAYS + 1)
      const wish = { config, levels: LEVELS, entityIds: null, day: dateTo, days: DAYS }
      const runs = await followRuns(services, await startDetection(services, wish), 'checking seven days')
      for (const run of runs) if (run.status !== 'succeeded') remark(describeRun(run))
      const findings = await findingsOf(services, config, dateFrom, dateTo, LEVELS)
      const { rows: incidents, total, folded } = await urgentIncidents(services, config, DAYS)
      const told = total + folded.quiet + folded.over
      say(
        `Checked ${dateFrom} to ${dateTo} (${seconds(since)}): ${findings.length} findings in ${told} incidents.`,
      )

      since = performance.now()
      const advice = await followRuns(services, await startAdvice(services, config, dateTo), 'advising')
      for (const run of advice) if (run.status !== 'succeeded') remark(describeRun(run))
      say(`Tiers, forecasts and advice for every campaign, ad set and ad (${seconds(since)}).`)

      if (options.json)
        printJson({
          config_id: config.id,
          date_from: dateFrom,
          date_to: dateTo,
          url,
          incidents,
          folded,
          anomalies: findings,
        })
      else {
        printLine('\n$ vigia incidents\n')
        printLine(renderIncidents(incidents, { colour: process.stdout.isTTY, total, folded }))
        printLine()
        if (url) {
          printLine('vigia stays up; Ctrl-C ends it. Where to look next:')
          printLine(describeUrls(url, config.id))
        } else {
          const [first] = incidents
          const next = [
            [`npx vigia incidents show ${first?.id ?? 1}`, 'what the first of them is made of'],
            [`npx vigia report --config ${config.id}`, 'the morning report: what to do, what comes next'],
            ['npx vigia up', 'the API, its docs and the queues, on port 8080'],
            ['npx vigia import report.csv --config "My account"', 'your own figures'],
          ] as const
          printLine('Where to look next:')
          for (const [command, what] of next) printLine(`  ${command.padEnd(51)}${what}`)
        }
      }
      if (ending) await ending
    })
}
