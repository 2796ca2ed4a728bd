/**
 * Answers with headers on one connection, all of a turn in one command to the library.
 *
 * - What is sent is, byte for byte, what the library's `publish` would have sent, and in the same turn.
 * - Nothing is thrown; what cannot be sent is told to who sends it.
 * - An answer may hold a secret: nothing of it is kept here once it was handed over.
 * - A connection that keeps things elsewhere is answered by its `publish`.
 */
import { headers, type NatsConnection } from "@nats-io/transport-node"
import { protocolOf } from "./Protocol.ts"
import { PublishLines } from "./PublishLines.ts"

/** For some twenty answers of the usual size; a larger one has memory of its own. */
const turnBytes = 0x4000

export class Answers {
  private readonly connection: NatsConnection
  private readonly lines: PublishLines | null
  private isTurn = false
  private readonly onTurnEnd = () => {
    this.isTurn = false
    this.flush()
  }

  constructor(connection: NatsConnection) {
    this.connection = connection
    this.lines =
      protocolOf(connection) === null ? null : new PublishLines(connection, { keepsSlab: false, slabBytes: turnBytes })
  }

  /** False when the answer could not be handed to the connection. A header's value is one line, without blanks around it. */
  send(subject: string, payload: Uint8Array, named: Readonly<Record<string, string>>): boolean {
    try {
      return this.lines === null ? this.publish(subject, payload, named) : this.put(this.lines, subject, payload, named)
    } catch {
      return false
    }
  }

  /** Hands over what was sent in this turn. It is done at the turn's end, too. */
  flush(): void {
    try {
      this.lines?.flush()
    } catch {
      // The connection is closed: who asked hears that from it.
    }
  }

  private put(
    lines: PublishLines,
    subject: string,
    payload: Uint8Array,
    named: Readonly<Record<string, string>>
  ): boolean {
    if (lines.put(subject, "", named, "", payload) !== null) return false
    if (!this.isTurn) {
      this.isTurn = true
      queueMicrotask(this.onTurnEnd)
    }
    return true
  }

  private publish(subject: string, payload: Uint8Array, named: Readonly<Record<string, string>>): boolean {
    const sent = headers()
    for (const name in named) sent.set(name, named[name]!)
    this.connection.publish(subject, payload, { headers: sent })
    return true
  }
}
