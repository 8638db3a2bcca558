/**
 * Several processes share one embedded server. Each leaves a file with its pid; the last to leave stops the
 * server. A process that was killed leaves a file whose pid is dead (or belongs to a later process, told by
 * its start time): such files are pruned by whoever looks next.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../../shared/core/errors.ts'

const LOCK_WAIT_MS = 60_000
const LOCK_POLL_MS = 25

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Tells a process from a later one with the same pid. */
const startOf = (pid: number): string => {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    if (process.platform === 'linux' || process.platform === 'win32') return ''
    try {
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    } catch {
      return ''
    }
  }
}

const signature = (pid: number): string => `${pid} ${startOf(pid)}`

const holderLives = (text: string): boolean => {
  const pid = Number.parseInt(text, 10)
  return Number.isInteger(pid) && pid > 0 && isAlive(pid) && text === signature(pid)
}

/** Runs `work` while no other process on this machine does so for the same `home`. */
export const exclusively = async <T>(home: string, work: () => Promise<T>): Promise<T> => {
  const path = join(home, 'lock')
  const mine = signature(process.pid)
  const deadline = performance.now() + LOCK_WAIT_MS
  for (;;) {
    try {
      const file = await open(path, 'wx', 0o600)
      await file.writeFile(mine)
      await file.close()
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const held = await readFile(path, 'utf8').catch(() => '')
    // An empty file is a holder between creating and writing; it is given the time to write.
    if (held !== '' && !holderLives(held)) {
      const grave = `${path}.${process.pid}.${Math.trunc(performance.now())}`
      await rename(path, grave).catch(() => undefined)
      await rm(grave, { force: true })
      continue
    }
    if (performance.now() > deadline) {
      throw new AppError(
        'STORAGE_UNAVAILABLE',
        `another vigia process (${held || 'unknown'}) has held ${path} for a minute; end it, or remove the file if none runs`,
      )
    }
    await delay(LOCK_POLL_MS)
  }
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

const tenantsFolder = (home: string): string => join(home, 'tenants')

let sequence = 0

/** Announces this process; the answer is the file to hand to `moveOut`. Call under the lock. */
export const moveIn = async (home: string): Promise<string> => {
  await mkdir(tenantsFolder(home), { recursive: true, mode: 0o700 })
  const path = join(tenantsFolder(home), `${process.pid}-${(sequence += 1)}`)
  await writeFile(path, signature(process.pid), { mode: 0o600 })
  return path
}

/** Removes the file and answers how many living tenants are left. Call under the lock. */
export const moveOut = async (home: string, path: string): Promise<number> => {
  await rm(path, { force: true })
  let living = 0
  for (const name of await readdir(tenantsFolder(home)).catch(() => [])) {
    const file = join(tenantsFolder(home), name)
    const text = await readFile(file, 'utf8').catch(() => '')
    if (holderLives(text)) living += 1
    else await rm(file, { force: true })
  }
  return living
}
