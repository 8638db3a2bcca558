/** `vigia train`: trains the models of one config, or of all active ones, and waits for it. */
import { Option } from 'commander'
import type { Command } from 'commander'
import { MIN_ROWS, MIN_VALIDATION } from '../../shared/classification/train-classifier.ts'
import type { ClassifierOutcome } from '../../shared/classification/train-classifier.ts'
import { LocalDate } from '../../shared/core/days.ts'
import { EntityId, LEVELS } from '../../shared/core/entity.ts'
import type { Level } from '../../shared/core/entity.ts'
import { AppError } from '../../shared/core/errors.ts'
import { trainClassifier, trainConfig } from '../../shared/jobs/training.ts'
import type { Run } from '../../shared/runs/run.ts'
import type { Services } from '../../shared/services.ts'
import { toTrainPayload } from '../../shared/training/train-request.ts'
import { exitCodeOf, followRuns } from '../follow.ts'
import { configNamed } from '../input.ts'
import { printJson, printLine, renderTable } from '../output.ts'

const FAMILIES = ['anomaly_detector', 'classifier'] as const
type Family = (typeof FAMILIES)[number]

export interface TrainOptions {
  /** Id or name; all active configs without it. */
  readonly config?: string | undefined
  readonly entityType?: Level | undefined
  readonly entityId?: readonly string[] | undefined
  /** D, the analysed day: the days before it are trained on. */
  readonly asOf?: string | undefined
  readonly family?: Family | undefined
}

type Needed = Pick<Services, 'clock' | 'configs' | 'freshness' | 'enqueue' | 'runs'>

interface Opened {
  readonly services: Needed
  /** Somebody has to do the work: starts a worker when none runs. */
  ensureWorkers(): Promise<void>
  close(): Promise<void>
}

const parsed = (options: TrainOptions): { day: string | null; entityIds: string[] | null } => {
  const day = options.asOf === undefined ? null : LocalDate.safeParse(options.asOf)
  if (day?.success === false)
    throw new AppError('INVALID_REQUEST', `--as-of needs a day such as 2026-03-10, got ${options.asOf}`)
  const entityIds = options.entityId ?? []
  for (const id of entityIds) {
    if (!EntityId.safeParse(id).success)
      throw new AppError('INVALID_REQUEST', `--entity-id ${JSON.stringify(id)} is not the id of an entity`)
  }
  if (entityIds.length > 0 && options.family === 'classifier')
    throw new AppError(
      'INVALID_REQUEST',
      '--entity-id: a classifier is trained on a whole level; leave it out',
    )
  if (entityIds.length > 0 && !options.entityType)
    throw new AppError('INVALID_REQUEST', `--entity-id needs --entity-type ${LEVELS.join('|')}`)
  return { day: day?.data ?? null, entityIds: entityIds.length > 0 ? [...entityIds] : null }
}

const configIdsOf = async (
  name: string | undefined,
  { configs, freshness, clock }: Needed,
): Promise<number[]> => {
  if (name === undefined) {
    const active = await freshness.activeConfigs(clock.now())
    if (active.length === 0)
      throw new AppError(
        'CONFIG_NOT_FOUND',
        'There is no active config yet; import one with `vigia import FILE --config NAME`',
      )
    return active.map((config) => config.configId)
  }
  return [(await configNamed(configs, name)).id]
}

/** Enqueues a training per config. @returns the ids of the runs @throws AppError for what cannot be asked */
export const startTraining = async (options: TrainOptions, services: Needed): Promise<readonly string[]> => {
  const { day, entityIds } = parsed(options)
  const ids: string[] = []
  for (const configId of await configIdsOf(options.config, services)) {
    const request = { configId, entityType: options.entityType ?? null, entityIds, day }
    const payload = await toTrainPayload(request, services)
    const run =
      options.family === 'classifier'
        ? await services.enqueue(trainClassifier, payload, { actor: 'cli' })
        : await services.enqueue(trainConfig, payload, { actor: 'cli' })
    ids.push(run.id)
  }
  return ids
}

const seconds = ({ startedAt, finishedAt }: Run): string =>
  startedAt && finishedAt ? `${((finishedAt.getTime() - startedAt.getTime()) / 1000).toFixed(1)} s` : ''

const reused = ({ result }: Run): string => {
  const count = result?.['reused']
  return typeof count === 'number' ? String(count) : ''
}

