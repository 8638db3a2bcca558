import { expect } from 'chai'
import fc from 'fast-check'
import { addressPolicy, isRange } from '../../../../shared/notify/addresses.ts'

/** Of each range that is not public: its ends, or what is known to listen there. */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  'this network': ['0.0.0.0', '0.255.255.255'],
  loopback: ['127.0.0.1', '127.255.255.255', '::1'],
  private: ['10.0.0.0', '10.255.255.255', '172.16.0.0', '172.31.255.255', '192.168.0.0', '192.168.255.255'],
  'carrier-grade NAT, Alibaba metadata': ['100.64.0.0', '100.127.255.255', '100.100.100.200'],
  'link-local, metadata of most clouds': [
    '169.254.0.0',
    '169.254.169.254',
    '169.254.255.255',
    'fe80::1',
    'febf::1',
  ],
  'protocol assignments, Oracle metadata': ['192.0.0.0', '192.0.0.192', '192.0.0.255'],
  documentation: ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1'],
  'relay anycast': ['192.88.99.1'],
  benchmarking: ['198.18.0.0', '198.19.255.255', '2001:2::1'],
  multicast: ['224.0.0.0', '239.255.255.255', 'ff02::1', 'ff0e::1'],
  reserved: ['240.0.0.0', '255.255.255.254'],
  broadcast: ['255.255.255.255'],
  unspecified: ['::'],
  'IPv4-compatible': ['::127.0.0.1', '::a9fe:a9fe'],
  'IPv4-mapped': ['::ffff:127.0.0.1', '::ffff:8.8.8.8', '::ffff:0:127.0.0.1'],
  NAT64: ['64:ff9b::7f00:1', '64:ff9b::808:808', '64:ff9b:1::1'],
  '6to4': ['2002:7f00:1::', '2002:a9fe:a9fe::1'],
  Teredo: ['2001::1', '2001:0:ffff::1'],
  'unique local, Amazon metadata': ['fc00::1', 'fd00:ec2::254', 'fdff::1'],
  'site-local': ['fec0::1'],
  discard: ['100::1', '100:0:0:1::1'],
  unassigned: ['4000::1', '5f00::1', 'e000::1'],
  'wire server of Azure': ['168.63.129.16'],
}

describe('addresses messages may go to', () => {
  const policy = addressPolicy([])

  for (const [range, addresses] of Object.entries(REFUSED)) {
    it(`are none of ${range}`, () => {
      for (const address of addresses) expect(policy.problemOf(address), address).to.contain('is not public')
    })
  }

  it('are those next to private ranges', () => {
    for (const address of [
      '1.0.0.0',
      '9.255.255.255',
      '11.0.0.0',
      '100.63.255.255',
      '100.128.0.0',
      '126.255.255.255',
      '128.0.0.0',
      '169.253.255.255',
      '169.255.0.0',
      '172.15.255.255',
      '172.32.0.0',
      '192.167.255.255',
      '192.169.0.0',
      '198.17.255.255',
      '198.20.0.0',
      '223.255.255.255',
      '168.63.129.15',
      '168.63.129.17',
      '2606:4700::1111',
      '2a00:1450:4001::200e',
      '3ffe:ffff::1',
    ])
      expect(policy.problemOf(address), address).to.equal(null)
  })

  it('are what was allowed, and nothing beside it', () => {
    const allowing = addressPolicy(['10.1.0.0/16', '127.0.0.1/32', 'fd12::/16', '64:ff9b::/96'])
    for (const address of ['10.1.0.0', '10.1.255.255', '127.0.0.1', 'fd12:ffff::1', '64:ff9b::808:808'])
      expect(allowing.problemOf(address), address).to.equal(null)
    for (const address of ['10.0.255.255', '10.2.0.0', '127.0.0.2', '::1', 'fd13::1', '::ffff:127.0.0.1'])
      expect(allowing.problemOf(address), address).to.contain('is not public')
  })

  it('are no IPv6 addresses that hold one of IPv4, whichever that is', () => {
    fc.assert(
      fc.property(fc.ipV4(), (inner) => {
        const [a = 0, b = 0, c = 0, d = 0] = inner.split('.').map(Number)
        const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
        for (const outer of [
          `::ffff:${hex}`,
          `::${inner}`,
          `64:ff9b::${hex}`,
          `2002:${hex}::1`,
          `2001::${hex}`,
        ])
          expect(policy.problemOf(outer), outer).to.contain('is not public')
      }),
    )
  })

  it('are addresses', () => {
    for (const text of ['', 'localhost', '1.2.3.4.5', '12345::', 'g::1'])
      expect(policy.problemOf(text), text).to.contain('is not an address')
  })

  it('knows ranges by their form', () => {
    for (const text of ['10.0.0.0/8', '127.0.0.1/32', '::1/128', 'fd00::/8', '0.0.0.0/0'])
      expect(isRange(text), text).to.equal(true)
    for (const text of ['', '10.0.0.0', '10.0.0.0/33', '::1/129', '10.0.0.0/-1', 'all', '10.0.0.0/8 '])
      expect(isRange(text), text).to.equal(false)
  })
})
