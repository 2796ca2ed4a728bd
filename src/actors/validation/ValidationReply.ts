/**
 * The answers of a validation, each with the end of its reply (contract 2.1).
 */
import type { HotToken } from "../../domain/HotToken.ts"
import { isPast, type TokenStatus } from "../../domain/Token.ts"
import { verdict } from "../../domain/TokenLifecycle.ts"
import { encodeTail } from "../../schema/EcapReply.ts"
import type { ValidationAnswer } from "../tenant/Tenants.ts"

export interface Answer {
  readonly tail: Uint8Array
  /** 408 happens to requests in bytes only. */
  readonly statusCode: ValidationAnswer["statusCode"] | 408
  readonly reasonPhrase: string | null
  readonly tokenId: string | null
  readonly endpointId: string | null
  readonly status: TokenStatus | null
}

const withoutIds = (statusCode: Answer["statusCode"], reasonPhrase: string | null): Answer => ({
  tail: encodeTail({ tokenId: null, endpointId: null, statusCode, reasonPhrase }),
  statusCode,
  reasonPhrase,
  tokenId: null,
  endpointId: null,
  status: null
})

/** Bytes that are no request; what our parser thinks of them is nobody's business. */
export const undecodable = withoutIds(400, "Malformed request")
/** A name outside its pattern, or a negative timeout. */
export const badRequest = withoutIds(400, null)
export const passed = withoutIds(408, null)
export const unknownApplication = withoutIds(404, "Application not found")
export const unknownToken = withoutIds(404, "Token not found")
export const tooMany = withoutIds(429, null)
export const broken = withoutIds(500, "Internal error")
export const unavailable = withoutIds(503, null)

/** Of a known token. Its end is written when somebody wants bytes, once. */
export class KnownAnswer implements Answer {
  readonly statusCode: Exclude<Answer["statusCode"], 408>
  readonly reasonPhrase: string | null
  readonly tokenId: string
  readonly endpointId: string
  readonly status: TokenStatus
  private encoded: Uint8Array | undefined

  constructor({ endpointId, reasonPhrase, status, statusCode, tokenId }: Omit<KnownAnswer, "tail">) {
    this.statusCode = statusCode
    this.reasonPhrase = reasonPhrase
    this.tokenId = tokenId
    this.endpointId = endpointId
    this.status = status
  }

  get tail(): Uint8Array {
    this.encoded ??= encodeTail(this)
    return this.encoded
  }
}

/** What a known token answers at `now`. */
export const answerFor = (token: HotToken, now: number): Answer => {
  const { endpointId, tokenId } = token
  return new KnownAnswer({
    ...verdict(token, now),
    tokenId,
    endpointId,
    status: isPast(token.endsAt, now) ? "Revoked" : token.status
  })
}
