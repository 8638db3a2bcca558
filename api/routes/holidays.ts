/** Holidays of a config: those of its country, and days of its own. */
import { z } from 'zod'
import { LocalDate, toDayNumber } from '../../shared/core/days.ts'
import { ConfigId } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import { HolidayCalendar } from '../../shared/entities/holidays.ts'
import type { Services } from '../../shared/services.ts'
import { route } from '../route.ts'
import type { Route } from '../route.ts'
import { requireDayOrder } from './scope.ts'

const TAG = 'Configs'
const PATH = '/api/v1/configs/:id/holidays'
const MOST_DAYS = 3660

const HolidaysReply = HolidayCalendar.extend({
  config_id: z.int(),
  national: z
    .array(z.object({ date: LocalDate, days: z.int(), name: z.string() }))
    .describe('Of the country and region, within the days asked for'),
}).meta({ id: 'Holidays' })

const shown = async (
  configId: number,
  from: LocalDate | undefined,
  to: LocalDate | undefined,
  { holidays, clock }: Services,
): Promise<z.input<typeof HolidaysReply>> => {
  const year = clock.now().getUTCFullYear()
  const first = from ?? (to === undefined ? `${year}-01-01` : `${to.slice(0, 4)}-01-01`)
  const last = to ?? (from === undefined ? `${year + 1}-12-31` : `${first.slice(0, 4)}-12-31`)
  if (toDayNumber(last) - toDayNumber(first) > MOST_DAYS) {
    throw new AppError('INVALID_REQUEST', `date_from, date_to: at most ${MOST_DAYS} days at once`)
  }
  const calendar = await holidays.calendar(configId)
  const all = await holidays.between(configId, first, last)
  return {
    config_id: configId,
    ...calendar,
    national: all
      .filter(({ source }) => source === 'national')
      .map(({ date, days, name }) => ({ date, days, name })),
  }
}

const get = route({
  method: 'get',
  path: PATH,
  role: 'viewer',
  tag: TAG,
  summary:
    'Holidays of a config: its own days, and the national ones of a range (default: this year and the next)',
  params: z.object({ id: ConfigId }),
  query: z.object({ date_from: LocalDate.optional(), date_to: LocalDate.optional() }),
  reply: { 200: HolidaysReply },
  handle: async ({ params, query, seesConfig }, services) => {
    seesConfig(params.id)
    requireDayOrder(query.date_from, query.date_to)
    return { status: 200, body: await shown(params.id, query.date_from, query.date_to, services) }
  },
})

const put = route({
  method: 'put',
  path: PATH,
  role: 'trainer',
  tag: TAG,
  summary: 'Sets country and region, and replaces the days of its own',
  params: z.object({ id: ConfigId }),
  body: HolidayCalendar,
  reply: { 200: HolidaysReply },
  handle: async ({ params, body, seesConfig }, services) => {
    seesConfig(params.id)
    const before = await services.holidays.calendar(params.id)
    await services.holidays.replace(params.id, body)
    const after = await shown(params.id, undefined, undefined, services)
    const { country, region, days } = after
    return { status: 200, body: after, audit: { before, after: { country, region, days } } }
  },
})

export const holidayRoutes: readonly Route[] = [get, put]
