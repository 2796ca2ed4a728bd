/**
 * The usable tokens that this replica knows, for look-ups without an object.
 *
 * An entry is found by the 128-bit keyed hash of the request's own bytes, or by token id. It holds no
 * token value: the hash, two indexes, what decides an answer, and the prepared end of the reply.
 * Bounded by `max`: when full, an entry gives way that was not used since the hand of the clock
 * last passed, and only one of a tenant that has at least its equal share, so one tenant's tokens
 * never push out those of a smaller one.
 *
 * It decides nothing: whether an entry may be believed is asked by whoever looks it up. A reference
 * is good until the next `put` or `remove`.
 */
import { endpointIdOfTail, tailTokenIdAt, tokenIdBytes } from "../../schema/EcapReply.ts"
import { Arena, byteOf, type Chunk, chunkOf, floatOf, unitsFor, wordOf } from "./Arena.ts"
import {
  applicationWord,
  expiresAtFloat,
  flagsWord,
  type HotEntry,
  listedFlag,
  readSeqFloat,
  referencedFlag,
  tailAt,
  tailLengthMask,
  toldFlag,
  versionWord
} from "./HotRecord.ts"
import { NotedUses, type TakeUse } from "./NotedUses.ts"
import { Hand, homeOf, RefIndex, segmentCount } from "./RefIndex.ts"
import { fits, idTag } from "./TokenIdTag.ts"

/** How many entries the hand looks at for one that may go; then the best seen goes. */
const evictionScanMax = 64

export interface HotTableOptions {
  readonly max: number
  /** Called when an entry goes whose last use was not taken yet. */
  readonly onUseLeft: TakeUse
}

export class HotTable {
  private readonly arena = new Arena()
  readonly chunks: ReadonlyArray<Chunk> = this.arena.chunks
  private readonly byHash = new RefIndex()
  private readonly byId = new RefIndex()
  private readonly tenantCounts: Array<number> = []
  private readonly tenantOfApplication: Array<number> = []
  private tenantsPresent = 0
  private readonly hand = new Hand(this.byHash)
  private readonly idScratch = new Uint8Array(tokenIdBytes)
  readonly max: number
  private readonly noted: NotedUses
  count = 0

  constructor(options: HotTableOptions) {
    this.max = options.max
    this.noted = new NotedUses(this.chunks, (ref) => this.tokenId(ref), options.onUseLeft)
  }

  // ---- look-up ----------------------------------------------------------------

  /** The entry with this hash, or 0. */
  find(h0: number, h1: number, h2: number, h3: number): number {
    const { cells, size } = this.byHash.segments[h1 & (segmentCount - 1)]!
    for (let at = homeOf(h0, size) * 2; ; at += 2) {
      if (at === cells.length) at = 0
      const ref = cells[at]!
      if (ref === 0) return 0
      if (cells[at + 1] !== h0) continue
      const words = this.chunks[chunkOf(ref)]!.words
      const word = wordOf(ref)
      if (words[word + 1] === h1 && words[word + 2] === h2 && words[word + 3] === h3) return ref
    }
  }

  /** The entry of this token, or 0. */
  findById(tokenId: string): number {
    if (!fits(tokenId)) return 0
    const id = this.idScratch
    for (let index = 0; index < tokenIdBytes; index++) id[index] = tokenId.charCodeAt(index)
    return this.findId(id, idTag(id, 0))
  }

  private findId(id: Uint8Array, tag: number): number {
    const { cells, size } = this.byId.segments[tag & (segmentCount - 1)]!
    for (let at = homeOf(tag, size) * 2; ; at += 2) {
      if (at === cells.length) at = 0
      const ref = cells[at]!
      if (ref === 0) return 0
      if (cells[at + 1] === tag && this.hasId(ref, id)) return ref
    }
  }

  private hasId(ref: number, id: Uint8Array): boolean {
    const bytes = this.bytesOf(ref)
    const start = this.tailStart(ref) + tailTokenIdAt
    for (let index = 0; index < tokenIdBytes; index++) if (bytes[start + index] !== id[index]) return false
    return true
  }

  // ---- fields -------------------------------------------------------------------

  tenantIndex(ref: number): number {
    return this.tenantOfApplication[this.applicationIndex(ref)]!
  }
  applicationIndex(ref: number): number {
    return this.chunks[chunkOf(ref)]!.words[wordOf(ref) + applicationWord]!
  }
  version(ref: number): number {
    return this.chunks[chunkOf(ref)]!.words[wordOf(ref) + versionWord]!
  }
  flags(ref: number): number {
    return this.chunks[chunkOf(ref)]!.words[wordOf(ref) + flagsWord]!
  }
  readSeq(ref: number): number {
    return this.chunks[chunkOf(ref)]!.floats[floatOf(ref) + readSeqFloat]!
  }
  expiresAt(ref: number): number {
    return this.chunks[chunkOf(ref)]!.floats[floatOf(ref) + expiresAtFloat]!
  }
  bytesOf(ref: number): Buffer {
    return this.chunks[chunkOf(ref)]!.bytes
  }
  tailStart(ref: number): number {
    return byteOf(ref) + tailAt
  }
  tailLength(ref: number): number {
    return this.flags(ref) & tailLengthMask
  }
  tokenId(ref: number): string {
    const start = this.tailStart(ref) + tailTokenIdAt
    return this.bytesOf(ref).toString("latin1", start, start + tokenIdBytes)
  }
  endpointId(ref: number): string {
    return endpointIdOfTail(this.bytesOf(ref), this.tailStart(ref))
  }
  countOf(tenantIndex: number): number {
    return this.tenantCounts[tenantIndex] ?? 0
  }
  setTold(ref: number, told: boolean): void {
    const words = this.chunks[chunkOf(ref)]!.words
    const word = wordOf(ref) + flagsWord
    words[word] = told ? words[word]! | toldFlag : words[word]! & ~toldFlag
  }

