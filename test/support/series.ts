/** Series in tests: a record and files of its own, and versions made without training. */
import { createHash, randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { createStore } from '../../db/store.ts'
import type { Fence } from '../../shared/core/work.ts'
import type { AppendedVersion, Series, SeriesDraft, SeriesSettings } from '../../shared/series/series.ts'
import type { Store } from '../../shared/store.ts'
import { temporaryFolder } from './folders.ts'

export const SHORT: SeriesSettings = {
  class: 'short',
  ranges: {},
  timestampUnit: 's',
  minPoints: null,
  maxPoints: null,
  tags: {},
}

export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

export interface DraftOptions extends Partial<SeriesDraft> {
  /** Whatever tells this training from others: it makes its data, hashes and files. */
  readonly data: string
}

export interface VersionMaker {
  /** A running execution of a `train.series`. */
  fence(): Promise<Fence>
  /** Saves the files of a training, as a worker does before it appends. */
  draft(series: Series, options: DraftOptions): Promise<SeriesDraft>
  /** A version of `series` from data of that name. */
  train(seriesId: string, options: DraftOptions, keep?: number): Promise<AppendedVersion>
}

export interface SeriesStore extends VersionMaker {
  readonly store: Store
  readonly knex: Knex
  /** Of the models. */
  readonly root: string
  close(): Promise<void>
}

export const versionMaker = (store: Store, knex: Knex): VersionMaker => {
  const fence = async (): Promise<Fence> => {
    const runId = randomUUID()
    const run = {
      id: runId,
      job: 'train.series',
      key: runId,
      queue: 'training',
      payload: '{}',
      actor: 'test',
    }
    await knex('runs').insert({ ...run, status: 'running', attempt: 1 })
    return { runId, attempt: 1 }
  }

  const draft = async (series: Series, { data, ...rest }: DraftOptions): Promise<SeriesDraft> => {
    const bytes = Buffer.from(`artifact of ${data}`)
    const artifactSha256 = sha256(bytes)
    const channels = rest.channels ?? ['value']
    return {
      seriesId: series.id,
      generation: series.generation,
      fingerprint: sha256(`fingerprint ${data}`),
      dataHash: sha256(`data ${data}`),
      channels,
      members: [
        {
          name: 'zscore',
          family: 'zscore',
          channels,
          params: { k: 3 },
          status: 'ready',
          threshold: 0.5,
          flagRate: 0.01,
          error: null,
        },
      ],
      baseline: { value: { mean: 0.1 + 0.2, std: 1 } },
      driftBins: { value: { edges: [-1, 1], counts: [0, 10, 0] } },
      stats: {
        value: { mean: 0.1 + 0.2, std: 1, min: -1, max: 1, quantiles: [-1, -1, -1, -1, 0, 1, 1, 1, 1] },
      },
      points: 1000,
      firstMs: 1_700_000_000_000,
      lastMs: 1_700_059_940_000,
      artifactUri: await store.seriesFiles.save(series.id, artifactSha256, 'safetensors', bytes),
      artifactSha256,
      artifactBytes: bytes.length,
      tailUri: await store.seriesFiles.save(
        series.id,
        artifactSha256,
        'tail',
        Buffer.from(`tail of ${data}`),
      ),
      tags: {},
      actor: 'test',
      correlationId: 'trace-1',
      trainedAt: new Date('2026-03-10T12:00:00Z'),
      durationMs: 12,
      plan: 'immediate',
      ...rest,
    }
  }

  return {
    fence,
    draft,
    train: async (seriesId, options, keep = 10) => {
      const series = await store.series.ensure(seriesId, SHORT)
      return store.series.append(await draft(series, options), await fence(), keep)
    },
  }
}

export const openSeriesStore = async (knex: Knex): Promise<SeriesStore> => {
  const folder = await temporaryFolder()
  const root = join(folder, 'models_storage')
  const store = createStore(knex, root)
  const close = (): Promise<void> => rm(folder, { recursive: true, force: true })
  return { ...versionMaker(store, knex), store, knex, root, close }
}
