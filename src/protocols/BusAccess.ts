/**
 * What a caller may do whom only the bus vouches for: pure decisions.
 *
 * - of another account, with its user: `<ACCOUNT>/<user>`, whatever permissions let it ask;
 * - of another account without its user: `<ACCOUNT>/-`, which reads and changes nothing;
 * - the consumer token of `credential.get.<consumer>`: `<consumer>`, if the user, where the server names
 *   one, has that name or one that continues it (`mail-2`). Else the caller is its account's user, and
 *   no consumer of that name. A user known by its nkey has no name to compare;
 * - of the gateway's account: nothing without a bearer token, but what the gateway asks for itself;
 * - within the service's own account: validation and nothing else, whatever permissions say there;
 * - whom the server does not name although it should: nothing.
 *
 * Source: contract, sections 8.1 and 8.2.
 */
import { Result } from "effect"
import { Forbidden, Unauthenticated } from "../domain/errors.ts"
import { busPrincipal, type Principal } from "../domain/Principal.ts"
import type { BusCaller } from "./BusCaller.ts"

export interface BusRequest {
  /** `tenant`, `admin`, and whatever families there will be. */
  readonly family: string
  readonly operation: string
  /** The token after `credential.get`; null for a request without one. */
  readonly consumer: string | null
  readonly bus: BusCaller
}

export type BusDecision = Result.Result<Principal, Unauthenticated | Forbidden>

const validations: ReadonlySet<string> = new Set(["token.validate", "token.validate-batch"])
/** Last words of operations that change nothing. What is not here is taken for a change. */
const readingVerbs: ReadonlySet<string> = new Set([
  "get",
  "list",
  "describe",
  "history",
  "verify",
  "validate",
  "validate-batch",
  "resolve",
  "events",
  "status",
  "show",
  "health",
  "ready",
  "metrics"
])
/** What the gateway asks for itself, before anybody has signed in. */
const gatewaysOwn: ReadonlySet<string> = new Set(["admin ready", "gateway resolve"])

export const isReading = (operation: string): boolean =>
  readingVerbs.has(operation.slice(operation.lastIndexOf(".") + 1))

const nkeyPattern = /^U[A-Z2-7]{55}$/u

/** Whether a user may be the consumer it says to be: `mail`, `mail-2`, `mail.west`, but not `mailer`. */
export const isConsumersUser = (user: string | null, consumer: string): boolean =>
  user === null ||
  user === consumer ||
  nkeyPattern.test(user) ||
  (user.startsWith(consumer) && /^[-._@]/u.test(user.slice(consumer.length)))

const missing = () => new Unauthenticated({ reason: "missing" })
const onlyValidations = () =>
  new Forbidden({
    reason: "a caller within the service's own account may only validate: ask from an account of your own"
  })
const unshared = () =>
  new Forbidden({ reason: "the bus names the account only, and changes need a user: share it with the import" })

/** By name, whoever it is; `changes` decides what an account without a user may ask. */
const importedPrincipal = (account: string, user: string | null, changes: boolean): BusDecision =>
  user === null && changes
    ? Result.fail(unshared())
    : Result.succeed({ principal: `${account}/${user ?? "-"}`, known: { by: "import", account, user, client: null } })

/** The gateway's own operations, which nobody else may ask, with a bearer token or without. */
export const mayAskAsGateway = ({ bus, family }: Pick<BusRequest, "bus" | "family">, gatewayAccount: string): boolean =>
  family !== "gateway" || (bus.by === "import" && bus.account === gatewayAccount)
export const onlyGateway = () => new Forbidden({ reason: "only the gateway's account may ask this" })

/** A JSON request without a bearer token. */
export const decideBus = (request: BusRequest, gatewayAccount: string): BusDecision => {
  const { bus, consumer, family, operation } = request
  if (bus.by !== "nobody" && !mayAskAsGateway(request, gatewayAccount)) return Result.fail(onlyGateway())
  switch (bus.by) {
    case "nobody":
      return Result.fail(missing())
    case "bus":
      return family === "tenant" && validations.has(operation)
        ? Result.succeed(busPrincipal)
        : Result.fail(onlyValidations())
    case "import": {
      const { account, user } = bus
      if (account === gatewayAccount && !gatewaysOwn.has(`${family} ${operation}`)) return Result.fail(missing())
      if (consumer !== null && isConsumersUser(user, consumer)) {
        return Result.succeed({ principal: consumer, known: { by: "subject", account, user, client: null } })
      }
      return importedPrincipal(account, user, !isReading(operation))
    }
  }
}

/** A status transition of 16/ECAP: no bearer token, and the person is the account's. */
export const decideTransition = (bus: BusCaller): BusDecision => {
  switch (bus.by) {
    case "nobody":
      return Result.fail(new Unauthenticated({ reason: "unnamed" }))
    case "bus":
      return Result.fail(onlyValidations())
    case "import":
      return importedPrincipal(bus.account, bus.user, true)
  }
}
