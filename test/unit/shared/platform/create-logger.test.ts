import { Writable } from 'node:stream'
import { expect } from 'chai'
import { createLogger, redact } from '../../../../shared/platform/create-logger.ts'
import type { LoggerOptions } from '../../../../shared/platform/create-logger.ts'
import type { Logger } from '../../../../shared/platform/logger.ts'

const KEY = `vig_${'k3y-_'.repeat(9)}`

const capture = (
  options: Partial<LoggerOptions> = {},
): { log: Logger; lines: () => Record<string, unknown>[] } => {
  let text = ''
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      text += chunk.toString()
      done()
    },
  })
  const log = createLogger({ level: 'info', debugSample: 1, service: 'test', stream, ...options })
  const lines = () =>
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  return { log, lines }
}

describe('the logger', () => {
  it('writes one JSON object per line', () => {
    const { log, lines } = capture()
    log.child({ run_id: 'r' }).info('two\nlines', { n: 1 })
    const [line] = lines()
    expect(lines()).to.have.length(1)
    expect(line).to.include({ level: 'info', message: 'two\nlines', service: 'test', run_id: 'r', n: 1 })
    expect(line?.['timestamp']).to.match(/^\d{4}-\d\d-\d\dT/)
  })

  it('keeps its own words when a field bears their names', () => {
    const { log, lines } = capture()
    log.warn('mine', { message: 'theirs', level: 'high' })
    expect(lines()[0]).to.include({ level: 'warn', message: 'mine', said: 'theirs', rank: 'high' })
  })

  it('heeds the level and the share of debug lines', () => {
    const none = capture({ level: 'debug', debugSample: 0 })
    none.log.debug('d')
    none.log.info('i')
    expect(none.lines().map((line) => line['message'])).to.deep.equal(['i'])
    const errors = capture({ level: 'error' })
    errors.log.warn('w')
    errors.log.error('e')
    expect(errors.lines().map((line) => line['message'])).to.deep.equal(['e'])
  })

  it('masks secrets by the names of their keys, however deep', () => {
    const secret = 'hush'
    const shown = redact({
      password: secret,
      PGPASSWORD: secret,
      db_pass: secret,
      headers: { Authorization: secret, cookie: secret, 'x-api-key': secret },
      list: [{ accessToken: secret, jwt_secret: secret, private_key: secret }],
      bypass: 'shown',
      password_unset: null,
    })
    expect(JSON.stringify(shown)).not.to.include(secret)
    expect(shown).to.include({ bypass: 'shown', password_unset: null })
  })

  it('masks passwords in URLs, API keys and Authorization headers within texts', () => {
    const { log, lines } = capture()
    const texts = [
      'postgres://user:hush@host/db',
      'redis://:hush@host',
      'postgres://user:h@hush@host/db',
      'Authorization: Bearer hush.hush.hush',
      'Basic aHVzaDpodXNo',
    ]
    for (const text of texts) log.info(`failed at ${text}`, { text, nested: [{ text }] })
    log.info(KEY, { text: `key ${KEY} is unknown` })
    const all = JSON.stringify(lines())
    expect(all).not.to.include('hush')
    expect(all).not.to.include('aHVza')
    expect(all).not.to.include(KEY)
    expect(all).to.include('postgres://user:***@host/db')
  })

  it('writes errors whole: cause, fields, the parts of an aggregate, no secrets', () => {
    const cause = Object.assign(new Error('connect postgres://u:hush@h/d'), {
      code: 'ECONNREFUSED',
      password: 'hush',
    })
    const shown = redact({ error: new AggregateError([cause], '', { cause }) }) as {
      error: { name: string; stack: string; cause: { code: string }; errors: { message: string }[] }
    }
    expect(shown.error.name).to.equal('AggregateError')
    expect(shown.error.stack).to.be.a('string')
    expect(shown.error.cause.code).to.equal('ECONNREFUSED')
    expect(shown.error.errors[0]?.message).to.equal('connect postgres://u:***@h/d')
    expect(JSON.stringify(shown)).not.to.include('hush')
  })

  it('ends at cycles, and shows what merely comes twice', () => {
    const loop: Record<string, unknown> = { name: 'loop' }
    loop['self'] = loop
    const error: Error & { own?: unknown } = new Error('e')
    error.cause = error
    error.own = error
    const twice = { n: 1 }
    const { log, lines } = capture()
    log.error('cycles', { loop, error, list: [twice, twice] })
    expect(lines()[0]?.['list']).to.deep.equal([{ n: 1 }, { n: 1 }])
    expect(lines()[0]?.['loop']).to.deep.equal({ name: 'loop', self: '…' })
  })

  it('shortens long texts and depths, and survives odd values', () => {
    const { log, lines } = capture()
    let deep: unknown = 'bottom'
    for (let i = 0; i < 10_000; i += 1) deep = { deep }
    log.info('odd', {
      deep,
      long: 'x'.repeat(100_000),
      big: 2n ** 70n,
      when: new Date(NaN),
      bytes: Buffer.alloc(1_000_000),
      nan: NaN,
    })
    const [line] = lines()
    expect(JSON.stringify(line).length).to.be.lessThan(10_000)
    expect(line).to.include({
      big: '1180591620717411303424',
      when: null,
      bytes: '[1000000 bytes]',
      nan: null,
    })
  })
})
