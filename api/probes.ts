/** Whether the process lives, and whether it can serve: each dependency asked with a deadline of its own. */
import { messageOf } from '../shared/core/errors.ts'

/** Asks a dependency; rejects when it cannot be used. */
export type Check = () => Promise<void>

export interface CheckResult {
  readonly name: string
  readonly ok: boolean
  readonly ms: number
  readonly error?: string
}

export interface Readiness {
  /** From now on not ready: the process is closing. */
  drain(): void
  draining(): boolean
  check(): Promise<{
    readonly ready: boolean
    readonly draining: boolean
    readonly checks: readonly CheckResult[]
  }>
}

const DEADLINE_MS = 2000

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

export const createReadiness = (checks: Readonly<Record<string, Check>>): Readiness => {
  let draining = false
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
      return { ready: !draining && results.every((result) => result.ok), draining, checks: results }
    },
  }
}
