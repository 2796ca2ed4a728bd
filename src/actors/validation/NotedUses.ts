/**
 * Which entries of the hot table were used since that was last taken, and when: the moment stands in the entry itself,
 * so that a use costs a comparison and two writes, and a list says which entries have one, in the order they came.
 */
import { type Chunk, chunkOf, wordOf } from "./Arena.ts"
import { dirtyFlag, flagsWord, usedAfterWord } from "./HotRecord.ts"

/** One more is not noted (last use is late then, never wrong). */
const notedMax = 1_000_000
/** So many were taken before their room in the list is given back. */
const takenMax = 65_536
/** Milliseconds, six days: uses are counted from later when the newest is twice as far. */
const laterBy = 2 ** 29

export type TakeUse = (tokenId: string, usedAt: number) => void

export class NotedUses {
  /** The first `taken` of them are over. */
  private refs: Array<number> = []
  private taken = 0
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

  /** How many may be taken. */
  get count(): number {
    return this.refs.length - this.taken
  }

  /** @param now whole milliseconds */
  note(ref: number, now: number): void {
    if (this.refs.length === 0) this.from = now
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
    words[word + flagsWord] = flags | dirtyFlag
    this.refs.push(ref)
  }

  /** Hands out the entry's use, if it has one, and forgets it. Its place in the list passes for nothing. */
  takeOf(ref: number, take: TakeUse = this.onLeft): void {
    const { words } = this.chunks[chunkOf(ref)]!
    const word = wordOf(ref)
    const flags = words[word + flagsWord]!
    if ((flags & dirtyFlag) === 0) return
    words[word + flagsWord] = flags & ~dirtyFlag
    take(this.tokenId(ref), this.from + words[word + usedAfterWord]!)
  }

  /** Hands out at most `max`, those that wait longest first, and forgets them. */
  take(take: TakeUse, max: number): void {
    const end = Math.min(this.taken + max, this.refs.length)
    // A record that went in the meantime has none, or is another's that stands in the list itself.
    while (this.taken < end) this.takeOf(this.refs[this.taken++]!, take)
    if (this.taken >= takenMax || this.count === 0) {
      this.refs = this.refs.slice(this.taken)
      this.taken = 0
    }
    this.countFromLater(take)
  }

  /** Where the list is never empty, the moment that uses are counted from follows them. */
  private countFromLater(take: TakeUse): void {
    const last = this.refs.at(-1)
    if (last === undefined || this.chunks[chunkOf(last)]!.words[wordOf(last) + usedAfterWord]! < 2 * laterBy) return
    // The place of one that went may stand in the list twice.
    for (const ref of new Set(this.refs.slice(this.taken))) {
      const { words } = this.chunks[chunkOf(ref)]!
      const word = wordOf(ref)
      const after = words[word + usedAfterWord]! - laterBy
      if (after === (after | 0)) words[word + usedAfterWord] = after
      else this.takeOf(ref, take)
    }
    this.from += laterBy
  }
}
