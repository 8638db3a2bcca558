/**
 * Figures of all processes, in Redis: a hash per ten seconds that every process adds its own to and that goes
 * after a little more than five minutes, and one of how many models each holds.
 */
import type { Redis } from 'ioredis'
import { SLOT_MS, SLOTS, emptySlot } from '../../shared/core/slots.ts'
import type { Slot } from '../../shared/core/slots.ts'
import type { SharedSlots } from '../../shared/platform/health.ts'

const EXPIRE_S = ((SLOTS + 3) * SLOT_MS) / 1000
/** A process that has not said for that long how many models it holds is gone. */
const GONE_SLOTS = 3

const nameOf = (prefix: string, slot: number): string => `${prefix}:slot:${slot}`

/** A pipeline does not reject for what its commands met. */
const answersOf = (replies: [error: Error | null, answer: unknown][] | null): unknown[] =>
  (replies ?? []).map(([error, answer]) => {
    if (error) throw error
    return answer
  })

export const sharedSlots = (redis: Redis, prefix = 'vigia:health'): SharedSlots => ({
  add: async (process, slots, cached, now) => {
    // All of it or nothing: what fails is added again.
    const work = redis.multi()
    for (const slot of slots) {
      const key = nameOf(prefix, slot.slot)
      work.hincrby(key, 'requests', slot.requests)
      work.hincrby(key, 'total_us', Math.round(slot.totalMs * 1000))
      work.hincrby(key, 'hits', slot.hits)
      work.hincrby(key, 'misses', slot.misses)
      slot.bins.forEach((count, bin) => {
        if (count > 0) work.hincrby(key, `bin_${bin}`, count)
      })
      work.expire(key, EXPIRE_S)
    }
    work.hset(`${prefix}:cached`, process, `${cached} ${now}`)
    work.expire(`${prefix}:cached`, EXPIRE_S)
    answersOf(await work.exec())
  },
  read: async (now) => {
    const work = redis.pipeline()
    for (let slot = now - SLOTS + 1; slot <= now; slot += 1) work.hgetall(nameOf(prefix, slot))
    work.hgetall(`${prefix}:cached`)
    const hashes = answersOf(await work.exec()) as Record<string, string>[]
    const holders = Object.entries(hashes.pop() ?? {})
    const slots = hashes.map((hash, at): Slot => {
      const slot = emptySlot(now - SLOTS + 1 + at)
      slot.requests = Number(hash['requests'] ?? 0)
      slot.totalMs = Number(hash['total_us'] ?? 0) / 1000
      slot.hits = Number(hash['hits'] ?? 0)
      slot.misses = Number(hash['misses'] ?? 0)
      for (let bin = 0; bin < slot.bins.length; bin += 1) slot.bins[bin] = Number(hash[`bin_${bin}`] ?? 0)
      return slot
    })
    const cached = new Map<string, number>()
    const gone: string[] = []
    for (const [process, text] of holders) {
      const [count = '0', said = '0'] = text.split(' ')
      if (Number(said) + GONE_SLOTS < now) gone.push(process)
      else cached.set(process, Number(count))
    }
    if (gone.length > 0) await redis.hdel(`${prefix}:cached`, ...gone)
    return { slots, cached }
  },
})
