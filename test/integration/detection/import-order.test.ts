/** Whatever the way the figures came in, detection ends where one ordered import and one look would have. */
import { expect } from 'chai'
import fc from 'fast-check'
import { toDayNumber, toLocalDate } from '../../../shared/core/days.ts'
import type { Level } from '../../../shared/core/entity.ts'
import type { DetectionParts } from '../../../shared/detection/detection.ts'
import { openTestDatabase } from '../../support/database.ts'
import type { TestDatabase } from '../../support/database.ts'
import { gatedJudgement, NOBODY, openDetectionSystem } from '../../support/detection.ts'
import type { DetectionSystem } from '../../support/detection.ts'
import { openEntityServices } from '../../support/entities.ts'
import type { EntityServices } from '../../support/entities.ts'
import { openTrainingSystem } from '../../support/training.ts'
import type { TrainingSystem } from '../../support/training.ts'

const DAYS = 35
/** A Tuesday, complete at noon of the next day. */
const LAST = toDayNumber('2026-03-10')
const NOON_MS = Date.parse('2026-03-11T15:00:00.000Z')
const HOUR_MS = 3_600_000
const LEVELS: readonly Level[] = ['campaign', 'adset', 'ad']
/** Days that are looked at again. */
const WEEK = 7

const HEADER = 'date,campaign_id,adset_id,ad_id,ad_name,spend,impressions,reach,clicks,leads'
const ADS = [
  { ad: 'a1', adset: 's1' },
  { ad: 'a2', adset: 's1' },
  { ad: 'a3', adset: 's2' },
] as const

type FaultKind = 'tripled' | 'stopped' | 'no_leads'
interface Fault {
  readonly kind: FaultKind
  readonly ad: number
  /** Days before the last. */
  readonly since: number
}

interface Figures {
  readonly spend: number
  readonly leads: number
}

const FACTORS: Readonly<Record<FaultKind, Figures>> = {
  tripled: { spend: 3, leads: 1 },
  stopped: { spend: 0, leads: 0 },
  no_leads: { spend: 1, leads: 0.05 },
}

/** Of ad `ad`, `t` days before the last: an account that is a little different every day. */
const figuresOf = (ad: number, t: number, fault: Fault | null): Figures => {
  const wave = Math.sin(12.9898 * t + 78.233 * ad)
  const factor = fault && fault.ad === ad && t <= fault.since ? FACTORS[fault.kind] : { spend: 1, leads: 1 }
  return {
    spend: (100 + 40 * ad) * (1 + 0.06 * wave) * factor.spend,
    leads: (14 + 2 * Math.cos(5 * t + ad)) * factor.leads,
  }
}

const rowOf = (ad: number, t: number, { spend, leads }: Figures): string => {
  const { ad: id, adset } = ADS[ad] as (typeof ADS)[number]
  const impressions = Math.round(spend * 40)
  const cells = [
    toLocalDate(LAST - t),
    'c1',
    adset,
    id,
    `Ad ${id}`,
    spend.toFixed(2),
    impressions,
    Math.round(impressions / 1.4),
    Math.round(spend * 2),
    Math.round(leads),
  ]
  return cells.join(',')
}

interface Row {
  readonly line: string
  /** What a report told of it before it was restated. */
  readonly before: string
  readonly t: number
}

const rowsWith = (fault: Fault): Row[] =>
  ADS.flatMap((_, ad) =>
    Array.from({ length: DAYS }, (__, t): Row => {
      const { spend, leads } = figuresOf(ad, t, fault)
      const early = { spend: spend * 0.8, leads: leads / 2 }
      return { line: rowOf(ad, t, { spend, leads }), before: rowOf(ad, t, early), t }
    }),
  )

interface Step {
  readonly text: string
  /** Whether the hour passes with a look. */
  readonly look: boolean
}

const fileOf = (lines: readonly string[]): string => `${[HEADER, ...lines].join('\n')}\n`

const faults: fc.Arbitrary<Fault> = fc.record({
  kind: fc.constantFrom<FaultKind>('tripled', 'stopped', 'no_leads'),
  ad: fc.nat({ max: ADS.length - 1 }),
  since: fc.integer({ min: 0, max: 5 }),
})

interface Way {
  readonly fault: Fault
  readonly steps: readonly Step[]
}

/** Reports that overlap, come in any order, come twice, and of which some are restated by later ones. */
const ways: fc.Arbitrary<Way> = faults.chain((fault) => {
  const rows = rowsWith(fault)
  return fc
    .record({
      order: fc.shuffledSubarray(rows, { minLength: rows.length }),
      cuts: fc.array(fc.nat({ max: rows.length }), { maxLength: 2 }),
      restatedFrom: fc.nat({ max: WEEK }),
      twice: fc.boolean(),
      looks: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
    })
    .map(({ order, cuts, restatedFrom, twice, looks }): Way => {
      const edges = [0, ...cuts.toSorted((a, b) => a - b), order.length]
      const chunks = edges.slice(1).map((edge, i) => order.slice(edges[i], edge))
      const early = rows.filter(({ t }) => t < restatedFrom).map(({ before }) => before)
      const texts = [early, ...chunks.map((chunk) => chunk.map(({ line }) => line))]
        .filter((lines) => lines.length > 0)
        .flatMap((lines) => (twice ? [fileOf(lines), fileOf(lines)] : [fileOf(lines)]))
      return { fault, steps: texts.map((text, i) => ({ text, look: looks[i % looks.length] as boolean })) }
    })
})