/** What happened, for people. */
export const describeTraining = (runs: readonly Run[]): string => {
  const reasons = (run: Run): string =>
    Object.entries(run.reasons)
      .map(([reason, count]) => `${reason} ${count}`)
      .join(', ')
  return renderTable<Run>(
    [
      { title: 'config', align: 'right', cell: (run) => String(run.configId ?? '') },
      { title: 'status', cell: (run) => run.status },
      { title: 'models', align: 'right', cell: (run) => String(run.counts.done) },
      { title: 'reused', align: 'right', cell: reused },
      { title: 'skipped', align: 'right', cell: (run) => String(run.counts.skipped) },
      { title: 'failed', align: 'right', cell: (run) => String(run.counts.failed) },
      { title: 'took', align: 'right', cell: seconds },
      { title: 'why', cell: (run) => [reasons(run), run.error ?? ''].filter(Boolean).join('; ') },
    ],
    runs,
  )
}

/** A level of a config, and what became of its classifier. */
interface ClassifierLine {
  readonly configId: number | null
  readonly level: string
  readonly outcome: ClassifierOutcome | { readonly status: string; readonly error: string }
}

const linesOf = (run: Run): readonly ClassifierLine[] => {
  const lines = LEVELS.flatMap((level) => {
    const outcome = run.result?.[level] as ClassifierLine['outcome'] | undefined
    return outcome ? [{ configId: run.configId, level, outcome }] : []
  })
  if (lines.length > 0) return lines
  return [{ configId: run.configId, level: '', outcome: { status: run.status, error: run.error ?? '' } }]
}

const whyRules = ({ samples, reason }: ClassifierOutcome & { readonly status: 'kept_rules' }): string => {
  if (reason === 'not_better') return 'a network does not do better'
  if (reason === 'no_tensorflow') return 'TensorFlow.js could not be loaded'
  const { rows, validation } = samples
  return rows < MIN_ROWS || validation < MIN_VALIDATION
    ? `needs ${MIN_ROWS} labelled days and ${MIN_VALIDATION} to judge by, got ${rows} and ${validation}`
    : 'nearly all labelled days have one tier'
}

/** What became of the classifiers, for people: macro-F1 on the newest days, beside that of the rules. */
export const describeClassifiers = (runs: readonly Run[]): string => {
  const scored =
    (name: 'macro_f1' | 'rules_macro_f1') =>
    ({ outcome }: ClassifierLine) =>
      ('scores' in outcome ? outcome.scores?.[name]?.toFixed(3) : undefined) ?? ''
  return renderTable<ClassifierLine>(
    [
      { title: 'config', align: 'right', cell: ({ configId }) => String(configId ?? '') },
      { title: 'level', cell: ({ level }) => level },
      { title: 'classifier', cell: ({ outcome }) => outcome.status },
      {
        title: 'version',
        align: 'right',
        cell: ({ outcome }) => ('version' in outcome ? String(outcome.version) : ''),
      },
      { title: 'F1', align: 'right', cell: scored('macro_f1') },
      { title: 'rules', align: 'right', cell: scored('rules_macro_f1') },
      {
        title: 'why',
        cell: ({ outcome }) =>
          'error' in outcome ? outcome.error : outcome.status === 'kept_rules' ? whyRules(outcome) : '',
      },
    ],
    runs.flatMap(linesOf),
  )
}

const toJson = (run: Run): Record<string, unknown> => ({
  run_id: run.id,
  config_id: run.configId,
  status: run.status,
  counts: run.counts,
  reasons: run.reasons,
  result: run.result,
  error: run.error,
})

/** Adds `train` to the program. */
export const registerTrain = (program: Command, open: () => Promise<Opened>): void => {
  program
    .command('train')
    .description('train the models of a config (default: of every active one) and wait for it')
    .option('--config <name>', 'id or name of the config')
    .addOption(
      new Option('--family <family>', 'what to train: forests per entity, or the classifier of tiers')
        .choices(FAMILIES)
        .default('anomaly_detector'),
    )
    .addOption(new Option('--entity-type <level>', 'only this level').choices(LEVELS))
    .option('--entity-id <id...>', 'only these entities of the level')
    .option(
      '--as-of <date>',
      'the analysed day; the days before it are trained on (default: the newest complete one)',
    )
    .option('--json', 'print the runs as one JSON object')
    .action(async (options: TrainOptions & { readonly json?: boolean }) => {
      const opened = await open()
      try {
        const ids = await startTraining(options, opened.services)
        await opened.ensureWorkers()
        const runs = await followRuns(opened.services, ids, 'training')
        if (options.json) printJson({ runs: runs.map(toJson) })
        else printLine((options.family === 'classifier' ? describeClassifiers : describeTraining)(runs))
        process.exitCode = exitCodeOf(runs)
      } finally {
        await opened.close()
      }
    })
}
