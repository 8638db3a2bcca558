/**
 * CPU and memory of processes and all their descendants, read from Linux' /proc. On other systems the
 * figures are absent (NaN), never guessed.
 */
import { readdirSync, readFileSync } from 'node:fs'

/** USER_HZ: fixed at 100 on every Linux that Node supports. */
const TICKS_PER_SECOND = 100

interface ProcessStat {
  readonly pid: number
  readonly parent: number
  readonly cpuSeconds: number
}

const readStat = (pid: number): ProcessStat | null => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold spaces: fields are counted from the last one.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const ticks = Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14])
    return { pid, parent: Number(fields[1]), cpuSeconds: ticks / TICKS_PER_SECOND }
  } catch {
    return null
  }
}

const kilobytes = (pid: number, file: string, field: string): number => {
  try {
    const line = readFileSync(`/proc/${pid}/${file}`, 'utf8')
      .split('\n')
      .find((text) => text.startsWith(`${field}:`))
    return Number(line?.replace(/\D+/g, '') ?? 0)
  } catch {
    return 0
  }
}

const tree = (roots: readonly number[]): ProcessStat[] => {
  let names: string[]
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
  const all = names.map((name) => readStat(Number(name))).filter((stat) => stat !== null)
  const chosen = new Map(all.filter((stat) => roots.includes(stat.pid)).map((stat) => [stat.pid, stat]))
  for (let grown = true; grown;) {
    grown = false
    for (const stat of all) {
      if (chosen.has(stat.parent) && !chosen.has(stat.pid)) {
        chosen.set(stat.pid, stat)
        grown = true
      }
    }
  }
  return [...chosen.values()]
}

export interface TreeUsage {
  readonly processes: number
  /** User and system time of the living and of their ended, waited-for children. */
  readonly cpuSeconds: number
  /** Resident memory; pages shared between processes count in each. */
  readonly rssMb: number
}

export const usageOf = (roots: readonly number[]): TreeUsage => {
  const stats = tree(roots)
  if (stats.length === 0) return { processes: 0, cpuSeconds: Number.NaN, rssMb: Number.NaN }
  return {
    processes: stats.length,
    cpuSeconds: stats.reduce((sum, stat) => sum + stat.cpuSeconds, 0),
    rssMb: stats.reduce((sum, stat) => sum + kilobytes(stat.pid, 'status', 'VmRSS'), 0) / 1024,
  }
}

/** Proportional set size: shared pages are split between those who share them. Needs the same user or root. */
export const pssMb = (roots: readonly number[]): number => {
  const stats = tree(roots)
  if (stats.length === 0) return Number.NaN
  return stats.reduce((sum, stat) => sum + kilobytes(stat.pid, 'smaps_rollup', 'Pss'), 0) / 1024
}

/** Samples the tree's resident memory until stopped; the answer is the peak in MiB. */
export const watchPeak = (roots: readonly number[], everyMs = 100): { stop(): number } => {
  let peak = usageOf(roots).rssMb
  const timer = setInterval(() => {
    peak = Math.max(peak, usageOf(roots).rssMb)
  }, everyMs)
  return {
    stop: () => {
      clearInterval(timer)
      return Math.max(peak, usageOf(roots).rssMb)
    },
  }
}
