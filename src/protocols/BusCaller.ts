/**
 * Who asks, as far as the bus vouches for it.
 *
 * A request that crossed from another account through a service import has two things that no client
 * can make: a reply subject that begins with `_R_.`, and a header `Nats-Request-Info` of the server's.
 * What a client adds beside it can look alike, and the server (2.15.2) takes away only what has exactly
 * its own spelling, and not even that behind a decoy. So there must be one header of that name in any
 * spelling, and it must be the exact one; else somebody tries to pass for another, and is nobody.
 *
 * Without `_R_.` the request was made in the service's own account, where the header is what the
 * client wrote: it is not read, and the caller is a client of the bus and no more.
 *
 * Never throws: header bytes that the client library cannot read belong to nobody.
 *
 * Source: contract, section 8.1.
 */
import type { Msg } from "@nats-io/transport-node"
import { headerValues } from "./RequestHeaders.ts"

export type BusCaller =
  /** Of another account; the user is null where the import does not share it. */
  | { readonly by: "import"; readonly account: string; readonly user: string | null }
  /** A client within the service's own account. */
  | { readonly by: "bus" }
  /** The server's word is not to be had. */
  | { readonly by: "nobody" }

const importedReply = "_R_."
const requestInfo = "Nats-Request-Info"
const accountPattern = /^[A-Za-z0-9_.-]{1,64}$/u
/** A user of nats.conf, or the public key of an nkey. */
const userPattern = /^[A-Za-z0-9_.@-]{1,128}$/u

const nobody: BusCaller = { by: "nobody" }
const bus: BusCaller = { by: "bus" }

/** `ownAccount` is the service's own: the server names it for nobody who comes from outside. */
export const busCallerOf = (message: Pick<Msg, "headers" | "reply">, ownAccount: string): BusCaller => {
  if (message.reply?.startsWith(importedReply) !== true) return bus
  try {
    const [said, ...more] = headerValues(message.headers, requestInfo)
    if (said === undefined || more.length > 0 || !message.headers?.has(requestInfo)) return nobody
    const { acc, user }: { readonly acc?: unknown; readonly user?: unknown } = JSON.parse(said)
    if (typeof acc !== "string" || !accountPattern.test(acc) || acc === ownAccount) return nobody
    if (user === undefined) return { by: "import", account: acc, user: null }
    return typeof user === "string" && userPattern.test(user) ? { by: "import", account: acc, user } : nobody
  } catch {
    return nobody
  }
}
