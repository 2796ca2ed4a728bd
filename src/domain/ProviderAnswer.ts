/**
 * What a provider's token endpoint answered, read leniently: pure, never throws.
 *
 * Real providers answer errors with 200, numbers as texts, forms instead of JSON, and things that are wrong
 * beside a good refresh token. The one rule above all: **a new refresh token that was received is never
 * thrown away**, whatever else is wrong with the answer. What a provider writes in words goes no further
 * than `detail`, from which everything that we sent, or could be a secret, has been taken out.
 *
 * Source: RFC 6749, sections 5.1 and 5.2; RFC 9110, section 10.2.3 (`Retry-After`).
 */

import { type ErrorRule, type Provider, type RefreshReason, standardErrors } from "./Provider.ts"
import { at, type Json, membersIn } from "./ProviderBody.ts"
import { wordsWithout } from "./ProviderWords.ts"

/** An HTTP answer, whole. */
export interface RawAnswer {
  readonly status: number
  readonly contentType: string
  readonly retryAfter: string | null
  readonly body: string
  /** When it was received, UNIX milliseconds of the database's clock: ends that follow from it are compared with that. */
  readonly receivedAt: number
  /** The answer did not come whole, for this reason; `body` is what came of it. */
  readonly cutShort?: RefreshReason
}

/** Fields of the secret that a grant brings; the rest of the secret stays as it was. */
export interface GrantedFields {
  /** Null: the answer has none that can be used; what was received is kept all the same. */
  readonly accessToken: string | null
  readonly refreshToken: string | null
  readonly tokenType: string | null
}

export type ReadAnswer =
  | {
      readonly kind: "granted"
      readonly fields: GrantedFields
      /** UNIX milliseconds; null: it never expires, or the provider does not say. */
      readonly expiresAt: number | null
      readonly scopes: ReadonlyArray<string> | null
      /** Why there is no access token, or none that lives; null: there is one. */
      readonly failure: ReadFailure | null
    }
  | ReadFailure

export type ReadFailure =
  | { readonly kind: "refused"; readonly reason: RefreshReason; readonly detail: string }
  /** The client's id, secret or key is wrong: not this grant's fault. */
  | { readonly kind: "client"; readonly reason: RefreshReason; readonly detail: string }
  | {
      readonly kind: "transient"
      readonly reason: RefreshReason
      readonly detail: string
      readonly retryAt: number | null
    }
  /** The grant may have been spent, and what came of it is not known. */
  | {
      readonly kind: "unknown"
      readonly reason: RefreshReason
      readonly detail: string
      readonly retryAt: number | null
    }

export const detailLengthMax = 512
const tokenLengthMax = 65_536

// ---- reading ---------------------------------------------------------------------

const textAt = (value: Json, pointer: string): string | null => {
  const found = at(value, pointer)
  return typeof found === "string" && found !== "" && found.length <= tokenLengthMax && found.isWellFormed()
    ? found
    : null
}

const numberAt = (value: Json, pointer: string): number | null => {
  const found = at(value, pointer)
  const number =
    typeof found === "number" ? found : typeof found === "string" && found.trim() !== "" ? Number(found) : Number.NaN
  return Number.isFinite(number) ? number : null
}

/** Ten years: a life that is longer is a mistake of somebody's clock. */
const lifeMsMax = 3_660 * 86_400_000

const expiryOf = (
  provider: Provider,
  body: Json,
  { receivedAt }: RawAnswer,
  defaultLifeMs: number | null
): number | null => {
  const number = numberAt(body, provider.expires_in_path)
  const end = ((): number | null => {
    if (number === null) return null
    switch (provider.expires_in_unit) {
      case "seconds":
        return receivedAt + number * 1_000
      case "milliseconds":
        return receivedAt + number
      case "at_seconds":
        return number * 1_000
      case "at_milliseconds":
        return number
    }
  })()
  if (end !== null && end > receivedAt && end <= receivedAt + lifeMsMax) return Math.floor(end)
  // A moment by a clock that is off, and what lies beyond all measure, says nothing.
  return defaultLifeMs === null ? null : receivedAt + defaultLifeMs
}

/**
 * A length of life of nothing, or less: over as it came. A provider that writes "never" so is told apart by an
 * `expires_in_path` where nothing stands.
 */
const isOver = (provider: Provider, body: Json): boolean => {
  const number = provider.expires_in_unit.startsWith("at_") ? null : numberAt(body, provider.expires_in_path)
  return number !== null && number <= 0
}

/** Seconds, or a date. Null when it is neither, or lies in the past. */
export const retryAtOf = (retryAfter: string | null, now: number): number | null => {
  if (retryAfter === null) return null
  const text = retryAfter.trim()
  const until = /^\d{1,9}$/u.test(text) ? now + Number(text) * 1_000 : Date.parse(text)
  return Number.isFinite(until) && until > now ? Math.min(until, now + 86_400_000) : null
}

// ---- errors ----------------------------------------------------------------------

