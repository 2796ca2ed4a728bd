/**
 * What a row says that decides something, under a key that is not in the database.
 *
 * Whoever writes to the database without the service's keys can change a row and cannot make its tag.
 * A tag names the kind of its row and everything that decides a hand-out or a 200, ids and tenant
 * included, so it fits no other row. It is compared where a row becomes an answer: at the hand-out of
 * a secret, where a token is read for a validation (never for one that is hot), and where a tenant is asked
 * whose bearer tokens it believes.
 *
 * What it does not show: a row that is gone, and a whole row of before that is put back with the tag
 * it had (docs/threat-model.md). Of a tenant's services the tenant's own tag covers which are off, so
 * that there a row that is gone is seen.
 *
 * Pure. Last use, notices given and texts that only describe are not covered.
 */
import { createHash } from "node:crypto"
import { hexOf } from "../domain/Bytes.ts"
import type { ClientCredential } from "../domain/ClientCredential.ts"
import { type Credential, ownerKey } from "../domain/Credential.ts"
import type { HotToken } from "../domain/HotToken.ts"
import type { ProviderEntry } from "../domain/ProviderEntry.ts"
import type { RotatorEntry } from "../domain/Rotator.ts"
import { settingsOf, type Tenant } from "../domain/Tenant.ts"
import type { Token } from "../domain/Token.ts"
import type { RevokeAll } from "../store/RevokeAll.ts"

/** Bytes of a tag: HMAC-SHA-256, cut to 128 bits. */
export const tagLength = 16

/** What is tagged: a text that can be read in one way only. */
export type RowText = string

const text = (
  kind: "credential" | "tenant" | "settings" | "client" | "provider" | "provider-client" | "rotator" | "revoke-all",
  parts: ReadonlyArray<unknown>
): RowText => JSON.stringify([`cm-row-${kind}-1`, ...parts])

type Ends = Pick<Token, "expiresAt" | "overlapEndsAt" | "endedBy">
type TokenRow = Pick<HotToken, "tokenId" | "status" | "version" | "tenantId" | "appName" | "endpointId">

/** A text with its length before it: read in one way only, and cheaper than JSON for who reads rows by the thousand. */
const counted = (part: string): string => `${part.length}:${part}`

const tokenText = (token: TokenRow, cacheKey: string, { endedBy, expiresAt, overlapEndsAt }: Ends): RowText =>
  `cm-row-token-1 ${token.tokenId} ${cacheKey} ${token.status} ${token.version} ${expiresAt} ${overlapEndsAt} ${endedBy} ${counted(
    token.tenantId
  )} ${counted(token.appName)} ${counted(token.endpointId)}`

/** Of a token as a validation reads it, or null where its row has no tag. */
export const ofHotToken = (token: HotToken): RowText | null =>
  token.tag === undefined ? null : tokenText(token, token.cacheKey, token.tag)

/** Of a token as a change reads it, with its own hash or the one that it moves to. */
export const ofToken = (token: Token, hash = token.hash): RowText => tokenText(token, hexOf(hash), token)

export const ofCredential = (credential: Credential): RowText =>
  text("credential", [
    credential.credentialId,
    credential.tenantId,
    credential.serviceName,
    credential.type,
    ownerKey(credential.owner),
    credential.state,
    credential.version,
    credential.secretVersion,
    credential.scopes,
    credential.allowedConsumers,
    credential.metadata,
    credential.rotation,
    credential.expiresAt,
    credential.reason,
    credential.createdAt,
    credential.updatedAt,
    credential.createdBy,
    credential.updatedBy,
    ...(credential.refresh === undefined ? [] : [credential.refresh]),
    ...(credential.rotating === undefined ? [] : ["rotating", credential.rotating]),
    ...(credential.formerRefresh === undefined ? [] : ["former", credential.formerRefresh])
  ])

/** What was asked, by whom, and how far it came: a sweep goes on with it in the asker's name. */
export const ofRevokeAll = (one: RevokeAll): RowText =>
  text("revoke-all", [
    one.operationId,
    one.tenantId,
    one.population,
    one.reason,
    one.asker,
    one.correlationId,
    one.matched,
    one.isAtLeast,
    one.done,
    one.place,
    one.startedAt,
    one.finishedAt
  ])

/** Where secrets are sent to is what its provider says: that row has a tag as well. */
export const ofProvider = (entry: ProviderEntry): RowText =>
  text("provider", [
    entry.tenantId,
    entry.name,
    entry.providerId,
    entry.version,
    entry.definition,
    entry.clientId,
    entry.secrets,
    entry.hasKey
  ])

/** Whom secrets are sealed for is what its rotator says. */
export const ofRotator = ({ definition, name, tenantId, version }: RotatorEntry): RowText =>
  text("rotator", [tenantId, name, version, definition])

/**
 * A client at a provider, whoever's the provider is: what shares its rate. Not a row, but under the key of rows,
 * which stays: rows name it for as long as they live.
 */
export const ofProviderClient = (whose: string, provider: string, clientId: string): RowText =>
  text("provider-client", [whose, provider, clientId])

/** Its password's hash included: who could change that could choose a password. */
export const ofClient = ({
  clientId,
  credentialId,
  name,
  passwordHash,
  status,
  tenantId,
  version
}: ClientCredential): RowText =>
  text("client", [
    credentialId,
    tenantId,
    clientId,
    ...(name.kind === "basic" ? ["basic", name.username] : ["certificate", name.issuer, name.serialNumber]),
    passwordHash,
    status,
    version
  ])

/** Which services a tenant has switched off, as one short text; the store makes the same of its rows. */
export const servicesOff = (names: Iterable<string>): string => {
  const sorted = Array.from(new Set(names)).toSorted()
  return sorted.length === 0 ? "" : createHash("sha256").update(sorted.join("/"), "utf8").digest("hex")
}

/** Of a tenant: what is removed has no services. */
export const ofTenant = (tenant: Pick<Tenant, "tenantId" | "createdAt" | "removedAt">, off: string): RowText =>
  text("tenant", [tenant.tenantId, tenant.createdAt, tenant.removedAt, tenant.removedAt === null ? off : ""])

/**
 * Of what is configured for a tenant: whom it believes first of all. A tag of its own, so that who asks for
 * the issuer need not count services. Of a tenant without settings it says that there are none.
 */
export const ofTenantSettings = (tenant: Tenant): RowText => {
  const { issuer, limits, retentionMs } = settingsOf(tenant)
  return text("settings", [
    tenant.tenantId,
    tenant.createdAt,
    tenant.removedAt,
    issuer === null ? null : [issuer.issuer, issuer.audience, issuer.jwksUri],
    retentionMs,
    Object.entries(limits).toSorted(([a], [b]) => (a < b ? -1 : 1))
  ])
}
