/** `vigia series`: models of any time series, from a CSV to a verdict. */
import { writeFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { Option } from 'commander'
import type { Command } from 'commander'
import { toComparisonWire } from '../../api/routes/series/compare.ts'
import { toPlotWire } from '../../api/routes/series/plot.ts'
import { toSeriesWire, toVersionWire } from '../../api/routes/series/wire.ts'
import { SERIES_CLASSES } from '../../ml/series/member.ts'
import type { SeriesClass } from '../../ml/series/member.ts'
import { AppError, messageOf } from '../../shared/core/errors.ts'
import { EXEMPT_CALLER } from '../../shared/series/limits.ts'
import { renderPlotPage } from '../../shared/series/plot-html.ts'
import { renderSvg } from '../../shared/series/plot-svg.ts'
import { CLASS_LIMITS, SERIES_ID, VersionName } from '../../shared/series/series.ts'
import type { SeriesVersion } from '../../shared/series/series.ts'
import { predictionTable } from '../series/predictions.ts'
import type { OddRow } from '../series/predictions.ts'
import { readCsv } from '../series/read-csv.ts'
import type { CsvPoints } from '../series/read-csv.ts'
import { printJson, printLine, remark, renderTable } from '../output.ts'
import type { Opener, System } from '../system.ts'
import { followRuns } from '../follow.ts'

const AUTHOR = { actor: 'cli', traceId: null }
const FEWEST_POINTS = 50
const SHOWN_ODD = 20
const LIST_SIZE = 200

const idOf = (text: string): string => {
  if (SERIES_ID.test(text)) return text
  throw new AppError(
    'INVALID_SERIES_ID',
    `${JSON.stringify(text.slice(0, 140))} cannot be the id of a series; use 1 to 128 letters, digits or _`,
  )
}

/** `v3` or `3`. */
const versionOf = (text: string): number => {
  const parsed = VersionName.safeParse(/^\d/.test(text) ? `v${text}` : text)
  if (parsed.success) return parsed.data
  throw new AppError(
    'INVALID_VERSION',
    `${JSON.stringify(text.slice(0, 40))} is not the name of a version; they are like v3`,
  )
}

const listOf = (text: string | undefined): string[] | undefined =>
  text
    ?.split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')

const tagOf = (text: string, known: Record<string, string> = {}): Record<string, string> => {
  const sign = text.indexOf('=')
  if (sign < 1) throw new AppError('INVALID_REQUEST', `--tag: ${JSON.stringify(text)} is not like env=prod`)
  return { ...known, [text.slice(0, sign)]: text.slice(sign + 1) }
}

const bodyOf = (
  points: CsvPoints,
  options: Record<string, unknown>,
): { bytes: Uint8Array; contentType: string; query: Record<string, string> } => {
  const { timestamps, channels, timestampUnit } = points
  const body = { timestamps, channels, timestamp_unit: timestampUnit, ...options }
  return { bytes: Buffer.from(JSON.stringify(body)), contentType: 'application/json', query: {} }
}

/** Rows as the file counts them. */
const inLines = (error: unknown, { lines }: CsvPoints): unknown => {
  if (!(error instanceof AppError)) return error
  const { rows } = (error.extra.details ?? {}) as { rows?: unknown }
  if (!Array.isArray(rows) || rows.length === 0) return error
  const at = rows.map((row) => lines[Number(row)] ?? 0)
  return new AppError(error.code, `line ${at[0]}: ${error.message}`, {
    ...error.extra,
    details: { ...error.extra.details, lines: at },
  })
}

interface TrainOptions {
  readonly series: string
  readonly class?: SeriesClass
  readonly time?: string
  readonly channels?: string
  readonly models?: string
  readonly historyDays?: string
  readonly hold?: boolean
  readonly tag?: Record<string, string>
  readonly json?: boolean
}

/** A series nobody has described gets the class its file fits. */
const describe = async (
  system: System,
  seriesId: string,
  points: number,
  wished: SeriesClass | undefined,
): Promise<{ readonly told: string | null; readonly made: boolean }> => {
  const { series } = system.services
  const known = await series.get(seriesId).catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'MODEL_NOT_FOUND') return null
    throw error
  })
  if (known) {
    if (wished === undefined || wished === known.series.class) return { told: null, made: false }
    await series.patch(seriesId, { class: wished }, AUTHOR)
    return { told: `class ${wished}`, made: false }
  }
  const fits: SeriesClass = points >= CLASS_LIMITS.standard.min ? 'standard' : 'short'
  const chosen = wished ?? fits
  const { min } = CLASS_LIMITS[chosen]
  // A short file is better than none; who wants more asks for a class.
  const minPoints =
    wished === undefined && points < min && points >= FEWEST_POINTS ? FEWEST_POINTS : undefined
  await series.put(seriesId, { class: chosen, ...(minPoints === undefined ? {} : { minPoints }) }, AUTHOR)
  const told =
    wished === undefined
      ? `class ${chosen}${minPoints === undefined ? '' : `, at least ${minPoints} points`}`
      : null
  return { told, made: true }
}

