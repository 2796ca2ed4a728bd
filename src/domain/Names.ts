/**
 * The texts that identify things, and what each may look like.
 *
 * Every name that reaches the service is checked against these once, at the door. All of them are
 * compared byte by byte. Lengths are in code points. Patterns carry the `u` flag, so a lone
 * surrogate is one code point and no pattern here lets one through where bytes matter.
 */

/** A tenant id: one NATS subject token, without wildcards. */
export const tenantIdPattern = /^[A-Za-z0-9_-]{1,64}$/u
export const appNamePattern = /^[a-z0-9_-]{1,64}$/u
export const endpointIdLengthMax = 128
export const endpointIdPattern = new RegExp(`^[A-Za-z0-9._~-]{1,${endpointIdLengthMax}}$`, "u")
/** A token's value: 16/ECAP allows anything but `+ # / .`. */
export const tokenValuePattern = /^[^+#/.]{1,256}$/u
export const instanceNamePattern = /^(?!kaa$)[a-z][a-z0-9_-]{0,31}$/u
export const replicaIdPattern = /^[A-Za-z0-9_-]{1,32}$/u
export const serviceNamePattern = /^[a-z0-9][a-z0-9_-]{0,63}$/u

/** UUIDv7 in its canonical text: what the service makes, and the only text it takes for an id of its own. */
export const entityIdPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/u

/**
 * What a text that is no id of ours is read as: an unknown one, whatever it was. It is short, so nothing
 * that a caller wrote waits, is stored or is logged in an id's place, and may have been a secret.
 */
export const unknownEntityId = "not-an-id"

export const isEntityId = (text: string): boolean => entityIdPattern.test(text)

/** The tenant that owns global credentials. It always exists and has no applications. */
export const globalTenantId = "global"

export const isTokenValue = (text: string): boolean => tokenValuePattern.test(text) && text.isWellFormed()

/** Of what is kept of one: logged, stored, published. A platform protocol's request gets its own back, however long. */
export const correlationIdLengthMax = 256

export const isCorrelationId = (text: string): boolean => hasAtMost(text, correlationIdLengthMax)

/** What is kept of a caller's: the first 256 code points of a longer one, in memory of their own. */
export const keptCorrelationId = (id: string): string =>
  isCorrelationId(id)
    ? id
    : Array.from(id.slice(0, correlationIdLengthMax * 2))
        .slice(0, correlationIdLengthMax)
        .join("")

/** Whether a text has at most so many code points. */
export const hasAtMost = (text: string, codePoints: number): boolean => {
  if (text.length <= codePoints) return true
  if (text.length > codePoints * 2) return false
  let count = 0
  for (const _ of text) count++
  return count <= codePoints
}

// ---- limits, in code points or items ---------------------------------------
export const tokenValueLengthMax = 256
export const descriptionLengthMax = 256
export const reasonLengthMax = 256
/** The subject of a bearer token. */
export const bearerSubjectLengthMax = 255
/** Bytes of an event with its subject and headers: it fits into a message of a server as it comes. */
export const eventBytesMax = 262_144
export const batchItemsMax = 1_000
/** Characters of a cursor of ours, with room to spare. */
export const cursorLengthMax = 1_024
export const pageLimitMax = 1_000
export const pageLimitDefault = 20
export const tokensPerEndpointMax = 1_000
