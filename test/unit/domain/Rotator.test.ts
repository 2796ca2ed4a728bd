// Verifies R-ROT-1, R-ROT-5.
import { assert, describe, it } from "vitest"
import { answerVersionBase, revocationVersion } from "../../../src/domain/Credential.ts"
import { isPending, pendingVersion, pendingVersionBase } from "../../../src/domain/Rotating.ts"
import { everyMsMin, rotatorDetail } from "../../../src/domain/Rotator.ts"

describe("what a rotator said", () => {
  const password = "Tr0ub4dor-and-Three"
  const said = (words: string) => rotatorDetail(`refused: ${words}`, [null, { username: "crm_a", password }])
  const bytes = Buffer.from(password, "utf8")

  it.each([
    ["whole", password],
    ["its first half", password.slice(0, 9)],
    ["its second half", password.slice(9)],
    ["in capitals", password.toUpperCase()],
    ["in hexadecimal", bytes.toString("hex").slice(0, 18)],
    ["in base64url behind another word", Buffer.from(`x:${password}`, "utf8").toString("base64url").slice(4, 18)]
  ])("goes into the audit without the secret: %s", (_, words) => {
    const detail = said(words)
    assert.notInclude(detail, words)
    assert.match(detail, /^refused: .?.?.?\[hidden\]/u)
  })

  it("is one line of 512 characters at most", () => {
    assert.strictEqual(said("no\nsuch account"), "refused: no such account")
    assert.strictEqual(said("no such account; ".repeat(100)).length, 512)
  })
})

describe("the place of a secret that waits to be set", () => {
  it("is nobody else's, and fits the column", () => {
    const inYears = (years: number) => Math.ceil((years * 365 * 86_400_000) / everyMsMin)
    assert.isAbove(pendingVersionBase, revocationVersion + inYears(1_000))
    assert.isAbove(pendingVersionBase, answerVersionBase + inYears(1_000))
    // INT UNSIGNED
    assert.isAtMost(pendingVersion(inYears(1_000)), 2 ** 32 - 1)
    assert.isTrue(isPending(pendingVersion(1)))
    assert.isFalse(isPending(revocationVersion))
    assert.isFalse(isPending(revocationVersion + 1))
  })
})
