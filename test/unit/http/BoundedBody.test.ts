// Verifies R-INP-7.
/** The one reader of other systems' answers: its bound, whatever is announced, and that it reads no further. */
import { assert, it } from "vitest"
import { BodyTooLong, readBody, textOf } from "../../../src/http/BoundedBody.ts"

/** Chunks without an end, counted; `ended` when the reader has left. */
const endless = (bytes: number) => {
  const seen = { chunks: 0, ended: false }
  const chunks = (async function* () {
    try {
      for (;;) {
        seen.chunks += 1
        yield new Uint8Array(bytes)
      }
    } finally {
      seen.ended = true
    }
  })()
  return { chunks, seen }
}
const of = async function* (...texts: ReadonlyArray<string>) {
  for (const text of texts) yield Buffer.from(text)
}
const failure = (work: Promise<unknown>) =>
  work.then(
    () => null,
    (cause: unknown) => cause
  )

it("what is exactly as long as allowed is read, one byte more is given up", async () => {
  assert.strictEqual((await readBody(of("abc", "de"), 5)).toString(), "abcde")
  assert.instanceOf(await failure(readBody(of("abc", "def"), 5)), BodyTooLong)
  assert.strictEqual((await readBody(null, 5)).length, 0)
})

it("what has no end is given up within one chunk, and its stream is ended", async () => {
  const { chunks, seen } = endless(1_000)
  assert.instanceOf(await failure(readBody(chunks, 10_000)), BodyTooLong)
  assert.deepStrictEqual(seen, { chunks: 11, ended: true })
})

it("an announcement that is too long is enough, one that is a lie or none at all helps nobody", async () => {
  const { chunks, seen } = endless(1)
  assert.instanceOf(await failure(readBody(chunks, 10, "11")), BodyTooLong)
  assert.strictEqual(seen.chunks, 0)
  for (const announced of ["3", "-1", "x", "", "1e1"]) {
    assert.instanceOf(await failure(readBody(of("123456", "789012"), 10, announced)), BodyTooLong, announced)
  }
})

it("a stream that fails is told as it failed, and bytes that are no UTF-8 are no text", async () => {
  const broken = (async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.from("a")
    throw new Error("cut")
  })()
  assert.strictEqual(((await failure(readBody(broken, 10))) as Error).message, "cut")
  assert.throws(() => textOf(Buffer.from([0xff])), TypeError)
})

it("the piece that was too much is kept, for who has to have what came", async () => {
  const kept: Array<Uint8Array> = []
  assert.instanceOf(await failure(readBody(of("abc", "def"), 5, null, kept)), BodyTooLong)
  assert.strictEqual(Buffer.concat(kept).toString(), "abcdef")
})
