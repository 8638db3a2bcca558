/**
 * Whether the process can serve: each dependency asked with a deadline of its own. A process that was ready
 * once holds models in memory and can answer without its dependencies for a while: it stays ready, `degraded`,
 * for a minute. It answers after that too, but others that are better off are preferred.
 */
import { messageOf } from '../shared/core/errors.ts'

/** Asks a dependency; rejects when it cannot be used. */
export type Check = () => Promise<void>

export interface CheckResult {
  readonly name: string
  readonly ok: boolean
  readonly ms: number
  readonly error?: string
}

export const READINESS = ['ok', 'degraded', 'unavailable', 'draining'] as const

export interface ReadinessReport {
  readonly ready: boolean
  readonly status: (typeof READINESS)[number]
  readonly checks: readonly CheckResult[]
}

export interface Readiness {
  /** From now on not ready: the process is closing. */
  drain(): void
  draining(): boolean
  check(): Promise<ReadinessReport>
}

const DEADLINE_MS = 2000
/** From when something was first seen not to answer. */
const DEGRADED_MS = 60_000

const withDeadline = async (check: Check): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${DEADLINE_MS} ms`)), DEADLINE_MS)
  })
  try {
    await Promise.race([check(), late])
  } finally {
    clearTimeout(timer)
  }
}

/** @param now milliseconds, ascending */
export const createReadiness = (checks: Readonly<Record<string, Check>>, now: () => number): Readiness => {
  let draining = false
  let wasReady = false
  let failingSince: number | null = null
  let asking: Promise<readonly CheckResult[]> | undefined
  const askAll = (): Promise<readonly CheckResult[]> =>
    Promise.all(
      Object.entries(checks).map(async ([name, check]): Promise<CheckResult> => {
        const start = performance.now()
        const ms = (): number => Math.round(performance.now() - start)
        try {
          await withDeadline(check)
          return { name, ok: true, ms: ms() }
        } catch (error) {
          return { name, ok: false, ms: ms(), error: messageOf(error) }
        }
      }),
    )
  return {
    drain: () => {
      draining = true
    },
    draining: () => draining,
    check: async () => {
      // Anybody may ask: however many do at once, the dependencies are asked once.
      asking ??= askAll().finally(() => {
        asking = undefined
      })
      const results = await asking
      if (results.every(({ ok }) => ok)) {
        failingSince = null
        wasReady = true
      } else {
        failingSince ??= now()
      }
      if (draining) return { ready: false, status: 'draining', checks: results }
      if (failingSince === null) return { ready: true, status: 'ok', checks: results }
      const ready = wasReady && now() - failingSince < DEGRADED_MS
      return { ready, status: ready ? 'degraded' : 'unavailable', checks: results }
    },
  }
}
