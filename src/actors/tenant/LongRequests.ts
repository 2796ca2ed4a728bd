/**
 * Room for requests of the platform protocols that are longer than any usual one, while they wait for an answer.
 *
 * All that such a request says is short, but for its correlation id: that is echoed, so it may be as long as a message,
 * and is kept until the answer is written. Some thousand requests may wait at a time; of the long ones no more than
 * `longBytesMax` together, for each kind of request. One more is answered 429. Requests of the usual length
 * always have room here.
 */

/** A request with the longest names and an id of 256 characters fits. */
export const usualBytesMax = 4_096
export const longBytesMax = 16 * 1_048_576

export class LongRequests {
  private taken = 0

  /** False: no room, and nothing was taken. The first one always fits. */
  enter(bytes: number): boolean {
    if (bytes <= usualBytesMax) return true
    if (this.taken > 0 && this.taken + bytes > longBytesMax) return false
    this.taken += bytes
    return true
  }

  leave(bytes: number): void {
    if (bytes > usualBytesMax) this.taken -= bytes
  }
}
