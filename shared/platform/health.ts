/**
 * How vigia did over the last five minutes. With Redis all processes put their figures together; each adds a
 * slot of ten seconds when it is full, so that of others a few seconds may be missing.
 */
import { addUp } from '../core/slots.ts'
import type { Recent, Slot } from '../core/slots.ts'
import type { ReadFigures, RegistryFigures } from '../registry/figures.ts'
import { messageOf } from '../core/errors.ts'
import { within } from '../core/within.ts'
import type { Logger } from './logger.ts'

/** Figures of all processes. Slots are numbered alike everywhere, by the clock. */
export interface SharedSlots {
  add(process: string, slots: readonly Slot[], cached: number, now: number): Promise<void>
  /** The last five minutes up to slot `now`, and how many models each process holds. */
  read(
    now: number,
  ): Promise<{ readonly slots: readonly Slot[]; readonly cached: ReadonlyMap<string, number> }>
}

export interface HealthFigures {
  readonly scope: 'cluster' | 'process'
  readonly inference: { readonly averageMs: number | null; readonly p95Ms: number | null }
  readonly cache: { readonly hits: number; readonly misses: number }
  readonly modelsCached: number
  /** Null while the database does not answer. */
  readonly registry: RegistryFigures | null
}

export interface Health {
  figures(): Promise<HealthFigures>
  /** Hands over what is complete. Called every ten seconds. */
  share(): Promise<void>
}

export interface HealthOptions {
  readonly recent: Recent
  readonly registry: ReadFigures
  /** Null: this process knows of itself alone. */
  readonly shared: SharedSlots | null
  /** Tells processes apart. */
  readonly process: string
  readonly logger: Logger
}

const PATIENCE_MS = 1000

/** Null when it fails or takes too long: somebody waits for the rest. */
const orNull = <T>(what: string, work: () => Promise<T>): Promise<T | null> =>
  within(PATIENCE_MS, what, work).catch(() => null)

export const createHealth = (options: HealthOptions): Health => {
  const { recent, shared, logger } = options
  /** The newest slot that was handed over, or that is not ours to hand over any more. */
  let handedOver = recent.current() - 1

  return {
    share: async () => {
      if (!shared) return
      const now = recent.current()
      const full = recent.slots().filter(({ slot }) => slot > handedOver && slot < now)
      try {
        await shared.add(options.process, full, recent.cached(), now)
        handedOver = now - 1
      } catch (error) {
        // They are tried again with the next, for as long as they matter.
        logger.warn('figures of health could not be shared', { error: messageOf(error) })
      }
    },
    figures: async () => {
      const now = recent.current()
      const [registry, others] = await Promise.all([
        orNull('the registry', options.registry),
        shared ? orNull('Redis', () => shared.read(now)) : null,
      ])
      const own = recent.slots()
      const slots = others ? [...others.slots, ...own.filter(({ slot }) => slot > handedOver)] : own
      const holders = new Map(others?.cached).set(options.process, recent.cached())
      const { averageMs, p95Ms, hits, misses } = addUp(slots)
      return {
        scope: others ? 'cluster' : 'process',
        inference: { averageMs, p95Ms },
        cache: { hits, misses },
        modelsCached: [...holders.values()].reduce((sum, count) => sum + count, 0),
        registry,
      }
    },
  }
}
