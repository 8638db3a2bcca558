import { expect } from 'chai'
import { hoursIntoDay, localHourOf, toDayNumber } from '../../../../shared/core/days.ts'
import { comparisonOf, completeHours } from '../../../../shared/detection/intraday.ts'
import type { HourlyReach } from '../../../../shared/detection/intraday.ts'

const setOf = (hours: readonly number[]): number => hours.reduce((set, hour) => set | (1 << hour), 0)
const upTo = (until: number, without: readonly number[] = []): number =>
  setOf(Array.from({ length: until }, (_, hour) => hour).filter((hour) => !without.includes(hour)))
const reach = (date: string, hours: number, writtenAt: string): HourlyReach => ({
  day: toDayNumber(date),
  hours,
  writtenAt: new Date(writtenAt),
})

/** Written when they were long over. */
const daysBefore = (today: string, count: number, hours = upTo(24)): HourlyReach[] =>
  Array.from({ length: count }, (_, i) => ({
    day: toDayNumber(today) - count + i,
    hours,
    writtenAt: new Date(`${today}T23:00:00Z`),
  }))

describe('hours of a day that still runs', () => {
  it('counts clock hours that were over when the rows were written, and by the instant asked for', () => {
    const hoursAt = (until: number, writtenAt: string, asOf: string): number =>
      completeHours(reach('2026-03-11', upTo(until), writtenAt), new Date(asOf), 'America/Sao_Paulo')
    const late = '2026-03-11T20:00:00Z'
    expect(hoursAt(11, '2026-03-11T13:59:59.999Z', late)).to.equal(10)
    expect(hoursAt(11, '2026-03-11T14:00:00Z', late)).to.equal(11)
    // Later hours without rows are not known.
    expect(hoursAt(11, '2026-03-11T19:00:00Z', late)).to.equal(11)
    expect(hoursAt(11, '2026-03-11T14:00:00Z', '2026-03-11T13:59:59.999Z')).to.equal(10)
    // The local day ends three hours after UTC's: hours without rows delivered nothing.
    expect(hoursAt(11, '2026-03-12T02:59:59Z', '2026-03-12T12:00:00Z')).to.equal(11)
    expect(hoursAt(11, '2026-03-12T03:00:00Z', '2026-03-12T12:00:00Z')).to.equal(24)
  })

  it('follows the hour hand on days of 23 and 25 hours', () => {
    const berlin = 'Europe/Berlin'
    const short = (at: string): number[] => {
      const instant = new Date(`2026-03-29T${at}Z`)
      return [localHourOf(instant, berlin), hoursIntoDay(instant, berlin)]
    }
    expect(short('00:59:59')).to.deep.equal([1, 1])
    expect(short('01:00:00')).to.deep.equal([3, 2])
    expect(short('21:59:59')).to.deep.equal([23, 22])
    const long = (day: string, at: string): number[] => {
      const instant = new Date(`2026-10-${day}T${at}Z`)
      return [localHourOf(instant, berlin), hoursIntoDay(instant, berlin)]
    }
    expect(long('25', '00:30:00')).to.deep.equal([2, 2])
    expect(long('25', '01:30:00')).to.deep.equal([2, 3])
    expect(long('25', '22:59:59')).to.deep.equal([23, 24])
    expect(long('25', '23:00:00')).to.deep.equal([0, 0])
    // Clocks that were set at midnight.
    expect(hoursIntoDay(new Date('2018-11-04T03:00:00Z'), 'America/Sao_Paulo')).to.equal(0)
    expect(localHourOf(new Date('2018-11-04T03:00:00Z'), 'America/Sao_Paulo')).to.equal(1)
    expect(hoursIntoDay(new Date('2019-02-17T02:30:00Z'), 'America/Sao_Paulo')).to.equal(24)
  })

  it('needs six hours that passed, where clocks went forward one more on the clock', () => {
    const hoursAt = (date: string, at: string, hours: number): number | undefined => {
      const writtenAt = `${date}T${at}Z`
      const reached = [...daysBefore(date, 20), reach(date, hours, writtenAt)]
      return comparisonOf(reached, new Date(writtenAt), 'Europe/Berlin')?.hours
    }
    expect(hoursAt('2026-03-18', '04:59:59', upTo(6))).to.equal(undefined)
    expect(hoursAt('2026-03-18', '05:00:00', upTo(6))).to.equal(upTo(6))
    expect(hoursAt('2026-03-29', '04:59:59', upTo(7, [2]))).to.equal(undefined)
    expect(hoursAt('2026-03-29', '05:00:00', upTo(7, [2]))).to.equal(upTo(7, [2]))
    expect(hoursAt('2026-10-25', '04:59:59', upTo(6))).to.equal(undefined)
    expect(hoursAt('2026-10-25', '05:00:00', upTo(6))).to.equal(upTo(6))
  })

  it('leaves out an hour that nearly all days have and today has not, but no quiet one of the night', () => {
    const compared = (before: readonly HourlyReach[], today: number): [number, number, number] | null => {
      const found = comparisonOf(
        [...before, reach('2026-03-11', today, '2026-03-11T12:00:00Z')],
        new Date('2026-03-11T12:00:00Z'),
        'UTC',
      )
      return found && [found.hours, found.missing, found.days.length]
    }
    const full = upTo(24)
    expect(compared(daysBefore('2026-03-11', 20, full), upTo(12, [7]))).to.deep.equal([
      upTo(12, [7]),
      setOf([7]),
      20,
    ])
    // Two of twenty days without that hour are a slip; with a third one it may be quiet.
    const quietOn = (count: number): HourlyReach[] =>
      daysBefore('2026-03-11', 20, full).map((one, i) => (i < count ? { ...one, hours: upTo(24, [3]) } : one))
    expect(compared(quietOn(2), upTo(12, [3]))).to.deep.equal([upTo(12, [3]), setOf([3]), 20])
    expect(compared(quietOn(3), upTo(12, [3]))).to.deep.equal([upTo(12), 0, 20])
    expect(compared(quietOn(2), upTo(12))).to.deep.equal([upTo(12), 0, 18])
    expect(compared(quietOn(3), upTo(12))).to.deep.equal([upTo(12), 0, 20])
  })

  it('finds nothing to compare without rows, and no days where there are none before', () => {
    const now = new Date('2026-03-11T12:00:00Z')
    expect(comparisonOf([], now, 'UTC')).to.equal(null)
    expect(comparisonOf([reach('2026-03-11', upTo(12, [4]), now.toISOString())], now, 'UTC')).to.deep.equal({
      hours: upTo(12),
      missing: 0,
      days: [],
    })
  })
})
