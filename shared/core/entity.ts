/** Who is watched: a config (ad account) and its campaigns, ad sets and ads (ads-domain section 0). */
import { z } from 'zod'

export const LEVELS = ['campaign', 'adset', 'ad'] as const
export const Level = z.enum(LEVELS)
export type Level = z.infer<typeof Level>

const DIGITS = /^\d{1,19}$/

/** A whole number from 1, also as the digits that paths and queries hold; nothing else passes for one. */
const idUpTo = (greatest: number) =>
  z.preprocess(
    (given) => (typeof given === 'string' && DIGITS.test(given) ? Number(given) : given),
    z.number({ error: 'must be a whole number' }).int().min(1).max(greatest),
  )

/** Of what PostgreSQL numbers as a bigint. */
export const RowId = idUpTo(Number.MAX_SAFE_INTEGER)

/** Of a config and of what else PostgreSQL numbers as an integer. */
export const ConfigId = idUpTo(2_147_483_647)
export type ConfigId = z.infer<typeof ConfigId>

export const EntityId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,100}$/, 'must be 1 to 100 letters, digits, "_" or "-"')

export interface EntityRef {
  readonly configId: number
  readonly entityType: Level
  readonly entityId: string
}

/** `config_12/adset_345`: names an entity in paths and in the registry. */
export const entityKey = ({ configId, entityType, entityId }: EntityRef): string =>
  `config_${configId}/${entityType}_${entityId}`

/** `anomaly_detector/config_12/adset_345`: the registry name of an entity's anomaly model. */
export const anomalyModelName = (entity: EntityRef): string => `anomaly_detector/${entityKey(entity)}`

/** The entities of a level below one ancestor; the account's id is the config's. */
export interface PoolRef {
  readonly configId: number
  readonly entityType: Level
  readonly ancestorType: 'adset' | 'campaign' | 'account'
  readonly ancestorId: string
}

/** `config_12/pooled_ad_campaign_345`: the ads of campaign 345. */
export const poolKey = ({ configId, entityType, ancestorType, ancestorId }: PoolRef): string =>
  `config_${configId}/pooled_${entityType}_${ancestorType}_${ancestorId}`

/** `anomaly_detector/config_12/pooled_ad_campaign_345`: the registry name of their common model. */
export const pooledModelName = (pool: PoolRef): string => `anomaly_detector/${poolKey(pool)}`
