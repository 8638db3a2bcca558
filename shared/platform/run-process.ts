/**
 * The frame of a process: a configuration that is right or a clear refusal, a start that either works or
 * closes what it opened, and an orderly end on SIGTERM or SIGINT, also of a start that still waits for a store.
 */
import { readFileSync } from 'node:fs'
import { ConfigError, loadConfig } from '../config.ts'
import type { Config } from '../config.ts'
import { AppError } from '../core/errors.ts'
import { createLogger } from './create-logger.ts'
import { createLifecycle } from './lifecycle.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { Logger } from './logger.ts'
import { createMetrics } from './metrics.ts'
import type { Metrics } from './metrics.ts'

/** What a process that is asked to end has for it; Kubernetes kills after 30 s. */
const LONGEST_END_MS = 25_000
/** After everything was closed. */
const EXIT_MS = 500

export interface ProcessParts {
  readonly config: Config
  readonly logger: Logger
  readonly lifecycle: Lifecycle
  readonly metrics: Metrics
  /** Of the package. */
  readonly version: string
}

export const packageVersion = (): string => {
  const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

/**
 * Resolves when the process is asked to end. A second signal ends it at once, and so does the 25th second after
 * the first, whatever hangs.
 */
export const askedToEnd = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    let asked = false
    const onSignal = (signal: NodeJS.Signals): void => {
      if (asked) process.exit(1)
      asked = true
      setTimeout(() => process.exit(1), LONGEST_END_MS).unref()
      resolve(signal)
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })

/**
 * Lets the process end with `code`. What could not be closed, e.g. a connection to a server that hangs, does not
 * hold it.
 */
export const endWith = (code: number): void => {
  process.exitCode = code
  // What was written to a slow pipe comes first.
  setTimeout(() => process.stdout.write('', () => process.exit()), EXIT_MS).unref()
}

/**
 * Runs one long-lived process.
 * @param start opens everything, registering each part with the lifecycle
 * @returns the exit code, for `endWith`: 0 after an orderly end, 1 when it could not start, 2 for a wrong configuration
 */
export const runProcess = async (
  service: string,
  environment: Readonly<Record<string, string | undefined>>,
  start: (parts: ProcessParts) => Promise<void>,
): Promise<number> => {
  let config: Config
  try {
    config = loadConfig(environment)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`vigia ${service}: ${error.message}\n`)
    return 2
  }
  const logger = createLogger({ level: config.LOG_LEVEL, debugSample: config.LOG_DEBUG_SAMPLE, service })
  const lifecycle = createLifecycle(logger)
  const parts = { config, logger, lifecycle, metrics: createMetrics(service), version: packageVersion() }
  const ending = askedToEnd()
  try {
    const started = start(parts).then(() => logger.info('started', { version: parts.version }))
    await Promise.race([started, ending])
  } catch (error) {
    if (error instanceof AppError) logger.error(`cannot start: ${error.message}`, { code: error.code })
    else logger.error('cannot start', { error })
    await lifecycle.close()
    return 1
  }
  const signal = await ending
  logger.info('closing', { signal })
  await lifecycle.close()
  logger.info('closed')
  return 0
}
