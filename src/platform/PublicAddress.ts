/**
 * Whether an address of the internet protocol is public: nobody's loopback, private network, link, tunnel
 * or documentation. A URL that a tenant wrote must not make this service knock at its neighbours' doors.
 *
 * Of IPv6 only global unicast (2000::/3) is taken, less its special parts; an address that holds an IPv4
 * one (mapped, compatible, NAT64, 6to4, Teredo) is none of it.
 *
 * Source: the special-purpose registries of IANA (RFC 6890).
 */
import { BlockList, isIP } from "node:net"

const notPublic = new BlockList()
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  // Azure's agent and metadata: routed to the host that the machine runs on, though the address is public.
  ["168.63.129.16", 32],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4]
] as const) {
  notPublic.addSubnet(network, prefix, "ipv4")
}
const global = new BlockList()
global.addSubnet("2000::", 3, "ipv6")
for (const [network, prefix] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20]
] as const) {
  notPublic.addSubnet(network, prefix, "ipv6")
}

export const isPublicAddress = (address: string): boolean => {
  switch (isIP(address)) {
    case 4:
      return !notPublic.check(address, "ipv4")
    case 6:
      // A zone names a link of this machine.
      return !address.includes("%") && global.check(address, "ipv6") && !notPublic.check(address, "ipv6")
    default:
      return false
  }
}
