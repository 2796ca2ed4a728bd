/**
 * Every error that the gateway answers: `application/problem+json`, RFC 9457, and one table of its own codes.
 *
 * What the service refuses keeps the service's code, status, reason and details; an answer of the bus that is no
 * refusal of a form that is known is not passed on. Words and details hold nothing of a request but names of fields.
 *
 * Source: contract, sections 3.7 and 9.
 */

/** The gateway's own codes; the service's are `protocols/Status.ts`. */
export const ownCodes = {
  INVALID_REQUEST: 400,
  UNAUTHENTICATED: 401,
  NOT_FOUND: 404,
  TOKEN_NOT_FOUND: 404,
  CREDENTIAL_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  REQUEST_TIMEOUT: 408,
  PRECONDITION_FAILED: 412,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  EXPECTATION_FAILED: 417,
  TOO_MANY_REQUESTS: 429,
  HEADERS_TOO_LARGE: 431,
  INTERNAL: 500,
  UNAVAILABLE: 503
} as const
export type OwnCode = keyof typeof ownCodes

/** One more than the contract's pause for who is told to come again and not when. */
const retryAfterSeconds = 1
const retryAfterSecondsMax = 3_600

export class Problem extends Error {
  readonly _tag = "Problem"
  readonly code: string
  readonly status: number
  readonly detail: string
  readonly details: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>
  constructor(options: {
    readonly code: string
    readonly status: number
    readonly detail: string
    readonly details?: Readonly<Record<string, unknown>>
    readonly headers?: Readonly<Record<string, string>>
  }) {
    super(options.code)
    this.code = options.code
    this.status = options.status
    this.detail = options.detail
    this.details = options.details ?? {}
    this.headers = options.headers ?? {}
  }
}

/** A problem of the gateway's own. */
export const problem = (
  code: OwnCode,
  detail: string,
  more: {
    readonly details?: Readonly<Record<string, unknown>>
    readonly headers?: Readonly<Record<string, string>>
  } = {}
): Problem => new Problem({ code, status: ownCodes[code], detail, ...more })

export const invalid = (path: string, reason: string): Problem =>
  problem("INVALID_REQUEST", path === "" ? reason : `${path}: ${reason}`, { details: { path, reason } })

export const unauthenticated = (reason: "missing" | "malformed" | "issuer"): Problem =>
  problem(
    "UNAUTHENTICATED",
    {
      missing: "A bearer token is needed",
      malformed: "The bearer token is not of an accepted kind",
      issuer: "The bearer token's issuer is no tenant's"
    }[reason],
    { details: { reason } }
  )

export const internal = (): Problem => problem("INTERNAL", "Internal error")

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** A refusal of the service; null when it is none that is known. */
export const refusalOf = (body: unknown): Problem | null => {
  if (!isObject(body) || !isObject(body.error)) return null
  const { code, details, reasonPhrase, statusCode } = body.error
  if (typeof code !== "string" || !/^[A-Z][A-Z_]{0,63}$/u.test(code)) return null
  if (typeof statusCode !== "number" || !Number.isInteger(statusCode) || statusCode < 400 || statusCode > 599)
    return null
  return new Problem({
    code,
    status: statusCode,
    detail: typeof reasonPhrase === "string" ? reasonPhrase : code,
    details: isObject(details) ? details : {}
  })
}

const retryAfterOf = ({ details, status }: Problem): Readonly<Record<string, string>> => {
  if (status !== 429 && status !== 503) return {}
  const { retryAfterMs } = details
  const seconds =
    typeof retryAfterMs === "number" && retryAfterMs > 0 ? Math.ceil(retryAfterMs / 1_000) : retryAfterSeconds
  return { "Retry-After": String(Math.min(seconds, retryAfterSecondsMax)) }
}

const challengeOf = ({ details, status }: Problem): Readonly<Record<string, string>> =>
  status === 401 ? { "WWW-Authenticate": details.reason === "missing" ? "Bearer" : 'Bearer error="invalid_token"' } : {}

export const problemHeaders = (given: Problem): Readonly<Record<string, string>> => ({
  ...retryAfterOf(given),
  ...challengeOf(given),
  ...given.headers
})

/** `TOKEN_NOT_FOUND` as `Token not found`. */
const titleOf = (code: string): string => {
  const words = code.toLowerCase().replaceAll("_", " ")
  return words.slice(0, 1).toUpperCase() + words.slice(1)
}

export const problemType = (code: string): string => `urn:credential-management:problem:${code}`

export const problemBody = ({ code, detail, details, status }: Problem, correlationId: string): string =>
  JSON.stringify({
    type: problemType(code),
    title: titleOf(code),
    status,
    detail,
    code,
    correlationId,
    ...(Object.keys(details).length === 0 ? {} : { details })
  })
