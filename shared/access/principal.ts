/** Who asks, and what they may do. */
import type { KeyLimits } from '../series/limits.ts'

export const ROLES = ['viewer', 'trainer', 'admin'] as const
export type Role = (typeof ROLES)[number]

export interface Principal {
  /** `local` for the loopback caller without keys, else `key:<name>` or `jwt:<sub>`. */
  readonly actor: string
  readonly role: Role
  /** Configs this principal may see; null = all. */
  readonly configIds: readonly number[] | null
  /** Rules of rate limits that a key has of its own. */
  readonly limits?: KeyLimits
}

/** Roles contain each other: a trainer may do what a viewer may. */
export const mayAct = (principal: Principal, role: Role): boolean =>
  ROLES.indexOf(principal.role) >= ROLES.indexOf(role)