const trainFile = async (
  path: string,
  options: TrainOptions,
  system: System,
): Promise<{ version: SeriesVersion; created: boolean; remarks: string[] }> => {
  const seriesId = idOf(options.series)
  const points = await readCsv(path, { time: options.time, channels: listOf(options.channels) })
  const { told, made } = await describe(system, seriesId, points.timestamps.length, options.class)
  const body = bodyOf(points, {
    ...(options.models === undefined ? {} : { models: listOf(options.models) }),
    ...(options.historyDays === undefined ? {} : { history_days: Number(options.historyDays) }),
    ...(options.hold ? { rollout: 'hold' } : {}),
    ...(options.tag ? { tags: options.tag } : {}),
  })
  const remarks = [...points.remarks, ...(told === null ? [] : [told])]
  try {
    const asked = { caller: EXEMPT_CALLER, ...AUTHOR, waitMs: 0 }
    const reply = await system.services.seriesTraining.request(seriesId, body, asked)
    if (reply.status === 'done') return { version: reply.version, created: false, remarks }
    await system.ensureWorkers()
    await followRuns(system.services, [reply.runId], 'training')
    // The run has ended: the same request answers with its version, or with what it failed of.
    const again = await system.services.seriesTraining.ended(seriesId, reply.runId)
    return { ...again, remarks }
  } catch (error) {
    // A file that is refused leaves nothing behind.
    if (made) await system.services.series.remove(seriesId, AUTHOR)
    throw inLines(error, points)
  }
}

const describeVersion = (version: SeriesVersion): string => {
  const members = version.members.map(({ name, status, error, flagRate }) =>
    status === 'ready'
      ? `${name} (${(100 * (flagRate ?? 0)).toFixed(2)} % of its points odd)`
      : `${name} failed: ${error ?? ''}`,
  )
  return `${version.seriesId} v${version.version}: ${version.points} points, ${members.join(', ')}`
}

const write = async (path: string, text: string): Promise<void> => {
  try {
    await writeFile(path, text)
  } catch (error) {
    throw new AppError(
      'INVALID_REQUEST',
      `${path} cannot be written: ${messageOf(error)}`,
      {},
      { cause: error },
    )
  }
}

const change = ({ from, to }: { readonly from: number; readonly to: number }): string =>
  from === to
    ? String(Number(to.toPrecision(6)))
    : `${Number(from.toPrecision(6))} -> ${Number(to.toPrecision(6))}`

interface VersionOption {
  readonly version?: string
  readonly json?: boolean
}

