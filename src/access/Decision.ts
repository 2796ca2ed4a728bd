/**
 * Whether a caller may do what it asks, as pure functions: nothing here looks anything up.
 *
 * `needsBearer` says whether bus permissions are enough; `overall` decides what needs no knowledge of what
 * the request touches; `ofPlaces` decides the rest, once that is known. What a request names and what does
 * not exist is the same to whoever may not see it: an unknown id is passed on, to be answered 404, to who has
 * the scope on anything, and refused in the tenant's name to who has it on nothing. So nobody learns here
 * that an id is another tenant's.
 *
 * Contract, section 8.2.
 */
import { Data } from "effect"
import {
  applicationResource,
  endpointResource,
  type Grants,
  has,
  hasOnAll,
  hasSomewhere,
  kaaSystem,
  namesWith,
  tenantSystem
} from "./Grants.ts"
import { type CredentialKind, credentialKinds, type Family, type Row } from "./Scopes.ts"

/** What bus permissions alone are worth: `CM_BUS_TRUST`. */
export type BusTrust = "without-issuer" | "always" | "never"

/** Whether the request is refused without a bearer token. */
export const needsBearer = (asked: {
  readonly family: Family
  readonly row: Row | undefined
  /** `credential.get.<consumer>`: bus permissions say who reads. */
  readonly namesConsumer: boolean
  readonly hasIssuer: boolean
  readonly busTrust: BusTrust
}): boolean => {
  if (asked.family === "admin") return asked.busTrust === "never"
  if (asked.row?.on === "nothing" || asked.namesConsumer) return false
  if (asked.family === "gateway") return true
  switch (asked.busTrust) {
    case "always":
      return false
    case "never":
      return true
    case "without-issuer":
      return asked.hasIssuer
  }
}

/** What one item of a request touches, as far as it is known. */
export interface Place {
  readonly endpointId?: string
  /** The application; several for an endpoint whose tokens are in several. */
  readonly appNames?: ReadonlyArray<string>
  readonly kind?: CredentialKind
}

export type Decision = Data.TaggedEnum<{
  /** `among`: of a list, what may be seen; null for everything. */
  Allowed: { readonly among: ReadonlyArray<string> | null }
  Missing: { readonly scope: string; readonly resource: string }
  /** It depends on what the request touches. */
  Depends: {}
}>
export const Decision = Data.taggedEnum<Decision>()

const allowed = Decision.Allowed({ among: null })
/** Nobody is ever granted it. */
const noScope = "none"

/** Which of the two scopes is named to who has neither: the first kind's. */
const kindsOf = (grants: Grants, scopes: Readonly<Record<CredentialKind, string>>): ReadonlyArray<CredentialKind> =>
  credentialKinds.filter((kind) => hasOnAll(grants, scopes[kind]))

/**
 * Which events a caller may see, as words for `isSeen`: `credentials`, `tokens`, or the resources whose tokens; null for all.
 */
const eventsOf = (
  grants: Grants,
  { credentials, tokens }: { readonly credentials: string; readonly tokens: string }
): ReadonlyArray<string> | null => {
  const [allCredentials, allTokens] = [hasOnAll(grants, credentials), hasOnAll(grants, tokens)]
  if (allCredentials && allTokens) return null
  const some = allTokens
    ? ["tokens"]
    : [endpointResource(""), applicationResource("")].flatMap((prefix) =>
        namesWith(grants, prefix, tokens).map((name) => `${prefix}${name}`)
      )
  return [...(allCredentials ? ["credentials"] : []), ...some]
}

/** Whether who may see `among` sees an event of this type about this endpoint and application. */
export const isSeen = (
  among: ReadonlyArray<string> | null,
  event: { readonly type: string; readonly endpointId: string; readonly appName: string }
): boolean => {
  if (among === null) return true
  if (event.type.startsWith("tenant.")) return among.includes("credentials") || among.includes("tokens")
  if (!event.type.startsWith("token.")) return among.includes("credentials")
  return (
    among.includes("tokens") ||
    among.includes(endpointResource(event.endpointId)) ||
    among.includes(applicationResource(event.appName))
  )
}

