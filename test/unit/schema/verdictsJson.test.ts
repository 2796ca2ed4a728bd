// Verifies R-TOK-2, R-INP-5.
/** The answer to a batch that is written as bytes is what `JSON.stringify` makes of its verdicts. */
import { assert, describe, it } from "vitest"
import { encodeTail } from "../../../src/schema/EcapReply.ts"
import { VerdictsWriter } from "../../../src/schema/VerdictsJson.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { times } from "../../support/times.ts"

const { random, seed } = seededRandom("verdicts")
const below = (end: number) => Math.floor(random() * end)
const among = <A>(choices: ReadonlyArray<A>): A => choices[below(choices.length)]!

const idCharacters = "ABCXYZabcxyz0189._~-"
const anId = (length: number) => Array.from({ length }, () => among(Array.from(idCharacters))).join("")
const active = (tokenId: string, endpointId: string) => ({
  statusCode: 200,
  reasonPhrase: null,
  tokenId,
  endpointId,
  status: "Active"
})
/** The end of a reply, somewhere in memory that holds other things too. */
const tailOf = (tokenId: string, endpointId: string) => {
  const start = below(200)
  const tail = encodeTail({ tokenId, endpointId, statusCode: 200, reasonPhrase: null })
  const bytes = Buffer.alloc(start + tail.length + below(200), '"\\')
  bytes.set(tail, start)
  return { bytes, start }
}
const others = [
  { statusCode: 404, reasonPhrase: "Token not found", tokenId: null, endpointId: null, status: null },
  { statusCode: 403, reasonPhrase: "Token is suspended", tokenId: anId(36), endpointId: "ü", status: "Suspended" },
  { statusCode: 200, reasonPhrase: null, tokenId: anId(36), endpointId: 'a "quoted" one', status: "Inactive" }
]

describe("the answer to a batch", () => {
  it("is the JSON of its verdicts in their order, written here or told at the end", () => {
    for (let round = 0; round < times(600); round++) {
      const count = 1 + below(round % 50 === 0 ? 1_000 : 6)
      const share = among([0, 0.5, 1])
      const verdicts = new VerdictsWriter(count)
      const [results, told] = [[] as Array<unknown>, [] as Array<string>]
      for (let at = 0; at < count; at++) {
        if (random() < share) {
          const [tokenId, endpointId] = [anId(36), anId(1 + below(random() < 0.5 ? 128 : 40))]
          const { bytes, start } = tailOf(tokenId, endpointId)
          assert.isTrue(verdicts.putActive(bytes, start))
          results.push(active(tokenId, endpointId))
        } else {
          const other = among(others)
          verdicts.leave()
          told.push(JSON.stringify(other))
          results.push(other)
        }
      }
      assert.strictEqual(verdicts.active, count - told.length)
      const written = Buffer.from(verdicts.join(told)).toString()
      assert.strictEqual(written, JSON.stringify({ results }), `SEED=${seed} round ${round}`)
    }
  })

  it("has room for as many verdicts with the longest ids as it is for", () => {
    const [tokenId, endpointId] = [anId(36), anId(128)]
    const { bytes, start } = tailOf(tokenId, endpointId)
    const verdicts = new VerdictsWriter(1_000)
    for (let at = 0; at < 1_000; at++) assert.isTrue(verdicts.putActive(bytes, start))
    const results = Array.from({ length: 1_000 }, () => active(tokenId, endpointId))
    assert.strictEqual(Buffer.from(verdicts.join([])).toString(), JSON.stringify({ results }))
  })

  it("is not written from an id that JSON could spell otherwise, or that is too long, and goes on as if nobody had tried", () => {
    const unfit: Array<readonly [string, string]> = [[anId(36), anId(129)]]
    for (const one of ['"', "\\", "\n", "\u0000", "\u001f", "ü", "\u2028", "😀"]) {
      unfit.push(
        [anId(36), `e${one}`],
        [anId(36), one + anId(100)],
        [`${anId(36 - Buffer.byteLength(one))}${one}`, "e"]
      )
    }
    for (const [tokenId, endpointId] of unfit) {
      const verdicts = new VerdictsWriter(3)
      const [good, wrong] = [tailOf(anId(36), "first"), tailOf(tokenId, endpointId)]
      assert.isTrue(verdicts.putActive(good.bytes, good.start))
      assert.isFalse(verdicts.putActive(wrong.bytes, wrong.start), endpointId)
      verdicts.leave()
      assert.isTrue(verdicts.putActive(good.bytes, good.start))
      assert.strictEqual(verdicts.active, 2)
      const { results } = JSON.parse(Buffer.from(verdicts.join(['"told"'])).toString())
      assert.deepStrictEqual(results, [results[0], "told", results[0]])
      assert.strictEqual(results[0].endpointId, "first")
    }
  })

  it("is not given while a verdict is missing, or with one too many", () => {
    const verdicts = new VerdictsWriter(2)
    verdicts.leave()
    verdicts.leave()
    assert.throws(() => verdicts.join(["1"]))
    assert.throws(() => verdicts.join(["1", "2", "3"]))
    assert.strictEqual(Buffer.from(verdicts.join(["1", "2"])).toString(), '{"results":[1,2]}')
  })
})
