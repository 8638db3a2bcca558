/**
 * The files of series on a file system, local or shared; see `shared/series/files.ts` for their places. Names
 * are made here of ids and hashes, and folders must lie below the root when all links are followed.
 */
import { readFile as readFileWithCallback, stat as statWithCallback } from 'node:fs'
import type { Stats } from 'node:fs'
import { mkdir, opendir, readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { mapBounded } from '../../shared/core/bounded.ts'
import { AppError, messageOf } from '../../shared/core/errors.ts'
import type { ArtifactBytes } from '../../shared/registry/artifact-store.ts'
import type { SeriesFiles } from '../../shared/series/files.ts'
import type { FilePlace } from '../../shared/series/registry-store.ts'
import {
  codeOf,
  fsyncFolder,
  insideOf,
  TEMPORARY,
  temporaryOf,
  unlessMissing,
  writeWhole,
} from './whole-files.ts'

const IN_FLIGHT = 16
/** Series whose files are compared with the record at a time. */
const SERIES_AT_ONCE = 500
const SERIES = 'anomaly_detector/series'
const ARCHIVE = 'archive'
const SERIES_ID = /^[A-Za-z0-9_]{1,128}$/
const SHA256 = /^[\da-f]{64}$/
const NAME = /^[\da-f]{64}\.(?:safetensors|tail)$/
const URI = /^anomaly_detector\/series\/[A-Za-z0-9_]{1,128}\/[\da-f]{64}\.(?:safetensors|tail)$/
const UPLOAD = /^[\da-f]{64}\.safetensors$/

// A third of the cost of their promise namesakes.
const statFast = promisify(statWithCallback) as (path: string) => Promise<Stats>
const readFast = promisify(readFileWithCallback) as (path: string) => Promise<Buffer>

const requireMatch = (pattern: RegExp, text: string): void => {
  if (!pattern.test(text)) {
    throw new AppError(
      'INVALID_REQUEST',
      `${JSON.stringify(text.slice(0, 200))} is not the name of a file of ours`,
    )
  }
}

const isThere = (path: string): Promise<boolean> =>
  statFast(path).then(
    () => true,
    () => false,
  )

/** Null when there is no such file. */
const readOrNull = async (path: string): Promise<Buffer | null> => {
  try {
    return await readFile(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

const removeOlder = async (path: string, before: Date): Promise<number> => {
  const found = await stat(path).catch(() => null)
  if (!found?.isFile() || found.mtime >= before) return 0
  await rm(path, { force: true })
  return 1
}

interface Tidied {
  readonly removed: number
  readonly moved: number
}
const NOTHING: Tidied = { removed: 0, moved: 0 }
const add = (a: Tidied, b: Tidied): Tidied => ({ removed: a.removed + b.removed, moved: a.moved + b.moved })

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)

/** @param root created when the first file is written */
export const seriesFiles = (root: string): SeriesFiles => {
  const base = resolve(root)
  const requireInside = insideOf(base)
  const allSeries = join(base, SERIES)
  const uploads = join(base, 'uploads')

  /** Whatever else is wrong with a disk is everybody's matter, and may pass. */
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      if (error instanceof AppError) throw error
      throw new AppError(
        'STORAGE_UNAVAILABLE',
        `the artifact store ${base} cannot be used: ${messageOf(error)}`,
        {},
        { cause: error },
      )
    }
  }
  /** A missing file is the model's matter; a missing store is everybody's. */
  const requireBase = async (): Promise<void> => void (await stat(base))

  const folderOf = (seriesId: string): string => {
    requireMatch(SERIES_ID, seriesId)
    return join(allSeries, seriesId)
  }
  const pathOf = (uri: string): string => {
    requireMatch(URI, uri)
    return join(base, uri)
  }
  const archivedPath = (path: string): string => join(dirname(path), ARCHIVE, basename(path))
  const quarantinedPath = (path: string): string => `${path}.corrupt`
  const uploadPath = (fingerprint: string): string => {
    requireMatch(SHA256, fingerprint)
    return join(uploads, `${fingerprint}.safetensors`)
  }

  const readExactly = async (path: string, bytes: number): Promise<ArtifactBytes> => {
    try {
      const { size } = await statFast(path)
      if (size !== bytes) return { status: 'wrong_length' }
      const file = await readFast(path)
      if (file.length !== bytes) return { status: 'wrong_length' }
      const shared = new SharedArrayBuffer(bytes)
      file.copy(new Uint8Array(shared))
      return { status: 'read', bytes: shared }
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      return { status: 'missing' }
    }
  }

  /** @returns false when it is at neither place */
  const move = async (from: string, to: string): Promise<boolean> => {
    const source = await stat(from).catch(() => null)
    if (!source) return (await stat(to).catch(() => null)) !== null
    try {
      await mkdir(dirname(to))
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
    }
    if (!(await unlessMissing(rename(from, to)))) return (await stat(to).catch(() => null)) !== null
    await fsyncFolder(dirname(to))
    await fsyncFolder(dirname(from))
    return true
  }

  /** The folder of a series and its archive. */
  const placesOf = (seriesId: string): readonly string[] => {
    const folder = folderOf(seriesId)
    return [folder, join(folder, ARCHIVE)]
  }

  const tidySeries = async (
    seriesId: string,
    known: ReadonlyMap<string, FilePlace>,
    before: Date,
  ): Promise<Tidied> => {
    let tidied = NOTHING
    for (const [index, folder] of placesOf(seriesId).entries()) {
      const here: FilePlace = index === 0 ? 'live' : 'archive'
      const names = await readdir(folder).catch(() => [])
      const each = await mapBounded(names, IN_FLIGHT, async (name): Promise<Tidied> => {
        const path = join(folder, name)
        if (TEMPORARY.test(name)) return { removed: await removeOlder(path, before), moved: 0 }
        if (!NAME.test(name)) return NOTHING
        const uri = `${SERIES}/${seriesId}/${name}`
        const place = known.get(uri)
        if (place === undefined) return { removed: await removeOlder(path, before), moved: 0 }
        if (place === here) return NOTHING
        const [from, to] = here === 'live' ? [path, archivedPath(path)] : [path, pathOf(uri)]
        return { removed: 0, moved: (await move(from, to)) ? 1 : 0 }
      })
      tidied = each.reduce(add, tidied)
    }
    for (const place of placesOf(seriesId).toReversed()) {
      const folder = await stat(place).catch(() => null)
      // Fails where something is left.
      if (folder && folder.mtime < before) await rmdir(place).catch(() => {})
    }
    return tidied
  }

  return {
    save: (seriesId, sha256, kind, bytes) =>
      guarded(async () => {
        requireMatch(SHA256, sha256)
        const name = `${sha256}.${kind}`
        await writeWhole(join(folderOf(seriesId), name), bytes, requireInside)
        return `${SERIES}/${seriesId}/${name}`
      }),

    read: (uri, bytes) =>
      guarded(async () => {
        const path = pathOf(uri)
        const file = await readExactly(path, bytes)
        if (file.status !== 'missing') return file
        const archived = await readExactly(archivedPath(path), bytes)
        if (archived.status !== 'missing') return archived
        // Restored between the two looks.
        const again = await readExactly(path, bytes)
        if (again.status !== 'missing') return again
        for (const place of [path, archivedPath(path)])
          if (await isThere(quarantinedPath(place))) return { status: 'quarantined' }
        await requireBase()
        return again
      }),

    readWhole: (uri) =>
      guarded(async () => {
        const path = pathOf(uri)
        const file =
          (await readOrNull(path)) ?? (await readOrNull(archivedPath(path))) ?? (await readOrNull(path))
        if (file === null) await requireBase()
        return file
      }),

    quarantine: (uri) =>
      guarded(async () => {
        const path = pathOf(uri)
        for (const place of [path, archivedPath(path)])
          await unlessMissing(rename(place, quarantinedPath(place)))
      }),

    archive: (uri) => guarded(() => move(pathOf(uri), archivedPath(pathOf(uri)))),

    restore: (uri) => guarded(() => move(archivedPath(pathOf(uri)), pathOf(uri))),

    removeSeries: async (seriesId, forget) => {
      const folder = folderOf(seriesId)
      // The clock of the file system, not ours, tells what was there before.
      const mark = temporaryOf(join(folder, 'removing'))
      const before = await guarded(async () => {
        if (!(await stat(folder).catch(() => null))) return null
        await writeWhole(mark, '', requireInside)
        return (await stat(mark)).mtime
      })
      try {
        if (!(await forget())) return false
        if (before !== null) {
          await guarded(() =>
            mapBounded(placesOf(seriesId), 1, async (place) => {
              const names = await readdir(place).catch(() => [])
              await mapBounded(names, IN_FLIGHT, (name) => removeOlder(join(place, name), before))
            }),
          )
        }
        return true
      } finally {
        if (before !== null) await rm(mark, { force: true }).catch(() => {})
      }
    },

    tidy: async (knownOf, before) => {
      const folders = await guarded(() =>
        opendir(allSeries).catch((error: unknown) => {
          if (codeOf(error) === 'ENOENT') return null
          throw error
        }),
      )
      if (!folders) return NOTHING
      let tidied = NOTHING
      let ids: string[] = []
      const tidySome = async (): Promise<void> => {
        const some = ids
        ids = []
        const known = await knownOf(some)
        const each = await guarded(() => mapBounded(some, IN_FLIGHT, (id) => tidySeries(id, known, before)))
        tidied = each.reduce(add, tidied)
      }
      for await (const entry of folders) {
        if (!entry.isDirectory() || !SERIES_ID.test(entry.name)) continue
        ids.push(entry.name)
        if (ids.length >= SERIES_AT_ONCE) await tidySome()
      }
      await tidySome()
      return tidied
    },

    saveUpload: (fingerprint, bytes) =>
      guarded(() => writeWhole(uploadPath(fingerprint), bytes, requireInside)),

    readUpload: (fingerprint) =>
      guarded(async () => {
        const file = await readOrNull(uploadPath(fingerprint))
        if (file === null) await requireBase()
        return file
      }),

    removeUpload: (fingerprint) => guarded(() => rm(uploadPath(fingerprint), { force: true })),

    sweepUploads: (before, wanted) =>
      guarded(async () => {
        const names = await readdir(uploads).catch(() => [])
        const stray = names.filter(
          (name) => TEMPORARY.test(name) || (UPLOAD.test(name) && !wanted.has(name.slice(0, 64))),
        )
        return total(await mapBounded(stray, IN_FLIGHT, (name) => removeOlder(join(uploads, name), before)))
      }),
  }
}
