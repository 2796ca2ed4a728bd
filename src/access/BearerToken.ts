/**
 * A bearer token before and after its signature is known to be good, as pure functions.
 *
 * `read` says what a text claims to be, and refuses what is not one of the accepted kinds: nothing that it
 * gives may be believed. `judge` compares claims that are signed with what the issuer must say and with the
 * time. Reasons are the contract's, and say nothing that helps to make a better forgery.
 *
 * Contract, section 8.2.
 */
import { Result } from "effect"
import type { Issuer } from "../domain/Issuer.ts"

export const algorithms = ["RS256", "PS256", "ES256", "ES384", "EdDSA"] as const
export type Algorithm = (typeof algorithms)[number]

/** Why a caller is not known. `missing`: it sent no token where one is needed. */
export const refusalReasons = [
  "malformed",
  "signature",
  "issuer",
  "audience",
  "expired",
  "not_yet_valid",
  "no_issuer",
  "missing"
] as const
export type RefusalReason = (typeof refusalReasons)[number]

export const tokenBytesMax = 16_384
const types: ReadonlyArray<unknown> = [undefined, "JWT", "at+jwt"]
const subjectPattern = /^[\x21-\x7e]{1,255}$/u
const clientPattern = /^[\x21-\x7e]{1,256}$/u
const keyIdLengthMax = 1_024
/** Seconds since 1970 that a date can be. */
const secondsMax = 253_402_300_799

export interface Claims {
  readonly issuer: string
  readonly audiences: ReadonlyArray<string>
  readonly subject: string
  /** Seconds since 1970. */
  readonly expiresAt: number
  readonly notBefore: number | null
  readonly issuedAt: number | null
  /** `azp`, else `client_id`. */
  readonly client: string | null
  readonly all: Readonly<Record<string, unknown>>
}

export interface Read {
  readonly algorithm: Algorithm
  readonly keyId: string | null
  readonly claims: Claims
}

/** The token of an `Authorization` header, whatever the case of the scheme; null for anything else. */
export const tokenOf = (header: string): string | null => /^bearer +([^ ]+) *$/iu.exec(header)?.[1] ?? null

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** Null: not the base64url of a JSON object. */
const parsePart = (part: string): Readonly<Record<string, unknown>> | null => {
  try {
    const value: unknown = JSON.parse(utf8.decode(Buffer.from(part, "base64url")))
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : null
  } catch {
    return null
  }
}

const isSeconds = (value: unknown): value is number =>
  typeof value === "number" && Number.isFinite(value) && value >= 0 && value <= secondsMax

const claimsOf = (all: Readonly<Record<string, unknown>>): Claims | null => {
  const { aud, azp, client_id, exp, iat, iss, nbf, sub } = all
  const audiences = typeof aud === "string" ? [aud] : aud
  if (typeof iss !== "string" || iss === "") return null
  if (!Array.isArray(audiences) || !audiences.every((audience) => typeof audience === "string")) return null
  if (typeof sub !== "string" || !subjectPattern.test(sub)) return null
  if (!isSeconds(exp)) return null
  if (nbf !== undefined && !isSeconds(nbf)) return null
  if (iat !== undefined && !isSeconds(iat)) return null
  const client = [azp, client_id].find((name) => typeof name === "string" && clientPattern.test(name))
  return {
    issuer: iss,
    audiences,
    subject: sub,
    expiresAt: exp,
    notBefore: nbf ?? null,
    issuedAt: iat ?? null,
    client: (client as string | undefined) ?? null,
    all
  }
}

const malformed = Result.fail("malformed" as const)

/** What the text claims, unverified. */
export const read = (token: string): Result.Result<Read, "malformed"> => {
  if (token.length > tokenBytesMax || !/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/u.test(token)) return malformed
  const [first = "", second = ""] = token.split(".")
  const header = parsePart(first)
  const payload = header === null ? null : parsePart(second)
  const claims = payload === null ? null : claimsOf(payload)
  if (header === null || claims === null) return malformed
  const { alg, crit, kid, typ } = header
  const algorithm = algorithms.find((accepted) => accepted === alg)
  if (algorithm === undefined || crit !== undefined || !types.includes(typ)) return malformed
  if (kid !== undefined && (typeof kid !== "string" || kid.length > keyIdLengthMax)) return malformed
  return Result.succeed({ algorithm, keyId: kid ?? null, claims })
}

/** Null: the claims are right, at this time. */
export const judge = (claims: Claims, expected: Issuer, nowMs: number, skewMs: number): RefusalReason | null => {
  if (claims.issuer !== expected.issuer) return "issuer"
  if (!claims.audiences.includes(expected.audience)) return "audience"
  if (hasEnded(claims, nowMs, skewMs)) return "expired"
  const begins = Math.max(claims.notBefore ?? 0, claims.issuedAt ?? 0)
  return begins * 1_000 > nowMs + skewMs ? "not_yet_valid" : null
}

export const hasEnded = ({ expiresAt }: Pick<Claims, "expiresAt">, nowMs: number, skewMs: number): boolean =>
  expiresAt * 1_000 + skewMs <= nowMs
