/** `vigia models`: what was trained, one model's versions, going back to one, and taking a file along. */
import { writeFile } from 'node:fs/promises'
import { Option } from 'commander'
import type { Command } from 'commander'
import { LEVELS } from '../../shared/core/entity.ts'
import type { Level } from '../../shared/core/entity.ts'
import { AppError, messageOf } from '../../shared/core/errors.ts'
import type { ModelVersion } from '../../shared/registry/model-version.ts'
import type { Services } from '../../shared/services.ts'
import { configNamed } from '../input.ts'
import { printJson, printLine, renderTable } from '../output.ts'
import type { Column } from '../output.ts'

type Needed = Pick<Services, 'configs' | 'models'>

interface Opened {
  readonly services: Needed
  /** Notes a write in the audit log. */
  audited(action: string, target: string, after: unknown): Promise<void>
  close(): Promise<void>
}
type Open = () => Promise<Opened>

export interface ListOptions {
  /** Id or name. */
  readonly config: string
  readonly entityType?: Level | undefined
  /** All versions instead of the stable ones. */
  readonly all?: boolean | undefined
  readonly limit?: number | undefined
}

const DEFAULT_LIMIT = 50
const MOST = 200
const DETECTOR = 'anomaly_detector/'
/** Of an entity, of the entities of a level below an ancestor, or the classifier of a level. */
const MODEL =
  /^([a-z_]+\/config_\d+\/(pooled_(campaign|adset|ad)_(account|campaign|adset)_|(campaign|adset|ad)_)[A-Za-z0-9_-]{1,100}|classifier\/config_\d+\/(campaign|adset|ad))$/

/** `anomaly_detector/` may be left out, and `@3` names a version. */
const parseModel = (text: string): { model: string; version: number | null } => {
  const [name = '', number] = text.split('@')
  const model = name.startsWith('config_') ? `${DETECTOR}${name}` : name
  const version = number === undefined ? null : Number(number.replace(/^v/, ''))
  if (!MODEL.test(model) || (version !== null && !(Number.isSafeInteger(version) && version > 0)))
    throw new AppError(
      'INVALID_REQUEST',
      `${JSON.stringify(text)} is not a model; they read config_12/adset_345 or classifier/config_12/adset, with a version config_12/adset_345@3`,
    )
  return { model, version }
}

const versionsOf = async (model: string, { models }: Needed): Promise<readonly ModelVersion[]> => {
  const versions = await models.versionsOf(model)
  if (versions.length === 0)
    throw new AppError('MODEL_NOT_FOUND', `There is no model ${model}; see \`vigia models list --config ID\``)
  return versions
}

export const listModels = async (
  options: ListOptions,
  services: Needed,
): Promise<readonly ModelVersion[]> => {
  const config = await configNamed(services.configs, options.config)
  const page = await services.models.list(
    {
      configId: config.id,
      ...(options.entityType ? { entityType: options.entityType } : {}),
      ...(options.all ? {} : { alias: 'stable' as const }),
    },
    { page: 1, pageSize: Math.min(options.limit ?? DEFAULT_LIMIT, MOST), afterId: null },
  )
  return page.data
}

/** All versions of a model, newest first. */
export const showModel = (name: string, services: Needed): Promise<readonly ModelVersion[]> =>
  versionsOf(parseModel(name).model, services)

/** To `previous`, or to the version the name ends with. */
export const rollbackModel = (name: string, { models }: Needed): Promise<ModelVersion> => {
  const { model, version } = parseModel(name)
  return models.rollback(model, version ?? 'previous')
}

/** Writes the file of a version (default: the stable one) to `target`, which must not exist. */
export const exportModel = async (
  name: string,
  target: string,
  services: Needed,
): Promise<{ version: ModelVersion; target: string; bytes: number }> => {
  const { model, version } = parseModel(name)
  const versions = await versionsOf(model, services)
  const wanted = versions.find((one) =>
    version === null ? one.aliases.includes('stable') : one.version === version,
  )
  if (!wanted) throw new AppError('MODEL_NOT_FOUND', `There is no version ${version ?? 'stable'} of ${model}`)
  const { bytes } = await services.models.artifact(wanted.id)
  try {
    await writeFile(target, bytes, { flag: 'wx' })
  } catch (error) {
    throw new AppError(
      'INVALID_REQUEST',
      `${target} cannot be written: ${messageOf(error)}`,
      {},
      { cause: error },
    )
  }
  return { version: wanted, target, bytes: bytes.byteLength }
}

