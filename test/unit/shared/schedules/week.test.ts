/**
 * A week of the timetable as schedulers live it: they look again and again, each look claims what is due, and
 * what was claimed is never due again. What must start is written out as times of day, apart from the code.
 */
import { expect } from 'chai'
import { dueInstants } from '../../../../shared/schedules/due.ts'
import { timetable } from '../../../../shared/schedules/timetable.ts'
import type { TimetableSettings } from '../../../../shared/schedules/timetable.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

type Preset = TimetableSettings['SCHEDULE_PRESET']

const DAILY: Readonly<Record<Preset, Readonly<Record<string, string>>>> = {
  default: {
    'retention.nightly': '01:30',
    'pipeline.daily': '02:00',
    'sync.hook': '02:30',
    'series.retention': '03:00',
    'train.classifiers': '03:00',
    'train.all': '04:00',
    'forecast.campaign': '04:00',
    'forecast.adset': '04:30',
    'forecast.ad': '04:45',
    'train.retrain': '05:00',
    'classify.campaign': '06:00',
    'classify.adset': '06:30',
    'classify.ad': '07:00',
    'recommend.campaign': '07:15',
    'recommend.adset': '07:30',
    'recommend.ad': '08:00',
    'forecast.validate': '08:30',
  },
  compact: {
    'retention.nightly': '01:30',
    'pipeline.daily': '02:00',
    'sync.hook': '02:30',
    'series.retention': '03:00',
    'train.classifiers': '03:00',
    'train.all': '04:00',
    'forecast.campaign': '04:00',
    'forecast.adset': '04:30',
    'train.retrain': '05:00',
    'classify.campaign': '05:00',
    'classify.adset': '05:30',
    'classify.ad': '06:00',
    'recommend.campaign': '05:00',
    'recommend.adset': '05:30',
    'recommend.ad': '06:00',
    'forecast.validate': '08:30',
  },
}
const HOURLY = ['detect.adset', 'detect.campaign', 'notify.deliver', 'uploads.sweep']
const EVERY_SECOND_HOUR = 'detect.ad'
const EVERY_FIVE_MINUTES = 'series.drift'

interface Week {
  readonly zone: string
  /** The instant of the first local midnight. */
  readonly from: string
  /** The instant of the local midnight a week later. */
  readonly to: string
  readonly hours: number
  /** Local times of day that differ from the timetable's, by `id date`. */
  readonly moved?: Readonly<Record<string, string>>
}

const WEEKS: Readonly<Record<string, Week>> = {
  'without a clock change': {
    zone: 'America/Sao_Paulo',
    from: '2026-03-09T03:00:00Z',
    to: '2026-03-16T03:00:00Z',
    hours: 168,
  },
  'in which the clocks skip 02:00 to 03:00': {
    zone: 'America/New_York',
    from: '2026-03-02T05:00:00Z',
    to: '2026-03-09T04:00:00Z',
    hours: 167,
    // The gap is an hour: what falls into it comes as much later.
    moved: { 'pipeline.daily 2026-03-08': '03:00', 'sync.hook 2026-03-08': '03:30' },
  },
  'in which the clocks show 01:00 to 02:00 twice': {
    zone: 'America/New_York',
    from: '2026-10-26T04:00:00Z',
    to: '2026-11-02T05:00:00Z',
    hours: 169,
  },
}

/** Starts by id, as instants, of schedulers that look at twenty past every hour unless `down`. */
const live = (
  preset: Preset,
  week: Week,
  down: (atMs: number) => boolean = () => false,
): { started: Map<string, number[]>; missed: Map<string, number[]> } => {
  const fromMs = Date.parse(week.from)
  const entries = timetable({ VIGIA_TIMEZONE: week.zone, SCHEDULE_PRESET: preset, DETECT_AD_EVERY_HOURS: 2 })
  const started = new Map(entries.map(({ id }): [string, number[]] => [id, []]))
  const missed = new Map(entries.map(({ id }): [string, number[]] => [id, []]))
  const lastClaimed = new Map<string, Date>()
  // The schedules are as old as the week: midnight itself belongs to it.
  const since = new Date(fromMs - 1)
  for (let atMs = fromMs + 20 * MINUTE_MS; atMs < Date.parse(week.to); atMs += HOUR_MS) {
    if (down(atMs)) continue
    for (const { id, cron, timezone } of entries) {
      const row = { cronInForce: cron, timezone, paused: false, since }
      const due = dueInstants(row, lastClaimed.get(id) ?? null, new Date(atMs))
      for (const instant of due.run) started.get(id)?.push(instant.getTime())
      for (const instant of due.missed) missed.get(id)?.push(instant.getTime())
      const newest = [...due.run, ...due.missed].sort((a, b) => a.getTime() - b.getTime()).at(-1)
      if (newest) lastClaimed.set(id, newest)
    }
  }
  return { started, missed }
}