export const registerSeries = (program: Command, open: Opener): void => {
  const series = program
    .command('series')
    .description('models of any time series: train on a CSV, predict, versions, plot')
  const withSystem = async (work: (system: System) => Promise<void>): Promise<void> => {
    const system = await open()
    try {
      await work(system)
    } finally {
      await system.close()
    }
  }
  const json = (): Option => new Option('--json', 'one JSON object')

  series
    .command('train <file>')
    .description('train a model on a CSV: a column of times, columns of numbers')
    .requiredOption('--series <id>', 'the series: letters, digits and _')
    .addOption(
      new Option('--class <class>', 'kind of series; guessed from the number of rows for a new one').choices(
        SERIES_CLASSES,
      ),
    )
    .option('--time <column>', 'the column of times')
    .option('--channels <columns>', 'columns of numbers, separated by commas; all of them by default')
    .option('--models <families>', 'zscore, isolation_forest, autoencoder; the first is primary')
    .option('--history-days <days>', 'use the last days only')
    .option('--hold', 'publish the version without letting it answer')
    .option('--tag <key=value>', 'tag of the version; may be repeated', tagOf)
    .addOption(json())
    .action((file: string, options: TrainOptions) =>
      withSystem(async (system) => {
        const { version, created, remarks } = await trainFile(file, options, system)
        if (options.json) return printJson({ ...toVersionWire(version), created })
        for (const text of remarks) remark(text)
        printLine(`${created ? 'Trained' : 'Known already:'} ${describeVersion(version)}`)
        printLine(`  see it       vigia series plot ${version.seriesId}`)
        return printLine(`  judge by it  vigia series predict FILE.csv --series ${version.seriesId}`)
      }),
    )

  series
    .command('predict [file]')
    .description('judge the points of a CSV, or one point')
    .requiredOption('--series <id>', 'the series')
    .option('--point <text>', 'one point, e.g. "timestamp=1700000000,value=1.5"')
    .option('--version <version>', 'like v3; the one that answers by default')
    .option('--models <names>', 'members, or all; the primary by default')
    .option('--time <column>', 'the column of times')
    .option('--channels <columns>', 'columns of numbers')
    .addOption(json())
    .action(
      (
        file: string | undefined,
        options: {
          series: string
          point?: string
          version?: string
          models?: string
          time?: string
          channels?: string
          json?: boolean
        },
      ) =>
        withSystem(async (system) => {
          if ((file === undefined) === (options.point === undefined))
            throw new AppError('INVALID_REQUEST', 'name a CSV file, or give one point with --point')
          const points =
            file === undefined
              ? null
              : await readCsv(file, { time: options.time, channels: listOf(options.channels) })
          const extra =
            options.models === undefined
              ? {}
              : { models: options.models === 'all' ? 'all' : listOf(options.models) }
          const one =
            options.point === undefined
              ? {}
              : Object.fromEntries(
                  options.point.split(',').map((pair): [string, number] => {
                    const [name = '', value = ''] = pair.split('=', 2)
                    return [name.trim(), Number(value)]
                  }),
                )
          const body = points
            ? bodyOf(points, extra)
            : {
                bytes: Buffer.from(JSON.stringify({ points: [one], ...extra })),
                contentType: 'application/json',
                query: {},
              }
          const number = options.version === undefined ? null : versionOf(options.version)
          try {
            const { prediction } = await system.services.predictions.predict(
              idOf(options.series),
              number,
              body,
              { caller: EXEMPT_CALLER },
            )
            const { odd, judged } = predictionTable(prediction)
            if (options.json)
              return printJson({
                series_id: prediction.version.seriesId,
                version: `v${prediction.version.version}`,
                judged,
                odd: odd.length,
                rows: odd,
              })
            printLine(`${judged} verdicts by v${prediction.version.version}, ${odd.length} of them odd.`)
            if (odd.length === 0) return undefined
            printLine(
              renderTable<OddRow>(
                [
                  { title: 'time (UTC)', cell: ({ time }) => time },
                  { title: 'model', cell: ({ model }) => model },
                  { title: 'channel', cell: ({ channel }) => channel },
                  { title: 'score', align: 'right', cell: ({ score }) => score.toFixed(4) },
                  {
                    title: 'value',
                    align: 'right',
                    cell: ({ value }) => (value === null ? '' : String(Number(value.toPrecision(7)))),
                  },
                  {
                    title: 'expected',
                    align: 'right',
                    cell: ({ low, high }) =>
                      low === null || high === null
                        ? ''
                        : `${Number(low.toPrecision(4))} to ${Number(high.toPrecision(4))}`,
                  },
                  { title: 'note', cell: ({ note }) => note },
                ],
                odd.slice(0, SHOWN_ODD),
              ),
            )
            return odd.length > SHOWN_ODD
              ? printLine(`and ${odd.length - SHOWN_ODD} more; all of them with --json`)
              : undefined
          } catch (error) {
            throw points ? inLines(error, points) : error
          }
        }),
    )

  series
    .command('list')
    .description('all series')
    .addOption(json())
    .action((options: { json?: boolean }) =>
      withSystem(async ({ services }) => {
        const { rows } = await services.series.list({
          filter: {},
          order: 'series_id',
          pageSize: LIST_SIZE,
          cursor: null,
        })
        if (options.json) return printJson({ series: rows.map(toSeriesWire) })
        if (rows.length === 0)
          return printLine('No series yet; train one with `vigia series train FILE.csv --series NAME`.')
        return printLine(
          renderTable(
            [
              { title: 'series', cell: ({ series: one }) => one.id },
              { title: 'class', cell: ({ series: one }) => one.class },
              { title: 'channels', cell: ({ series: one }) => one.channels?.join(', ') ?? '' },
              { title: 'versions', align: 'right', cell: ({ versions }) => String(versions) },
              { title: 'answers', cell: ({ stable }) => (stable === null ? 'none' : `v${stable}`) },
            ],
            rows,
          ),
        )
      }),
    )

  series
    .command('versions <id>')
    .description('the versions of a series, newest first')
    .addOption(json())
    .action((id: string, options: { json?: boolean }) =>
      withSystem(async ({ services }) => {
        await services.series.get(idOf(id))
        const { rows } = await services.series.versions({
          filter: { seriesId: id },
          order: 'created_at',
          pageSize: LIST_SIZE,
          cursor: null,
        })
        if (options.json)
          return printJson({
            versions: rows.map(({ version, state, aliases, points, trainedAt, tags }) => ({
              version: `v${version}`,
              state,
              aliases,
              points,
              trained_at: trainedAt.toISOString(),
              tags,
            })),
          })
        return printLine(
          renderTable(
            [
              { title: 'version', cell: ({ version }) => `v${version}` },
              { title: 'alias', cell: ({ aliases }) => aliases.join(', ') },
              { title: 'state', cell: ({ state }) => state },
              { title: 'models', cell: ({ members }) => members.join(', ') },
              { title: 'points', align: 'right', cell: ({ points }) => String(points) },
              {
                title: 'trained',
                cell: ({ trainedAt }) => trainedAt.toISOString().slice(0, 16).replace('T', ' '),
              },
              {
                title: 'tags',
                cell: ({ tags }) =>
                  Object.entries(tags)
                    .map(([key, value]) => `${key}=${value}`)
                    .join(' '),
              },
            ],
            rows,
          ),
        )
      }),
    )

  series
    .command('show <id>')
    .description('everything about a version')
    .option('--version <version>', 'like v3; the one that answers by default')
    .addOption(json())
    .action((id: string, options: VersionOption) =>
      withSystem(async ({ services }) => {
        const overview = await services.series.get(idOf(id))
        const number = options.version === undefined ? overview.stable : versionOf(options.version)
        if (number === null)
          throw new AppError('INVALID_VERSION', `series ${id} has no version that answers yet; train it`)
        const version = await services.series.version(id, number)
        if (options.json) return printJson(toVersionWire(version))
        printLine(describeVersion(version))
        return printLine(
          renderTable(
            [
              { title: 'channel', cell: ([name]) => name },
              { title: 'mean', align: 'right', cell: ([, { mean }]) => String(Number(mean.toPrecision(6))) },
              { title: 'std', align: 'right', cell: ([, { std }]) => String(Number(std.toPrecision(6))) },
              { title: 'min', align: 'right', cell: ([, { min }]) => String(Number(min.toPrecision(6))) },
              { title: 'max', align: 'right', cell: ([, { max }]) => String(Number(max.toPrecision(6))) },
            ],
            Object.entries(version.stats),
          ),
        )
      }),
    )

  series
    .command('compare <id> <from> <to>')
    .description('two versions side by side: what they were trained on, what was asked for')
    .addOption(json())
    .action((id: string, from: string, to: string, options: { json?: boolean }) =>
      withSystem(async ({ services }) => {
        const compared = await services.comparisons.versions(idOf(id), versionOf(from), versionOf(to))
        if (options.json) return printJson(toComparisonWire(compared))
        printLine(
          `${id}: v${compared.from.version} (${compared.from.points} points) and v${compared.to.version} (${compared.to.points})`,
        )
        printLine(
          renderTable(
            [
              { title: 'channel', cell: ([name]) => name },
              { title: 'mean', align: 'right', cell: ([, { mean }]) => change(mean) },
              { title: 'std', align: 'right', cell: ([, { std }]) => change(std) },
              { title: 'min', align: 'right', cell: ([, { min }]) => change(min) },
              { title: 'max', align: 'right', cell: ([, { max }]) => change(max) },
              { title: 'KL', align: 'right', cell: ([, { kl }]) => kl.toFixed(4) },
            ],
            Object.entries(compared.stats),
          ),
        )
        return printLine(
          compared.members
            .map(
              (member) =>
                `${member.name}: ${member.change}${member.fields.length > 0 ? ` (${member.fields.map(({ field }) => field).join(', ')})` : ''}`,
            )
            .join('\n'),
        )
      }),
    )

  series
    .command('rollback <id>')
    .description('let another version answer')
    .option('--to <version>', 'like v2; the one before by default')
    .addOption(json())
    .action((id: string, options: { to?: string; json?: boolean }) =>
      withSystem(async ({ services }) => {
        const to = options.to === undefined ? ('previous' as const) : versionOf(options.to)
        const moved = await services.series.rollback(idOf(id), to, AUTHOR)
        if (options.json)
          return printJson({
            series_id: id,
            from: moved.from === null ? null : `v${moved.from}`,
            to: `v${moved.to}`,
          })
        return printLine(`${id}: v${moved.to} answers now${moved.from === moved.to ? ', as before' : ''}.`)
      }),
    )

  series
    .command('restore <id> <version>')
    .description('bring an archived version back')
    .addOption(json())
    .action((id: string, name: string, options: { json?: boolean }) =>
      withSystem(async ({ services }) => {
        const version = await services.series.restore(idOf(id), versionOf(name), AUTHOR)
        return options.json
          ? printJson(toVersionWire(version))
          : printLine(`${id} v${version.version} is ready.`)
      }),
    )

  series
    .command('tag <id> <version> <tags...>')
    .description('tag a version: key=value sets, key= takes away')
    .addOption(json())
    .action((id: string, name: string, tags: string[], options: { json?: boolean }) =>
      withSystem(async ({ services }) => {
        const changes = Object.fromEntries(
          Object.entries(tags.reduce<Record<string, string>>((known, text) => tagOf(text, known), {})).map(
            ([key, value]) => [key, value === '' ? null : value],
          ),
        )
        const version = await services.series.tag(idOf(id), versionOf(name), changes, AUTHOR)
        if (options.json) return printJson(toVersionWire(version))
        return printLine(
          `${id} v${version.version}: ${
            Object.entries(version.tags)
              .map(([key, value]) => `${key}=${value}`)
              .join(' ') || 'no tags'
          }`,
        )
      }),
    )

  series
    .command('delete <id>')
    .description('delete a series with all its versions; numbers go on where they ended')
    .option('--yes', 'do it')
    .addOption(json())
    .action((id: string, options: { yes?: boolean; json?: boolean }) =>
      withSystem(async ({ services }) => {
        if (!options.yes)
          throw new AppError(
            'INVALID_REQUEST',
            `this deletes series ${idOf(id)} and all its versions; say --yes`,
          )
        const versions = await services.series.remove(idOf(id), AUTHOR)
        return options.json
          ? printJson({ series_id: id, versions })
          : printLine(`${id}: ${versions} versions deleted.`)
      }),
    )

  series
    .command('plot <id>')
    .description('write what a version learnt as a page (.html), a picture (.svg) or numbers (.json)')
    .option('--version <version>', 'like v3; the one that answers by default')
    .option('--model <name>', 'whose verdicts to show; the primary by default')
    .option('--out <file>', 'where to; <id>.html by default')
    .addOption(json())
    .action((id: string, options: VersionOption & { model?: string; out?: string }) =>
      withSystem(async ({ services }) => {
        const out = options.out ?? `${idOf(id)}.html`
        const kind = extname(out).toLowerCase()
        if (!['.html', '.svg', '.json'].includes(kind))
          throw new AppError('INVALID_REQUEST', `--out: ${out} ends neither in .html nor in .svg or .json`)
        const data = await services.plots.of(
          idOf(id),
          options.version === undefined ? null : versionOf(options.version),
          options.model ?? null,
        )
        const text =
          kind === '.svg'
            ? renderSvg(data)
            : kind === '.json'
              ? `${JSON.stringify(toPlotWire(data))}\n`
              : renderPlotPage(data, null, null)
        await write(out, text)
        if (options.json)
          return printJson({
            series_id: id,
            version: `v${data.version.version}`,
            file: out,
            points: data.timesMs.length,
            odd: data.anomalies.length,
          })
        return printLine(
          `${out}: ${data.timesMs.length} points of v${data.version.version}, ${data.anomalies.length} of them odd to ${data.member}.`,
        )
      }),
    )
}
