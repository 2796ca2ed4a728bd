/**
 * Random bytes that a copy of this process does not draw, too.
 *
 * A virtual machine that is cloned, or resumed twice from one image, goes on with the same state of the
 * generator that lives in the process (OpenSSL's, and what Node has drawn from it ahead): both would make
 * the same tokens and keys. The kernel's generator is told of a clone; so each draw asks it, late, and
 * mixes what it says with the process's own. Either of them alone is enough to be unpredictable. Texts that are
 * made in one go, between two waits of the thread, share a draw, whoever asks for them: only a copy that begins within
 * those milliseconds draws them, too.
 */
import { createHash, randomFillSync } from "node:crypto"
import { openSync, readSync } from "node:fs"

const seedBytes = 32
const source = "/dev/urandom"
let descriptor: number | undefined

/** The file gives as many bytes as are asked for, at once. */
const fromKernel = (into: Uint8Array): void => {
  descriptor ??= openSync(source, "r")
  if (readSync(descriptor, into, 0, into.byteLength, null) !== into.byteLength) {
    throw new Error(`${source} gave too few bytes`)
  }
}

export const freshBytes = (count: number, kernel: (into: Uint8Array) => void = fromKernel): Uint8Array => {
  // Memory of its own, never of the pool that other buffers are cut from.
  const seeds = new Uint8Array(2 * seedBytes)
  randomFillSync(seeds.subarray(0, seedBytes))
  kernel(seeds.subarray(seedBytes))
  const bytes = createHash("shake256", { outputLength: count }).update(seeds).digest()
  seeds.fill(0)
  return bytes
}

/** Texts that share what the kernel and the process say once: their bytes are drawn and used in one go. */
const textsOfDraw = 64

/** What was drawn in this turn of the event loop and is not used yet. */
let left: Uint8Array = new Uint8Array()
let at = 0
/** Draws in this turn: the first is for what is asked, since most turns make one text. */
let draws = 0
const forget = (): void => {
  left.fill(0)
  left = new Uint8Array()
  at = 0
  draws = 0
}

const drawMore = (texts: number, length: number, kernel: typeof fromKernel): void => {
  if (draws === 0) queueMicrotask(forget)
  left.fill(0)
  left = freshBytes(2 * length * (draws === 0 ? Math.min(texts, textsOfDraw) : textsOfDraw), kernel)
  at = 0
  draws++
}

/** So many texts of so many characters of an alphabet of at most 256, each character as likely as any other. */
export const freshTexts = (
  count: number,
  length: number,
  alphabet: string,
  kernel = fromKernel
): ReadonlyArray<string> => {
  const characters = Array.from(alphabet)
  // What is above the last whole multiple would make the first characters likelier.
  const end = 256 - (256 % characters.length)
  const texts: Array<string> = []
  while (texts.length < count) {
    let text = ""
    for (let missing = length; missing > 0; ) {
      if (at === left.length) drawMore(count - texts.length, length, kernel)
      const byte = left[at]!
      left[at++] = 0
      if (byte >= end) continue
      text += characters[byte % characters.length]!
      missing--
    }
    texts.push(text)
  }
  return texts
}

export const freshText = (length: number, alphabet: string): string => freshTexts(1, length, alphabet)[0]!
