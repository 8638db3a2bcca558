/** Folders with their parents. */
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * As `mkdir` with `recursive`, which on file systems that answer ENOENT inside a folder they have (/proc,
 * some network mounts) tries for ever on Node 20.
 * @returns whether the folder was made
 */
export const makeFolders = async (path: string, mode = 0o777): Promise<boolean> => {
  try {
    await mkdir(path, { mode })
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') {
      if ((await stat(path)).isDirectory()) return false
      throw error
    }
    if (code !== 'ENOENT' || dirname(path) === path) throw error
    await makeFolders(dirname(path), mode)
    // Once more and no oftener: a parent that is there and still answers ENOENT lets nothing in.
    await mkdir(path, { mode }).catch((again: NodeJS.ErrnoException) => {
      if (again.code !== 'EEXIST') throw again
    })
    return true
  }
}
