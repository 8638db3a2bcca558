/**
 * winston behind the `Logger` interface: one JSON object per line on stderr (stdout belongs to commands),
 * secrets masked by the names of their keys.
 */
import winston from 'winston'
import type { Logger } from './logger.ts'

const MASK = '***'
const SECRET_NAME =
  /pass(word|wd)?$|secret|token|authorization|cookie|api[-_]?key|private[-_]?key|credential/i
/** user:password@ within any URL. */
const URL_PASSWORD = /(\w+:\/\/[^/\s:@]*:)[^/\s@]+@/g
const DEEPEST = 6
const LONGEST_TEXT = 8192

const clean = (value: unknown, depth: number, seen: WeakSet<object>): unknown => {
  if (typeof value === 'string') {
    const text = value.replace(URL_PASSWORD, `$1${MASK}@`)
    return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text
  }
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return value.toISOString()
  if (depth >= DEEPEST || seen.has(value)) return '…'
  seen.add(value)
  if (value instanceof Error) {
    const { name, message, stack, cause } = value
    const own = clean(Object.fromEntries(Object.entries(value)), depth + 1, seen) as Record<string, unknown>
    return {
      ...own,
      name,
      message: clean(message, depth, seen),
      stack: clean(stack, depth, seen),
      cause: clean(cause, depth + 1, seen),
    }
  }
  if (Array.isArray(value)) return value.map((item) => clean(item, depth + 1, seen))
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      SECRET_NAME.test(key) && item !== null && item !== undefined ? MASK : clean(item, depth + 1, seen),
    ]),
  )
}

/** Masks secrets in anything that is going to be logged. */
export const redact = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  clean(fields, 0, new WeakSet()) as Record<string, unknown>

export interface LoggerOptions {
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  /** Share of debug lines kept, 0..1. */
  readonly debugSample: number
  /** api, workers, scheduler or cli. */
  readonly service: string
  /** Where lines go; default stderr. */
  readonly stream?: NodeJS.WritableStream
}

export const createLogger = (options: LoggerOptions): Logger => {
  const base = winston.createLogger({
    level: options.level,
    format: winston.format.combine(winston.format.timestamp(), winston.format.json()),
    transports: [new winston.transports.Stream({ stream: options.stream ?? process.stderr })],
  })
  const wrap = (bound: Readonly<Record<string, unknown>>): Logger => {
    const write = (
      level: 'error' | 'warn' | 'info' | 'debug',
      message: string,
      fields?: Record<string, unknown>,
    ): void => {
      if (!base.isLevelEnabled(level)) return
      if (level === 'debug' && Math.random() >= options.debugSample) return
      // `message` and `level` are the line's own; a field of that name must not replace them.
      const {
        message: said,
        level: rank,
        ...rest
      } = { ...bound, ...(fields ? redact(fields) : {}) } as Record<string, unknown>
      const renamed = { ...(said === undefined ? {} : { said }), ...(rank === undefined ? {} : { rank }) }
      base.log(level, message.replace(URL_PASSWORD, `$1${MASK}@`), { ...rest, ...renamed })
    }
    return {
      debug: (message, fields) => write('debug', message, fields),
      info: (message, fields) => write('info', message, fields),
      warn: (message, fields) => write('warn', message, fields),
      error: (message, fields) => write('error', message, fields),
      child: (fields) => wrap({ ...bound, ...redact(fields) }),
    }
  }
  return wrap({ service: options.service })
}
