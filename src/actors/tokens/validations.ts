/**
 * Validations of one tenant's tokens, where the tenant may be one that is not there.
 *
 * What the validation path answers of a token of the tenant says that the tenant is there, by the same lease and the
 * same rows; nobody asks MariaDB once more. Only where no item found one is it asked, and it has as long as a
 * miss has: what it does not say in that time is no error of the request but the verdict 503, as in 16/ECAP, of those
 * items whose 404 would be that of a tenant that is there. "No" to the tenant may tell of a removal: it is said when
 * that is in force.
 */
import { Effect } from "effect"
import { type TenantNotFound, Unavailable } from "../../domain/errors.ts"
import type { PlainItems } from "../../schema/PlainItems.ts"
import { ActorsConfig } from "../tenant/ActorsConfig.ts"
import type { ValidationAnswer } from "../tenant/Tenants.ts"
import { KnownTenants } from "../validation/KnownTenants.ts"
import { Validator } from "../validation/Validator.ts"
import { type Question, validateAll, writeAll } from "./validateAll.ts"

type Answers = ReadonlyArray<ValidationAnswer>

const showTheTenant = (answers: Answers): boolean => answers.some(({ tokenId }) => tokenId !== null)
/** MariaDB did not say in time what the tokens are: it would not say either whether the tenant is there. */
const tellNothing = (answers: Answers): boolean =>
  answers.length > 0 && answers.every(({ statusCode }) => statusCode === 503)

const notKnown: ValidationAnswer = {
  statusCode: 503,
  reasonPhrase: null,
  tokenId: null,
  endpointId: null,
  status: null
}

const unavailable = new Unavailable({ part: "database", committed: false })

/** `liveTenant` fails where the tenant is not there, when that is in force. */
export const make = Effect.fnUntraced(function* (
  liveTenant: (tenantId: string) => Effect.Effect<unknown, TenantNotFound | Unavailable>
) {
  const { missTimeout } = yield* ActorsConfig
  const knownTenants = yield* KnownTenants
  const validator = yield* Validator

  /** False where MariaDB does not say. */
  const isThere = (tenantId: string) =>
    knownTenants.require(tenantId).pipe(
      Effect.timeoutOrElse({ duration: missTimeout, orElse: () => unavailable }),
      Effect.catchTag("TenantNotFound", () => liveTenant(tenantId)),
      Effect.as(true),
      Effect.catchTag("Unavailable", () => Effect.succeed(false))
    )

  /** The answers, none of which was kept back that would show the tenant. */
  const ofTheTenant = Effect.fnUntraced(function* (tenantId: string, answers: Answers) {
    if (showTheTenant(answers) || tellNothing(answers) || (yield* isThere(tenantId))) return answers
    return answers.map((answer) => (answer.statusCode === 404 ? notKnown : answer))
  })

  return {
    validate: Effect.fnUntraced(function* (tenantId: string, items: ReadonlyArray<Question>, dryRun: boolean) {
      return yield* ofTheTenant(tenantId, yield* validateAll(validator, tenantId, items, dryRun))
    }),
    validatePlain: Effect.fnUntraced(function* (tenantId: string, items: PlainItems) {
      const verdicts = yield* writeAll(validator, tenantId, items)
      const { others, written } = verdicts
      return written.active > 0 ? verdicts : { written, others: yield* ofTheTenant(tenantId, others) }
    })
  }
})
