/** Payloads that are nearly right, and some that are nothing at all, the same ones for the same seed. */

/** A small generator of whole numbers below `n` (xorshift, 32 bits). */
export const randomFrom = (seed: number): ((n: number) => number) => {
  let state = seed | 0 || 1
  return (n) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % n
  }
}

const extremes = ["", "null", "[]", "{}", '""', "0", "{", "[".repeat(4_000), '{"__proto__":{}}', "\u0000", "\ufeff{}"]

export const mutations = (from: Uint8Array, count: number, seed: number): ReadonlyArray<Uint8Array> => {
  const below = randomFrom(seed)
  const mutate = (bytes: Buffer): Buffer => {
    const at = below(bytes.length + 1)
    switch (below(7)) {
      case 0:
        bytes[Math.min(at, bytes.length - 1)] = below(256)
        return bytes
      case 1:
        return bytes.subarray(0, at)
      case 2:
        return bytes.subarray(at)
      case 3:
        return Buffer.concat([bytes.subarray(0, at), Buffer.from([below(256), below(256)]), bytes.subarray(at)])
      case 4:
        return Buffer.concat([bytes, bytes.subarray(at)])
      case 5:
        return Buffer.from(Array.from({ length: below(64) }, () => below(256)))
      default:
        bytes[Math.min(at, bytes.length - 1)] = (bytes[at] ?? 0) ^ (1 << below(8))
        return bytes
    }
  }
  return Array.from({ length: count }, (_, index) => {
    const extreme = extremes[index]
    if (extreme !== undefined) return new TextEncoder().encode(extreme)
    let bytes: Buffer = Buffer.from(from)
    for (let times = 1 + below(3); times > 0; times--) bytes = bytes.length === 0 ? bytes : mutate(bytes)
    return bytes
  })
}
