/** `{instance}.v1.{tenant}.application.*`. An application name is unique on the platform. */
import { Effect } from "effect"
import { Tenants } from "../actors/tenant/Tenants.ts"
import { appNamePattern } from "../domain/Names.ts"
import {
  ApplicationAnswer,
  ApplicationPage,
  encodeApplication,
  ListApplications,
  RegisterApplication,
  RemoveApplication
} from "../schema/ApplicationJson.ts"
import { Deleted } from "../schema/Field.ts"
import { notManagedElsewhere } from "./Managed.ts"
import { operation, Replied } from "./Operation.ts"
import { answerPage } from "./Paging.ts"

/** An unknown tenant is told first. */
const unmanaged = Effect.fnUntraced(function* (tenantId: string) {
  const tenants = yield* Tenants
  const refused = yield* Effect.option(Effect.flip(notManagedElsewhere("applications")))
  if (refused._tag === "None") return
  yield* tenants.listApplications(tenantId, { limit: 1, after: null, among: [] })
  return yield* refused.value
})

export const applicationOperations = [
  operation({
    family: "tenant",
    name: "application.register",
    about: "Registers an application name for the tenant; 200 when it is already the tenant's.",
    request: RegisterApplication,
    answer: ApplicationAnswer,
    statuses: [201, 200],
    errors: ["FORBIDDEN", "APPLICATION_EXISTS", "MANAGED_ELSEWHERE", "LIMIT_REACHED"],
    handle: Effect.fnUntraced(function* ({ appName }, { caller, tenantId }) {
      const tenants = yield* Tenants
      yield* unmanaged(tenantId)
      const { application, created } = yield* tenants.registerApplication(tenantId, appName, caller)
      return new Replied(created ? 201 : 200, encodeApplication(application))
    })
  }),
  operation({
    family: "tenant",
    name: "application.list",
    about: "The tenant's applications, by name.",
    request: ListApplications,
    answer: ApplicationPage,
    errors: ["INVALID_CURSOR", "NOT_YET_IN_FORCE"],
    handle: Effect.fnUntraced(function* ({ cursor, limit }, { among, answerBytesMax, tenantId }) {
      const tenants = yield* Tenants
      return yield* answerPage({
        list: "application.list",
        of: [tenantId],
        place: appNamePattern,
        cursor,
        limit,
        bytesMax: answerBytesMax,
        fetch: (limit, after) => tenants.listApplications(tenantId, { limit, after, among }),
        encode: encodeApplication
      })
    })
  }),
  operation({
    family: "tenant",
    name: "application.remove",
    about: "Removes an application: from the answer on nothing of it validates; its tokens are revoked and deleted.",
    request: RemoveApplication,
    answer: Deleted,
    errors: ["APPLICATION_NOT_FOUND", "MANAGED_ELSEWHERE", "NOT_YET_IN_FORCE"],
    touches: ({ appName }) => Effect.succeed([{ appNames: [appName] }]),
    handle: Effect.fnUntraced(function* ({ appName }, { caller, tenantId }) {
      const tenants = yield* Tenants
      yield* unmanaged(tenantId)
      return yield* tenants.removeApplication(tenantId, appName, caller)
    })
  })
]
