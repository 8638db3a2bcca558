/**
 * winston behind the `Logger` interface: one JSON object per line on stderr (stdout belongs to commands),
 * secrets masked by the names of their keys.
 */
import winston from 'winston'
import type { Logger } from './logger.ts'

const MASK = '***'
const SECRET_NAME =
  /(^|[-_])pass$|passw(or)?d|passphrase|pwd|secret|token|authorization|cookie|api[-_]?key|private[-_]?key|credential/i
/** user:password@ within any URL, to the last @, since some write it into the password itself. */
const URL_PASSWORD = /(\w+:\/\/[^/\s:@]*:)[^/\s]+@/g
/** An API key, or what follows the scheme of an Authorization header. */
const CREDENTIAL = /\bvi?g_[\w-]{20,}|(?<=\b(?:Bearer|Basic) )[\w.~+/=-]{8,}/g
const DEEPEST = 6
const LONGEST_TEXT = 8192
const LONGEST_SECRET = 1024

const cleanText = (value: string): string => {
  // A secret across the cut is masked as a whole; nothing is searched that is far beyond it.
  const masked = value
    .slice(0, LONGEST_TEXT + LONGEST_SECRET)
    .replace(URL_PASSWORD, `$1${MASK}@`)
    .replace(CREDENTIAL, MASK)
  return masked.length > LONGEST_TEXT ? `${masked.slice(0, LONGEST_TEXT)}…` : masked
}

/** @param within the objects `value` is part of: one that comes again inside itself ends there */
const clean = (value: unknown, depth: number, within: ReadonlySet<object>): unknown => {
  if (typeof value === 'string') return cleanText(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (depth >= DEEPEST || within.has(value)) return '…'
  const seen = new Set(within).add(value)
  if (value instanceof Error) {
    const { name, message, stack, cause } = value
    const own = clean(Object.fromEntries(Object.entries(value)), depth, seen) as Record<string, unknown>
    return {
      ...own,
      name,
      message: cleanText(message),
      stack: clean(stack, depth, seen),
      cause: clean(cause, depth + 1, seen),
      // A host with several addresses fails with one error for each, and no message of its own.
      ...(value instanceof AggregateError ? { errors: clean(value.errors, depth + 1, seen) } : {}),
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
  clean(fields, 0, new Set()) as Record<string, unknown>

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
      base.log(level, cleanText(message), { ...rest, ...renamed })
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
