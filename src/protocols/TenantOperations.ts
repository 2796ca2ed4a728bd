/** `{instance}.admin.v1.tenants.*`. */
import { Effect } from "effect"
import { Tenants } from "../actors/tenant/Tenants.ts"
import { tenantIdPattern } from "../domain/Names.ts"
import { Deleted } from "../schema/Field.ts"
import {
  CreateTenant,
  encodeTenant,
  ListTenants,
  RemoveTenant,
  TenantAnswer,
  TenantPage
} from "../schema/TenantJson.ts"
import { notManagedElsewhere } from "./Managed.ts"
import { operation } from "./Operation.ts"
import { answerPage } from "./Paging.ts"

export const tenantOperations = [
  operation({
    family: "admin",
    name: "tenants.list",
    about: "The tenants, by id.",
    request: ListTenants,
    answer: TenantPage,
    errors: ["INVALID_CURSOR"],
    handle: Effect.fnUntraced(function* ({ cursor, limit }, { answerBytesMax }) {
      const tenants = yield* Tenants
      return yield* answerPage({
        list: "tenants.list",
        of: [],
        place: tenantIdPattern,
        cursor,
        limit,
        bytesMax: answerBytesMax,
        fetch: (limit, after) => tenants.listTenants({ limit, after }),
        encode: encodeTenant
      })
    })
  }),
  operation({
    family: "admin",
    name: "tenants.create",
    about: "Creates a tenant.",
    request: CreateTenant,
    answer: TenantAnswer,
    statuses: [201],
    errors: ["TENANT_EXISTS", "MANAGED_ELSEWHERE"],
    handle: Effect.fnUntraced(function* ({ name, tenantId }, { caller }) {
      const tenants = yield* Tenants
      yield* notManagedElsewhere("tenants")
      return encodeTenant(yield* tenants.createTenant({ tenantId, name: name ?? null }, caller))
    })
  }),
  operation({
    family: "admin",
    name: "tenants.remove",
    about: "Removes a tenant: it is served no more, its tokens are revoked; answers their number.",
    request: RemoveTenant,
    answer: Deleted,
    errors: ["TENANT_NOT_FOUND", "FORBIDDEN", "MANAGED_ELSEWHERE", "NOT_YET_IN_FORCE"],
    handle: Effect.fnUntraced(function* ({ tenantId }, { caller }) {
      const tenants = yield* Tenants
      yield* notManagedElsewhere("tenants")
      return yield* tenants.removeTenant(tenantId, caller)
    })
  })
]