/** What is decided by the grants alone. */
export const overall = (grants: Grants, row: Row | undefined): Decision => {
  if (row === undefined) return Decision.Missing({ scope: noScope, resource: kaaSystem })
  switch (row.on) {
    case "nothing":
      return allowed
    case "platform":
      return grants.issuedBy === "platform" && has(grants, kaaSystem, row.scope)
        ? allowed
        : Decision.Missing({ scope: row.scope, resource: kaaSystem })
    case "tenant":
      return hasOnAll(grants, row.scope) ? allowed : Decision.Missing({ scope: row.scope, resource: tenantSystem })
    case "applications": {
      if (hasOnAll(grants, row.scope)) return allowed
      const seen = namesWith(grants, applicationResource(""), row.scope)
      return seen.length > 0
        ? Decision.Allowed({ among: seen })
        : Decision.Missing({ scope: row.scope, resource: tenantSystem })
    }
    case "events": {
      const seen = eventsOf(grants, row.scopes)
      if (seen === null || seen.length > 0) return Decision.Allowed({ among: seen })
      return Decision.Missing({ scope: row.scopes.tokens, resource: tenantSystem })
    }
    case "client-credentials": {
      const seen = kindsOf(grants, row.scopes)
      if (seen.length === credentialKinds.length) return allowed
      return seen.length > 0 ? Decision.Allowed({ among: seen }) : Decision.Depends()
    }
    case "client-credential": {
      const kinds = kindsOf(grants, row.scopes)
      if (kinds.length === credentialKinds.length) return allowed
      return kinds.length === 0
        ? Decision.Missing({ scope: row.scopes.basic, resource: tenantSystem })
        : Decision.Depends()
    }
    case "endpoint":
    case "application":
      return hasOnAll(grants, row.scope) ? allowed : Decision.Depends()
  }
}

const resourceOf = ({ appNames = [], endpointId }: Place): string =>
  endpointId !== undefined
    ? endpointResource(endpointId)
    : appNames[0] !== undefined
      ? applicationResource(appNames[0])
      : tenantSystem

const reaches = (grants: Grants, scope: string, { appNames = [], endpointId }: Place): boolean =>
  (endpointId !== undefined && has(grants, endpointResource(endpointId), scope)) ||
  (appNames.length > 0 && appNames.every((appName) => has(grants, applicationResource(appName), scope)))

const isNowhere = ({ appNames = [], endpointId }: Place): boolean => endpointId === undefined && appNames.length === 0

const onPlace = (grants: Grants, scope: string, place: Place | null): Decision => {
  if (place === null) {
    return hasSomewhere(grants, scope) ? allowed : Decision.Missing({ scope, resource: tenantSystem })
  }
  return !isNowhere(place) && reaches(grants, scope, place)
    ? allowed
    : Decision.Missing({ scope, resource: resourceOf(place) })
}

const onCredential = (
  grants: Grants,
  scopes: Readonly<Record<CredentialKind, string>>,
  place: Place | null
): Decision => {
  const kind = place?.kind
  if (kind === undefined)
    return kindsOf(grants, scopes).length > 0 ? allowed : overall(grants, { on: "client-credential", scopes })
  return hasOnAll(grants, scopes[kind]) ? allowed : Decision.Missing({ scope: scopes[kind], resource: tenantSystem })
}

/**
 * What is decided when it is known what the request touches; all of it must be allowed.
 *
 * @param places one for each item; null for an id that is nobody's or another tenant's
 */
export const ofPlaces = (grants: Grants, row: Row, places: ReadonlyArray<Place | null>): Decision => {
  const first = overall(grants, row)
  if (first._tag !== "Depends") return first
  for (const place of places.length === 0 ? [{}] : places) {
    const decided =
      row.on === "endpoint" || row.on === "application"
        ? onPlace(grants, row.scope, place)
        : row.on === "client-credential"
          ? onCredential(grants, row.scopes, place)
          : row.on === "client-credentials"
            ? // Nothing of them may be read: it is only which scope is named.
              Decision.Missing({ scope: row.scopes[place?.kind ?? "basic"], resource: tenantSystem })
            : first
    if (decided._tag !== "Allowed") return decided
  }
  return allowed
}
