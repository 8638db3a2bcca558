/** Replays of a config: over HTTP, as a job, and held against the same days as files. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { simulateAccount } from '../../../bench/quality/simulate.ts'
import type { Account, SimulatedAd } from '../../../bench/quality/simulate.ts'
import { loadConfig } from '../../../shared/config.ts'
import { computeInPlace } from '../../../shared/compute-in-place.ts'
import { toLocalDate } from '../../../shared/core/days.ts'
import { AppError } from '../../../shared/core/errors.ts'
import { judgementParams } from '../../../shared/detection/params.ts'
import type { ConfigReplay, ConfigReplayRequest } from '../../../shared/replay/replay-config.ts'
import { replayFolder } from '../../../shared/replay/replay-folder.ts'
import type { ReplayDay, ReplayReport } from '../../../shared/replay/report.ts'
import { trainingSettings } from '../../../shared/training/settings.ts'
import { LEVELS } from '../../../shared/core/entity.ts'
import type { Run } from '../../../shared/runs/run.ts'
import { openTestApi } from '../../support/api.ts'
import type { Reply, TestApi } from '../../support/api.ts'
import { eventually } from '../../support/eventually.ts'
import { insertLinked } from '../../support/incidents.ts'
import { exportFile, exportRows, FIRST_DAY, openFolderDesk } from '../../support/replay-folders.ts'
import type { FolderDesk } from '../../support/replay-folders.ts'

const CLI = fileURLToPath(new URL('../../../cli/main.js', import.meta.url))
const DAYS = 70
const LAST = toLocalDate(FIRST_DAY + DAYS - 2)
/** The last day of the figures is not over. */
const NOW = `${toLocalDate(FIRST_DAY + DAYS - 1)}T15:00:00.000Z`
const ENVIRONMENT = { ISOLATION_FOREST_TREES: '5' }
const PATH = '/api/v1/ml/replay'

/** Ads that ran all the time: when others began, files and tables know in ways of their own. */
const account = (): Account => {
  const made = simulateAccount({
    seed: 11,
    index: 0,
    days: DAYS,
    weekdayAmplitude: 0.2,
    leadsPerAd: 6,
    campaigns: 8,
    faults: 0,
    partialEnd: false,
  })
  const ads = made.ads.filter(({ start, end }) => start === 0 && end === DAYS - 1).slice(0, 8)
  const during = (column: Float64Array, from: number, to: number, factor: number): Float64Array =>
    column.map((value, t) => (t >= from && t <= to ? Math.round(value * factor) : value))
  const [stopped, tripled, ...others] = ads as [SimulatedAd, SimulatedAd, ...SimulatedAd[]]
  const faulty = (ad: SimulatedAd, from: number, to: number, factor: number): SimulatedAd => ({
    ...ad,
    spend: during(ad.spend, from, to, factor),
    impressions: during(ad.impressions, from, to, factor),
    clicks: during(ad.clicks, from, to, factor),
    leads: during(ad.leads, from, to, factor),
    reach: during(ad.reach, from, to, factor),
  })
  return { ...made, ads: [faulty(stopped, 45, 48, 0), faulty(tripled, 56, 58, 3), ...others] }
}

/** Without what accounts are called. */
const anonymous = (days: readonly ReplayDay[]): unknown =>
  days.map(({ date, anomalies }) => ({
    date,
    anomalies: anomalies.map(({ incident, ...rest }) => ({
      ...rest,
      account_id: '',
      incident: incident?.split('#')[1] ?? null,
    })),
  }))
/** Likewise. */
const facts = ({ incidents }: ReplayReport): unknown =>
  incidents.map(({ id, account_id: _account, ...incident }) => ({ ...incident, id: id.split('#')[1] }))

