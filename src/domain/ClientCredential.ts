/**
 * A client's credential as everything inside the service sees it: a name with a password (`basic`), or the
 * issuer and serial number of a certificate that somebody else has verified (`certificate`).
 *
 * Its states and what leads from one to another are a token's (`TokenLifecycle.ts`): Inactive is valid and
 * not used yet. A password is not here, only what its memory-hard hash made of it.
 *
 * An issuer is compared as it was given, byte by byte: no canonical form of distinguished names is made.
 * Two that mean the same and are written differently are two. A serial number is base 10 without leading zeros.
 *
 * Source: contract 2.1, 2.2, 3.3; 16/ECAP; 22/CAP.
 */
import { createHash } from "node:crypto"
import { hasAtMost } from "./Names.ts"
import type { TokenStatus } from "./Token.ts"
import { isUsable } from "./TokenLifecycle.ts"

export const clientCredentialKinds = ["basic", "certificate"] as const
export type ClientCredentialKind = (typeof clientCredentialKinds)[number]

/** What is unique on the platform. */
export type ClientName =
  | { readonly kind: "basic"; readonly username: string }
  | { readonly kind: "certificate"; readonly issuer: string; readonly serialNumber: string }

export interface ClientCredential {
  /** UUIDv7, lower case, with dashes. */
  readonly credentialId: string
  readonly tenantId: string
  /** Whose it is, in the words of who made it; several may share it, and it may be missing. */
  readonly clientId: string | null
  readonly name: ClientName
  /** PHC text; null for a certificate. */
  readonly passwordHash: string | null
  readonly status: TokenStatus
  /** Starts at 1 and grows by 1 with every change of its state. */
  readonly version: number
  readonly reason: string | null
  readonly description: string | null
  readonly createdAt: number
  readonly updatedAt: number
  readonly createdBy: string
  readonly updatedBy: string
  /** Tag of what the row says, under a key that is not in the database. */
  readonly mac?: Uint8Array | undefined
}

/** As a validation reads it: with the revocation sequence of its tenant in the same snapshot. */
export interface FoundClient {
  readonly credential: ClientCredential
  readonly readSeq: number
}

// ---- limits
export const usernameLengthMax = 256
export const clientIdLengthMax = 256
export const issuerLengthMax = 1_024
/** UTF-8 bytes. */
export const passwordBytesMax = 1_024
export const serialNumberPattern = /^(?:0|[1-9][0-9]{0,77})$/u
const controlCharacter = /\p{Cc}/u

const isText = (text: string, codePoints: number): boolean =>
  text.length > 0 && text.isWellFormed() && hasAtMost(text, codePoints)

export const isUsername = (text: string): boolean => isText(text, usernameLengthMax) && !controlCharacter.test(text)
export const isClientId = (text: string): boolean => isText(text, clientIdLengthMax) && !controlCharacter.test(text)
export const isIssuer = (text: string): boolean => isText(text, issuerLengthMax)
export const isPassword = (text: string): boolean =>
  text.length > 0 && text.length <= passwordBytesMax && text.isWellFormed() && byteLength(text) <= passwordBytesMax

const encoder = new TextEncoder()
const byteLength = (text: string): number => encoder.encode(text).length

/** One text for each name: what maps in memory are keyed by. No two names have the same. */
export const nameKey = (name: ClientName): string =>
  name.kind === "basic" ? `b ${name.username}` : `c ${name.serialNumber} ${name.issuer}`

/** 32 bytes for each name: what an index finds it by, however long it is. Names are no secrets. */
export const nameHash = (name: ClientName): Uint8Array => createHash("sha256").update(nameKey(name), "utf8").digest()

/** Whether a validation answers 200 for it. */
export const isGood = (credential: Pick<ClientCredential, "status">): boolean => isUsable(credential.status)

/** What a validation answers: 200 with all three, or another status with none. */
export interface ClientAnswer {
  readonly statusCode: 200 | 400 | 401 | 408 | 429 | 500 | 503
  readonly tenantId: string | null
  readonly credentialId: string | null
  readonly clientId: string | null
}

export const refusal = (statusCode: Exclude<ClientAnswer["statusCode"], 200>): ClientAnswer => ({
  statusCode,
  tenantId: null,
  credentialId: null,
  clientId: null
})

/** Nobody learns whether it is the name, the password or the state that is wrong. */
export const unauthenticated: ClientAnswer = refusal(401)

export const accepted = ({ clientId, credentialId, tenantId }: ClientCredential): ClientAnswer => ({
  statusCode: 200,
  tenantId,
  credentialId,
  clientId
})
