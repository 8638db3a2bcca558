/**
 * API keys: 256 random bits behind `vg_`, stored as SHA-256 (which is enough for what cannot be guessed),
 * shown once. Looked up keys are remembered for a few seconds.
 *
 * A key is found by the index over these hashes, which is as good as a comparison in constant time: how long a
 * look-up takes can tell how much of the hash of a guess is right, and a hash cannot be chosen through its key.
 */
import { createHash, randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Clock } from '../core/clock.ts'
import { AppError } from '../core/errors.ts'
import type { Page, PageRequest } from '../core/page.ts'
import { KeyLimits } from '../series/limits.ts'
import { ROLES } from './principal.ts'
import type { Principal, Role } from './principal.ts'

const KEY_PREFIX = 'vg_'
/** Older keys begin with `vig_`. */
const ANY_KEY = /^vi?g_/
const WHOLE_KEY = /^vi?g_[\w-]{43}$/
const SHOWN_PREFIX = 12
const REMEMBER_MS = 5000
const MOST_REMEMBERED = 10_000

export const KeyName = z
  .string()
  .regex(/^[A-Za-z0-9_.@-]{1,64}$/, 'must be 1 to 64 letters, digits or "_.@-"')

export const ApiKey = z.object({
  id: z.int(),
  name: z.string(),
  role: z.enum(ROLES),
  /** The first characters, to tell keys apart. */
  prefix: z.string(),
  config_ids: z.array(z.int()).nullable(),
  /** Rules of rate limits of its own; null: those of everybody. */
  limits: KeyLimits.nullable(),
  created_at: z.iso.datetime(),
  last_used_at: z.iso.datetime().nullable(),
  revoked_at: z.iso.datetime().nullable(),
})
export type ApiKey = z.infer<typeof ApiKey>

export interface KeyDraft {
  readonly name: string
  readonly role: Role
  readonly configIds: readonly number[] | null
  readonly limits?: KeyLimits | null
}

export interface KeyStore {
  /** @throws CONFLICT when the name is taken */
  insert(
    draft: KeyDraft & { readonly hash: string; readonly prefix: string; readonly actor: string },
  ): Promise<ApiKey>
  list(page: PageRequest): Promise<Page<ApiKey>>
  /** The key that is not revoked; notes its use at most once a minute. */
  use(hash: string): Promise<{
    readonly name: string
    readonly role: Role
    readonly configIds: readonly number[] | null
    readonly limits: KeyLimits | null
  } | null>
  /** Whether there is any key that is not revoked. */
  any(): Promise<boolean>
  /** False when there is no such key; revoking twice is harmless. */
  revoke(idOrName: number | string): Promise<boolean>
}

export interface Keys {
  /** The answer holds the key itself, which nobody can see again. */
  create(draft: KeyDraft, actor: string): Promise<ApiKey & { readonly key: string }>
  list(page: PageRequest): Promise<Page<ApiKey>>
  /** @throws NOT_FOUND */
  revoke(idOrName: number | string): Promise<void>
  /** Null for a key that is unknown or revoked. */
  principalOf(key: string): Promise<Principal | null>
  any(): Promise<boolean>
}

export const isApiKey = (text: string): boolean => ANY_KEY.test(text)

export const createKeys = (store: KeyStore, clock: Clock): Keys => {
  const remembered = new Map<string, { readonly until: number; readonly principal: Principal | null }>()
  let anyKnown: { readonly until: number; readonly answer: boolean } | undefined
  const forget = (): void => {
    remembered.clear()
    anyKnown = undefined
  }
  return {
    create: async (draft, actor) => {
      const key = `${KEY_PREFIX}${randomBytes(32).toString('base64url')}`
      const hash = createHash('sha256').update(key).digest('hex')
      const stored = await store.insert({ ...draft, hash, prefix: key.slice(0, SHOWN_PREFIX), actor })
      forget()
      return { ...stored, key }
    },
    list: (page) => store.list(page),
    revoke: async (idOrName) => {
      const found = await store.revoke(idOrName)
      forget()
      if (!found) throw new AppError('NOT_FOUND', `there is no key ${idOrName}; see "vigia keys list"`)
    },
    principalOf: async (key) => {
      if (!WHOLE_KEY.test(key)) return null
      const hash = createHash('sha256').update(key).digest('hex')
      const now = clock.now().getTime()
      const known = remembered.get(hash)
      if (known && known.until > now) return known.principal
      const row = await store.use(hash)
      const principal = row
        ? {
            actor: `key:${row.name}`,
            role: row.role,
            configIds: row.configIds,
            ...(row.limits ? { limits: row.limits } : {}),
          }
        : null
      if (remembered.size >= MOST_REMEMBERED) remembered.clear()
      remembered.set(hash, { until: now + REMEMBER_MS, principal })
      return principal
    },
    any: async () => {
      const now = clock.now().getTime()
      if (!anyKnown || anyKnown.until <= now)
        anyKnown = { until: now + REMEMBER_MS, answer: await store.any() }
      return anyKnown.answer
    },
  }
}
