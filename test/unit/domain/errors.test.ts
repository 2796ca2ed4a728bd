// Verifies R-LIM-3.
import { assert, it } from "vitest"
import * as errors from "../../../src/domain/errors.ts"

it("a refusal knows nothing of where it was made, and whatever is made after it does", () => {
  const refusal = errors.TokenNotFound.ofId("none")
  assert.instanceOf(refusal, errors.TokenNotFound)
  assert.instanceOf(refusal, Error)
  assert.strictEqual(refusal._tag, "TokenNotFound")
  assert.notMatch(refusal.stack ?? "", /\n\s+at /u)
  const wrong = { tokenId: 7 } as unknown as { readonly tokenId: string }
  assert.throws(() => new errors.TokenNotFound(wrong))
  assert.match(new Error("a bug").stack ?? "", /\n\s+at /u)
})
