/** Training, registry and loader over a real database and real files; fits run in place unless asked otherwise. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Knex } from 'knex'
import { fileArtifactStore } from '../../db/artifacts/file-store.ts'
import { detectionStore } from '../../db/repositories/anomalies.ts'
import { frameSource } from '../../db/repositories/frames.ts'
import { modelVersions } from '../../db/repositories/model-versions.ts'
import { trainableEntities } from '../../db/repositories/trainable-entities.ts'
import { computeInPlace } from '../../shared/compute-in-place.ts'
import type { WorkContext, WorkOutcome } from '../../shared/core/work.ts'
import type { TrainConfigPayload } from '../../shared/jobs/training.ts'
import { silentLogger } from '../../shared/platform/logger.ts'
import type { ArtifactStore } from '../../shared/registry/artifact-store.ts'
import { createModelLoader } from '../../shared/registry/model-loader.ts'
import type { ModelLoader } from '../../shared/registry/model-loader.ts'
import { createModelRegistry } from '../../shared/registry/model-registry.ts'
import type { Announcements, ModelRegistry } from '../../shared/registry/model-registry.ts'
import { createTraining } from '../../shared/training/training.ts'
import type { TrainingParts } from '../../shared/training/training.ts'
import { newRunId } from '../../shared/runs/run-id.ts'
import { temporaryFolder } from './folders.ts'

/** Delivers within this process. */
export const localAnnouncements = (): Announcements => {
  const handlers = new Set<(topic: string, payload: unknown) => void>()
  return {
    publish: (topic, payload) => {
      for (const handle of handlers) handle(topic, payload)
      return Promise.resolve()
    },
    subscribe: (topic, handler) => {
      const handle = (sent: string, payload: unknown): void => {
        if (sent === topic) handler(payload)
      }
      handlers.add(handle)
      return () => handlers.delete(handle)
    },
  }
}

export interface TrainingSystem {
  readonly knex: Knex
  readonly root: string
  readonly artifacts: ArtifactStore
  readonly registry: ModelRegistry
  readonly loader: ModelLoader
  readonly announcements: Announcements
  setNow(instant: string): void
  now(): Date
  /** A run in PostgreSQL under way, and the context its worker has. */
  startRun(configId: number, signal?: AbortSignal): Promise<WorkContext>
  train(configId: number, day: string, asked?: Partial<TrainConfigPayload>): Promise<WorkOutcome>
  /** The same service with some parts replaced. */
  with(parts: Partial<TrainingParts>): ReturnType<typeof createTraining>
}

export const payloadOf = (
  configId: number,
  day: string,
  asked: Partial<TrainConfigPayload> = {},
): TrainConfigPayload => ({
  configId,
  asOf: `${day}T12:00:00.000Z`,
  day,
  watermark: `${day}T12:00:00.000Z`,
  entityType: null,
  entityIds: null,
  verdicts: 0,
  ...asked,
})

export const openTrainingSystem = async (knex: Knex): Promise<TrainingSystem> => {
  const root = join(await temporaryFolder(), 'models_storage')
  await mkdir(root)
  let instant = new Date('2026-03-11T07:00:00.000Z')
  const clock = { now: () => instant }
  const artifacts = fileArtifactStore(root)
  const announcements = localAnnouncements()
  const registry = createModelRegistry({
    versions: modelVersions(knex),
    artifacts,
    announcements,
    logger: silentLogger,
  })
  const loader = createModelLoader({
    artifacts,
    registry,
    announcements,
    logger: silentLogger,
    maxBytes: 64 << 20,
    maxEntries: 1000,
    clock,
  })
  const parts: TrainingParts = {
    clock,
    entities: trainableEntities(knex),
    frames: frameSource(knex),
    labels: detectionStore(knex),
    registry,
    artifacts,
    compute: computeInPlace,
    settings: {
      useForests: true,
      historyDays: 90,
      minSamples: 50,
      forest: { trees: 20, contamination: 0.1, randomState: 42 },
    },
  }
  const startRun = async (
    configId: number,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<WorkContext> => {
    const runId = newRunId(instant)
    await knex('runs').insert({
      id: runId,
      job: 'train.config',
      key: runId,
      queue: 'training',
      config_id: configId,
      payload: '{}',
      status: 'running',
      attempt: 1,
      actor: 'test',
    })
    return { signal, fence: { runId, attempt: 1 }, logger: silentLogger, progress: () => {} }
  }
  return {
    knex,
    root,
    artifacts,
    registry,
    loader,
    announcements,
    setNow: (text) => {
      instant = new Date(text)
    },
    now: () => instant,
    startRun,
    train: async (configId, day, asked) =>
      createTraining(parts).trainConfig(payloadOf(configId, day, asked), await startRun(configId)),
    with: (replaced) => createTraining({ ...parts, ...replaced }),
  }
}
