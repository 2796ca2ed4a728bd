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
export const validateAll = (
  validator: Validator["Service"],
  tenantId: string,
  items: ReadonlyArray<{ readonly appName: string; readonly token: string }>,
  dryRun: boolean
): Effect.Effect<ReadonlyArray<ValidationAnswer>> =>
  Effect.callback((resume) => {
    const answers = new Array<ValidationAnswer>(items.length)
    let [given, left] = [0, items.length]
    let nextPiece: NodeJS.Immediate | undefined
    const give = () => {
      try {
        for (const end = Math.min(given + pieceMax, items.length); given < end; ) {
          const at = given++
          const { appName, token } = items[at]!
          validator.validateUnsafe(tenantId, appName, token, dryRun, (answer) => {
            answers[at] = answer
            left--
            if (left === 0) resume(Effect.succeed(answers))
          })
        }
        if (given < items.length) nextPiece = setImmediate(give)
      } catch (bug) {
        resume(Effect.die(bug))
      }
    }
    if (left === 0) resume(Effect.succeed(answers))
    else give()
    return Effect.sync(() => clearImmediate(nextPiece))
  })
