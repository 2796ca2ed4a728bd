// Verifies R-AUD-11.
/** Which keys are trusted because a true one is: along the steps between them, and along nothing that only looks like one. */

import { generateKeyPairSync } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { trustedFrom } from "../../../src/crypto/AuditKeyLink.ts"
import type { AuditKeyLink } from "../../../src/domain/AuditKeyLink.ts"

const keyNamed = (id: string) => ({ id, text: generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }).x! })
type Key = ReturnType<typeof keyNamed>
const [first, second, third, foreign] = ["first", "second", "third", "foreign"].map(keyNamed) as [Key, Key, Key, Key]

/** Signatures are checked where a step is read. */
const step = (previous: Key, next: Key, until: number): AuditKeyLink => ({
  ...{ previous_key_id: previous.id, previous_public_key: previous.text, key_id: next.id, public_key: next.text },
  ...{ at: until - 1, until, previous_signature: "", signature: "" }
})
const trusted = (...steps: ReadonlyArray<AuditKeyLink>) =>
  Array.from(trustedFrom(third.id, third.text, new Map(steps.map((one) => [one.key_id, one]))).keys, ([id, key]) => [
    id,
    key.publicText,
    key.until
  ])

describe("the keys that are trusted from the newest one on", () => {
  it("are all before it, each up to when it was followed", () => {
    assert.deepStrictEqual(trusted(step(second, third, 4), step(first, second, 2)), [
      [third.id, third.text, null],
      [second.id, second.text, 4],
      [first.id, first.text, 2]
    ])
  })

  it("end at a step to another key of the same name: who has made that one leads nobody to theirs", () => {
    const forged = step(foreign, { ...foreign, id: second.id }, 2)
    assert.deepStrictEqual(
      trusted(step(second, third, 4), forged).map(([id]) => id),
      [third.id, second.id]
    )
  })

  it("are each named once, though steps lead round in a circle", () => {
    assert.deepStrictEqual(
      trusted(step(second, third, 4), step(third, second, 2)).map(([id]) => id),
      [third.id, second.id]
    )
  })
})
