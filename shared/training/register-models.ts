/**
 * Fitted models on their way into the registry: files staged a few at a time, then some hundred models at a time
 * numbered, linked and recorded in one transaction. A lost fence ends all of it, any other failure is told of the
 * models it concerns.
 */
import type { WorkContext } from '../core/work.ts'
import { mapBounded } from '../core/bounded.ts'
import { messageOf } from '../core/errors.ts'
import { FenceLost } from '../core/work.ts'
import type { ArtifactStore } from '../registry/artifact-store.ts'
import type { ModelRegistry } from '../registry/model-registry.ts'
import type { KnownModel, VersionDraft } from '../registry/model-versions.ts'
import type { TrainingFailure } from './tally.ts'

const FILES_IN_FLIGHT = 16
/** Models per registry transaction. */
const REGISTRY_MODELS = 250
const ACTOR = 'training'

export type Registered =
  | { readonly status: 'trained' | 'reused' }
  | { readonly status: 'failed'; readonly reason: TrainingFailure; readonly error: string }

export interface FittedModel {
  readonly model: string
  readonly fingerprint: string
  /** The artifact and its record; null: a version with this fingerprint is there. */
  readonly made: {
    readonly bytes: Uint8Array
    readonly draft: Omit<VersionDraft, 'model' | 'fingerprint' | 'staged'>
  } | null
  /** Called once. */
  readonly tell: (outcome: Registered) => void
}

export interface ModelRegistrar {
  /** Ends when the files are staged; calls wait for each other. */
  take(models: readonly FittedModel[]): Promise<void>
  /** Registers what is left, also when nothing is: whoever lost the fence is told so. */
  finish(): Promise<void>
  /** After a failure: removes what was staged and not registered. */
  abandon(): Promise<void>
}

export interface RegistrarParts {
  readonly registry: Pick<ModelRegistry, 'append'>
  readonly artifacts: Pick<ArtifactStore, 'stage' | 'discard'>
  readonly configId: number
  readonly context: WorkContext
  readonly signal: AbortSignal
  /** Ends the work under way. */
  readonly stop: (reason: FenceLost) => void
}

export const createRegistrar = (parts: RegistrarParts): ModelRegistrar => {
  const { registry, artifacts, configId, context, signal } = parts
  const { fence } = context
  const writer = `${fence.runId}-${fence.attempt}`
  let drafts: VersionDraft[] = []
  let known: KnownModel[] = []
  const tellers = new Map<string, FittedModel['tell']>()
  /** Staging and registering take their turns, so that both stay bounded. */
  let staging = Promise.resolve()
  let registering = Promise.resolve()

  const tell = (model: string, outcome: Registered): void => {
    tellers.get(model)?.(outcome)
    tellers.delete(model)
  }

  const discard = async (waiting: readonly VersionDraft[]): Promise<void> => {
    await mapBounded(waiting, FILES_IN_FLIGHT, ({ staged }) => artifacts.discard(staged).catch(() => {}))
  }

  const register = async (): Promise<void> => {
    const batch = { drafts, known }
    drafts = []
    known = []
    const names = [...batch.drafts, ...batch.known].map((item) => item.model)
    try {
      signal.throwIfAborted()
      const { outcomes } = await registry.append({ configId, fence, actor: ACTOR, ...batch })
      for (const outcome of outcomes) {
        if (outcome.status === 'save_failed')
          tell(outcome.model, { status: 'failed', reason: 'save_failed', error: outcome.error })
        else tell(outcome.model, { status: outcome.status })
      }
    } catch (error) {
      await discard(batch.drafts)
      if (error instanceof FenceLost) parts.stop(error)
      signal.throwIfAborted()
      context.logger.error('models could not be registered', {
        models: names.length,
        error: messageOf(error),
      })
      for (const name of names)
        tell(name, { status: 'failed', reason: 'registry_failed', error: messageOf(error) })
    }
  }

  const stage = async ({ model, fingerprint, made, tell: toTell }: FittedModel): Promise<void> => {
    tellers.set(model, toTell)
    if (!made) {
      known.push({ model, fingerprint })
      return
    }
    try {
      const staged = await artifacts.stage(model, made.bytes, writer)
      drafts.push({ ...made.draft, model, fingerprint, staged })
    } catch (error) {
      tell(model, { status: 'failed', reason: 'save_failed', error: messageOf(error) })
    }
  }

  const stageAll = async (models: readonly FittedModel[]): Promise<void> => {
    await mapBounded(models, FILES_IN_FLIGHT, stage)
    if (drafts.length + known.length < REGISTRY_MODELS) return
    registering = registering.then(register)
    registering.catch(() => {})
  }

  return {
    take: async (models) => {
      const turn = staging.then(() => stageAll(models))
      staging = turn.catch(() => {})
      await turn
    },
    finish: async () => {
      await staging
      await registering
      await register()
    },
    abandon: async () => {
      await Promise.allSettled([staging, registering])
      await discard(drafts)
    },
  }
}
