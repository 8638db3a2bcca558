import { expect } from 'chai'
import * as fc from 'fast-check'
import { dueInstants, nextInstant } from '../../../../shared/schedules/due.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** Zones whose clocks change, with a year in which they do; Lord Howe moves by 30 minutes, Cairo and old Brazil at midnight. */
const ZONES = [
  ['America/New_York', 2026],
  ['Europe/Lisbon', 2026],
  ['America/Sao_Paulo', 2018],
  ['Australia/Lord_Howe', 2026],
  ['Africa/Cairo', 2026],
] as const

const clocks = new Map(
  ZONES.map(([timeZone]) => [
    timeZone as string,
    new Intl.DateTimeFormat('sv-SE', {
      timeZone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
    }),
  ]),
)

/** What the clocks show, as `YYYY-MM-DD HH:mm`. */
const wall = (timeZone: string, ms: number): string => clocks.get(timeZone)?.format(ms) ?? ''

const between = (cron: string, timeZone: string, fromMs: number, toMs: number): number[] => {
  const found: number[] = []
  for (let at = nextInstant(cron, timeZone, new Date(fromMs)); at && at.getTime() <= toMs;) {
    found.push(at.getTime())
    at = nextInstant(cron, timeZone, at)
  }
  return found
}

const iso = (instants: readonly (number | Date)[]): string[] =>
  instants.map((at) => new Date(at).toISOString())

const zone = fc.constantFrom(...ZONES)
const time = fc.record({ hour: fc.integer({ min: 0, max: 23 }), minute: fc.integer({ min: 0, max: 59 }) })
/** Any day of the year, and more often one a few days before the clocks of some zone change. */
const dayOfYear = fc.oneof(
  fc.integer({ min: 5, max: 350 }),
  fc.constantFrom(45, 64, 85, 91, 110, 273, 295, 299, 301, 304),
)

