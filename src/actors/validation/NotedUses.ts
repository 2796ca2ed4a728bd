/**
 * Which entries of the hot table were used since that was last taken, and when: the moment stands in the entry itself,
 * so that a use costs a comparison and two writes, and a list says which entries have one, in the order they came.
 *
 * An entry that goes takes its use with it and leaves an empty place in the list, which is used again by the next entry
 * in the same memory: the list is never longer than the table was, however many come and go. An empty place counts
 * for nothing.
 */
import { type Chunk, chunkOf, wordOf } from "./Arena.ts"
import { dirtyFlag, flagsWord, listedFlag, usedAfterWord } from "./HotRecord.ts"

/** One more is not noted (last use is late then, never wrong). */
const notedMax = 1_000_000
/** So many were taken before their room in the list is given back. */
const takenMax = 65_536
/** Places that are looked at in one go, some tenths of a millisecond, though all are empty. */
export const lookedMax = 4_096
/** Milliseconds, six days: uses are counted from later when the newest is twice as far. */
const laterBy = 2 ** 29

export type TakeUse = (tokenId: string, usedAt: number) => void

export class NotedUses {
  /** The first `taken` of them are over. The others are marked as listed, and stand here once. */
  private refs: Array<number> = []
  private taken = 0
  /** How many may be taken. */
  count = 0
  /** UNIX milliseconds that uses are counted from. */
  private from = 0
  private readonly chunks: ReadonlyArray<Chunk>
  private readonly tokenId: (ref: number) => string
  private readonly onLeft: TakeUse

  /** `onLeft`: for a use that cannot be noted, or whose entry goes. */
  constructor(chunks: ReadonlyArray<Chunk>, tokenId: (ref: number) => string, onLeft: TakeUse) {
    this.chunks = chunks
    this.tokenId = tokenId
    this.onLeft = onLeft
  }

  /** @param now whole milliseconds */
  note(ref: number, now: number): void {
    if (this.count === 0) this.from = now
    const after = now - this.from
    // Only a clock that was set by weeks is beyond a word.
    if (after !== (after | 0)) {
      this.onLeft(this.tokenId(ref), now)
      return
    }
    const { words } = this.chunks[chunkOf(ref)]!
    const word = wordOf(ref)
    words[word + usedAfterWord] = after
    const flags = words[word + flagsWord]!
    if ((flags & dirtyFlag) !== 0 || this.count >= notedMax) return
    words[word + flagsWord] = flags | dirtyFlag | listedFlag
    this.count++
    if ((flags & listedFlag) === 0) this.refs.push(ref)
  }

  /** Hands out the entry's use, if it has one, and forgets it. Its place in the list is empty then. */
  takeOf(ref: number, take: TakeUse = this.onLeft): void {
    const { words } = this.chunks[chunkOf(ref)]!
    const word = wordOf(ref)
    const flags = words[word + flagsWord]!
    if ((flags & dirtyFlag) === 0) return
    words[word + flagsWord] = flags & ~dirtyFlag
    this.count--
    take(this.tokenId(ref), this.from + words[word + usedAfterWord]!)
  }

  /**
   * Hands out at most `max`, those that wait longest first, and forgets them. Answers how many: fewer than there are,
   * or none, where it has looked at enough empty places; it goes on behind them the next time.
   */
  take(take: TakeUse, max: number): number {
    const end = Math.min(this.taken + lookedMax, this.refs.length)
    let handedOut = 0
    while (this.taken < end && handedOut < max) {
      const ref = this.refs[this.taken++]!
      const { words } = this.chunks[chunkOf(ref)]!
      const word = wordOf(ref) + flagsWord
      const flags = words[word]!
      words[word] = flags & ~listedFlag
      if ((flags & dirtyFlag) === 0) continue
      handedOut++
      this.takeOf(ref, take)
    }
    if (this.taken >= takenMax || this.taken === this.refs.length) {
      this.refs = this.refs.slice(this.taken)
      this.taken = 0
    }
    this.countFromLater(take)
    return handedOut
  }

  /** Where the list is never empty, the moment that uses are counted from follows them. */
  private countFromLater(take: TakeUse): void {
    const last = this.refs.at(-1)
    if (last === undefined || this.chunks[chunkOf(last)]!.words[wordOf(last) + usedAfterWord]! < 2 * laterBy) return
    for (let at = this.taken; at < this.refs.length; at++) {
      const ref = this.refs[at]!
      const { words } = this.chunks[chunkOf(ref)]!
      const word = wordOf(ref)
      const after = words[word + usedAfterWord]! - laterBy
      if (after === (after | 0)) words[word + usedAfterWord] = after
      else this.takeOf(ref, take)
    }
    this.from += laterBy
  }
}
