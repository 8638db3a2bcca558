/**
 * Model artifacts on a file system, local or shared:
 *
 *   anomaly_detector/config_12/ad_3.safetensors               published: a hard link to a version
 *   anomaly_detector/config_12/.versions/ad_3/v2.safetensors  every version that is kept
 *   anomaly_detector/config_12/metadata.json                  the last training
 *
 * A file appears under its name whole or not at all: it is written under a temporary name, fsynced, then
 * renamed. Names are made here from registry names of plain words, and folders must lie below the root when
 * all links are followed.
 */
import { close, open, readv, stat as statWithCallback } from 'node:fs'
import type { Stats } from 'node:fs'
import { copyFile, link, readdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { promisify } from 'node:util'
import { mapBounded } from '../../shared/core/bounded.ts'
import { AppError, messageOf } from '../../shared/core/errors.ts'
import type { ArtifactBytes, ArtifactStore, StagedArtifact } from '../../shared/registry/artifact-store.ts'
import { makeFolders } from '../make-folder.ts'
import {
  codeOf,
  fsyncFolder,
  insideOf,
  temporaryOf,
  TEMPORARY,
  unlessMissing,
  writeWhole,
} from './whole-files.ts'

const IN_FLIGHT = 16
const EXTENSION = '.safetensors'
const VERSIONS = '.versions'
const ANOMALY_DETECTOR = 'anomaly_detector'
const MODEL = /^[A-Za-z0-9_-]{1,200}(\/[A-Za-z0-9_-]{1,200}){1,4}$/
const WRITER = /^[A-Za-z0-9_-]{1,100}$/
const URI = /^[A-Za-z0-9_-]{1,200}(\/\.?[A-Za-z0-9_-]{1,200}){1,6}\.safetensors$/
/** File systems without hard links, and shares that refuse them, get a copy. */
const NO_LINK = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EMLINK', 'EACCES'])

// A third of the cost of its promise namesake.
const statFast = promisify(statWithCallback) as (path: string) => Promise<Stats>

/**
 * The file, if it has exactly so many bytes; else null. In as few steps as there can be: detection reads every model of
 * an account.
 */
const readExactly = (path: string, bytes: number): Promise<SharedArrayBuffer | null> =>
  new Promise((resolve, reject) => {
    open(path, 'r', (failed, fd) => {
      if (failed) return reject(failed)
      const shared = new SharedArrayBuffer(bytes)
      const end = (error: Error | null, read: number): void =>
        close(fd, () => (error ? reject(error) : resolve(read === bytes ? shared : null)))
      const readOn = (from: number): void =>
        // One more than there should be.
        readv(fd, [new Uint8Array(shared, from), new Uint8Array(1)], from, (error, read) => {
          if (error || read === 0 || from + read >= bytes) end(error, from + read)
          else readOn(from + read)
        })
      return readOn(0)
    })
  })

const refused = (what: string): AppError =>
  new AppError('INVALID_REQUEST', `${what} cannot be the name of a model`)

/** @param root created when the first artifact is written */
export const fileArtifactStore = (root: string): ArtifactStore => {
  const base = resolve(root)
  const requireInside = insideOf(base)

  const pathOfModel = (model: string): string => {
    if (!MODEL.test(model)) throw refused(JSON.stringify(model.slice(0, 100)))
    return join(base, model)
  }
  const pathOfUri = (uri: string): string => {
    if (!URI.test(uri)) throw refused(JSON.stringify(uri.slice(0, 100)))
    return join(base, uri)
  }
  const uriOf = (path: string): string =>
    path
      .slice(base.length + 1)
      .split(sep)
      .join('/')
  const published = (model: string): string => `${pathOfModel(model)}${EXTENSION}`
  const versionsFolder = (model: string): string => {
    const path = pathOfModel(model)
    return join(dirname(path), VERSIONS, basename(path))
  }
  const configFolder = (configId: number): string => join(base, ANOMALY_DETECTOR, `config_${configId}`)

  /** Of every family, whether the config has models of it or not. */
  const configFolders = async (configId: number): Promise<readonly string[]> => {
    const families = await readdir(base, { withFileTypes: true }).catch(() => [])
    return families.flatMap((family) =>
      family.isDirectory() ? [join(base, family.name, `config_${configId}`)] : [],
    )
  }

  const linkOver = async (from: string, to: string): Promise<void> => {
    const temporary = temporaryOf(to)
    try {
      await link(from, temporary)
    } catch (error) {
      if (!NO_LINK.has(codeOf(error))) throw error
      await copyFile(from, temporary)
    }
    await rename(temporary, to)
  }

  const store: ArtifactStore = {
    stage: async (model, bytes, writer): Promise<StagedArtifact> => {
      if (!WRITER.test(writer)) throw refused(JSON.stringify(writer))
      const folder = versionsFolder(model)
      const tempPath = join(folder, `.${writer}.tmp`)
      await makeFolders(folder)
      await requireInside(dirname(folder))
      try {
        await writeFile(tempPath, bytes, { flush: true })
      } catch (error) {
        await rm(tempPath, { force: true }).catch(() => {})
        throw error
      }
      return { model, tempPath }
    },

    discard: async ({ tempPath }) => {
      await rm(tempPath, { force: true })
    },

    settle: async ({ model, tempPath }, version) => {
      const path = join(versionsFolder(model), `v${version}${EXTENSION}`)
      await rename(tempPath, path)
      await linkOver(path, published(model))
      return uriOf(path)
    },

    publish: async (model, uri) => {
      const from = pathOfUri(uri)
      const to = published(model)
      const [source, target] = await Promise.all([stat(from), stat(to)].map((s) => s.catch(() => null)))
      if (!source) return false
      // Renaming one link of a file over another of the same file does nothing and leaves both.
      if (target?.ino !== source.ino || target.dev !== source.dev) await linkOver(from, to)
      return true
    },

    isPublished: (model) => unlessMissing(statFast(published(model))),

    unpublish: async (models) => {
      await mapBounded(models, IN_FLIGHT, (model) => unlessMissing(unlink(published(model))))
    },

    flush: async (models) => {
      for (const folder of new Set(models.map((model) => dirname(pathOfModel(model)))))
        await fsyncFolder(folder)
    },

    read: async (uri, bytes): Promise<ArtifactBytes> => {
      const path = pathOfUri(uri)
      try {
        const shared = await readExactly(path, bytes)
        return shared ? { status: 'read', bytes: shared } : { status: 'wrong_length' }
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error
        // A missing file is the model's matter; a missing store is everybody's.
        await stat(base).catch((cause: unknown) => {
          throw new AppError('STORAGE_UNAVAILABLE', `${base} cannot be read: ${messageOf(cause)}`)
        })
        return { status: 'missing' }
      }
    },

    quarantine: async (model, uri) => {
      const path = pathOfUri(uri)
      const target = published(model)
      const [bad, shown] = await Promise.all([stat(path), stat(target)].map((s) => s.catch(() => null)))
      if (bad && shown && bad.ino === shown.ino && bad.dev === shown.dev)
        await unlessMissing(rename(target, `${target}.corrupt`))
      await unlessMissing(rename(path, `${path}.corrupt`))
    },

    remove: async (uris) => {
      await mapBounded(uris, IN_FLIGHT, (uri) => rm(pathOfUri(uri), { force: true }))
    },

    removeConfig: async (configId) => {
      for (const folder of await configFolders(configId)) await rm(folder, { recursive: true, force: true })
    },

    removeOrphans: async (configId, known, before) => {
      const own = await configFolders(configId)
      const folders = [...own]
      for (const folder of own) {
        const models = await readdir(join(folder, VERSIONS)).catch(() => [])
        folders.push(...models.map((model) => join(folder, VERSIONS, model)))
      }
      const removed = await mapBounded(folders, IN_FLIGHT, async (place) => {
        const names = await readdir(place).catch(() => [])
        let count = 0
        for (const name of names) {
          const path = join(place, name)
          const version = !own.includes(place) && name.endsWith(EXTENSION)
          if (!TEMPORARY.test(name) && !(version && !known.has(uriOf(path)))) continue
          const entry = await stat(path).catch(() => null)
          if (!entry || entry.mtime >= before) continue
          await rm(path, { force: true })
          count++
        }
        return count
      })
      return removed.reduce((sum, count) => sum + count, 0)
    },

    writeMetadata: (configId, metadata) =>
      writeWhole(
        join(configFolder(configId), 'metadata.json'),
        `${JSON.stringify(metadata, null, 2)}\n`,
        requireInside,
      ),

    readMetadata: async (configId) => {
      const path = join(configFolder(configId), 'metadata.json')
      try {
        return JSON.parse(await readFile(path, 'utf8')) as unknown
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return null
        throw error
      }
    },
  }
  return store
}
