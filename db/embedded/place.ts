/**
 * Where the embedded server keeps its files, and as whom it runs. PostgreSQL refuses to run as root: then
 * it runs as `nobody`, which must be able to walk to its files. Below a closed folder (/root is 0700 on most
 * systems) the files therefore go to /var/lib/vigia and the home folder keeps a pointer to them.
 */
import { createHash } from 'node:crypto'
import { chmod, lstat, readFile, realpath, rename, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { AppError, messageOf } from '../../shared/core/errors.ts'
import { makeFolders } from '../make-folder.ts'

/** The system user without rights on every Unix we run on; no account has to be made. */
const NOBODY = 65_534
const SYSTEM_PLACE = '/var/lib/vigia'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

export interface Place {
  /** Holds data/, users/, password, lock and the server's log. */
  readonly dir: string
  /** Whom the server runs as; null: as this process. */
  readonly owner: Owner | null
}

const refuse = (message: string, cause?: unknown): AppError =>
  new AppError('STORAGE_UNAVAILABLE', message, {}, { cause })

/** Whether `owner` may walk down to `path` by the permission bits of the folders on the way. */
export const isReachable = async (path: string, owner: Owner): Promise<boolean> => {
  for (let at = await realpath(path); ; at = dirname(at)) {
    const { uid, gid, mode } = await stat(at)
    const bits = uid === owner.uid ? mode >> 6 : gid === owner.gid ? mode >> 3 : mode
    if ((bits & 0o1) === 0) return false
    if (dirname(at) === at) return true
  }
}

/**
 * A folder someone else made, or may write to, could lead our files and the server's password elsewhere.
 * @throws AppError STORAGE_UNAVAILABLE
 */
const mustBeOurs = async (dir: string): Promise<void> => {
  const uid = process.getuid?.()
  if (uid === undefined) return
  const found = await lstat(dir)
  if (!found.isDirectory())
    throw refuse(`${dir} is not a folder: remove it, or set VIGIA_HOME to another one`)
  if (found.uid !== uid && found.uid !== 0) {
    throw refuse(
      `${dir} belongs to user id ${found.uid}, not to ${uid} who runs this: run vigia as that user, or set VIGIA_HOME to a folder of your own`,
    )
  }
  if ((found.mode & 0o002) !== 0) {
    throw refuse(`everybody may write to ${dir}: run chmod o-w on it, or set VIGIA_HOME to another folder`)
  }
}

const makeFolder = async (dir: string, mode: number): Promise<void> => {
  try {
    const made = await makeFolders(dir, mode)
    // A umask of 077 would close it to the user the server runs as.
    if (made) await chmod(dir, mode)
  } catch (error) {
    throw refuse(
      `cannot make ${dir}: ${messageOf(error)}. Set VIGIA_HOME to a folder you may write to, or DATABASE_URL to a PostgreSQL server`,
      error,
    )
  }
  await mustBeOurs(dir)
}

const readPointer = async (path: string): Promise<string | null> => {
  try {
    return (await readFile(path, 'utf8')).trim() || null
  } catch {
    return null
  }
}

const choose = async (home: string, owner: Owner | null): Promise<string> => {
  const beside = join(home, 'database')
  if (!owner) return beside
  const pointer = join(home, 'database-location')
  const known = await readPointer(pointer)
  if (known !== null) return known
  if (await isReachable(home, owner)) return beside
  const name = createHash('sha256').update(home).digest('hex').slice(0, 16)
  const elsewhere = join(SYSTEM_PLACE, name)
  await makeFolder(SYSTEM_PLACE, 0o755)
  if (!(await isReachable(SYSTEM_PLACE, owner))) {
    throw refuse(
      `the embedded PostgreSQL runs as user id ${owner.uid}, which can walk neither to ${home} nor to ${SYSTEM_PLACE}: run vigia as a normal user, open those folders (chmod o+x), or set DATABASE_URL`,
    )
  }
  const draft = `${pointer}.${process.pid}`
  await writeFile(draft, `${elsewhere}\n`, { mode: 0o600 })
  await rename(draft, pointer)
  return elsewhere
}

/**
 * @param home folder of vigia's own files; made when missing
 * @throws AppError STORAGE_UNAVAILABLE with what to do when no folder serves
 */
export const choosePlace = async (home: string): Promise<Place> => {
  const isRoot = process.getuid?.() === 0
  const owner = isRoot ? { uid: NOBODY, gid: NOBODY } : null
  const mode = isRoot ? 0o755 : 0o700
  const wanted = resolve(home)
  const target = await realpath(wanted).catch(() => wanted)
  await makeFolder(target, mode)
  const dir = await choose(await realpath(target), owner)
  await makeFolder(dir, mode)
  if (owner && !(await isReachable(dir, owner))) {
    throw refuse(
      `the embedded PostgreSQL runs as user id ${owner.uid}, which cannot walk to ${dir}: run chmod o+x on the folders above it, or set VIGIA_HOME or DATABASE_URL`,
    )
  }
  await makeFolder(join(dir, 'users'), 0o700)
  return { dir, owner }
}