const COLUMNS: readonly Column<ModelVersion>[] = [
  {
    title: 'model',
    cell: ({ model }) => (model.startsWith(DETECTOR) ? model.slice(DETECTOR.length) : model),
  },
  { title: 'version', align: 'right', cell: ({ version }) => String(version) },
  { title: 'alias', cell: ({ aliases }) => aliases.join(', ') },
  { title: 'state', cell: ({ state }) => state },
  { title: 'samples', align: 'right', cell: ({ points }) => String(points) },
  { title: 'trained', cell: ({ trainedAt }) => trainedAt.toISOString().slice(0, 16).replace('T', ' ') },
  { title: 'kB', align: 'right', cell: ({ artifactBytes }) => (artifactBytes / 1000).toFixed(1) },
]

const toJson = (version: ModelVersion): Record<string, unknown> => ({
  id: version.id,
  model: version.model,
  version: version.version,
  aliases: version.aliases,
  state: version.state,
  samples: version.points,
  stats: version.stats,
  params: version.params,
  trained_at: version.trainedAt.toISOString(),
  artifact_uri: version.artifactUri,
  artifact_sha256: version.artifactSha256,
  artifact_bytes: version.artifactBytes,
})

const print = (versions: readonly ModelVersion[], json: boolean | undefined): void => {
  if (json) printJson({ models: versions.map(toJson) })
  else if (versions.length === 0) printLine('No models yet; train them with `vigia train`.')
  else printLine(renderTable(COLUMNS, versions))
}

/** Adds `models list`, `show`, `rollback` and `export` to the program. */
export const registerModels = (program: Command, open: Open): void => {
  const models = program.command('models').description('list, show, roll back and export trained models')
  const withServices = async (work: (services: Needed, opened: Opened) => Promise<void>): Promise<void> => {
    const opened = await open()
    try {
      await work(opened.services, opened)
    } finally {
      await opened.close()
    }
  }
  type Json = { readonly json?: boolean }

  models
    .command('list')
    .description('the version of each model that answers')
    .requiredOption('--config <name>', 'id or name of the config')
    .addOption(new Option('--entity-type <level>', 'only this level').choices(LEVELS))
    .option('--all', 'all versions')
    .option(
      '--limit <count>',
      `at most so many, up to ${MOST}`,
      (text) => Number.parseInt(text, 10) || DEFAULT_LIMIT,
    )
    .option('--json', 'print one JSON object')
    .action((options: ListOptions & Json) =>
      withServices(async (services) => print(await listModels(options, services), options.json)),
    )
  models
    .command('show')
    .description('all versions of a model')
    .argument('<model>', 'e.g. config_12/adset_345')
    .option('--json', 'print one JSON object')
    .action((name: string, options: Json) =>
      withServices(async (services) => print(await showModel(name, services), options.json)),
    )
  models
    .command('rollback')
    .description('answer with the previous version again, or with the one named')
    .argument('<model>', 'e.g. config_12/adset_345, or config_12/adset_345@3')
    .option('--json', 'print one JSON object')
    .action((name: string, options: Json) =>
      withServices(async (services, opened) => {
        const version = await rollbackModel(name, services)
        await opened.audited('models.rollback', version.model, { stable: version.version })
        if (options.json) printJson(toJson(version))
        else printLine(`${version.entityKey} now answers with version ${version.version}.`)
      }),
    )
  models
    .command('export')
    .description('copy the safetensors file of a version')
    .argument('<model>', 'e.g. config_12/adset_345 (the stable version), or config_12/adset_345@3')
    .argument('<file>', 'where to; must not exist')
    .option('--json', 'print one JSON object')
    .action((name: string, file: string, options: Json) =>
      withServices(async (services) => {
        const { version, target, bytes } = await exportModel(name, file, services)
        if (options.json) printJson({ ...toJson(version), file: target })
        else printLine(`${version.entityKey} version ${version.version}: ${bytes} bytes in ${target}.`)
      }),
    )
}