const matches = (rule: ErrorRule, status: number, body: Json): boolean => {
  if (rule.status !== undefined && rule.status !== status) return false
  const path = rule.path ?? "/error"
  const found = at(body, path)
  if (rule.code !== undefined && found !== rule.code && !(typeof found === "string" && found === String(rule.code))) {
    return false
  }
  if (rule.contains !== undefined) {
    const texts = [found, at(body, "/error_description")].filter((text): text is string => typeof text === "string")
    if (!texts.some((text) => text.includes(rule.contains!))) return false
  }
  return rule.status !== undefined || rule.code !== undefined || rule.contains !== undefined
}

/** Whether the body says by itself that it is an error, whatever the status. */
const saysError = (body: Json, rules: ReadonlyArray<ErrorRule>): boolean =>
  at(body, "/ok") === false ||
  (at(body, "/error") !== undefined && at(body, "/error") !== null && at(body, "/error") !== "") ||
  rules.some((rule) => rule.path !== undefined && rule.code !== undefined && matches(rule, 200, body))

/**
 * The provider's own words, for the audit: cut, on one line, without anything that we sent and without
 * whatever looks like a token. A provider may repeat what it was sent, in any form and in part.
 */
export const detailOf = (body: Json | undefined, raw: RawAnswer, sent: ReadonlyArray<string>): string => {
  const parts = ["/error", "/error/message", "/error/code", "/error_description", "/message"]
    .map((path) => at(body, path))
    .filter((part): part is string | number => typeof part === "string" || typeof part === "number")
  if (parts.length === 0) return String(raw.status)
  return wordsWithout(`${raw.status} ${parts.join(" ")}`.slice(0, 4 * detailLengthMax), sent)
    .slice(0, detailLengthMax)
    .toWellFormed()
}

// ---- the whole --------------------------------------------------------------------

/** What is wrong with an answer that brings no access token. */
const readFailure = (
  raw: RawAnswer,
  body: Json | undefined,
  rules: ReadonlyArray<ErrorRule>,
  detail: string
): ReadFailure => {
  const retryAt = retryAtOf(raw.retryAfter, raw.receivedAt)
  if (body !== undefined && raw.cutShort === undefined) {
    const rule = rules.find((one) => matches(one, raw.status, body))
    if (rule !== undefined) {
      const reason = rule.reason ?? "unknown"
      switch (rule.is) {
        case "permanent":
          return { kind: "refused", reason, detail }
        case "client":
          return { kind: "client", reason, detail }
        case "transient":
          return { kind: "transient", reason, detail, retryAt }
        case "unknown":
          return { kind: "unknown", reason, detail, retryAt }
      }
    }
  }
  if (raw.cutShort !== undefined) return { kind: "unknown", reason: raw.cutShort, detail, retryAt: null }
  if (raw.status === 429) return { kind: "transient", reason: "rate_limited", detail, retryAt }
  // Not understood as a request, or by nobody: nothing was spent.
  if (raw.status === 503 && retryAt !== null) return { kind: "transient", reason: "provider_down", detail, retryAt }
  if (raw.status >= 500) return { kind: "unknown", reason: "provider_down", detail, retryAt }
  if (raw.status >= 400)
    return { kind: "transient", reason: body === undefined ? "malformed_answer" : "unknown", detail, retryAt }
  // 2xx or 3xx without a token: who knows what the provider thinks it did.
  return { kind: "unknown", reason: "malformed_answer", detail, retryAt }
}

/**
 * What the answer means. `sent` are the secrets of the request: they are taken out of everything said.
 * `defaultLifeMs` is the provider's `default_lifetime`.
 */
export const readAnswer = (options: {
  readonly provider: Provider
  readonly raw: RawAnswer
  readonly sent: ReadonlyArray<string>
  readonly defaultLifeMs: number | null
}): ReadAnswer => {
  const { defaultLifeMs, provider, raw, sent } = options
  const { access_token_path, expires_in_path, refresh_token_path } = provider
  const body = membersIn(
    { text: raw.body, contentType: raw.contentType, isCut: raw.cutShort !== undefined },
    [refresh_token_path, access_token_path, expires_in_path, "/token_type", "/scope"],
    (text) => sent.includes(text)
  )
  const rules = [...provider.errors, ...standardErrors]
  const detail = detailOf(body, raw, sent)
  if (body !== undefined) {
    const accessToken = textAt(body, provider.access_token_path)
    const refreshToken = textAt(body, provider.refresh_token_path)
    const isError = raw.status >= 400 || (accessToken === null && saysError(body, rules))
    // A new refresh token that came along is kept, whatever else the answer says. An error may repeat the old one.
    const isNew = refreshToken !== null && !sent.includes(refreshToken)
    const isWhole = raw.cutShort === undefined
    if (isNew || (isWhole && !isError && (accessToken !== null || refreshToken !== null))) {
      const scope = at(body, "/scope")
      const over = isOver(provider, body) // What is the grant as well is kept.
      const usable = isError || (over && provider.grant !== "exchange_live") ? null : accessToken
      return {
        kind: "granted",
        fields: { accessToken: usable, refreshToken, tokenType: textAt(body, "/token_type") },
        expiresAt: expiryOf(provider, body, raw, defaultLifeMs),
        scopes: typeof scope === "string" && scope !== "" ? scope.split(/[ ,]+/u).filter((one) => one !== "") : null,
        failure: usable === null || over ? readFailure(raw, body, rules, detail) : null
      }
    }
  }
  return readFailure(raw, body, rules, detail)
}