describe('imports in any order', () => {
  let database: TestDatabase
  let system: TrainingSystem
  let detection: DetectionSystem
  let services: EntityServices
  before(async () => {
    database = await openTestDatabase()
    system = await openTrainingSystem(database.knex)
    detection = openDetectionSystem(system)
    services = openEntityServices(database.knex, new Date(NOON_MS).toISOString())
  })
  after(() => database.close())

  const setHour = (hour: number): void => {
    const instant = new Date(NOON_MS + hour * HOUR_MS).toISOString()
    system.setNow(instant)
    services.setNow(instant)
  }
  /** @returns whether there was something to look at: while the newest day is missing, nothing is judged. */
  const look = async (
    configId: number,
    days: number,
    day = LAST,
    webhooks: DetectionParts['webhooks'] = NOBODY,
  ): Promise<boolean> => {
    const ended = new Set<string>()
    for (const level of LEVELS) {
      const outcome = await detection.detect(
        configId,
        { level, days, day: toLocalDate(day) },
        { params: gatedJudgement(), useForests: false, webhooks },
      )
      ended.add(outcome.status)
    }
    expect([...ended].join()).to.be.oneOf(['succeeded', 'skipped'])
    return ended.has('succeeded')
  }
  /** All that stands of the last week: what was taken back is history. */
  const stateOf = async (configId: number): Promise<string[]> => {
    const { rows: anomalies } = (await database.knex.raw(
      `select a.entity_type, a.entity_id, a.type, a.metric, a.anomaly_date, a.severity, a.polarity, a.direction, a.observed,
         a.expected, a.lower, a.upper, a.deviation, a.score, a.rarity, a.signals, a.alerted, a.partial, a.status,
         a.resolution, i.family as incident_family, i.date_from as incident_from
       from ml_anomalies a left join ml_incidents i on i.id = a.incident_id
       where a.config_id = ? and a.resolution is distinct from 'restated'
       order by 1, 2, 3, 4, 5`,
      [configId],
    )) as { rows: object[] }
    const { rows: incidents } = (await database.knex.raw(
      // What it is called by, its metric and direction, stays as it was first told; figures are of that metric.
      `select campaign_id, family, root_type, root_id, polarity, severity, date_from, date_to,
         alerted_at is not null as alerted, status, resolution, (
           select jsonb_agg(one - '{observed,expected}'::text[] order by place)
           from jsonb_array_elements(causes) with ordinality as c(one, place)) as causes
       from ml_incidents i
       where config_id = ? and exists (
         select from ml_anomalies a where a.incident_id = i.id and a.resolution is distinct from 'restated')
       order by date_from, family, root_type, root_id`,
      [configId],
    )) as { rows: object[] }
    return [...anomalies, ...incidents].map((row) => JSON.stringify(row))
  }

  it('end in the same anomalies, incidents and alerts as one ordered import', async () => {
    let seen = 0
    await fc.assert(
      fc.asyncProperty(ways, async ({ fault, steps }) => {
        const plain = await services.newConfig()
        setHour(0)
        await services.importText(plain, fileOf(rowsWith(fault).map(({ line }) => line)))
        await look(plain, WEEK)

        const other = await services.newConfig()
        let hour = 0
        // Who looks for the first time looks at the whole week; every hour after that at what came late.
        let days = WEEK
        const lookAgain = async (): Promise<void> => {
          if (await look(other, days)) days = 1
        }
        for (const step of steps) {
          setHour(hour)
          await services.importText(other, step.text)
          if (step.look) await lookAgain()
          hour += 1
        }
        // The hour after the last import sees all of it, and the next one what that hour was told of.
        for (let more = 0; more < 2; more++) {
          setHour(hour + more)
          await lookAgain()
        }
        const state = await stateOf(plain)
        seen += state.length
        const reached = await stateOf(other)
        expect({
          beyond: reached.filter((row) => !state.includes(row)),
          missing: state.filter((row) => !reached.includes(row)),
        }).to.deep.equal({ beyond: [], missing: [] })
      }),
      { numRuns: 4, seed: 4711, endOnFailure: true },
    )
    expect(seen).to.be.above(0)
  })

  it('send on each day what they would have sent without the days after it', async () => {
    const days = 7
    const tripled: Fault = { kind: 'tripled', ad: 0, since: 5 }
    // One of them is not in the reports any more: its silence is known by the rows of the others.
    const rows = rowsWith(tripled).filter(({ line, t }) => t > 3 || !line.includes(',a3,'))
    const sentOn = async (configId: number, t: number): Promise<string[]> => {
      setHour(-24 * t)
      const sent: string[] = []
      const webhooks: DetectionParts['webhooks'] = {
        ...NOBODY,
        notice: (events) => {
          sent.push(
            ...events.map(
              ({
                type,
                day,
                path,
                data: { config_id: _config, incident_id: _id, config_name: _name, ...data },
              }) => JSON.stringify({ type, day, path, data }),
            ),
          )
          return NOBODY.notice(events)
        },
      }
      await look(configId, 1, LAST - t, webhooks)
      return sent
    }
    const daily = Array.from({ length: days }, (_, i) => days - 1 - i)
    const sent: Record<string, string[][]> = { live: [], afterwards: [] }

    const live = await services.newConfig()
    for (const t of daily) {
      setHour(-24 * t)
      const since = t === days - 1 ? DAYS : t
      await services.importText(
        live,
        fileOf(rows.filter((row) => row.t >= t && row.t <= since).map(({ line }) => line)),
      )
      sent['live']?.push(await sentOn(live, t))
    }
    setHour(0)
    const afterwards = await services.newConfig()
    await services.importText(afterwards, fileOf(rows.map(({ line }) => line)))
    for (const t of daily) sent['afterwards']?.push(await sentOn(afterwards, t))

    expect(sent['afterwards']).to.deep.equal(sent['live'])
    const types = sent['live']?.flat().map((text) => (JSON.parse(text) as { type: string }).type)
    expect(types).to.include('incident.opened').and.include('incident.resolved')
  })
})
