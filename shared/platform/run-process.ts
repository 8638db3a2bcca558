/**
 * The frame of a process: a configuration that is right or a clear refusal, a start that either works or
 * closes what it opened, and an orderly end on SIGTERM or SIGINT.
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

/** Resolves when the process is asked to end. A second signal ends it at once. */
export const askedToEnd = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    let asked = false
    const onSignal = (signal: NodeJS.Signals): void => {
      if (asked) process.exit(1)
      asked = true
      resolve(signal)
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })

/**
 * Runs one long-lived process.
 * @param start opens everything, registering each part with the lifecycle
 * @returns the exit code: 0 after an orderly end, 1 when it could not start, 2 for a wrong configuration
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
    await start(parts)
    logger.info('started', { version: parts.version })
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
