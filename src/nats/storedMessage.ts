/**
 * Whether a server delivers a message out of a stream: it names the sequence then, whatever was stored, a status line included.
 * Where nobody is asked ("no responders"), a server names the subject and no sequence.
 */
import type { Msg } from "@nats-io/transport-node"

export const isStoredMessage = (msg: Msg): boolean => msg.headers?.has("Nats-Sequence") === true
