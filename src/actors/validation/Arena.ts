/**
 * Memory for many small records of a few sizes, outside the garbage collector's sight.
 *
 * A record is named by a reference: its place in units of 16 bytes over all chunks; 0 names none. A
 * chunk of 256 KiB is added when the last one is full, so growing never copies. A freed record goes to
 * the list of its size and is used again for that size; memory is never given back.
 */

const unitShift = 4
const chunkShift = 18
const unitsPerChunk = 1 << (chunkShift - unitShift)

/** One chunk under three views. */
export class Chunk {
  readonly words: Int32Array
  readonly floats: Float64Array
  readonly bytes: Buffer

  constructor() {
    const buffer = new ArrayBuffer(1 << chunkShift)
    this.words = new Int32Array(buffer)
    this.floats = new Float64Array(buffer)
    this.bytes = Buffer.from(buffer)
  }
}

export const unitsFor = (bytes: number): number => (bytes + 15) >>> unitShift
export const byteOf = (ref: number): number => (ref & (unitsPerChunk - 1)) << unitShift
export const wordOf = (ref: number): number => (ref & (unitsPerChunk - 1)) << (unitShift - 2)
export const floatOf = (ref: number): number => (ref & (unitsPerChunk - 1)) << (unitShift - 3)
export const chunkOf = (ref: number): number => ref >>> (chunkShift - unitShift)

export class Arena {
  readonly chunks: Array<Chunk> = []
  private next = 1
  /** Head of the free list of each size in units; the next of a free record is its first word. */
  private readonly free: Array<number> = []

  /** A record of `units`, with whatever bytes it had before. */
  allocate(units: number): number {
    const reused = this.free[units] ?? 0
    if (reused !== 0) {
      this.free[units] = this.chunks[chunkOf(reused)]!.words[wordOf(reused)]!
      return reused
    }
    const place = this.next & (unitsPerChunk - 1)
    if (this.chunks.length === 0) this.chunks.push(new Chunk())
    else if (place === 0 || place + units > unitsPerChunk) {
      this.next = this.chunks.length * unitsPerChunk
      this.chunks.push(new Chunk())
    }
    const ref = this.next
    this.next += units
    return ref
  }

  release(ref: number, units: number): void {
    this.chunks[chunkOf(ref)]!.words[wordOf(ref)] = this.free[units] ?? 0
    this.free[units] = ref
  }

  get bytes(): number {
    return this.chunks.length * 2 ** chunkShift
  }
}