const localOf = (zone: string, ms: number): string =>
  new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'short', timeZone: zone }).format(ms)

const datesOf = (week: Week): readonly string[] =>
  Array.from({ length: 7 }, (_, day) =>
    localOf(week.zone, Date.parse(week.from) + day * DAY_MS + 12 * HOUR_MS).slice(0, 10),
  )

const expectedDaily = (preset: Preset, week: Week, id: string): readonly string[] =>
  datesOf(week).map((date) => `${date} ${week.moved?.[`${id} ${date}`] ?? DAILY[preset][id]}`)

describe('a week of the timetable', () => {
  for (const preset of ['default', 'compact'] as const) {
    for (const [name, week] of Object.entries(WEEKS)) {
      describe(`${preset}, ${name}`, () => {
        let lived: ReturnType<typeof live>
        before(() => {
          lived = live(preset, week)
        })

        it('starts every daily row once a day at its time, and no other row', () => {
          const { started, missed } = lived
          const ids = [...Object.keys(DAILY[preset]), ...HOURLY, EVERY_SECOND_HOUR, EVERY_FIVE_MINUTES]
          expect([...started.keys()].toSorted()).to.deep.equal(ids.toSorted())
          for (const id of Object.keys(DAILY[preset])) {
            const local = started.get(id)?.map((ms) => localOf(week.zone, ms))
            expect(local, id).to.deep.equal(expectedDaily(preset, week, id))
          }
          for (const [id, instants] of missed) if (id !== EVERY_FIVE_MINUTES) expect(instants, id).to.be.empty
        })

        it('starts hourly rows once every elapsed hour', () => {
          const { started } = lived
          const fromMs = Date.parse(week.from)
          const hours = Array.from({ length: week.hours }, (_, hour) => fromMs + hour * HOUR_MS)
          for (const id of HOURLY) expect(started.get(id), id).to.deep.equal(hours)
          const second = started.get(EVERY_SECOND_HOUR) ?? []
          expect(second.length).to.be.within(Math.floor(week.hours / 2), Math.ceil(week.hours / 2))
          for (let i = 1; i < second.length; i++)
            expect((second[i] ?? 0) - (second[i - 1] ?? 0)).to.equal(2 * HOUR_MS)
        })

        it('starts the newest instant of rows of every five minutes', () => {
          const fromMs = Date.parse(week.from)
          const newest = Array.from(
            { length: week.hours },
            (_, hour) => fromMs + hour * HOUR_MS + 20 * MINUTE_MS,
          )
          expect(lived.started.get(EVERY_FIVE_MINUTES)).to.deep.equal(newest)
        })
      })
    }

    it(`${preset}: catches up six hours after a night without schedulers, and counts the rest as missed`, () => {
      const week = WEEKS['without a clock change'] as Week
      // Down from Wednesday's midnight until 09:20.
      const downFrom = Date.parse('2026-03-11T03:00:00Z')
      const downTo = Date.parse('2026-03-11T12:20:00Z')
      const { started, missed } = live(preset, week, (ms) => ms >= downFrom && ms < downTo)
      for (const [id, time] of Object.entries(DAILY[preset])) {
        const tooOld = time < '03:20'
        const local = started.get(id)?.map((ms) => localOf(week.zone, ms))
        const expected = expectedDaily(preset, week, id)
        expect(local, id).to.deep.equal(
          expected.filter((instant) => !tooOld || !instant.startsWith('2026-03-11')),
        )
        expect(
          missed.get(id)?.map((ms) => localOf(week.zone, ms)),
          id,
        ).to.deep.equal(tooOld ? [`2026-03-11 ${time}`] : [])
      }
      // Of the hours only the newest, 09:00, still matters.
      for (const id of HOURLY) {
        expect(missed.get(id)?.length, id).to.equal(9)
        expect(started.get(id)?.length, id).to.equal(168 - 9)
        expect(started.get(id)).to.include(Date.parse('2026-03-11T12:00:00Z'))
      }
    })
  }

  it('checks ads as often as campaigns when asked to', () => {
    const rows = timetable({
      VIGIA_TIMEZONE: 'UTC',
      SCHEDULE_PRESET: 'default',
      DETECT_AD_EVERY_HOURS: 1,
    })
    const cronOf = (id: string) => rows.find((row) => row.id === id)?.cron
    expect(cronOf('detect.ad')).to.equal(cronOf('detect.campaign'))
  })
})
