import { expect } from 'chai'
import { mkdir, readdir, readFile, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { seriesFiles } from '../../../../db/artifacts/series-files.ts'
import { AppError } from '../../../../shared/core/errors.ts'
import type { SeriesFiles } from '../../../../shared/series/files.ts'
import type { FilePlace } from '../../../../shared/series/registry-store.ts'
import { rejectionOf } from '../../../support/entities.ts'
import { temporaryFolder } from '../../../support/folders.ts'
import { sha256 } from '../../../support/series.ts'

const bytesOf = (value: string): Uint8Array => new TextEncoder().encode(value)
const OLD = new Date('2020-01-01T00:00:00Z')
const SWEEP = new Date('2021-01-01T00:00:00Z')

describe('files of series', () => {
  let folder: string
  let root: string
  let files: SeriesFiles
  beforeEach(async () => {
    folder = await temporaryFolder()
    root = join(folder, 'models_storage')
    files = seriesFiles(root)
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const at = (...parts: string[]): string => join(root, 'anomaly_detector', 'series', ...parts)
  const save = (
    value: string,
    id = 'pump_7',
    kind: 'safetensors' | 'tail' = 'safetensors',
  ): Promise<string> => files.save(id, sha256(value), kind, bytesOf(value))
  const age = (...paths: string[]): Promise<unknown> =>
    Promise.all(paths.map((path) => utimes(path, OLD, OLD)))
  const textOf = async (uri: string, length: number): Promise<string> => {
    const file = await files.read(uri, length)
    return file.status === 'read' ? Buffer.from(new Uint8Array(file.bytes)).toString('utf8') : file.status
  }
  const known =
    (...uris: (readonly [string, FilePlace])[]) =>
    () =>
      Promise.resolve(new Map(uris))

  it('are named by the hash of what is in them; saving again is harmless', async () => {
    const uri = await save('one')
    expect(uri).to.equal(`anomaly_detector/series/pump_7/${sha256('one')}.safetensors`)
    expect(await save('one')).to.equal(uri)
    expect(await textOf(uri, 3)).to.equal('one')
    expect(await readdir(at('pump_7'))).to.deep.equal([`${sha256('one')}.safetensors`])
  })

  it('tell a missing file and one of another length from a store that is away', async () => {
    const uri = await save('one')
    expect(await textOf(uri, 4)).to.equal('wrong_length')
    await truncate(join(root, uri), 2)
    expect(await textOf(uri, 3)).to.equal('wrong_length')
    await rm(join(root, uri))
    expect(await textOf(uri, 3)).to.equal('missing')
    expect(await files.readWhole(uri)).to.equal(null)
    await rm(root, { recursive: true })
    expect(await rejectionOf(files.read(uri, 3))).to.include({ code: 'STORAGE_UNAVAILABLE' })
    expect(await rejectionOf(files.readWhole(uri))).to.include({ code: 'STORAGE_UNAVAILABLE' })
    expect(await rejectionOf(files.readUpload(sha256('x')))).to.include({ code: 'STORAGE_UNAVAILABLE' })
  })

  it('say that the store is away when it cannot be written, and leave nothing behind', async () => {
    await mkdir(dirname(at()), { recursive: true })
    await writeFile(at(), 'in the way')
    expect(await rejectionOf(save('one'))).to.include({ code: 'STORAGE_UNAVAILABLE' })
    expect(await readdir(dirname(at()))).to.deep.equal(['series'])
  })

  it('stay below the root', async () => {
    for (const id of ['..', 'a/b', '', 'a-b', 'x'.repeat(129)])
      expect(await rejectionOf(files.save(id, sha256('x'), 'tail', bytesOf('x')))).to.be.instanceOf(AppError)
    for (const uri of [
      '../secret',
      `uploads/${sha256('x')}.safetensors`,
      `anomaly_detector/series/a/${sha256('x')}.txt`,
    ])
      expect(await rejectionOf(files.read(uri, 1))).to.include({ code: 'INVALID_REQUEST' })
    expect(await rejectionOf(files.saveUpload('../x', bytesOf('x')))).to.include({ code: 'INVALID_REQUEST' })
    const outside = join(folder, 'outside')
    await mkdir(outside)
    await mkdir(at(), { recursive: true })
    await symlink(outside, at('pump_8'))
    expect(await rejectionOf(save('one', 'pump_8'))).to.include({ code: 'STORAGE_UNAVAILABLE' })
    expect(await readdir(outside)).to.deep.equal([])
  })

  it('move to the archive and back, and are read from both places', async () => {
    const uri = await save('one')
    const tail = await save('one', 'pump_7', 'tail')
    for (let repeat = 0; repeat < 2; repeat += 1) {
      expect(await files.archive(uri)).to.equal(true)
      expect(await files.archive(tail)).to.equal(true)
      expect(await readdir(at('pump_7', 'archive'))).to.have.length(2)
      expect(await textOf(uri, 3)).to.equal('one')
      expect(Buffer.from((await files.readWhole(tail)) ?? []).toString()).to.equal('one')
    }
    for (let repeat = 0; repeat < 2; repeat += 1) {
      expect(await files.restore(uri)).to.equal(true)
      expect(await readdir(at('pump_7'))).to.include(`${sha256('one')}.safetensors`)
    }
    const gone = `anomaly_detector/series/pump_7/${sha256('gone')}.safetensors`
    expect(await files.archive(gone)).to.equal(false)
    expect(await files.restore(gone)).to.equal(false)
  })

  it('are put aside when damaged, wherever they are', async () => {
    const uri = await save('one')
    await files.quarantine(uri)
    expect(await readdir(at('pump_7'))).to.deep.equal([`${sha256('one')}.safetensors.corrupt`])
    expect(await textOf(uri, 3)).to.equal('quarantined')
    const other = await save('two')
    await files.archive(other)
    await files.quarantine(other)
    expect(await readdir(at('pump_7', 'archive'))).to.deep.equal([`${sha256('two')}.safetensors.corrupt`])
    expect(await textOf(other, 3)).to.equal('quarantined')
    await files.quarantine(other)
  })

  it('go with their series, but not those that came after it was forgotten', async () => {
    const uri = await save('one')
    const archived = await save('two')
    await files.archive(archived)
    const other = await save('one', 'pump_70')
    await age(join(root, uri), at('pump_7', 'archive', `${sha256('two')}.safetensors`))
    expect(
      await files.removeSeries('pump_7', async () => {
        await save('anew')
        return true
      }),
    ).to.equal(true)
    expect(await readdir(at('pump_7'))).to.have.members(['archive', `${sha256('anew')}.safetensors`])
    expect(await readdir(at('pump_7', 'archive'))).to.deep.equal([])
    expect(await textOf(other, 3)).to.equal('one')
  })

  it('stay when the series was not forgotten after all', async () => {
    const uri = await save('one')
    await age(join(root, uri))
    expect(await files.removeSeries('pump_7', () => Promise.resolve(false))).to.equal(false)
    const refusal = new Error('the record is away')
    expect(await rejectionOf(files.removeSeries('pump_7', () => Promise.reject(refusal)))).to.equal(refusal)
    expect(await readdir(at('pump_7'))).to.deep.equal([`${sha256('one')}.safetensors`])
    expect(await files.removeSeries('nobody', () => Promise.resolve(true))).to.equal(true)
  })

  it('are tidied: old strangers go, young and foreign ones stay, known ones move to their place', async () => {
    const live = await save('live')
    const orphan = await save('orphan')
    const young = await save('young')
    const away = await save('away')
    const back = await save('back')
    await files.archive(back)
    const foreign = at('pump_7', 'notes.txt')
    const temporary = at('pump_7', '.x.tmp')
    await writeFile(foreign, 'x')
    await writeFile(temporary, 'x')
    await age(join(root, live), join(root, orphan), foreign, temporary)
    const asked: (readonly string[])[] = []
    const tidied = await files.tidy((ids) => {
      asked.push(ids)
      return known([live, 'live'], [away, 'archive'], [back, 'live'])()
    }, SWEEP)
    expect(tidied).to.deep.equal({ removed: 2, moved: 2 })
    expect(asked).to.deep.equal([['pump_7']])
    const names = (await readdir(at('pump_7'))).filter((name) => name !== 'archive')
    expect(names).to.have.members([
      ...[live, young, back].map((uri) => uri.slice(uri.lastIndexOf('/') + 1)),
      'notes.txt',
    ])
    expect(await readdir(at('pump_7', 'archive'))).to.deep.equal([`${sha256('away')}.safetensors`])
    expect(await files.tidy(known([live, 'live'], [away, 'archive'], [back, 'live']), SWEEP)).to.deep.equal({
      removed: 0,
      moved: 0,
    })
  })

  it('of nobody leave no empty folders', async () => {
    await save('one')
    await age(join(at('pump_7'), `${sha256('one')}.safetensors`))
    await files.tidy(known(), SWEEP)
    expect(await readdir(at())).to.deep.equal(['pump_7'])
    await age(at('pump_7'))
    await files.tidy(known(), SWEEP)
    expect(await readdir(at())).to.deep.equal([])
    await rm(root, { recursive: true })
    expect(await files.tidy(known(), SWEEP)).to.deep.equal({ removed: 0, moved: 0 })
  })

  it('that were uploaded wait under their fingerprint, and are swept unless somebody waits for them', async () => {
    const [a, b, c] = ['a', 'b', 'c'].map((name) => sha256(name)) as [string, string, string]
    for (const name of [a, b, c]) await files.saveUpload(name, bytesOf(name))
    expect(Buffer.from((await files.readUpload(a)) ?? []).toString()).to.equal(a)
    expect(await files.readUpload(sha256('d'))).to.equal(null)
    await age(...[a, b].map((name) => join(root, 'uploads', `${name}.safetensors`)))
    expect(await files.sweepUploads(SWEEP, new Set([b]))).to.equal(1)
    expect(await readdir(join(root, 'uploads'))).to.have.members([b, c].map((name) => `${name}.safetensors`))
    await files.removeUpload(b)
    await files.removeUpload(b)
    expect(await files.readUpload(b)).to.equal(null)
    expect(await stat(join(root, 'uploads', `${c}.safetensors`))).to.include({ size: 64 })
    expect(await readFile(join(root, 'uploads', `${c}.safetensors`), 'utf8')).to.equal(c)
  })
})
