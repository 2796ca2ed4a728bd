/** `{instance}.v1.{tenant}.rotator.*`: who changes secrets at systems outside. Contract 10.5. */
import { Effect } from "effect"
import { Rotators } from "../actors/credentials/Rotators.ts"
import type { KnownRotator } from "../domain/Rotator.ts"
import {
  DeletedRotator,
  ListRotators,
  NameRotator,
  PutRotator,
  RotatorAnswer,
  RotatorList
} from "../schema/RotatorJson.ts"
import { operation, Replied } from "./Operation.ts"

const encodeRotator = ({ entry, kind, name, origin }: KnownRotator) => ({
  name,
  kind,
  origin,
  ...(entry === null ? {} : { seal_to: entry.definition.seal_to }),
  ...(entry?.definition.generate === undefined ? {} : { generate: entry.definition.generate })
})

export const rotatorOperations = [
  operation({
    family: "tenant",
    name: "rotator.put",
    about: "Names a service on the bus that changes secrets for the tenant, and the key that they are sealed to.",
    request: PutRotator,
    answer: RotatorAnswer,
    statuses: [200, 201],
    errors: ["LIMIT_REACHED"],
    handle: Effect.fnUntraced(function* (request, { caller, tenantId }) {
      const rotators = yield* Rotators
      const { created, known } = yield* rotators.put(tenantId, request, caller)
      return new Replied(created ? 201 : 200, encodeRotator(known))
    })
  }),
  operation({
    family: "tenant",
    name: "rotator.get",
    about: "One rotator as the tenant has it: its own, else the one of global, else the built-in one.",
    request: NameRotator,
    answer: RotatorAnswer,
    errors: ["ROTATOR_NOT_FOUND"],
    handle: Effect.fnUntraced(function* ({ name }, { tenantId }) {
      const rotators = yield* Rotators
      return encodeRotator(yield* rotators.get(tenantId, name))
    })
  }),
  operation({
    family: "tenant",
    name: "rotator.list",
    about: "All rotators that the tenant's credentials may name, by name.",
    request: ListRotators,
    answer: RotatorList,
    handle: Effect.fnUntraced(function* (_, { tenantId }) {
      const rotators = yield* Rotators
      return { content: (yield* rotators.list(tenantId)).map(encodeRotator) }
    })
  }),
  operation({
    family: "tenant",
    name: "rotator.delete",
    about: "Deletes a rotator of the tenant, unless a credential names it.",
    request: NameRotator,
    answer: DeletedRotator,
    errors: ["ROTATOR_NOT_FOUND", "ROTATOR_IN_USE"],
    handle: Effect.fnUntraced(function* ({ name }, { caller, tenantId }) {
      const rotators = yield* Rotators
      return yield* rotators.remove(tenantId, name, caller)
    })
  })
]
