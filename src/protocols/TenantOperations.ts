/** `{instance}.admin.v1.tenants.*`. */
import { Effect } from "effect"
import { AccessConfig } from "../access/AccessConfig.ts"
import { Tenants } from "../actors/tenant/Tenants.ts"
import { InvalidRequest, IssuerInUse, IssuerNotFound } from "../domain/errors.ts"
import { issuerAddressProblem, platformName } from "../domain/Issuer.ts"
import { tenantIdPattern } from "../domain/Names.ts"
import { noSettings } from "../domain/Tenant.ts"
import { Deleted } from "../schema/Field.ts"
import {
  ConfigureTenant,
  CreateTenant,
  encodeTenant,
  ListTenants,
  RemoveTenant,
  ResolveAnswer,
  ResolveIssuer,
  TenantAnswer,
  TenantPage
} from "../schema/TenantJson.ts"
import { notManagedElsewhere } from "./Managed.ts"
import { operation } from "./Operation.ts"
import { answerPage } from "./Paging.ts"

/** What can be said of an issuer without knowing the tenants. */
const checkIssuer = Effect.fnUntraced(function* (request: {
  readonly tenantId: string
  readonly issuer?: string | null
  readonly jwksUri?: string | null
}) {
  const { httpInsecure, platform } = yield* AccessConfig
  for (const path of ["issuer", "jwksUri"] as const) {
    const address = request[path] ?? null
    const problem = address === null ? null : issuerAddressProblem(address, httpInsecure)
    if (problem !== null) return yield* new InvalidRequest({ path, reason: problem })
  }
  if ((request.issuer ?? null) === null) return
  if (request.issuer === platform?.issuer) return yield* new IssuerInUse()
  if (request.tenantId === platformName) {
    return yield* new InvalidRequest({ path: "tenantId", reason: "names the platform's own issuer, and can have none" })
  }
})

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
    about: "Creates a tenant, with the issuer of its bearer tokens or without one.",
    request: CreateTenant,
    answer: TenantAnswer,
    statuses: [201],
    errors: ["TENANT_EXISTS", "ISSUER_IN_USE", "MANAGED_ELSEWHERE"],
    handle: Effect.fnUntraced(function* ({ name, ...request }, { caller }) {
      const tenants = yield* Tenants
      yield* notManagedElsewhere("tenants")
      const { tenantId } = request
      yield* checkIssuer(request)
      const { audience, issuer, jwksUri = null } = request
      if (issuer === undefined || audience === undefined) {
        if (issuer !== undefined)
          return yield* new InvalidRequest({ path: "audience", reason: "must be given with an issuer" })
        if (audience !== undefined || jwksUri !== null)
          return yield* new InvalidRequest({ path: "issuer", reason: "must be given with what is said of it" })
        return encodeTenant(yield* tenants.createTenant({ tenantId, name: name ?? null }, caller))
      }
      const settings = { ...noSettings, issuer: { issuer, audience, jwksUri } }
      return encodeTenant(yield* tenants.createTenant({ tenantId, name: name ?? null, settings }, caller))
    })
  }),
  operation({
    family: "admin",
    name: "tenants.configure",
    about: "Changes a tenant's name, issuer, retention or limits; answered when it is in force on every replica.",
    request: ConfigureTenant,
    answer: TenantAnswer,
    errors: ["TENANT_NOT_FOUND", "ISSUER_IN_USE", "MANAGED_ELSEWHERE", "NOT_YET_IN_FORCE"],
    handle: Effect.fnUntraced(function* ({ retention, tenantId, ...change }, { caller }) {
      const tenants = yield* Tenants
      yield* notManagedElsewhere("tenants")
      yield* checkIssuer({ tenantId, ...change })
      const wanted = { ...change, ...(retention === undefined ? {} : { retentionMs: retention }) }
      return encodeTenant(yield* tenants.configureTenant(tenantId, wanted, caller))
    })
  }),
  operation({
    family: "admin",
    name: "tenants.resolve",
    about: "The tenant whose issuer this is.",
    request: ResolveIssuer,
    answer: ResolveAnswer,
    errors: ["TENANT_NOT_FOUND"],
    handle: Effect.fnUntraced(function* ({ issuer }) {
      const tenants = yield* Tenants
      const tenant = yield* tenants.tenantOfIssuer(issuer)
      return tenant === undefined ? yield* new IssuerNotFound() : { tenantId: tenant.tenantId }
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
