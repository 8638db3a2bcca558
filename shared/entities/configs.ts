/** Configs: the ad accounts vigia watches. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { isTimeZone, TimeZone } from '../core/days.ts'
import { AppError, messageOf } from '../core/errors.ts'
import { toPage } from '../core/page.ts'
import type { Page, PageRequest } from '../core/page.ts'
import type { Logger } from '../platform/logger.ts'

const currencies = new Set(Intl.supportedValuesOf('currency'))

export const Currency = z
  .string()
  .trim()
  .toUpperCase()
  .refine((code) => currencies.has(code), 'is not an ISO 4217 currency, e.g. BRL')

const ConfigName = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(200)
  .regex(/^\P{Cc}*$/u, 'must not contain control characters')

const hasCredentials = (url: string): boolean => {
  const { username, password } = new URL(url)
  return username !== '' || password !== ''
}

/** Whoever may see the config sees it whole. */
const SourceUrl = z
  .url({ protocol: /^https?$/ })
  .max(2000)
  .refine((url) => !URL.canParse(url) || !hasCredentials(url), 'must not carry a user or password')

/** Meta reports a lead on the day of its ad's click or view, up to 28 days before it came. */
export const MOST_LAG_DAYS = 28

const AttributionLagDays = z
  .int()
  .min(0)
  .max(MOST_LAG_DAYS)
  .describe('Newest days whose leads are still coming in, the last complete day included; default 3')

export const ConfigDraft = z.object({
  name: ConfigName,
  account_id: z.string().regex(/^[A-Za-z0-9_-]{1,100}$/, 'must be 1 to 100 letters, digits, "_" or "-"'),
  timezone: TimeZone,
  currency: Currency.default('BRL'),
  source_url: SourceUrl.nullish(),
  attribution_lag_days: AttributionLagDays.optional(),
})
export type ConfigDraft = z.output<typeof ConfigDraft>

export const ConfigPatch = z
  .object({
    name: ConfigName,
    is_active: z.boolean(),
    timezone: TimeZone,
    source_url: SourceUrl.nullable(),
    attribution_lag_days: AttributionLagDays,
  })
  .partial()
  .strict()
  .refine((patch) => Object.keys(patch).length > 0, 'names nothing to change')
export type ConfigPatch = z.output<typeof ConfigPatch>

/** Wire form of a config. */
export const AdsConfig = z.object({
  id: z.int(),
  account_id: z.string(),
  name: z.string(),
  timezone: z.string(),
  currency: z.string(),
  source_url: z.string().nullable(),
  attribution_lag_days: z.int(),
  is_active: z.boolean(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
})
export type AdsConfig = z.infer<typeof AdsConfig>

export interface ConfigFilter {
  /** Null: all. */
  readonly ids: readonly number[] | null
  readonly isActive: boolean | null
}

export interface ConfigStore {
  /** Newest first. */
  page(filter: ConfigFilter, request: PageRequest): Promise<{ rows: AdsConfig[]; total: number }>
  byId(id: number): Promise<AdsConfig | null>
  byAccountId(accountId: string): Promise<AdsConfig | null>
  /** At most two, to see whether a name is taken twice. */
  byName(name: string): Promise<AdsConfig[]>
  /** Null when the account id is taken. */
  append(draft: ConfigDraft): Promise<AdsConfig | null>
  change(id: number, patch: ConfigPatch): Promise<AdsConfig | null>
  /** With everything that belongs to it. */
  erase(id: number): Promise<boolean>
}

/** Files that belong to a config, wherever models are kept. */
export interface ConfigArtifacts {
  removeConfig(configId: number): Promise<void>
}

export interface NewConfigDefaults {
  readonly currency: string
  readonly timezone: string
  /** Default 3. */
  readonly attributionLagDays?: number | undefined
}

export interface Configs {
  list(filter: ConfigFilter, request: PageRequest): Promise<Page<AdsConfig>>
  /** @throws AppError CONFIG_NOT_FOUND */
  get(id: number): Promise<AdsConfig>
  /** @throws AppError CONFLICT when the account id is taken */
  create(draft: ConfigDraft): Promise<AdsConfig>
  /** @throws AppError CONFIG_NOT_FOUND */
  patch(id: number, patch: ConfigPatch): Promise<AdsConfig>
  /**
   * Soft: the config is no longer analysed. Hard: it is gone, with its data, runs, models and artifacts.
   * @throws AppError CONFIG_NOT_FOUND
   */
  remove(id: number, hard: boolean): Promise<void>
  /**
   * By id when `idOrName` is a number, else by name, else by account id; null when there is none.
   * @throws AppError CONFLICT when several configs have that name
   */
  find(idOrName: string): Promise<AdsConfig | null>
  /**
   * The config of that id or name; a name nobody has becomes a new config whose account id is its slug.
   * @throws AppError CONFIG_NOT_FOUND for a number without config; INVALID_REQUEST for a bad name, currency, zone or lag
   */
  getOrCreateByName(
    idOrName: string,
    defaults: NewConfigDefaults,
  ): Promise<{ config: AdsConfig; created: boolean }>
}

const SLUG_LENGTH = 100

/** `Loja São João` -> `loja-sao-joao`; a name without a Latin letter or digit gives a hash of it. */
export const slugOf = (name: string): string => {
  const slug = name
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, SLUG_LENGTH)
    .replace(/^-+|-+$/g, '')
  return slug || `n_${createHash('sha256').update(name).digest('hex').slice(0, 16)}`
}

