/**
 * From 32 bits of a hash to references, by open addressing in typed arrays.
 *
 * It is cut into 256 segments that grow one by one, so that no single insertion moves more than a
 * 256th of all entries. A segment grows by an eighth and not to the double, so two thirds of its cells
 * at least are always used. Removing shifts the entries behind back to where they belong: no
 * gravestones, so a table that has seen a million removals probes like a new one.
 *
 * An entry is a reference and its tag. The tag as a part of all 32-bit numbers says how far into the
 * segment its home lies; what else must be equal is the caller's to compare.
 */

export const segmentCount = 256
const cellsAtFirst = 8
/** A segment has this part more cells after it grew. */
const growth = 1 / 8

/** `cells` holds reference and tag in turns; a reference of 0 is an empty cell. */
export class Segment {
  cells = new Int32Array(cellsAtFirst * 2)
  size = cellsAtFirst
  count = 0
}

/** The cell where the search for a tag begins, in a segment of `size` cells. */
export const homeOf = (tag: number, size: number): number => Math.floor(((tag >>> 0) / 4294967296) * size)

const after = (at: number, size: number): number => (at + 1 === size ? 0 : at + 1)
const distance = (from: number, to: number, size: number): number => (to >= from ? to - from : to - from + size)

export class RefIndex {
  readonly segments: ReadonlyArray<Segment> = Array.from({ length: segmentCount }, () => new Segment())

  /** The caller has made sure that the reference is not in it. */
  insert(segmentNumber: number, tag: number, ref: number): void {
    const segment = this.segments[segmentNumber & (segmentCount - 1)]!
    // At most three quarters full.
    if ((segment.count + 1) * 4 > segment.size * 3) grow(segment)
    place(segment, tag, ref)
    segment.count++
  }

  remove(segmentNumber: number, tag: number, ref: number): void {
    const segment = this.segments[segmentNumber & (segmentCount - 1)]!
    const { cells, size } = segment
    let hole = homeOf(tag, size)
    while (cells[hole * 2] !== ref) {
      if (cells[hole * 2] === 0) throw new Error("a reference to remove is not in the index")
      hole = after(hole, size)
    }
    for (let at = after(hole, size); cells[at * 2] !== 0; at = after(at, size)) {
      const home = homeOf(cells[at * 2 + 1]!, size)
      // Whether its home lies (cyclically) at or before the hole, so that it may move there.
      if (distance(home, at, size) >= distance(hole, at, size)) {
        cells[hole * 2] = cells[at * 2]!
        cells[hole * 2 + 1] = cells[at * 2 + 1]!
        hole = at
      }
    }
    cells[hole * 2] = 0
    segment.count--
  }

  get bytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.cells.byteLength, 0)
  }
}

/** Goes over the entries of an index, round and round. */
export class Hand {
  private segment = 0
  private cell = 0
  private readonly index: RefIndex

  constructor(index: RefIndex) {
    this.index = index
  }

  /** Moves to the next entry; there is one. */
  next(): number {
    for (;;) {
      const { cells, size } = this.index.segments[this.segment]!
      while (this.cell < size) {
        const ref = cells[this.cell++ * 2]!
        if (ref !== 0) return ref
      }
      this.cell = 0
      this.segment = (this.segment + 1) & (segmentCount - 1)
    }
  }
}

const place = ({ cells, size }: Segment, tag: number, ref: number): void => {
  let at = homeOf(tag, size)
  while (cells[at * 2] !== 0) at = after(at, size)
  cells[at * 2] = ref
  cells[at * 2 + 1] = tag
}

const grow = (segment: Segment): void => {
  const old = segment.cells
  segment.size += Math.max(cellsAtFirst, Math.ceil(segment.size * growth))
  segment.cells = new Int32Array(segment.size * 2)
  for (let at = 0; at < old.length; at += 2) {
    if (old[at] !== 0) place(segment, old[at + 1]!, old[at]!)
  }
}
