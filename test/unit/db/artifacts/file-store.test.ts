import { expect } from 'chai'
import {
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { fileArtifactStore } from '../../../../db/artifacts/file-store.ts'
import { AppError } from '../../../../shared/core/errors.ts'
import type { ArtifactStore } from '../../../../shared/registry/artifact-store.ts'
import { rejectionOf } from '../../../support/entities.ts'
import { temporaryFolder } from '../../../support/folders.ts'

const MODEL = 'anomaly_detector/config_12/ad_3'
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

describe('artifact store on files', () => {
  let folder: string
  let root: string
  let store: ArtifactStore
  beforeEach(async () => {
    folder = await temporaryFolder()
    root = join(folder, 'models_storage')
    store = fileArtifactStore(root)
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  const at = (...parts: string[]): string => join(root, 'anomaly_detector', 'config_12', ...parts)
  const save = async (value: string, version: number, model = MODEL): Promise<string> =>
    store.settle(await store.stage(model, text(value), `run-${version}`), version)

  it('keeps every version and publishes the newest as a link to it', async () => {
    expect(await save('one', 1)).to.equal('anomaly_detector/config_12/.versions/ad_3/v1.safetensors')
    await save('two', 2)
    expect(await readFile(at('ad_3.safetensors'), 'utf8')).to.equal('two')
    expect(await readFile(at('.versions', 'ad_3', 'v1.safetensors'), 'utf8')).to.equal('one')
    const [published, version] = await Promise.all([
      stat(at('ad_3.safetensors')),
      stat(at('.versions', 'ad_3', 'v2.safetensors')),
    ])
    expect(published.ino).to.equal(version.ino)
    expect(await readdir(at())).to.have.members(['.versions', 'ad_3.safetensors'])
    expect(await readdir(at('.versions', 'ad_3'))).to.have.members(['v1.safetensors', 'v2.safetensors'])
  })

  it('publishes another version, and the same one again, leaving nothing behind', async () => {
    const first = await save('one', 1)
    await save('two', 2)
    for (let repeat = 0; repeat < 2; repeat++) {
      expect(await store.publish(MODEL, first)).to.equal(true)
      expect(await readFile(at('ad_3.safetensors'), 'utf8')).to.equal('one')
      expect(await readdir(at())).to.have.members(['.versions', 'ad_3.safetensors'])
    }
    await unlink(at('.versions', 'ad_3', 'v1.safetensors'))
    expect(await store.publish(MODEL, first)).to.equal(false)
  })

  it('unpublishes, whether published or not', async () => {
    await save('one', 1)
    expect(await store.isPublished(MODEL)).to.equal(true)
    await store.unpublish([MODEL, 'anomaly_detector/config_12/ad_9'])
    expect(await store.isPublished(MODEL)).to.equal(false)
    expect(await readdir(at('.versions', 'ad_3'))).to.deep.equal(['v1.safetensors'])
  })

  it('discards what was staged and never numbered', async () => {
    await store.discard(await store.stage(MODEL, text('one'), 'run-1'))
    expect(await readdir(at('.versions', 'ad_3'))).to.deep.equal([])
  })

  it('reads bytes of the recorded length, and says when they are not there', async () => {
    const uri = await save('12345', 1)
    const file = await store.read(uri, 5)
    expect(file.status === 'read' && new TextDecoder().decode(new Uint8Array(file.bytes))).to.equal('12345')
    expect((await store.read(uri, 4)).status).to.equal('wrong_length')
    expect((await store.read(uri, 6)).status).to.equal('wrong_length')
    await truncate(join(root, uri), 3)
    expect((await store.read(uri, 5)).status).to.equal('wrong_length')
    await unlink(join(root, uri))
    expect((await store.read(uri, 5)).status).to.equal('missing')
  })

  it('tells a missing store from a missing file', async () => {
    const uri = await save('12345', 1)
    await rm(root, { recursive: true })
    const error = await rejectionOf(store.read(uri, 5))
    expect(error).to.be.instanceOf(AppError).with.property('code', 'STORAGE_UNAVAILABLE')
  })

  it('quarantines a damaged version with its published name, but not the name of another version', async () => {
    const first = await save('one', 1)
    const second = await save('two', 2)
    await store.quarantine(MODEL, first)
    expect(await readFile(at('ad_3.safetensors'), 'utf8')).to.equal('two')
    await store.quarantine(MODEL, second)
    expect(await readdir(at())).to.have.members(['.versions', 'ad_3.safetensors.corrupt'])
    expect(await readdir(at('.versions', 'ad_3'))).to.have.members([
      'v1.safetensors.corrupt',
      'v2.safetensors.corrupt',
    ])
    await store.quarantine(MODEL, second)
  })

  for (const name of [
    '../escape',
    'anomaly_detector/../../escape',
    'anomaly_detector/config_1/../../../escape',
    '/etc/escape',
    'anomaly_detector/config_1/ad_\0',
    'anomaly_detector/config_1/ad 1',
    `anomaly_detector/config_1/${'a'.repeat(4096)}`,
    'escape',
  ]) {
    it(`refuses ${JSON.stringify(name.slice(0, 50))} as a model`, async () => {
      for (const work of [
        () => store.stage(name, text('x'), 'run-1'),
        () => store.publish(name, 'anomaly_detector/config_1/.versions/ad_1/v1.safetensors'),
        () => store.publish(MODEL, `${name}.safetensors`),
        () => store.read(`${name}.txt`, 1),
        () => store.remove([`${name}/x`]),
      ]) {
        expect(await rejectionOf(Promise.resolve().then<unknown>(work))).to.have.property(
          'code',
          'INVALID_REQUEST',
        )
      }
      expect(await readdir(folder)).to.not.include('escape')
    })
  }

  it('does not follow a folder that leads out of the root', async () => {
    const outside = join(folder, 'outside')
    await mkdir(outside)
    await mkdir(join(root, 'anomaly_detector'), { recursive: true })
    await symlink(outside, at())
    const error = await rejectionOf(store.stage(MODEL, text('x'), 'run-1'))
    expect(error).to.have.property('code', 'STORAGE_UNAVAILABLE')
    expect(await rejectionOf(store.writeMetadata(12, {}))).to.have.property('code', 'STORAGE_UNAVAILABLE')
  })

  it('fails to stage where nothing can be written, and leaves no torn file', async () => {
    await save('one', 1)
    const error = await rejectionOf(store.stage(MODEL, text('two'), 'no/slashes'))
    expect(error).to.have.property('code', 'INVALID_REQUEST')
    await rm(at('.versions', 'ad_3'), { recursive: true })
    await writeFile(at('.versions', 'ad_3'), 'a file where a folder should be')
    expect(await rejectionOf(store.stage(MODEL, text('two'), 'run-2'))).to.have.property('code', 'EEXIST')
    expect(await readFile(at('ad_3.safetensors'), 'utf8')).to.equal('one')
  })

  it('fails to stage on a full disk, and leaves no torn file', async () => {
    // Only Linux has a device that is always full.
    if (process.platform === 'linux') {
      await mkdir(at('.versions', 'ad_3'), { recursive: true })
      await symlink('/dev/full', at('.versions', 'ad_3', '.run-1.tmp'))
      expect(await rejectionOf(store.stage(MODEL, text('one'), 'run-1'))).to.have.property('code', 'ENOSPC')
      expect(await readdir(at('.versions', 'ad_3'))).to.deep.equal([])
    }
  })

  it('writes metadata whole and reads it back', async () => {
    expect(await store.readMetadata(12)).to.equal(null)
    await store.writeMetadata(12, { format_version: 1 })
    await store.writeMetadata(12, { format_version: 1, config_id: 12 })
    expect(await store.readMetadata(12)).to.deep.equal({ format_version: 1, config_id: 12 })
    expect(await readdir(at())).to.deep.equal(['metadata.json'])
  })

  it('removes old files nobody knows, and keeps known, young and foreign ones', async () => {
    const known = await save('one', 1)
    const forgotten = await save('two', 2)
    await store.stage(MODEL, text('three'), 'killed')
    await writeFile(at('.ad_3.safetensors.abc.tmp'), '')
    await writeFile(at('notes.txt'), '')
    await store.quarantine(MODEL, await save('bad', 3))
    const old = new Date('2026-01-01')
    const files = [known, forgotten].map((uri) => join(root, uri))
    for (const path of [...files, at('.ad_3.safetensors.abc.tmp'), at('notes.txt')])
      await utimes(path, old, old)
    const removed = await store.removeOrphans(12, new Set([known]), new Date('2026-01-02'))
    expect(removed).to.equal(2)
    expect(await readdir(at('.versions', 'ad_3'))).to.have.members([
      '.killed.tmp',
      'v1.safetensors',
      'v3.safetensors.corrupt',
    ])
    expect(await store.removeOrphans(12, new Set([known]), new Date(Date.now() + 60_000))).to.equal(1)
    expect(await store.removeOrphans(99, new Set(), new Date())).to.equal(0)
  })

  it('removes a config and nothing else', async () => {
    await save('one', 1)
    await save('other', 1, 'anomaly_detector/config_1/ad_3')
    await store.removeConfig(12)
    await store.removeConfig(12)
    expect(await readdir(join(root, 'anomaly_detector'))).to.deep.equal(['config_1'])
  })

  it('removes and flushes files', async () => {
    const uri = await save('one', 1)
    await store.flush([MODEL, 'anomaly_detector/config_12/ad_4'])
    await store.remove([uri, uri])
    expect(await readdir(at('.versions', 'ad_3'))).to.deep.equal([])
  })
})