describe('replays of a config', () => {
  let api: TestApi
  let desk: FolderDesk
  let configId: number
  let trainer: string
  let databaseUrl = ''
  let files: { readonly report: ReplayReport }
  before(async () => {
    api = await openTestApi({
      clock: { now: () => new Date(NOW) },
      environment: ENVIRONMENT,
      workers: true,
      through: async (url) => (databaseUrl = url),
    })
    desk = await openFolderDesk()
    configId = await api.newConfig()
    const text = exportFile(exportRows(account()))
    const source = (async function* () {
      yield Buffer.from(text)
    })()
    await api.services.imports.importInsights({ configId, source, actor: 'test' })
    trainer = await api.key('trainer', 'trainer', [configId])
    const config = loadConfig(ENVIRONMENT)
    files = await replayFolder(
      await desk.read({ 'export.csv': text }),
      {
        from: null,
        to: null,
        trainEveryDays: 7,
        params: judgementParams(config),
        forests: trainingSettings(config),
      },
      computeInPlace,
    )
  })
  after(async () => {
    await api.close()
    await desk.close()
  })

  const replayed = (request: Partial<ConfigReplayRequest> = {}): Promise<ConfigReplay> =>
    api.services.replays.replay({
      configId,
      asOf: new Date(NOW),
      from: null,
      to: null,
      trainEveryDays: 7,
      level: null,
      entityIds: null,
      overrides: {},
      ...request,
    })
  const refusal = async (request: Partial<ConfigReplayRequest>): Promise<AppError> => {
    const error = await replayed(request).catch((one: unknown) => one)
    expect(error).to.be.instanceOf(AppError)
    return error as AppError
  }
  const post = (body: object, key = trainer): Promise<Reply> => api.ask(PATH, { body, key })
  const ended = (runId: string): Promise<Run> =>
    eventually('the run has succeeded', async () => {
      const run = await api.services.runs.get(runId)
      return run.status === 'succeeded' ? run : null
    })
  const range = (from: number, to = DAYS - 2): { from: string; to: string } => ({
    from: toLocalDate(FIRST_DAY + from),
    to: toLocalDate(FIRST_DAY + to),
  })
  const rowsOf = async (): Promise<unknown> =>
    Object.fromEntries(
      await Promise.all(
        ['ml_anomalies', 'ml_incidents', 'model_versions'].map(
          async (table) => [table, await api.knex(table).count()] as const,
        ),
      ),
    )

  it('say what the same days say as files: anomalies, incidents and totals', async () => {
    const { report } = await replayed()
    expect(report.days.at(-1)?.date).to.equal(LAST)
    expect(anonymous(report.days)).to.deep.equal(anonymous(files.report.days))
    expect(report.totals.alerted_incidents).to.be.greaterThan(0)
    expect(report.totals.judged_by.own).to.be.greaterThan(0)
    expect({ ...report.totals }).to.deep.equal({ ...files.report.totals })
    expect(facts(report)).to.deep.equal(facts(files.report))
  })

  it('say of a day what detection found on it', async () => {
    for (const t of [46, 57]) {
      const date = toLocalDate(FIRST_DAY + t)
      // Six times each, by the people of the week as the source counts them.
      await api.knex.raw(
        `insert into ads_reach (config_id, entity_type, entity_id, date, window_days, reach)
         select config_id, 'ad', ad_id, ?, 7, sum(impressions) / 6 from ads_insights_daily
         where config_id = ? and ad_id = (select max(ad_id) from ads_insights_daily where config_id = ?)
           and date between ?::date - 6 and ?
         group by config_id, ad_id`,
        [date, configId, configId, date, date],
      )
      for (const entity_type of LEVELS) {
        const { body, text, status } = await api.ask('/api/v1/ml/anomalies/detect', {
          body: { config_id: configId, entity_type, date },
          key: trainer,
        })
        expect(status, text).to.equal(202)
        await ended(String(body['run_id']))
      }
      const found = await api
        .knex('ml_anomalies')
        .where({ config_id: configId, anomaly_date: date })
        .select('entity_type', 'entity_id', 'type', 'metric', 'severity', 'polarity', 'alerted')
      const { report } = await replayed({ from: date, to: date })
      const said = report.days[0]?.anomalies.map(
        ({ account_id: _account, anomaly_date: _date, incident: _incident, ...rest }) => rest,
      )
      expect(said?.map(({ type }) => type)).to.include('frequency_alert')
      expect(found).to.have.deep.members(said ?? [])
    }
    await api.knex('ml_anomalies').where({ config_id: configId }).delete()
    await api.knex('ads_reach').where({ config_id: configId }).delete()
  })

  it('of some days say what they say among all', async () => {
    const { report } = await replayed(range(40, 60))
    expect(anonymous(report.days)).to.deep.equal(anonymous(files.report.days.slice(40, 61)))
  })

  it('of some entities judge them among all of the account', async () => {
    const alerted = files.report.days.flatMap(({ anomalies }) =>
      anomalies.filter((one) => one.entity_type === 'ad' && one.alerted),
    )
    const id = alerted[0]?.entity_id as string
    const { report } = await replayed({ level: 'ad', entityIds: [id] })
    const of = (days: readonly ReplayDay[]): unknown[] =>
      days.flatMap(({ date, anomalies }) =>
        anomalies
          .filter((one) => one.entity_type === 'ad' && one.entity_id === id)
          .map(({ type, metric, severity, alerted: told }) => [date, type, metric, severity, told]),
      )
    expect(report.totals.entities).to.equal(1)
    expect(of(report.days)).to.deep.equal(of(files.report.days))
    expect(report.days.flatMap(({ anomalies }) => anomalies)).to.have.length(of(files.report.days).length)
  })

  it('can be had by command', async () => {
    const { report } = await replayed({ ...range(50, 60), overrides: { fdr_q: 0.05 } })
    const { name } = await api.services.configs.get(configId)
    const options = ['--from', '2026-02-24', '--to', '2026-03-06', '--train-every', '7', '--fdr-q', '0.05']
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [CLI, 'replay', '--config', name, ...options, '--json'],
      {
        env: {
          PATH: process.env['PATH'],
          DATABASE_URL: databaseUrl,
          MODELS_STORAGE_PATH: api.folder,
          ...ENVIRONMENT,
        },
      },
    )
    expect(stderr).to.equal('')
    expect(JSON.parse(stdout)).to.deep.equal(JSON.parse(JSON.stringify(report)))
  })

  it('try other thresholds', async () => {
    const strict = await replayed({ overrides: { z_threshold: 6, iqr_multiplier: 20 } })
    expect(strict.report.totals.signals).to.be.lessThan(files.report.totals.signals)
  })

  it('refuse days and entities there are none of', async () => {
    expect((await refusal({ from: toLocalDate(FIRST_DAY + DAYS - 1) })).message).to.include(LAST)
    expect((await refusal({ to: toLocalDate(FIRST_DAY - 1) })).message).to.include('2026-01-05')
    expect((await refusal({ level: 'ad', entityIds: ['nobody'] })).message).to.include('entity_ids')
    expect((await refusal({ configId: await api.newConfig() })).message).to.include('no figures')
  })

  it('run as jobs, whose result is the report, and store nothing besides', async () => {
    const before = await rowsOf()
    const { status, body, headers, text } = await post({
      config_id: configId,
      ...range(50),
      train_every: 7,
      entity_type: 'ad',
    })
    expect(status, text).to.equal(202)
    expect(headers['location']).to.equal(`/api/v1/runs/${String(body['run_id'])}`)
    const run = await eventually('the run has ended', async () => {
      const asked = await api.ask(String(headers['location']), { key: trainer })
      return asked.body['finished_at'] === null ? null : asked.body
    })
    expect(run['status'], JSON.stringify(run)).to.equal('succeeded')
    const result = run['result'] as {
      readonly totals: ReplayReport['totals']
      readonly days: readonly ReplayDay[]
      readonly per_day: readonly Readonly<Record<string, unknown>>[]
      readonly incidents: ReplayReport['incidents']
    }
    const named = new Set(
      result.days.flatMap((day) =>
        day.anomalies.flatMap(({ alerted, incident }) => (alerted ? [incident] : [])),
      ),
    )
    expect(new Set(result.incidents.map(({ id }) => id))).to.deep.equal(named)
    expect(result.days.map(({ date }) => date)).to.deep.equal(
      Array.from({ length: 19 }, (_, t) => toLocalDate(FIRST_DAY + 50 + t)),
    )
    const anomalies = result.days.flatMap((day) => day.anomalies)
    expect(new Set(anomalies.map(({ entity_type: level }) => level))).to.deep.equal(new Set(['ad']))
    expect(result.per_day).to.have.length(19)
    expect(result.per_day.reduce((sum, day) => sum + Number(day['anomalies']), 0)).to.equal(anomalies.length)
    expect(result.totals).to.include({ precision: null, recall: null, anomalies: anomalies.length })
    expect(await rowsOf()).to.deep.equal(before)
  })

  it('are of campaigns when no level is named', async () => {
    const { body } = await post({ config_id: configId, ...range(60) })
    const run = await ended(String(body['run_id']))
    expect(run.result).to.include({ entity_type: 'campaign', train_every: 1 })
  })

  it('are held against what people said of findings: only of these is known whether they were right', async () => {
    const { report } = await replayed()
    const told = (from: number, to: number): string =>
      report.days
        .slice(from, to + 1)
        .flatMap(({ anomalies }) => anomalies)
        .find((one) => one.entity_type === 'ad' && one.alerted)?.entity_id as string
    const say = async (entityId: string, day: number, ...verdicts: string[]): Promise<void> => {
      const about = { entityType: 'ad', entityId, day: FIRST_DAY + day } as const
      const anomaly_id = await insertLinked(api.knex, configId, about)
      for (const verdict of verdicts)
        await api.knex('ml_anomaly_feedback').insert({ anomaly_id, verdict, actor: 'test' })
    }
    await say(told(45, 48), 45, 'true_positive', 'false_positive')
    await say(told(56, 58), 56, 'true_positive')
    const { totals } = (await replayed()).report
    expect(totals).to.include({ labels: 1, labels_told: 1, recall: 1 })
    const right = totals.alerted_episodes_right
    expect(right).to.be.greaterThan(0)
    expect(totals.precision).to.equal(right / (right + 1))
    expect((await replayed(range(60))).report.totals).to.include({ labels: 0, recall: null, precision: null })
  })

  it('refuse what cannot be replayed before a run is made of it', async () => {
    const cases: readonly (readonly [object, number, string])[] = [
      [range(60, 59), 400, 'swap'],
      [{ from: toLocalDate(FIRST_DAY + DAYS - 2 - 90), to: LAST }, 400, '90 days'],
      [range(60, DAYS - 1), 400, 'to: '],
      [range(60, DAYS - 1), 400, 'is not over'],
      [{ ...range(60), overrides: { fdr: 0.05 } }, 400, 'fdr'],
      [{ ...range(60), trian_every: 7 }, 400, 'trian_every'],
      [{ ...range(60), from: '1.3.2026' }, 400, '"detail":"body.from: must be a date such as 2026-03-10"'],
      [{ ...range(60), overrides: { fdr_q: 2 } }, 400, 'fdr_q'],
      [{ ...range(60), train_every: 0 }, 400, 'train_every'],
      [{ from: LAST }, 400, 'to'],
    ]
    for (const [body, status, message] of cases) {
      const reply = await post({ config_id: configId, ...body })
      expect(reply.status, reply.text).to.equal(status)
      expect(reply.text).to.include(message)
    }
    const viewer = await api.key('viewer', 'viewer', [configId])
    expect((await post({ config_id: configId, ...range(60) }, viewer)).status).to.equal(403)
    const stranger = await api.key('stranger', 'trainer', [await api.newConfig()])
    expect((await post({ config_id: configId, ...range(60) }, stranger)).status).to.equal(404)
  })

  it('take ninety days', async () => {
    const reply = await post({ config_id: configId, from: toLocalDate(FIRST_DAY + DAYS - 2 - 89), to: LAST })
    expect(reply.status, reply.text).to.equal(202)
    await api.services.runs.cancel(String(reply.body['run_id']))
  })
})
