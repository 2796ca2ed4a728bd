/**
 * Which consumer a request for a secret comes from: by how its principal is known, never by a claim.
 *
 * Whoever only the bus or this service itself vouches for is no consumer at all.
 */
import { type Consumer, consumerAccountOf } from "../domain/Access.ts"
import { InvalidRequest } from "../domain/errors.ts"
import type { Principal } from "../domain/Principal.ts"

export const consumerOf = ({ known, principal }: Principal): Consumer => {
  switch (known.by) {
    case "subject":
      return { by: "subject", name: principal }
    case "bearer":
      return { by: "bearer", principal }
    case "import":
      return known.account === null ? { by: "nothing" } : { by: "import", account: known.account, user: known.user }
    case "bus":
    case "service":
      return { by: "nothing" }
  }
}

/**
 * What is wrong with a list of consumers beyond their form, or null: the gateway is the door of many people,
 * so its account can be nobody's name.
 */
export const refusalOfConsumers = (
  names: ReadonlyArray<string> | undefined,
  gatewayAccount: string
): InvalidRequest | null => {
  const at = (names ?? []).findIndex((name) => consumerAccountOf(name) === gatewayAccount)
  return at === -1
    ? null
    : new InvalidRequest({
        path: `allowed_consumers[${at}]`,
        reason: "is the gateway's account: name the bearer, `bearer:<tenant>/<subject>`"
      })
}
