/**
 * From 32 bits of a hash to references, by open addressing in typed arrays.
 *
 * It is cut into 256 segments that grow one by one, so that no single insertion moves more than a
 * 256th of all entries. Removing shifts the entries behind back to where they belong: no gravestones,
 * so a table that has seen a million removals probes like a new one.
 *
 * An entry is a reference and its tag. The tag's low bits are its home in the segment; what else
 * must be equal is the caller's to compare.
 */

export const segmentCount = 256
const cellsAtFirst = 16

/** `cells` holds reference and tag in turns; a reference of 0 is an empty cell. */
export class Segment {
  cells = new Int32Array(cellsAtFirst * 2)
  mask = cellsAtFirst - 1
  count = 0
}

export class RefIndex {
  readonly segments: ReadonlyArray<Segment> = Array.from({ length: segmentCount }, () => new Segment())

  /** The caller has made sure that the reference is not in it. */
  insert(segmentNumber: number, tag: number, ref: number): void {
    const segment = this.segments[segmentNumber & (segmentCount - 1)]!
    // At most five eighths full.
    if ((segment.count + 1) * 8 > (segment.mask + 1) * 5) grow(segment)
    place(segment.cells, segment.mask, tag, ref)
    segment.count++
  }

  remove(segmentNumber: number, tag: number, ref: number): void {
    const segment = this.segments[segmentNumber & (segmentCount - 1)]!
    const { cells, mask } = segment
    let hole = tag & mask
    while (cells[hole * 2] !== ref) {
      if (cells[hole * 2] === 0) throw new Error("a reference to remove is not in the index")
      hole = (hole + 1) & mask
    }
    for (let at = (hole + 1) & mask; cells[at * 2] !== 0; at = (at + 1) & mask) {
      const home = cells[at * 2 + 1]! & mask
      // Whether its home lies (cyclically) at or before the hole, so that it may move there.
      if (((at - home) & mask) >= ((at - hole) & mask)) {
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

const place = (cells: Int32Array, mask: number, tag: number, ref: number): void => {
  let at = tag & mask
  while (cells[at * 2] !== 0) at = (at + 1) & mask
  cells[at * 2] = ref
  cells[at * 2 + 1] = tag
}

const grow = (segment: Segment): void => {
  const old = segment.cells
  const mask = (segment.mask + 1) * 2 - 1
  const cells = new Int32Array((mask + 1) * 2)
  for (let at = 0; at < old.length; at += 2) {
    if (old[at] !== 0) place(cells, mask, old[at + 1]!, old[at]!)
  }
  segment.cells = cells
  segment.mask = mask
}
