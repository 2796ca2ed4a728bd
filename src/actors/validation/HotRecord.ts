/**
 * How an entry of the hot table lies in memory: 48 bytes, then the end of its reply, which has
 * 80 bytes where both ids have 36. Whose it is, is said by its application.
 *
 * Beside the token's state it holds marks of its own: whether it was used since the hand of the clock
 * passed (`referencedFlag`), whether its last use is still to be taken (`dirtyFlag`), and whether it stands
 * in the list of those (`listedFlag`), which outlives the entry: it is said of the memory, not of the token.
 */

// ---- the record, in words of four bytes: hash 0-3, then these --------------
export const applicationWord = 4
export const versionWord = 5
export const flagsWord = 6
/** Milliseconds from the moment that the table counts uses from. */
export const usedAfterWord = 7
// ---- in floats of eight bytes
export const readSeqFloat = 4
export const expiresAtFloat = 5
export const tailAt = 48

export const tailLengthMask = 0xffff
export const inactiveFlag = 1 << 16
/** Its end, when it comes, is that of a rotation's overlap. */
export const rotatedFlag = 1 << 17
/** Its first use was told to the tenant's actor. */
export const toldFlag = 1 << 18
export const referencedFlag = 1 << 19
export const dirtyFlag = 1 << 20
export const listedFlag = 1 << 21

export interface HotEntry {
  readonly h0: number
  readonly h1: number
  readonly h2: number
  readonly h3: number
  readonly tenantIndex: number
  /** Of one tenant only, as long as an entry names it. */
  readonly applicationIndex: number
  readonly version: number
  readonly readSeq: number
  /** Infinity for none. */
  readonly expiresAt: number
  /** `inactiveFlag`, `rotatedFlag`, `toldFlag`. */
  readonly flags: number
  /** As `encodeTail` makes it, with a token id of 36 bytes and an endpoint id. */
  readonly tail: Uint8Array
}