const NUMBER = /^[1-9]\d{0,9}$/
const GREATEST_ID = 2_147_483_647

const notFound = (idOrName: number | string): AppError =>
  new AppError('CONFIG_NOT_FOUND', `There is no config ${idOrName}`)

const toDraft = (name: string, defaults: NewConfigDefaults): ConfigDraft => {
  const { currency, timezone, attributionLagDays: attribution_lag_days } = defaults
  const parsed = ConfigDraft.safeParse({
    name,
    account_id: slugOf(name),
    timezone,
    currency,
    attribution_lag_days,
  })
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`)
  throw new AppError('INVALID_REQUEST', `A config cannot be made of that: ${problems.join('; ')}`)
}

export const createConfigs = (store: ConfigStore, artifacts: ConfigArtifacts, logger: Logger): Configs => {
  const get = async (id: number): Promise<AdsConfig> => {
    const config = await store.byId(id)
    if (!config) throw notFound(id)
    return config
  }
  const find = async (idOrName: string): Promise<AdsConfig | null> => {
    const name = idOrName.trim()
    if (NUMBER.test(name) && Number(name) <= GREATEST_ID) {
      const config = await store.byId(Number(name))
      if (config) return config
    }
    const [config, twin] = await store.byName(name)
    if (twin)
      throw new AppError('CONFLICT', `Several configs are named ${JSON.stringify(name)}; use the id of one`)
    return config ?? store.byAccountId(name)
  }
  const create = async (draft: ConfigDraft): Promise<AdsConfig> => {
    const config = await store.append(draft)
    if (!config) throw new AppError('CONFLICT', `Account ${draft.account_id} already has a config`)
    return config
  }
  return {
    list: async (filter, request) => {
      const { rows, total } = await store.page(filter, request)
      return toPage(request, total, rows, (row) => row.id)
    },
    get,
    create,
    patch: async (id, patch) => {
      const config = await store.change(id, patch)
      if (!config) throw notFound(id)
      return config
    },
    remove: async (id, hard) => {
      const done = hard ? await store.erase(id) : await store.change(id, { is_active: false })
      if (!done) throw notFound(id)
      if (!hard) return
      try {
        await artifacts.removeConfig(id)
      } catch (error) {
        // Ids are never given twice, so files left behind are never read: a matter for the operator's disk only.
        logger.error('artifacts of a deleted config remain', { config_id: id, error: messageOf(error) })
      }
    },
    find,
    getOrCreateByName: async (idOrName, defaults) => {
      const name = idOrName.trim()
      const known = await find(name)
      if (known) return { config: known, created: false }
      if (NUMBER.test(name))
        throw new AppError(
          'CONFIG_NOT_FOUND',
          `There is no config ${name}; to make one, give a name that is no number`,
        )
      const draft = toDraft(name, defaults)
      const config = await store.append(draft)
      if (config) return { config, created: true }
      const holder = await store.byAccountId(draft.account_id)
      // Made by someone else in the meantime, or a name that differs in accents or case only.
      if (holder) return { config: holder, created: false }
      throw notFound(name)
    },
  }
}

/** The zone of a config whose row may have been edited by hand. */
export const zoneOf = (config: Pick<AdsConfig, 'id' | 'timezone'>): string => {
  if (isTimeZone(config.timezone)) return config.timezone
  throw new AppError('CONFLICT', `Config ${config.id} has an unknown time zone: ${config.timezone}`)
}