describe('instants of a schedule', () => {
  it('come once per calendar day at the local time, or after the gap when the clocks skip it', () => {
    fc.assert(
      fc.property(zone, time, dayOfYear, ([timeZone, year], { hour, minute }, day) => {
        const from = Date.UTC(year, 0, day, 12)
        const to = from + 10 * DAY_MS
        const want = `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`
        const found = between(`${minute} ${hour} * * *`, timeZone, from, to)
        expect(found).to.have.length.within(9, 11)
        const days = found.map((ms) => wall(timeZone, ms).slice(0, 10))
        expect(new Set(days).size, 'one a day').to.equal(days.length)
        for (const [index, ms] of found.entries()) {
          const shown = wall(timeZone, ms)
          const sought = `${shown.slice(0, 10)} ${want}`
          // Every instant around it that shows the time sought; it must be the first, if there is any.
          const showing = []
          for (let at = ms - 4 * HOUR_MS; at <= ms + 4 * HOUR_MS; at += 60_000) {
            if (wall(timeZone, at) === sought) showing.push(at)
          }
          if (showing.length > 0) expect(ms).to.equal(showing[0])
          else expect(shown > sought, `${shown} lies after the gap`).to.equal(true)
          const previous = found[index - 1]
          if (previous !== undefined) expect(ms - previous).to.be.within(DAY_MS - HOUR_MS, DAY_MS + HOUR_MS)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('do not depend on where one starts looking', () => {
    fc.assert(
      fc.property(
        zone,
        time,
        dayOfYear,
        fc.integer({ min: 0, max: 3 * 24 * 4 }),
        ([timeZone, year], { hour, minute }, day, quarters) => {
          const cron = `${minute} ${hour} * * *`
          const from = Date.UTC(year, 0, day)
          const later = from + quarters * 900_000
          const to = from + 5 * DAY_MS
          expect(between(cron, timeZone, later, to)).to.deep.equal(
            between(cron, timeZone, from, to).filter((ms) => ms > later),
          )
        },
      ),
    )
  })

  it('count elapsed hours in rows that count hours', () => {
    fc.assert(
      fc.property(
        zone,
        fc.constantFrom(1, 2, 3, 4, 6),
        fc.integer({ min: 0, max: 59 }),
        dayOfYear,
        ([timeZone, year], every, minute, day) => {
          const from = Date.UTC(year, 0, day)
          const cron = every === 1 ? `${minute} * * * *` : `${minute} */${every} * * *`
          const found = between(cron, timeZone, from, from + 3 * DAY_MS)
          expect(found).to.have.length((3 * 24) / every)
          for (let i = 1; i < found.length; i += 1) {
            expect((found[i] ?? 0) - (found[i - 1] ?? 0)).to.equal(every * HOUR_MS)
          }
        },
      ),
    )
  })

  for (const [timeZone, cron, from, expected] of [
    // 02:30 does not exist on 8 March: 03:30 instead.
    [
      'America/New_York',
      '30 2 * * *',
      '2026-03-07T12:00:00Z',
      ['2026-03-08T07:30:00.000Z', '2026-03-09T06:30:00.000Z'],
    ],
    // 01:30 comes twice on 1 November: the first.
    [
      'America/New_York',
      '30 1 * * *',
      '2026-10-31T12:00:00Z',
      ['2026-11-01T05:30:00.000Z', '2026-11-02T06:30:00.000Z'],
    ],
    // Midnight does not exist on 4 November 2018.
    [
      'America/Sao_Paulo',
      '0 0 * * *',
      '2018-11-03T12:00:00Z',
      ['2018-11-04T03:00:00.000Z', '2018-11-05T02:00:00.000Z'],
    ],
    [
      'Australia/Lord_Howe',
      '15 2 * * *',
      '2026-10-03T00:00:00Z',
      ['2026-10-03T15:45:00.000Z', '2026-10-04T15:15:00.000Z'],
    ],
    [
      'Africa/Cairo',
      '30 0 * * *',
      '2026-04-23T12:00:00Z',
      ['2026-04-23T22:30:00.000Z', '2026-04-24T21:30:00.000Z'],
    ],
    [
      'Europe/Lisbon',
      '30 1 * * *',
      '2026-03-28T12:00:00Z',
      ['2026-03-29T01:30:00.000Z', '2026-03-30T00:30:00.000Z'],
    ],
  ] as const) {
    it(`${cron} in ${timeZone} after ${from}`, () => {
      const start = Date.parse(from)
      expect(iso(between(cron, timeZone, start, start + 2 * DAY_MS))).to.deep.equal(expected)
    })
  }

  for (const [date, hours] of [
    ['2026-03-08', 23],
    ['2026-06-15', 24],
    ['2026-11-01', 25],
  ] as const) {
    it(`an hourly row runs ${hours} times on ${date} in New York`, () => {
      const noon = Date.parse(`${date}T12:00:00Z`)
      const found = between('0 * * * *', 'America/New_York', noon - DAY_MS, noon + DAY_MS)
      expect(found.filter((ms) => wall('America/New_York', ms).startsWith(date))).to.have.length(hours)
    })
  }

  it('of rows that count hours stand at the full local hour in zones half an hour off', () => {
    expect(
      nextInstant('0 * * * *', 'Asia/Kolkata', new Date('2026-01-01T00:00:00Z'))?.toISOString(),
    ).to.equal('2026-01-01T00:30:00.000Z')
  })
})

describe('what is due', () => {
  const daily = { cronInForce: '0 4 * * *', timezone: 'America/Sao_Paulo', paused: false }
  const hourly = { ...daily, cronInForce: '0 * * * *' }
  const longAgo = new Date('2026-01-01T00:00:00Z')
  /** 04:00 in São Paulo. */
  const FOUR = '2026-03-11T07:00:00.000Z'
  const yesterday = new Date('2026-03-10T07:00:00Z')
  const at = (text: string, offsetMs = 0): Date => new Date(Date.parse(text) + offsetMs)

  it('is nothing a millisecond before, and the instant itself from then on', () => {
    const schedule = { ...daily, since: longAgo }
    expect(dueInstants(schedule, yesterday, at(FOUR, -1))).to.deep.equal({ run: [], missed: [] })
    expect(iso(dueInstants(schedule, yesterday, at(FOUR)).run)).to.deep.equal([FOUR])
    expect(dueInstants(schedule, at(FOUR), at(FOUR, 60_000))).to.deep.equal({ run: [], missed: [] })
  })

  it('is a daily instant for 6 hours, then it is missed', () => {
    const schedule = { ...daily, since: longAgo }
    expect(iso(dueInstants(schedule, yesterday, at(FOUR, 6 * HOUR_MS)).run)).to.deep.equal([FOUR])
    const late = dueInstants(schedule, yesterday, at(FOUR, 6 * HOUR_MS + 1))
    expect([iso(late.run), iso(late.missed)]).to.deep.equal([[], [FOUR]])
  })

  it('is the newest hour of the last, the others are missed', () => {
    const schedule = { ...hourly, since: longAgo }
    const due = dueInstants(schedule, at('2026-03-11T05:00:00Z'), at('2026-03-11T08:00:00Z'))
    expect(iso(due.run)).to.deep.equal(['2026-03-11T08:00:00.000Z'])
    expect(iso(due.missed)).to.deep.equal(['2026-03-11T06:00:00.000Z', '2026-03-11T07:00:00.000Z'])
  })

  it('is nothing from before the schedule was made, and nothing while it is paused', () => {
    expect(dueInstants({ ...daily, since: at(FOUR) }, null, at(FOUR, 1000))).to.deep.equal({
      run: [],
      missed: [],
    })
    expect(iso(dueInstants({ ...daily, since: at(FOUR, -1) }, null, at(FOUR)).run)).to.deep.equal([FOUR])
    const paused = { ...daily, paused: true, since: longAgo }
    expect(dueInstants(paused, yesterday, at(FOUR))).to.deep.equal({ run: [], missed: [] })
  })

  it('covers every instant since the last exactly once, wherever the looks fall', () => {
    fc.assert(
      fc.property(
        zone,
        fc.constantFrom('0 4 * * *', '30 1 * * *', '0 * * * *', '0 */2 * * *', '15 0,12 * * *'),
        fc.array(fc.integer({ min: 1, max: 30 * 60 }), { minLength: 1, maxLength: 12 }),
        dayOfYear,
        ([timezone, year], cronInForce, minutes, day) => {
          const since = new Date(Date.UTC(year, 0, day))
          const schedule = { cronInForce, timezone, paused: false, since }
          let now = since.getTime()
          let last: Date | null = null
          const met: number[] = []
          for (const step of minutes) {
            now += step * 60_000
            const { run, missed } = dueInstants(schedule, last, new Date(now))
            const both = [...missed, ...run].sort((a, b) => a.getTime() - b.getTime())
            last = both.at(-1) ?? last
            met.push(...both.map((instant) => instant.getTime()))
          }
          expect(met).to.deep.equal(between(cronInForce, timezone, since.getTime(), now))
        },
      ),
    )
  })
})
