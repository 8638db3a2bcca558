import { expect } from 'chai'
import { createHash } from 'node:crypto'
import { copyFile, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { seriesFiles } from '../../../../db/artifacts/series-files.ts'
import { silentLogger } from '../../../../shared/platform/logger.ts'
import type { SeriesFiles } from '../../../../shared/series/files.ts'
import { fitSeries } from '../../../../shared/series/fit-series.ts'
import { createModelCache } from '../../../../shared/series/model-cache.ts'
import type { Loaded, ModelCache } from '../../../../shared/series/model-cache.ts'
import type { ServedVersion } from '../../../../shared/series/series.ts'
import { temporaryFolder } from '../../../support/folders.ts'
import { fitTask } from '../../../support/series-fits.ts'

const RETRY_MS = 5000

describe('models in memory', () => {
  let folder: string
  let files: SeriesFiles
  let version: ServedVersion
  let path: string
  let cache: ModelCache
  let nowMs = Date.parse('2026-03-10T12:00:00Z')
  let marked: string[]
  const open = (ttlMs = 0): ModelCache =>
    createModelCache({
      files,
      clock: { now: () => new Date(nowMs) },
      markBroken: async ({ artifactUri }, reason) => {
        marked.push(reason)
        await files.quarantine(artifactUri)
      },
      logger: silentLogger,
      maxBytes: 1 << 24,
      maxEntries: 100,
      ttlMs,
      timeoutMs: 1000,
      onRequest: () => {},
      onLoaded: () => {},
      onBreaker: () => {},
      span: (_, work) => work(),
    })
  beforeEach(async () => {
    folder = await temporaryFolder()
    files = seriesFiles(folder)
    marked = []
    const { artifact } = await fitSeries(fitTask(100))
    if (!artifact) throw new Error('nothing was fitted')
    const artifactSha256 = createHash('sha256').update(artifact).digest('hex')
    version = {
      seriesId: 'pump_7',
      version: 1,
      state: 'ready',
      class: 'standard',
      timestampUnit: 's',
      ranges: {},
      channels: ['value'],
      members: [],
      baseline: {},
      driftBins: {},
      artifactUri: await files.save('pump_7', artifactSha256, 'safetensors', artifact),
      artifactSha256,
      artifactBytes: artifact.length,
    }
    path = join(folder, version.artifactUri)
    cache = open()
  })
  afterEach(async () => {
    cache.close()
    await rm(folder, { recursive: true, force: true })
  })

  const said = (loaded: Loaded): string => ('model' in loaded ? 'a model' : loaded.failed)
  const load = async (one = version): Promise<string> => said(await cache.load(one))
  const broken = (): ServedVersion => ({ ...version, state: 'broken' })
  const damage = async (): Promise<void> => {
    const bytes = await readFile(path)
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1
    await writeFile(path, bytes)
  }

  it('answer on when the file is damaged behind them and the version is marked', async () => {
    expect(await load()).to.equal('a model')
    await damage()
    expect(await load(broken())).to.equal('a model')
  })

  it('are corrupt after damage, in this process and in those that start later', async () => {
    await damage()
    expect(await load()).to.equal('corrupt')
    expect(marked).to.deep.equal(['the file has other bytes than were written'])
    cache.close()
    cache = open()
    expect(await load(broken())).to.equal('corrupt')
    expect(marked).to.have.length(1)
  })

  it('are missing when the file is, and still when the version is marked', async () => {
    await rm(path)
    expect(await load()).to.equal('missing')
    nowMs += RETRY_MS + 1
    expect(await load(broken())).to.equal('missing')
    expect(marked).to.deep.equal(['the file is missing'])
  })

  it('are taken from a file that was brought back, five seconds later', async () => {
    const kept = `${path}.kept`
    await copyFile(path, kept)
    await damage()
    expect(await load()).to.equal('corrupt')
    await rename(kept, path)
    nowMs += RETRY_MS - 1
    expect(await load(broken())).to.equal('corrupt')
    nowMs += 2
    expect(await load(broken())).to.equal('a model')
  })

  it('are read once for all who ask at a time', async () => {
    const all = await Promise.all([cache.load(version), cache.load(version)])
    expect(all[0]).to.equal(all[1])
    expect(cache.size).to.equal(1)
  })

  it('are kept no longer than they are meant to be', async () => {
    cache.close()
    cache = open(60_000)
    await load()
    nowMs += 60_000
    expect(cache.held(version)).not.to.equal(null)
    nowMs += 1
    expect(cache.held(version)).to.equal(null)
  })
})
