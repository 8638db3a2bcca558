/**
 * The models of a batch of entities, rung by rung of the ladder: own ones first, and of the pooled ones only those
 * that somebody steps down to. One query asks for the versions of all rungs.
 */
import { ACCOUNT_LENDERS, ancestorsOf } from '../../ml/detectors/pooled-forest.ts'
import { RUNGS } from '../../ml/detectors/ladder.ts'
import type { DayNumber, EntityHead } from '../../ml/frame.ts'
import { anomalyModelName, pooledModelName } from '../core/entity.ts'
import type { Level } from '../core/entity.ts'
import type { ModelLoader } from '../registry/model-loader.ts'
import type { ModelRegistry } from '../registry/model-registry.ts'
import type { ArtifactRef } from '../registry/model-version.ts'
import type { BatchModel } from './detect-batch.ts'

export interface BatchModels {
  /** Parallel to `models`. */
  readonly refs: readonly ArtifactRef[]
  readonly models: readonly BatchModel[]
  /** entities x days x rungs: index in `models`, or -1 for none. */
  readonly modelOf: Int32Array
}

/** Without any model: what switched-off forests leave. */
export const noModels = (entities: number, days: number): BatchModels => ({
  refs: [],
  models: [],
  modelOf: new Int32Array(entities * days * RUNGS.length).fill(-1),
})

/** Names of the models that may judge an entity, per rung the first that is there; none where it has no such ancestor. */
const namesOf = (configId: number, level: Level, head: EntityHead): readonly (readonly string[])[] => {
  const ancestors = ancestorsOf(level, head, configId)
  return RUNGS.map((rung) => {
    if (rung === 'own') return [anomalyModelName({ configId, entityType: level, entityId: head.id })]
    const ancestor = ancestors.find((one) => one.level === rung)
    if (!ancestor) return []
    return (rung === 'account' ? ACCOUNT_LENDERS[level] : [level]).map((entityType) =>
      pooledModelName({ configId, entityType, ancestorType: rung, ancestorId: ancestor.id }),
    )
  })
}

/** @param heads the entities of the batch, in its order */
export const loadModels = async (
  parts: { readonly registry: Pick<ModelRegistry, 'versionsBefore'>; readonly models: ModelLoader },
  { configId, level }: { readonly configId: number; readonly level: Level },
  heads: readonly EntityHead[],
  days: readonly DayNumber[],
): Promise<BatchModels> => {
  const names = heads.map((head) => namesOf(configId, level, head))
  const all = [...new Set(names.flat(2))]
  const perDay = await parts.registry.versionsBefore(all, days)

  const { modelOf } = noModels(heads.length, days.length)
  const refs: ArtifactRef[] = []
  const models: BatchModel[] = []
  const indexOf = new Map<string, number>()
  /** Entity-days nobody judges yet. */
  let cells = Array.from({ length: heads.length * days.length }, (_, cell) => cell)
  for (let rung = 0; rung < RUNGS.length && cells.length > 0; rung += 1) {
    const known = refs.length
    for (const cell of cells) {
      const versions = perDay[cell % days.length]
      const name = names[Math.floor(cell / days.length)]?.[rung]?.find((one) => versions?.has(one))
      const ref = name === undefined ? undefined : versions?.get(name)
      if (!ref) continue
      const key = `${ref.model}@${ref.version}`
      const index = indexOf.get(key) ?? refs.push(ref) - 1
      indexOf.set(key, index)
      modelOf[cell * RUNGS.length + rung] = index
    }
    for (const model of await parts.models.loadMany(refs.slice(known)))
      models.push(
        model.status === 'ready'
          ? { version: model.ref.version, bytes: model.bytes }
          : { version: model.ref.version, broken: true },
      )
    cells = cells.filter((cell) => {
      const model = models[modelOf[cell * RUNGS.length + rung] ?? -1]
      return !model || !('bytes' in model)
    })
  }
  return { refs, models, modelOf }
}
