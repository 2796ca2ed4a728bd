/**
 * What this service publishes, and nothing else: the shape of a row of the outbox that may leave.
 *
 * A row says its own subject and headers, and whoever can write the database can write a row. So before
 * one leaves, its subject is made again from the instance, the row's tenant and the type that it names, and
 * its headers are those that events have: a row that says anything else would make this service speak to
 * JetStream, to its buckets or to its own operations. What an event of a right shape says is not judged, but for
 * the checkpoints of audits: what was announced of those is evidence, so only what this service signed leaves.
 */
import { tenantIdPattern } from "../domain/Names.ts"
import { parseTraceparent } from "../observability/Trace.ts"
import type { OutboxRow } from "../store/Outbox.ts"
import type { OwnCheckpoints } from "../store/OwnCheckpoints.ts"
import { isCheckpoint, pointOf } from "./AnnouncedCheckpoint.ts"

const typePattern = /^[a-z][a-z0-9_-]{0,63}(?:\.[a-z][a-z0-9_-]{0,63}){0,2}$/u
const headerNamePattern = /^(?:ce-[a-z]{1,32}|content-type)$/u
/** Control characters. */
const unfitValuePattern = /\p{Cc}/u
const valueLengthMax = 1_024

/** Names that were found to be headers of events: there are ten. Others come from strangers, so it is bounded. */
const knownNames = new Set<string>()
const knownNamesMax = 64

const isName = (name: string): boolean => {
  if (knownNames.has(name)) return true
  if (!headerNamePattern.test(name)) return false
  if (knownNames.size < knownNamesMax) knownNames.add(name)
  return true
}

const areOfEvents = (headers: OutboxRow["headers"]): boolean => {
  for (const name in headers) {
    const value = headers[name]!
    if (name === "traceparent") {
      if (parseTraceparent(value) === null) return false
    } else if (!isName(name) || value.length > valueLengthMax || unfitValuePattern.test(value)) return false
  }
  return true
}

/** The platform's events that this service is the originator of: 16/ECAP and 22/CAP. */
const platformTypes = [
  "endpoint.token.revoked",
  "client.credential.revoked",
  "client-credentials.basic.revoked",
  "client-credentials.certificate.revoked"
]

/** `type` is null for an event of the platform, which carries none in a header. */
const subjectsOf = (instance: string, row: OutboxRow): ReadonlyArray<string> => {
  if (row.stream === "revocations") return platformTypes.map((type) => `kaa.v1.events.${instance}.${type}`)
  const type = row.headers["ce-type"]
  if (type === undefined || !typePattern.test(type) || !tenantIdPattern.test(row.tenantId)) return []
  return [`${instance}.events.v1.${row.tenantId}.${type}`]
}

/** Why the row is not an event of this service, or null. */
export const foreignness = (instance: string, row: OutboxRow): string | null => {
  if (row.unreadable === true) return "unreadable"
  if (!subjectsOf(instance, row).includes(row.subject)) return "foreign subject"
  return areOfEvents(row.headers) ? null : "foreign header"
}

/** Why what the row says is not this service's word, or null. Only of a row that is not foreign. */
export const forgery = (isOwn: OwnCheckpoints["Service"]["isOwn"], row: OutboxRow): string | null => {
  if (!isCheckpoint(row)) return null
  const point = pointOf(row.tenantId, row.payload)
  return point !== null && isOwn(point) ? null : "forged checkpoint"
}
