/**
 * Whether a server delivers a message out of a stream: it names the sequence then, whatever was stored, a status line included.
 * Where nobody is asked ("no responders"), a server names the subject and no sequence.
 */
import type { Msg } from "@nats-io/transport-node"

export const isStoredMessage = (msg: Msg): boolean => msg.headers?.has("Nats-Sequence") === true

/**
 * Whether it comes behind the one with the sequence `last` (0: none) in an answer of several, as the server says of each and of
 * the end: where a connection or a route is lost and had anew in the middle of an answer, a part of it is missing. What the
 * server says it says last.
 */
export const isNextAfter = (msg: Msg, last: number): boolean => msg.headers?.last("Nats-Last-Sequence") === String(last)
