/** The sender against real servers on the loopback address, which it has to be allowed. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { expect } from 'chai'
import { systemClock } from '../../../../shared/core/clock.ts'
import { createSender } from '../../../../shared/notify/send.ts'
import type { Resolve, Sent } from '../../../../shared/notify/send.ts'
import { startReceiver } from '../../../support/receiver.ts'
import type { Receiver } from '../../../support/receiver.ts'

const LOOPBACK = ['127.0.0.0/8', '::1/128']
const BODY = '{"type":"incident.opened","name":"Ações"}'

const senderOf = (allowed: readonly string[] = LOOPBACK, resolve?: Resolve, withinMs?: number) =>
  createSender({
    clock: systemClock,
    allowed,
    ...(resolve ? { resolve } : {}),
    ...(withinMs === undefined ? {} : { withinMs }),
  })

describe('sending a message', () => {
  let receiver: Receiver
  beforeEach(async () => {
    receiver = await startReceiver()
  })
  afterEach(() => receiver.close())

  const send = (url: string, sender = senderOf()): Promise<Sent> =>
    sender.send({ url, headers: { 'content-type': 'application/json', 'webhook-id': 'msg_1' }, body: BODY })

  it('posts the body to the byte, with its headers', async () => {
    const sent = await send(`${receiver.url}?a=1`)
    expect(sent).to.deep.equal({ kind: 'answered', status: 200, reply: 'ok', retryAfterMs: null })
    const [got] = receiver.received
    expect(got?.path).to.equal('/hook?a=1')
    expect(got?.body).to.equal(BODY)
    expect(got?.headers).to.include({
      'content-type': 'application/json',
      'webhook-id': 'msg_1',
      'content-length': String(Buffer.byteLength(BODY)),
      host: `127.0.0.1:${receiver.port}`,
    })
  })

  it('asks for a name once and connects to what was checked', async () => {
    const asked: string[] = []
    // The second answer would be another machine: nobody asks.
    const rebinding: Resolve = (name) => {
      asked.push(name)
      return Promise.resolve([asked.length === 1 ? '127.0.0.1' : '169.254.169.254'])
    }
    const sent = await send(`http://hooks.example.com:${receiver.port}/x`, senderOf(LOOPBACK, rebinding))
    expect(sent).to.include({ kind: 'answered', status: 200 })
    expect(asked).to.deep.equal(['hooks.example.com'])
    expect(receiver.received[0]?.headers.host).to.equal(`hooks.example.com:${receiver.port}`)
  })

  it('refuses a name that leads somewhere else by now, and sends nothing', async () => {
    const answers = [['127.0.0.1'], ['10.0.0.1']]
    const sender = senderOf(LOOPBACK, () => Promise.resolve(answers.shift() ?? []))
    const url = `http://hooks.example.com:${receiver.port}/x`
    expect(await sender.problemOf(url)).to.equal(null)
    const sent = await send(url, sender)
    expect(sent.kind).to.equal('refused')
    expect(sent).to.have.property('why').that.contains('10.0.0.1 is not public')
    expect(receiver.received).to.have.length(0)
  })

  it('refuses a name of which one address is not public', async () => {
    const sender = senderOf([], () => Promise.resolve(['93.184.215.14', '127.0.0.1']))
    expect(await sender.problemOf('https://hooks.example.com/')).to.contain('127.0.0.1 is not public')
  })

  it('refuses what is not public unless it was allowed, however it is written', async () => {
    const strict = senderOf([])
    for (const host of [
      '127.0.0.1',
      '127.1',
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      '0',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[64:ff9b::7f00:1]',
      '[2002:7f00:1::]',
      'localhost',
      'LOCALHOST',
      '169.254.169.254',
      '10.0.0.1',
      '[fe80::1]',
      '[ff02::1]',
      '１２７.0.0.1',
    ]) {
      const url = `http://${host}:${receiver.port}/`
      expect(await strict.problemOf(url), host).to.contain('is not public')
      expect((await send(url, strict)).kind, host).to.equal('refused')
    }
    expect(receiver.received).to.have.length(0)
  })

  it('takes http and https, web ports and those above 1023', async () => {
    const sender = senderOf([], () => Promise.resolve(['93.184.215.14']))
    for (const url of [
      'https://example.com/',
      'http://example.com/',
      'http://example.com:443/',
      'https://example.com:80/',
      'https://example.com:1024/',
      'https://example.com:8443/',
      'https://example.com:65535/',
    ])
      expect(await sender.problemOf(url), url).to.equal(null)
    for (const [url, problem] of [
      ['ftp://example.com/', 'https://'],
      ['file:///etc/passwd', 'https://'],
      ['gopher://example.com/', 'https://'],
      ['data:text/plain,x', 'https://'],
      ['example.com', 'is not a URL'],
      ['http://', 'is not a URL'],
      ['http://example.com:99999/', 'is not a URL'],
      ['https://user:pass@example.com/', 'user or password'],
      ['https://user@example.com/', 'user or password'],
      ['http://example.com:22/', 'port 22'],
      ['http://example.com:25/', 'port 25'],
      ['http://example.com:1023/', 'port 1023'],
      ['http://example.com:6000/', 'port 6000'],
      ['http://example.com:0/', 'port 0'],
      [`https://example.com/${'x'.repeat(2000)}`, 'is longer'],
    ] as const)
      expect(await sender.problemOf(url), url).to.contain(problem)
  })

  it('says what cannot be resolved', async () => {
    const nowhere = senderOf([], () => Promise.reject(new Error('getaddrinfo ENOTFOUND nowhere.example')))
    expect(await nowhere.problemOf('https://nowhere.example/')).to.contain('ENOTFOUND')
    expect(await send('https://nowhere.example/', nowhere)).to.deep.equal({
      kind: 'no answer',
      why: 'getaddrinfo ENOTFOUND nowhere.example',
    })
    const empty = senderOf([], () => Promise.resolve([]))
    expect(await empty.problemOf('https://nowhere.example/')).to.contain('has no address')
  })

  it('follows no redirect', async () => {
    const target = await startReceiver()
    try {
      for (const status of [301, 302, 303, 307, 308]) {
        receiver.answer = (_, response) => void response.writeHead(status, { location: target.url }).end()
        expect(await send(receiver.url)).to.include({ kind: 'answered', status })
      }
      expect(target.received).to.have.length(0)
    } finally {
      await target.close()
    }
  })

  it('uses no proxy of the environment', async () => {
    const proxy = await startReceiver()
    const names = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'ALL_PROXY', 'NODE_USE_ENV_PROXY'] as const
    const before = names.map((name) => process.env[name])
    try {
      for (const name of names) process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : proxy.url
      expect(await send(receiver.url)).to.include({ status: 200 })
      expect(proxy.received).to.have.length(0)
    } finally {
      names.forEach((name, i) => {
        const value = before[i]
        if (value === undefined) delete process.env[name]
        else process.env[name] = value
      })
      await proxy.close()
    }
  })

  it('ends when nobody answers in time', async () => {
    receiver.answer = () => {}
    expect(await send(receiver.url, senderOf(LOOPBACK, undefined, 100))).to.deep.equal({
      kind: 'no answer',
      why: 'no answer within 0.1 s',
    })
  })

  it('ends when a name is not resolved in time', async () => {
    const stuck = senderOf(LOOPBACK, () => new Promise(() => {}), 50)
    expect(await send('https://hooks.example.com/', stuck)).to.include({ kind: 'no answer' })
    expect(await stuck.problemOf('https://hooks.example.com/')).to.contain('no answer within')
  })

  it('takes the status of a receiver that never ends its body', async () => {
    receiver.answer = (_, response) => {
      response.writeHead(202)
      response.write('so far')
    }
    const sent = await send(receiver.url, senderOf(LOOPBACK, undefined, 200))
    expect(sent).to.deep.equal({ kind: 'answered', status: 202, reply: 'so far', retryAfterMs: null })
  })

  it('reads 4 KB of a huge reply and hangs up', async () => {
    let hungUp: Promise<unknown> = Promise.resolve()
    receiver.answer = (request, response) => {
      hungUp = new Promise((resolve) => request.socket.once('close', resolve))
      response.writeHead(500)
      const pour = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      }
      response.on('drain', pour)
      response.on('error', () => {})
      pour()
    }
    const sent = await send(receiver.url)
    expect(sent).to.include({ kind: 'answered', status: 500 })
    if (sent.kind === 'answered') expect(sent.reply).to.equal('x'.repeat(4096))
    await hungUp
  })

  it('is not confused by headers without end, or by what is not HTTP', async () => {
    const talk = async (text: string): Promise<Sent> => {
      const server = createTcpServer((socket: Socket) => {
        socket.on('error', () => {})
        socket.once('data', () => socket.write(text))
      }).listen(0, '127.0.0.1')
      await once(server, 'listening')
      try {
        return await send(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
      } finally {
        server.close()
      }
    }
    expect(await talk(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}`)).to.include({ kind: 'no answer' })
    expect(await talk('220 smtp.example.com ESMTP\r\n')).to.include({ kind: 'no answer' })
    // No response follows, and Node says nothing of the connection any more.
    const switched = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'
    expect(await talk(switched)).to.include({ kind: 'answered', status: 101 })
  })

  it('says that nobody listens', async () => {
    await receiver.down()
    const sent = await send(receiver.url)
    expect(sent.kind).to.equal('no answer')
    expect(sent).to.have.property('why').that.contains('ECONNREFUSED')
  })

  it('reads Retry-After as seconds or as a date', async () => {
    const wait = async (header: string): Promise<number | null | undefined> => {
      receiver.answer = (_, response) => void response.writeHead(503, { 'retry-after': header }).end()
      const sender = createSender({
        allowed: LOOPBACK,
        clock: { now: () => new Date('2026-03-11T03:00:00.000Z') },
      })
      const sent = await send(receiver.url, sender)
      return sent.kind === 'answered' ? sent.retryAfterMs : undefined
    }
    expect(await wait('120')).to.equal(120_000)
    expect(await wait('Wed, 11 Mar 2026 03:02:00 GMT')).to.equal(120_000)
    for (const header of ['0', '-1', 'soon', 'Wed, 11 Mar 2026 02:00:00 GMT'])
      expect(await wait(header), header).to.equal(null)
  })

  it('verifies certificates, whatever the environment says', async () => {
    const folder = new URL('../../../../../test/fixtures/tls/', import.meta.url)
    const [key, cert] = await Promise.all([
      readFile(new URL('key.pem', folder)),
      readFile(new URL('cert.pem', folder)),
    ])
    let requests = 0
    const server = createTlsServer({ key, cert }, (_, response) => {
      requests += 1
      response.end()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    try {
      const sent = await send(`https://127.0.0.1:${port}/`)
      expect(sent.kind).to.equal('no answer')
      expect(sent).to.have.property('why').that.contains('self-signed')
      expect(requests).to.equal(0)
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before
      server.close()
    }
  })
})
