/**
 * Validations of one request: one wait for all of them, and none of them a fiber, of which a thousand would cost more
 * than what they ask. They are given to the validator in pieces, which leave the thread to others.
 */
import { Effect } from "effect"
import * as Pieces from "../../observability/Pieces.ts"
import type { PlainItems } from "../../schema/PlainItems.ts"
import { VerdictsWriter } from "../../schema/VerdictsJson.ts"
import type { ValidationAnswer, Verdicts } from "../tenant/Tenants.ts"
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

/**
 * Asks for each of so many, in pieces, and ends when each has been told, once. What `ask` throws is a defect of this request.
 */
const askEach = Effect.fnUntraced(function* (count: number, ask: (at: number, told: () => void) => void) {
  let left = count
  let wake = () => {}
  const told = () => {
    left--
    if (left === 0) wake()
  }
  function* asking() {
    for (let at = 0; at < count; at++) {
      ask(at, told)
      yield
    }
  }
  yield* Pieces.run(count, asking(), Pieces.lightPieceMax)
  if (left > 0) {
    yield* Effect.callback<void>((resume) => {
      // This fiber may have been left since it looked, and the last answer may have come.
      if (left === 0) return resume(Effect.void)
      wake = () => resume(Effect.void)
    })
  }
})

/** Answers in the order of `items`. */
export const validateAll = Effect.fnUntraced(function* (
  validator: Validator["Service"],
  tenantId: string,
  items: ReadonlyArray<Question>,
  dryRun: boolean
) {
  const [first] = items
  // Nearly every request asks for one: no generator and no pieces for it.
  if (first !== undefined && items.length === 1) return [yield* validateOne(validator, tenantId, first, dryRun)]
  const answers = new Array<ValidationAnswer>(items.length)
  yield* askEach(items.length, (at, told) => {
    const { appName, token } = items[at]!
    validator.validateUnsafe(tenantId, appName, token, dryRun, (answer) => {
      answers[at] = answer
      told()
    })
  })
  return answers as ReadonlyArray<ValidationAnswer>
})

/** Verdicts in the order of `items`: written, where the token is hot and good, else told. */
export const writeAll = Effect.fnUntraced(function* (
  validator: Validator["Service"],
  tenantId: string,
  items: PlainItems
): Generator<Effect.Effect<void>, Verdicts, never> {
  const written = new VerdictsWriter(items.length)
  const others: Array<ValidationAnswer> = []
  let places = 0
  yield* askEach(items.length, (at, told) => {
    if (validator.writeUnsafe(tenantId, items, at, written)) return told()
    written.leave()
    const place = places++
    validator.validateUnsafe(tenantId, items.appName(at), items.token(at), false, (answer) => {
      others[place] = answer
      told()
    })
  })
  return { written, others }
})
