/** What a validation needs to know of a token: the row of a cache. */
import { type Ending, endingOf, endOf, type Token, type TokenStatus } from "./Token.ts"

export interface HotToken {
  readonly tenantId: string
  readonly appName: string
  readonly tokenId: string
  readonly endpointId: string
  readonly status: TokenStatus
  readonly version: number
  /** The nearer of its ends. */
  readonly endsAt: number | null
  /** Of a Revoked one, what ended it; else what `endsAt` means when it comes. */
  readonly ending: Ending
  /** The tenant's revocation sequence in the snapshot that this was read from. */
  readonly readSeq: number
  /** Lower-case hex of the keyed hash that found it. */
  readonly cacheKey: string
  /** Where a row was read: its tag. */
  readonly tag?: RowTag | undefined
}

/** A row's tag with those of the words that it covers which are not told as they stand. */
export interface RowTag extends Pick<Token, "expiresAt" | "overlapEndsAt" | "endedBy"> {
  readonly mac: Uint8Array
}

export const tagOf = ({ endedBy, expiresAt, overlapEndsAt }: Omit<RowTag, "mac">, mac: Uint8Array): RowTag => ({
  mac,
  expiresAt,
  overlapEndsAt,
  endedBy
})

/** A token as a transaction left it that knew the revocation sequence `readSeq`. */
export const hotTokenOf = (token: Token, readSeq: number): HotToken => ({
  tenantId: token.tenantId,
  appName: token.appName,
  tokenId: token.tokenId,
  endpointId: token.endpointId,
  status: token.status,
  version: token.version,
  endsAt: endOf(token),
  ending: endingOf(token),
  readSeq,
  cacheKey: Buffer.from(token.hash).toString("hex")
})
