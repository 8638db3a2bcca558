/**
 * Files that appear under their name whole or not at all: written under a temporary name, fsynced, renamed,
 * and the folder fsynced.
 */
import { randomBytes } from 'node:crypto'
import { open, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { AppError } from '../../shared/core/errors.ts'
import { makeFolders } from '../make-folder.ts'

/** What `temporaryOf` makes, and a writer that was killed leaves behind. */
export const TEMPORARY = /^\..+\.tmp$/

export const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code)

/** @returns false when what it was about is not there */
export const unlessMissing = async (work: Promise<unknown>): Promise<boolean> => {
  try {
    await work
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

/** Nobody else's: processes of several hosts may share the folder. */
export const temporaryOf = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)

export const fsyncFolder = async (path: string): Promise<void> => {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } catch (error) {
    // Not every file system fsyncs folders; there the rename is as durable as it gets.
    if (!['EINVAL', 'EPERM', 'EISDIR', 'ENOTSUP'].includes(codeOf(error))) throw error
  } finally {
    await folder.close()
  }
}

/**
 * Remembers the folders it has looked at.
 * @returns what throws STORAGE_UNAVAILABLE when a folder, links followed, is not below `base`
 */
export const insideOf = (base: string): ((folder: string) => Promise<void>) => {
  const checked = new Set<string>()
  return async (folder) => {
    if (checked.has(folder)) return
    const [realBase, real] = await Promise.all([realpath(base), realpath(folder)])
    if (real !== realBase && !real.startsWith(realBase + sep)) {
      throw new AppError('STORAGE_UNAVAILABLE', `${folder} leads out of ${base}; remove the link`)
    }
    checked.add(folder)
  }
}

/** @param requireInside of the folder, which is made when there is none */
export const writeWhole = async (
  path: string,
  bytes: Uint8Array | string,
  requireInside: (folder: string) => Promise<void>,
): Promise<void> => {
  const folder = dirname(path)
  if (await makeFolders(folder)) await fsyncFolder(dirname(folder))
  await requireInside(folder)
  const temporary = temporaryOf(path)
  try {
    await writeFile(temporary, bytes, { flush: true })
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw error
  }
  await fsyncFolder(folder)
}
