/**
 * What a verified bearer token grants, in both of the platform's forms. Contract, section 8.2.
 *
 * The claim `scope` holds for all of the token's tenant; `authorization.permissions` for the resource that
 * each entry names. Of a token of the platform's issuer both count on the platform: its `scope` as if on
 * `kaa-system`, and its permissions on what they name, but for `tenant-system`, which names no tenant.
 * What is not of these forms grants nothing.
 */

export const tenantSystem = "tenant-system"
export const kaaSystem = "kaa-system"
export const endpointResource = (endpointId: string): string => `endpoint-${endpointId}`
export const applicationResource = (appName: string): string => `application-${appName}`

/** Of a token of 16 KiB at most; more entries than this are not read. */
export const permissionsMax = 1_024

export interface Grants {
  /** A token of the tenant's issuer reaches that tenant; one of the platform's all of them and the platform. */
  readonly issuedBy: "tenant" | "platform"
  /** Scopes by resource. */
  readonly byResource: ReadonlyMap<string, ReadonlySet<string>>
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isPermission = (value: unknown): value is { readonly rsname: string; readonly scopes: ReadonlyArray<unknown> } =>
  isObject(value) && typeof value.rsname === "string" && Array.isArray(value.scopes)

export const grantsOf = (claims: Readonly<Record<string, unknown>>, issuedBy: "tenant" | "platform"): Grants => {
  const whole = issuedBy === "platform" ? kaaSystem : tenantSystem
  const foreign = issuedBy === "platform" ? tenantSystem : kaaSystem
  const byResource = new Map<string, Set<string>>()
  const grant = (resource: string, scope: unknown) => {
    if (typeof scope !== "string" || scope === "" || resource === foreign) return
    const present = byResource.get(resource)
    if (present === undefined) byResource.set(resource, new Set([scope]))
    else present.add(scope)
  }
  const { authorization, scope } = claims
  if (typeof scope === "string") for (const name of scope.split(" ")) grant(whole, name)
  const permissions = isObject(authorization) ? authorization.permissions : undefined
  if (Array.isArray(permissions)) {
    for (const permission of permissions.slice(0, permissionsMax)) {
      if (!isPermission(permission)) continue
      for (const name of permission.scopes) grant(permission.rsname, name)
    }
  }
  return { issuedBy, byResource }
}

export const has = (grants: Grants, resource: string, scope: string): boolean =>
  grants.byResource.get(resource)?.has(scope) ?? false

/** On everything that a request to a tenant, or to the platform, can touch. */
export const hasOnAll = (grants: Grants, scope: string): boolean =>
  has(grants, grants.issuedBy === "platform" ? kaaSystem : tenantSystem, scope)

/** On anything at all. */
export const hasSomewhere = (grants: Grants, scope: string): boolean => {
  for (const scopes of grants.byResource.values()) if (scopes.has(scope)) return true
  return false
}

/** The names after `prefix` of the resources that the scope is granted on, in order. */
export const namesWith = (grants: Grants, prefix: string, scope: string): ReadonlyArray<string> => {
  const names: Array<string> = []
  for (const [resource, scopes] of grants.byResource) {
    if (resource.startsWith(prefix) && scopes.has(scope)) names.push(resource.slice(prefix.length))
  }
  return names.toSorted()
}