  /** Keeps the entry from the hand of the clock for one more round. */
  touch(ref: number): void {
    const words = this.chunks[chunkOf(ref)]!.words
    const word = wordOf(ref) + flagsWord
    if ((words[word]! & referencedFlag) === 0) words[word] = words[word]! | referencedFlag
  }

  // ---- last use -------------------------------------------------------------------

  /** Notes a use, to be taken later. @param now whole milliseconds */
  use(ref: number, now: number): void {
    this.noted.note(ref, now)
  }

  /** How many uses may be taken. */
  get usesNoted(): number {
    return this.noted.count
  }

  /**
   * Hands out at most `max` of the noted uses, those that wait longest first, and forgets them. Answers how many:
   * fewer than there are, or none, where many entries have gone, so that whoever wants more calls again.
   */
  takeUses(take: TakeUse, max = this.usesNoted): number {
    return this.noted.take(take, max)
  }

  // ---- changes ----------------------------------------------------------------------

  /** Puts an entry in the place of any with its hash or its token id. Answers it, or 0 where nothing is kept. */
  put(entry: HotEntry): number {
    if (this.max === 0 || entry.tail.length > tailLengthMask) return 0
    const present = this.find(entry.h0, entry.h1, entry.h2, entry.h3)
    if (present !== 0) this.remove(present)
    const tokenId = entry.tail.subarray(tailTokenIdAt, tailTokenIdAt + tokenIdBytes)
    const tag = idTag(tokenId, 0)
    const elsewhere = this.findId(tokenId, tag)
    if (elsewhere !== 0) this.remove(elsewhere)
    if (this.count >= this.max) this.evict(entry.tenantIndex)

    const ref = this.arena.allocate(unitsFor(tailAt + entry.tail.length))
    const { bytes, floats, words } = this.chunks[chunkOf(ref)]!
    const word = wordOf(ref)
    words[word] = entry.h0
    words[word + 1] = entry.h1
    words[word + 2] = entry.h2
    words[word + 3] = entry.h3
    words[word + applicationWord] = entry.applicationIndex
    words[word + versionWord] = entry.version
    const listed = words[word + flagsWord]! & listedFlag
    words[word + flagsWord] = entry.flags | referencedFlag | listed | entry.tail.length
    const float = floatOf(ref)
    floats[float + readSeqFloat] = entry.readSeq
    floats[float + expiresAtFloat] = entry.expiresAt
    bytes.set(entry.tail, byteOf(ref) + tailAt)

    this.byHash.insert(entry.h1, entry.h0, ref)
    this.byId.insert(tag, tag, ref)
    this.count++
    while (this.tenantOfApplication.length < entry.applicationIndex) this.tenantOfApplication.push(0)
    this.tenantOfApplication[entry.applicationIndex] = entry.tenantIndex
    const tenantCount = (this.tenantCounts[entry.tenantIndex] ?? 0) + 1
    while (this.tenantCounts.length < entry.tenantIndex) this.tenantCounts.push(0)
    this.tenantCounts[entry.tenantIndex] = tenantCount
    if (tenantCount === 1) this.tenantsPresent++
    return ref
  }

  remove(ref: number): void {
    const { bytes, words } = this.chunks[chunkOf(ref)]!
    const word = wordOf(ref)
    this.noted.takeOf(ref)
    const flags = words[word + flagsWord]!
    this.byHash.remove(words[word + 1]!, words[word]!, ref)
    const tag = idTag(bytes, byteOf(ref) + tailAt + tailTokenIdAt)
    this.byId.remove(tag, tag, ref)
    this.count--
    const tenantIndex = this.tenantIndex(ref)
    this.tenantCounts[tenantIndex]!--
    if (this.tenantCounts[tenantIndex] === 0) this.tenantsPresent--
    this.arena.release(ref, unitsFor(tailAt + (flags & tailLengthMask)))
  }

  /** Looks at every entry, 0.2 s for a million: for what happens rarely. */
  removeWhere(isGone: (ref: number) => boolean): void {
    for (const { cells, size } of this.byHash.segments) {
      const gone: Array<number> = []
      for (let cell = 0; cell < size; cell++) {
        const ref = cells[cell * 2]!
        if (ref !== 0 && isGone(ref)) gone.push(ref)
      }
      for (const ref of gone) this.remove(ref)
    }
  }

  /** Lets one entry go for a new one of `tenantIndex`. */
  private evict(tenantIndex: number): void {
    const tenants = this.tenantsPresent + (this.countOf(tenantIndex) === 0 ? 1 : 0)
    const share = Math.max(1, Math.floor(this.max / tenants))
    let best = 0
    let bestCount = -1
    for (let looked = 0; looked < evictionScanMax || best === 0; looked++) {
      const ref = this.hand.next()
      const owner = this.tenantIndex(ref)
      const ownerCount = this.countOf(owner)
      const overShare = ownerCount >= share
      const word = wordOf(ref) + flagsWord
      const words = this.chunks[chunkOf(ref)]!.words
      if (overShare && (words[word]! & referencedFlag) === 0) {
        best = ref
        break
      }
      if (overShare) words[word] = words[word]! & ~referencedFlag
      if (ownerCount > bestCount) {
        best = ref
        bestCount = ownerCount
      }
    }
    this.remove(best)
  }

  /** Memory in use, in bytes. */
  get bytes(): number {
    return this.arena.bytes + this.byHash.bytes + this.byId.bytes
  }
}
