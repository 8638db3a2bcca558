/**
 * Names a process so that a reused pid is not mistaken for the process that once had it.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'

export interface ProcessIdentity {
  readonly pid: number
  /** Opaque start mark: equal for the same process only. */
  readonly startedAt: string
}

const isRefused = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'EPERM'

const signalReaches = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return isRefused(error)
  }
}

/** `ps` answers nothing for a process that is gone. */
const ps = (pid: number, column: string): string | null => {
  try {
    return execFileSync('ps', ['-o', `${column}=`, '-p', String(pid)], { encoding: 'utf8' }).trim() || null
  } catch {
    return null
  }
}

const linuxStart = (pid: number): string | null => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command name may hold spaces and parentheses: fields count from the last ")". proc(5): 3 state, 22 starttime.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie waits for a parent that may never ask (a container whose pid 1 does not reap): it is gone.
    if (fields[0] === 'Z' || fields[0] === 'X') return null
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot}/${fields[19]}`
  } catch {
    return null
  }
}

/** The start mark of a running process, or null when there is none with this pid. */
export const startMarkOf = (pid: number): string | null => {
  if (process.platform === 'linux') return linuxStart(pid)
  if (!signalReaches(pid)) return null
  // Windows has no cheap start time: there the pid alone must do.
  return process.platform === 'win32' ? 'running' : ps(pid, 'lstart')
}

export const ownIdentity = (): ProcessIdentity => ({
  pid: process.pid,
  startedAt: startMarkOf(process.pid) ?? 'unknown',
})

export const isRunning = ({ pid, startedAt }: ProcessIdentity): boolean => startMarkOf(pid) === startedAt

/**
 * Whether `pid` can be the postmaster of `dataDir`: it is alive and, as far as the system tells, works there.
 * A postmaster's working directory is its data directory.
 */
export const mayServe = (pid: number, dataDir: string): boolean => {
  if (startMarkOf(pid) === null) return false
  if (process.platform === 'linux') {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === dataDir
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EACCES'
    }
  }
  return process.platform === 'win32' || (ps(pid, 'comm') ?? '').includes('postgres')
}

/** Reads an identity written as JSON; null when the text is not one. */
export const parseIdentity = (text: string): ProcessIdentity | null => {
  try {
    const value = JSON.parse(text) as Partial<ProcessIdentity> | null
    return typeof value?.pid === 'number' && typeof value.startedAt === 'string'
      ? { pid: value.pid, startedAt: value.startedAt }
      : null
  } catch {
    return null
  }
}
