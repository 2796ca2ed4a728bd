/**
 * What the client library's connection consists of, as far as bytes are handed to it past its own `publish`.
 *
 * Checked at run time: a connection that keeps things elsewhere is `null`, and who asked goes the library's way.
 */
import type { NatsConnection } from "@nats-io/transport-node"

export interface Protocol {
  readonly sendCommand: (command: Uint8Array) => void
  readonly isClosed: () => boolean
  /** Writes what it was handed. It does so by itself at the end of the turn. */
  readonly flushPending?: () => void
  /** True while it is drained. */
  readonly noMorePublishing?: boolean
  outMsgs: number
  outBytes: number
}

export const protocolOf = (connection: NatsConnection): Protocol | null => {
  const { protocol } = connection as unknown as { readonly protocol?: Partial<Protocol> }
  const isKnown =
    typeof protocol?.sendCommand === "function" &&
    typeof protocol.isClosed === "function" &&
    typeof protocol.outMsgs === "number" &&
    typeof protocol.outBytes === "number"
  return isKnown ? (protocol as Protocol) : null
}
