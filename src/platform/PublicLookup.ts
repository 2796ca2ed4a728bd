/**
 * The addresses of a host that somebody else named, asked of the machine's name servers.
 *
 * The system's own look-up (`getaddrinfo`) holds one of the process's few threads, of which Node leaves it two, until the
 * name's servers have answered: a tenant whose hosts have servers that never do would hold up the look-ups of everybody, those
 * of the service's own database and bus among them. Here each waits for its own answer alone, and ends with its signal.
 *
 * All addresses, since each has to be checked: first those of IPv4 where this machine has a way out by that, else those of IPv6.
 * What only the machine knows (its hosts file) is not found: an operator who means such a host lists it.
 */
import { Resolver } from "node:dns/promises"
import { networkInterfaces } from "node:os"

/** A question that is not answered is sent once more, a datagram may be lost, and then waited for twice as long. */
const [questionMs, tries] = [2_000, 2]

const hasOutside = (family: "IPv4" | "IPv6"): boolean =>
  Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some((one) => !one.internal && one.family === family)
  )

const familyFirst = (): 4 | 6 => (!hasOutside("IPv4") && hasOutside("IPv6") ? 6 : 4)

export interface LookupOptions {
  /** Which addresses come first. */
  readonly first?: 4 | 6
  /** Other name servers than the machine's, `address:port`. */
  readonly servers?: ReadonlyArray<string>
  readonly questionMs?: number
}

/** Rejects with what a name server said, or with the resolver's reason. */
export const lookUpPublic = async (
  host: string,
  signal: AbortSignal,
  options: LookupOptions = {}
): Promise<ReadonlyArray<string>> => {
  const { first = familyFirst(), servers } = options
  const resolver = new Resolver({ timeout: options.questionMs ?? questionMs, tries })
  if (servers !== undefined) resolver.setServers(servers)
  const cancel = () => resolver.cancel()
  signal.addEventListener("abort", cancel, { once: true })
  const of = (family: 4 | 6) => (family === 4 ? resolver.resolve4(host) : resolver.resolve6(host))
  try {
    // Some name servers never answer for the kind that they do not know: then what the other one found is all.
    const found = await Promise.allSettled([of(first), of(first === 4 ? 6 : 4)])
    const [asked, other] = found
    if (asked.status === "rejected" && other.status === "rejected") throw asked.reason
    return found.flatMap((one) => (one.status === "fulfilled" ? one.value : []))
  } finally {
    signal.removeEventListener("abort", cancel)
  }
}
