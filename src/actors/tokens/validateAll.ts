/**
 * Validations of one request: one wait for all of them, and none of them a fiber, of which a thousand would cost more
 * than what they ask. They are given to the validator piece by piece, and other requests have their turns between.
 */
import { Effect } from "effect"
import type { ValidationAnswer } from "../tenant/Tenants.ts"
import type { Validator } from "../validation/Validator.ts"

/** Some 0.2 ms of hot tokens. */
const pieceMax = 128

/** Answers in the order of `items`. What the validator throws is a defect of this request. */
export const validateAll = Effect.fnUntraced(function* (
  validator: Validator["Service"],
  tenantId: string,
  items: ReadonlyArray<{ readonly appName: string; readonly token: string }>,
  dryRun: boolean
) {
  const answers = new Array<ValidationAnswer>(items.length)
  let left = items.length
  let wake = () => {}
  for (const [at, { appName, token }] of items.entries()) {
    if (at > 0 && at % pieceMax === 0) yield* Effect.yieldNow
    validator.validateUnsafe(tenantId, appName, token, dryRun, (answer) => {
      answers[at] = answer
      left--
      if (left === 0) wake()
    })
  }
  if (left > 0) {
    yield* Effect.callback<void>((resume) => {
      wake = () => resume(Effect.void)
    })
  }
  return answers as ReadonlyArray<ValidationAnswer>
})
