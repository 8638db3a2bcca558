/**
 * A lock between processes of one machine: a file whose holder is named inside. A holder that died is
 * noticed by its start time, so a kill leaves nothing to clean by hand.
 */
import { randomUUID } from 'node:crypto'
import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../../shared/core/errors.ts'
import { isRunning, ownIdentity, parseIdentity } from './processes.ts'

const POLL_MS = 25
/** Files are written at once after creation: an empty or broken one this old has lost its writer. */
const BROKEN_AFTER_MS = 5_000

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

const createExclusive = async (path: string, text: string): Promise<boolean> => {
  try {
    await writeFile(path, text, { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

const readOrNull = async (path: string): Promise<string | null> => {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

const ageMs = async (path: string): Promise<number> => {
  try {
    return Date.now() - (await stat(path)).mtimeMs
  } catch {
    return 0
  }
}

const isAbandoned = async (path: string, text: string): Promise<boolean> => {
  const holder = parseIdentity(text)
  return holder ? !isRunning(holder) : (await ageMs(path)) > BROKEN_AFTER_MS
}

const nonceOf = (text: string): string => /"nonce":"([0-9a-f-]{36})"/.exec(text)?.[1] ?? 'unreadable'

/**
 * Removes the lock of a dead holder. Between reading it and removing it another process may have done the
 * same and taken the lock: the marker, named for the dead lock, lets one process at a time look again and remove.
 */
const removeAbandoned = async (path: string, text: string): Promise<void> => {
  const marker = `${path}.break-${nonceOf(text)}`
  if (!(await createExclusive(marker, JSON.stringify(ownIdentity())))) {
    const other = await readOrNull(marker)
    if (other !== null && (await isAbandoned(marker, other))) await rm(marker, { force: true })
    return
  }
  try {
    if ((await readOrNull(path)) === text) await rm(path, { force: true })
  } finally {
    await rm(marker, { force: true })
  }
}

/**
 * Runs `work` while holding the lock file `path`, whose folder must exist.
 * @throws AppError STORAGE_UNAVAILABLE when a living holder keeps it for longer than `waitMs`
 */
export const withFileLock = async <T>(path: string, waitMs: number, work: () => Promise<T>): Promise<T> => {
  const mine = JSON.stringify({ ...ownIdentity(), nonce: randomUUID() })
  const deadline = Date.now() + waitMs
  while (!(await createExclusive(path, mine))) {
    const text = await readOrNull(path)
    if (text !== null && (await isAbandoned(path, text))) {
      await removeAbandoned(path, text)
      continue
    }
    if (Date.now() > deadline) {
      const holder = text === null ? null : parseIdentity(text)
      throw new AppError(
        'STORAGE_UNAVAILABLE',
        `${path} is held by process ${holder?.pid ?? 'unknown'} for longer than ${Math.round(waitMs / 1000)} s: end that process, then start again`,
      )
    }
    await delay(POLL_MS * (0.5 + Math.random()))
  }
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}
