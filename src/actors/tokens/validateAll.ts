/**
 * Validations of one request: one wait for all of them, and none of them a fiber, of which a thousand would cost more
 * than what they ask. They are given to the validator in pieces, which leave the thread to others.
 */
import { Effect } from "effect"
import * as Pieces from "../../observability/Pieces.ts"
import type { ValidationAnswer } from "../tenant/Tenants.ts"
import type { Validator } from "../validation/Validator.ts"

export interface Question {
  readonly appName: string
  readonly token: string
}

export const validateOne = (
  { validateUnsafe }: Validator["Service"],
  tenantId: string,
  { appName, token }: Question,
  dryRun: boolean
) =>
  Effect.callback<ValidationAnswer>((resume) =>
    validateUnsafe(tenantId, appName, token, dryRun, (answer) => resume(Effect.succeed(answer)))
  )

/** Answers in the order of `items`. What the validator throws is a defect of this request. */
export const validateAll = Effect.fnUntraced(function* (
  validator: Validator["Service"],
  tenantId: string,
  items: ReadonlyArray<Question>,
  dryRun: boolean
) {
  const answers = new Array<ValidationAnswer>(items.length)
  let left = items.length
  let wake = () => {}
  const asking = Pieces.map(items, ({ appName, token }, at) =>
    validator.validateUnsafe(tenantId, appName, token, dryRun, (answer) => {
      answers[at] = answer
      left--
      if (left === 0) wake()
    })
  )
  yield* Pieces.run(items.length, asking, Pieces.lightPieceMax)
  if (left > 0) {
    yield* Effect.callback<void>((resume) => {
      // This fiber may have been left since it looked, and the last answer may have come.
      if (left === 0) return resume(Effect.void)
      wake = () => resume(Effect.void)
    })
  }
  return answers as ReadonlyArray<ValidationAnswer>
})
