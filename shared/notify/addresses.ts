/**
 * Which addresses messages may be sent to. Everything that is not public unicast is refused unless it was allowed:
 * a webhook is entered by whoever may enter one, and would otherwise reach what only this machine can (RFC 6890 and
 * the IANA registries of special-purpose addresses; ranges by ipaddr.js).
 */
import ipaddr from 'ipaddr.js'

type Address = ipaddr.IPv4 | ipaddr.IPv6
type Range = readonly [network: Address, bits: number]

/** Ranges by what they are, for `AddressPolicy`. @throws Error when one of them is no CIDR */
export type AllowedRanges = readonly string[]

export interface AddressPolicy {
  /** What is wrong with an address as text; null when messages may go there. */
  problemOf(address: string): string | null
}

/** Public IPv6 is allotted from here only; the rest of what ipaddr.js takes for unicast is not in use. */
const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3')
/** Public by number, yet answered by the cloud's host to its own machines: Azure's wire server. */
const HOST_SERVICES: readonly Range[] = [ipaddr.parseCIDR('168.63.129.16/32')]

const within = (address: Address, [network, bits]: Range): boolean =>
  address.kind() === network.kind() && address.match(network, bits)

/** @throws Error when a range is no CIDR, e.g. `10.0.0.0/8` or `fd00::/8` */
export const addressPolicy = (allowed: AllowedRanges): AddressPolicy => {
  const ranges = allowed.map((text) => ipaddr.parseCIDR(text))
  return {
    problemOf: (text) => {
      if (!ipaddr.isValid(text)) return `${text} is not an address`
      const address = ipaddr.parse(text)
      if (ranges.some((range) => within(address, range))) return null
      const range = address.range()
      // An IPv4 address inside an IPv6 one (mapped, NAT64, 6to4, Teredo) has a range of its own here, never unicast.
      if (range !== 'unicast') return `${text} is not public (${range})`
      if (address.kind() === 'ipv6' && !within(address, GLOBAL_UNICAST))
        return `${text} is not public (unassigned)`
      if (HOST_SERVICES.some((service) => within(address, service)))
        return `${text} is not public (cloud host)`
      return null
    },
  }
}

/** Whether `text` is a range as `addressPolicy` takes it. */
export const isRange = (text: string): boolean => ipaddr.isValidCIDR(text)
