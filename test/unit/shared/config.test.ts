import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { parse as parseDotenv } from 'dotenv'
import {
  ConfigError,
  ConfigSchema,
  loadConfig,
  redactedConfig,
  renderEnvExample,
} from '../../../shared/config.ts'

const problemsOf = (environment: Record<string, string | undefined>): readonly string[] => {
  try {
    loadConfig(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('the configuration', () => {
  it('has a default for everything', () => {
    const config = loadConfig({})
    expect(config).to.include({ HOST: '127.0.0.1', PORT: 8080, RATE_LIMITS: true, BODY_LIMIT_MB: 10 })
    expect(config.DATABASE_URL).to.equal(undefined)
  })

  it('is frozen', () => {
    expect(Object.isFrozen(loadConfig({}))).to.equal(true)
  })

  it('counts an empty or blank text as not set', () => {
    expect(loadConfig({ PORT: '', REDIS_URL: '', HOST: '  ', JWT_SECRET: '' })).to.deep.equal(loadConfig({}))
  })

  it('reports every problem at once, each with the name of its setting', () => {
    const problems = problemsOf({
      PORT: '65536',
      DATABASE_URL: 'mysql://u:hush@h/d',
      RATE_LIMITS: 'perhaps',
      VIGIA_TIMEZONE: 'Mars/Olympus',
      REDIS_ULR: 'redis://h',
      JWT_SECRET: 'x'.repeat(31),
    })
    expect(problems.map((problem) => problem.split(':')[0])).to.have.members([
      'PORT',
      'DATABASE_URL',
      'RATE_LIMITS',
      'VIGIA_TIMEZONE',
      'REDIS_ULR',
      'JWT_SECRET',
    ])
    expect(problems.join('\n')).not.to.match(/hush|xxx/)
  })

  it('takes values at their limits and refuses those one step beyond', () => {
    expect(loadConfig({ PORT: '0' }).PORT).to.equal(0)
    expect(loadConfig({ PORT: '65535' }).PORT).to.equal(65_535)
    expect(problemsOf({ PORT: '-1' })).to.have.length(1)
    expect(problemsOf({ PORT: '80.5' })).to.have.length(1)
    expect(problemsOf({ PORT: 'http' })).to.deep.equal(['PORT: must be a whole number from 0 to 65535'])
    expect(problemsOf({ ANOMALY_FDR_Q: '2' })).to.deep.equal([
      'ANOMALY_FDR_Q: must be a number from 0.0001 to 1',
    ])
    expect(loadConfig({ JWT_SECRET: 'x'.repeat(32) }).JWT_SECRET).to.have.length(32)
  })

  it('takes ranges of addresses, parted by commas', () => {
    expect(loadConfig({}).WEBHOOK_ALLOW).to.deep.equal([])
    expect(loadConfig({ WEBHOOK_ALLOW: ' 10.0.0.0/8, fd00::/8 ,' }).WEBHOOK_ALLOW).to.deep.equal([
      '10.0.0.0/8',
      'fd00::/8',
    ])
    for (const text of ['10.0.0.0', 'localhost', '10.0.0.0/33', '10.0.0.0/8 fd00::/8'])
      expect(problemsOf({ WEBHOOK_ALLOW: text }), text).to.have.length(1)
  })

  it('reads flags in the words people use', () => {
    for (const word of ['true', '1', 'on', 'YES', ' True '])
      expect(loadConfig({ RATE_LIMITS: word }).RATE_LIMITS, word).to.equal(true)
    for (const word of ['false', '0', 'off', 'No'])
      expect(loadConfig({ RATE_LIMITS: word }).RATE_LIMITS, word).to.equal(false)
  })

  it('points out names that are nearly ours', () => {
    expect(problemsOf({ REDIS_ULR: 'redis://h' })).to.deep.equal([
      'REDIS_ULR: is not a setting; did you mean REDIS_URL?',
    ])
    expect(problemsOf({ LOGLEVEL: 'info' })).to.have.length(1)
  })

  it('leaves names of other programs alone', () => {
    expect(
      problemsOf({ PATH: '/bin', HOSTNAME: 'h', REDIS_PORT: '1', PGHOST: 'h', XPORT: '1' }),
    ).to.deep.equal([])
    expect(problemsOf({ REDIS_URI: 'redis://other', REDIS_URL: 'redis://ours' })).to.deep.equal([])
  })

  it('is printed without secrets, whichever way they are written', () => {
    const config = loadConfig({
      DATABASE_URL: 'postgres://user:hush@db:5432/ads?password=hush&sslmode=require',
      REDIS_URL: 'rediss://:hush@cache:6379',
      JWT_SECRET: 'prod:hush:0123456789012345678901234567',
      JWT_JWKS_URL: 'https://user:hush@keys.example/jwks',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://user:hush@collector:4318',
    })
    const shown = redactedConfig(config)
    expect(JSON.stringify(shown)).not.to.include('hush')
    expect(shown['DATABASE_URL']).to.match(/^postgres:\/\/user:\*\*\*@db:5432\/ads\?.*sslmode=require/)
    expect(shown).to.include({ JWT_SECRET: '***', PORT: 8080 })
  })

  it('stands in .env.example with its defaults; "npm run env-example" writes it anew', () => {
    const file = readFileSync('.env.example', 'utf8')
    expect(file).to.equal(renderEnvExample())
    const read = parseDotenv(file)
    expect(Object.keys(read)).to.deep.equal(Object.keys(ConfigSchema.shape))
    expect(loadConfig(read)).to.deep.equal(loadConfig({}))
  })
})
