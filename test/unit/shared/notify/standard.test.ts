import { createHmac } from 'node:crypto'
import { expect } from 'chai'
import { messageIdOf, newSecret, standardHeaders } from '../../../../shared/notify/standard.ts'

describe('headers of Standard Webhooks', () => {
  it('sign as the reference implementations do', () => {
    // The example of the libraries of standard-webhooks.
    const headers = standardHeaders(
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      new Date(1_614_265_330_000),
      '{"test": 2432232314}',
      ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    )
    expect(headers).to.deep.equal({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    })
  })

  it('count whole seconds, of a time that is not one too', () => {
    const at = new Date('2026-03-11T02:59:59.999Z')
    expect(standardHeaders('msg_1', at, '{}', [newSecret()])['webhook-timestamp']).to.equal('1773197999')
  })

  it('sign with each secret, parted by a space', () => {
    const secrets = [newSecret(), newSecret()]
    const signatures = standardHeaders('msg_1', new Date(0), 'ä', secrets)['webhook-signature']?.split(' ')
    expect(signatures).to.deep.equal(
      secrets.map((secret) => {
        const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
        return `v1,${createHmac('sha256', key).update('msg_1.0.ä', 'utf8').digest('base64')}`
      }),
    )
  })

  it('have secrets of 256 bits, each another', () => {
    const secrets = Array.from({ length: 50 }, newSecret)
    expect(new Set(secrets).size).to.equal(50)
    for (const secret of secrets) {
      expect(secret).to.match(/^whsec_[A-Za-z0-9+/]{43}=$/)
      expect(Buffer.from(secret.slice(6), 'base64')).to.have.length(32)
    }
  })

  it('have ids without a full stop', () => {
    expect(messageIdOf('0199aa11-2233-7445-8667-788990011223')).to.equal(
      'msg_0199aa11223374458667788990011223',
    )
  })
})
