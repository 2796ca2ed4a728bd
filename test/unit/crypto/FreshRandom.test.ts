/** Two copies of one process differ as soon as the kernel tells them different things. */
import { assert, describe, it } from "vitest"
import { freshBytes, freshText, freshTexts } from "../../../src/crypto/FreshRandom.ts"
import { settled } from "../../support/validationWorld.ts"

describe("FreshRandom", () => {
  it("asks the kernel at each draw, and what it says decides", () => {
    let asked = 0
    const silent = (into: Uint8Array) => {
      asked += 1
      into.fill(0)
    }
    const first = Buffer.from(freshBytes(32, silent)).toString("hex")
    const second = Buffer.from(freshBytes(32, silent)).toString("hex")
    assert.notStrictEqual(first, second, "the process's own generator is enough alone")
    assert.strictEqual(asked, 2)
    const draws = new Set(Array.from({ length: 1_000 }, () => Buffer.from(freshBytes(16)).toString("hex")))
    assert.strictEqual(draws.size, 1_000)
  })

  it("asks the kernel anew in each turn of the event loop, and twice for all that are made in one", async () => {
    let asked = 0
    const counting = (into: Uint8Array) => {
      asked += 1
      into.fill(0)
    }
    const one = () => freshTexts(1, 10, "0123456789", counting)[0]!
    // What other tests drew is forgotten by then.
    await settled()
    const texts = Array.from({ length: 50 }, one)
    assert.strictEqual(new Set(texts).size, 50)
    assert.strictEqual(asked, 2, "one for the first alone, one for the others")
    for (const turn of [3, 4, 5]) {
      await settled()
      texts.push(one())
      assert.strictEqual(asked, turn, "nothing that was drawn before a wait is used behind it")
    }
    assert.strictEqual(new Set(texts).size, 53)
  })

  it("gives each character of an alphabet as often as any other", () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    const counts = new Map<string, number>()
    const drawn = 62_000
    for (const character of freshText(drawn, alphabet)) counts.set(character, (counts.get(character) ?? 0) + 1)
    assert.strictEqual(counts.size, alphabet.length)
    // Six standard deviations of a count of 1,000.
    for (const [character, count] of counts) assert.closeTo(count, drawn / 62, 190, character)
    assert.strictEqual(freshText(10, alphabet).length, 10)
  })

  it("gives as many texts as are asked for, each of its length, and no two alike", () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    for (const count of [0, 1, 2, 63, 64, 65, 1_000]) {
      const texts = freshTexts(count, 10, alphabet)
      assert.strictEqual(new Set(texts).size, count)
      assert.isTrue(texts.every((text) => /^[A-Za-z0-9]{10}$/u.test(text)))
    }
    const counts = new Map<string, number>()
    for (const text of freshTexts(6_200, 10, alphabet)) {
      for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1)
    }
    // Six standard deviations of a count of 1,000.
    for (const [character, found] of counts) assert.closeTo(found, 1_000, 190, character)
    assert.strictEqual(counts.size, 62)
  })
})
