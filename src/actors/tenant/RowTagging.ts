/**
 * Tags of rows in a tenant's transaction: compared with what was loaded, made for what is written.
 *
 * A row that does not hold when it was loaded is written without a tag, whatever is done to it: no
 * change makes a forged row good, only deleting it ends it. Where its words would pass into something
 * new or be handed out, the command refuses with `RowChanged`.
 */
import { Effect, Metric } from "effect"
import type { Keyring } from "../../crypto/Keyring.ts"
import * as RowTags from "../../crypto/RowTags.ts"
import type { ClientCredential } from "../../domain/ClientCredential.ts"
import type { Credential, TenantService } from "../../domain/Credential.ts"
import { RowChanged } from "../../domain/errors.ts"
import { settingsOf, type Tenant, withSettings } from "../../domain/Tenant.ts"
import type { Token } from "../../domain/Token.ts"
import * as Pieces from "../../observability/Pieces.ts"
import type { Seldom } from "../../observability/Seldom.ts"
import type { RevokeAll } from "../../store/RevokeAll.ts"
import type { Changes, Loaded } from "../../store/TenantStore.ts"

/** Counted where the row was to be used, each time. */
export const rowsChanged = Metric.counter("cm_rows_changed_total", {
  description: "Uses of a row that were refused since it was changed outside of the service, by kind",
  incremental: true
})

export type Tagger = Pick<Keyring["Service"], "rowTag" | "rowHolds">

/** What of a transaction's loaded rows is as the service wrote it. What was not loaded is new, and holds. */
export interface Holding {
  readonly token: (tokenId: string) => boolean
  readonly credential: (credentialId: string) => boolean
  readonly client: (credentialId: string) => boolean
  /** The tenant's row, and which services it has switched off. */
  readonly tenant: (tenantId: string) => boolean
  /** What is configured for the transaction's own tenant. */
  readonly settings: () => boolean
  /** A population that is being revoked. */
  readonly revokeAll: (operationId: string) => boolean
}

/** For what is decided without tags. */
export const allHold: Holding = {
  token: () => true,
  credential: () => true,
  client: () => true,
  tenant: () => true,
  settings: () => true,
  revokeAll: () => true
}

/** Whether whom the tenant believes is what the service wrote. */
export const settingsHold = (tenant: Tenant, { rowHolds }: Pick<Tagger, "rowHolds">): boolean =>
  rowHolds(tenant.settingsMac, RowTags.ofTenantSettings(tenant))

/** Whether what was asked, by whom, and how far it came are what the service wrote. */
export const revokeAllHolds = (one: RevokeAll, { rowHolds }: Pick<Tagger, "rowHolds">): boolean =>
  rowHolds(one.mac, RowTags.ofRevokeAll(one))

/** What was loaded does not change under the decisions: a row that many of a group ask about is compared once. */
const once = (holds: (id: string) => boolean): ((id: string) => boolean) => {
  const known = new Map<string, boolean>()
  return (id) => {
    const before = known.get(id)
    if (before !== undefined) return before
    const now = holds(id)
    known.set(id, now)
    return now
  }
}

export const holdingIn = (loaded: Loaded, { rowHolds }: Tagger): Holding => ({
  token: (tokenId) => {
    const row = loaded.tokens.get(tokenId)
    return row === undefined || rowHolds(row.mac, RowTags.ofToken(row))
  },
  credential: once((credentialId) => {
    const row = loaded.credentials?.credentials.get(credentialId)
    return row === undefined || rowHolds(row.mac, RowTags.ofCredential(row))
  }),
  client: (credentialId) => {
    const row = loaded.clients?.credentials.get(credentialId)
    return row === undefined || rowHolds(row.mac, RowTags.ofClient(row))
  },
  tenant: once((tenantId) => {
    const row = loaded.credentials?.tenants.get(tenantId)
    return row !== undefined && rowHolds(row.mac, RowTags.ofTenant(row, row.servicesOff))
  }),
  settings: () => loaded.tenant === undefined || settingsHold(loaded.tenant, { rowHolds }),
  revokeAll: (operationId) => {
    const row = loaded.revokeAlls?.found.get(operationId)
    return row === undefined || revokeAllHolds(row, { rowHolds })
  }
})

export const tokenChanged = (tokenId: string): RowChanged => new RowChanged({ kind: "token", id: tokenId })
export const credentialChanged = (id: string): RowChanged => new RowChanged({ kind: "credential", id })
export const clientChanged = (id: string): RowChanged => new RowChanged({ kind: "client", id })
export const tenantChanged = (tenantId: string): RowChanged => new RowChanged({ kind: "tenant", id: tenantId })

/** Counted, and a line in the log now and then, where a secret was to go out by it. */
export const tellChanged = (tenantId: string, { id, kind }: RowChanged, lines: Seldom): Effect.Effect<void> =>
  Effect.andThen(
    Metric.update(Metric.withAttributes(rowsChanged, { kind }), 1),
    lines.tell(
      Effect.logError(`the row of a ${kind} was changed outside of the service, and no secret is handed out`, {
        tenantId,
        [`${kind}Id`]: id
      })
    )
  )

const unreadTexts = {
  "in doubt":
    "a provider's answer that is stored cannot be opened, and its credential is refreshed no more: " +
    "put its row back as it was, or connect anew",
  "put aside":
    "a provider's answer that is stored cannot be opened, and was put aside: its credential is refreshed with the " +
    "grant that is held, of which nothing was spent",
  "not revoked":
    "what was to be revoked at its provider cannot be opened; what can be is revoked, and the rest is tried again " +
    "for a week: put its row back as it was, or delete it"
}

/** Counted, and a line in the log, where what is stored of a credential was to be settled, or revoked at its provider. */
export const tellUnread = (
  tenantId: string,
  credentialId: string,
  versions: ReadonlyArray<number>,
  noted: keyof typeof unreadTexts
) =>
  Effect.andThen(
    Metric.update(Metric.withAttributes(rowsChanged, { kind: "credential" }), 1),
    Effect.logError(unreadTexts[noted], { tenantId, credentialId, versions: versions.join(" ") })
  )

/** For who read a credential without a lock and is about to use its secret: fails, and tells, where its row was changed. */
export const believeCredential = (
  credential: Credential,
  { rowHolds }: Pick<Tagger, "rowHolds">,
  lines: Seldom
): Effect.Effect<void, RowChanged> => {
  if (rowHolds(credential.mac, RowTags.ofCredential(credential))) return Effect.void
  const error = credentialChanged(credential.credentialId)
  return Effect.andThen(tellChanged(credential.tenantId, error, lines), Effect.fail(error))
}

const populationText = "the row of a population being revoked was changed outside of the service: nothing goes on by it"
/** Counted, and a line in the log now and then, where one was to be gone on with or told of. */
export const revokeAllChanged = (
  { operationId, tenantId }: RevokeAll,
  lines: Seldom
): Effect.Effect<never, RowChanged> =>
  Metric.update(Metric.withAttributes(rowsChanged, { kind: "revoke-all" }), 1).pipe(
    Effect.andThen(lines.tell(Effect.logError(populationText, { tenantId, operationId }))),
    Effect.andThen(Effect.fail(new RowChanged({ kind: "revoke-all", id: operationId })))
  )

/** Counted, and a line in the log, where a kept answer was to be told again. */
export const answerChanged = (tenantId: string, keyHash: string): Effect.Effect<never, RowChanged> =>
  Metric.update(Metric.withAttributes(rowsChanged, { kind: "answer" }), 1).pipe(
    Effect.andThen(
      Effect.logError("the row of an answer that is kept was changed outside of the service: it is not told", {
        tenantId,
        keyHash
      })
    ),
    Effect.andThen(Effect.fail(new RowChanged({ kind: "answer", id: keyHash })))
  )

// ---- writing ---------------------------------------------------------------------

const untagged = <A extends { readonly mac?: Uint8Array | undefined }>({ mac: _, ...row }: A): Omit<A, "mac"> => row

/** The services that are off after the change, or null where it switches none. */
const offAfter = (loaded: Loaded, services: ReadonlyArray<TenantService>): ReadonlySet<string> | null => {
  const before = loaded.credentials?.servicesOff ?? null
  if (before === null) {
    if (services.some(({ isActive }) => !isActive)) throw new Error("a service is switched by who did not count them")
    return null
  }
  if (services.length === 0) return null
  const off = new Set(before)
  for (const { isActive, serviceName } of services) {
    if (isActive) off.delete(serviceName)
    else off.add(serviceName)
  }
  return off
}

const tenantMac = (tenantId: string, loaded: Loaded, changes: Changes, { rowTag }: Tagger): Uint8Array | undefined => {
  const createdAt = changes.tenantCreated === undefined ? loaded.tenant?.createdAt : loaded.now
  if (createdAt === undefined) return undefined
  if (changes.tenantRemoved) return rowTag(RowTags.ofTenant({ tenantId, createdAt, removedAt: loaded.now }, ""))
  const off = offAfter(loaded, changes.credentials?.services ?? [])
  if (changes.tenantCreated === undefined && off === null) return undefined
  const removedAt = changes.tenantCreated === undefined ? (loaded.tenant?.removedAt ?? null) : null
  return rowTag(RowTags.ofTenant({ tenantId, createdAt, removedAt }, RowTags.servicesOff(off ?? [])))
}

/** Of what is configured after the change; none where it changes nothing of it, or did not hold before. */
const settingsMac = (
  tenantId: string,
  loaded: Loaded,
  changes: Changes,
  holding: Holding,
  { rowTag }: Tagger
): Uint8Array | undefined => {
  const { tenantConfigured, tenantCreated, tenantRemoved } = changes
  if (tenantCreated === undefined && tenantConfigured === undefined && !tenantRemoved) return undefined
  const before = tenantCreated === undefined ? loaded.tenant : undefined
  if (tenantCreated === undefined && (before === undefined || !holding.settings())) return undefined
  const tenant = {
    tenantId,
    name: null,
    createdAt: before?.createdAt ?? loaded.now,
    removedAt: tenantRemoved ? (before?.removedAt ?? loaded.now) : (before?.removedAt ?? null)
  }
  const settings = tenantConfigured?.settings ?? tenantCreated?.settings ?? settingsOf(before)
  return rowTag(RowTags.ofTenantSettings(withSettings(tenant, settings)))
}

/** The changes with a tag on each row that may have one. */
export function* tagged(
  tenantId: string,
  loaded: Loaded,
  changes: Changes,
  holding: Holding,
  tagger: Tagger
): Pieces.Pieces<Changes> {
  const { rowTag } = tagger
  const ofToken = (token: Token): Token => ({ ...token, mac: rowTag(RowTags.ofToken(token)) })
  const ofCredential = (credential: Credential): Credential => ({
    ...credential,
    mac: rowTag(RowTags.ofCredential(credential))
  })
  const mac = tenantMac(tenantId, loaded, changes, tagger)
  const settings = settingsMac(tenantId, loaded, changes, holding, tagger)
  const ofClient = (client: ClientCredential): ClientCredential => ({
    ...client,
    mac: rowTag(RowTags.ofClient(client))
  })
  const { clients, credentials } = changes
  return {
    ...changes,
    tokensInserted: yield* Pieces.map(changes.tokensInserted, ofToken),
    tokensUpdated: yield* Pieces.map(changes.tokensUpdated, (token) =>
      holding.token(token.tokenId) ? ofToken(token) : untagged(token)
    ),
    ...(mac === undefined ? {} : { tenantMac: mac }),
    ...(changes.revokeAlls === undefined
      ? {}
      : {
          revokeAlls: changes.revokeAlls.map((one) =>
            holding.revokeAll(one.operationId) ? { ...one, mac: rowTag(RowTags.ofRevokeAll(one)) } : untagged(one)
          )
        }),
    ...(settings === undefined ? {} : { tenantSettingsMac: settings }),
    ...(clients === undefined
      ? {}
      : {
          clients: {
            ...clients,
            inserted: clients.inserted.map(ofClient),
            updated: clients.updated.map((client) =>
              holding.client(client.credentialId) ? ofClient(client) : untagged(client)
            )
          }
        }),
    ...(credentials === undefined
      ? {}
      : {
          credentials: {
            ...credentials,
            ...(credentials.providers === undefined
              ? {}
              : {
                  providers: credentials.providers.map((entry) => ({
                    ...entry,
                    mac: rowTag(RowTags.ofProvider(entry))
                  }))
                }),
            ...(credentials.rotators === undefined
              ? {}
              : {
                  rotators: credentials.rotators.map((entry) => ({ ...entry, mac: rowTag(RowTags.ofRotator(entry)) }))
                }),
            inserted: credentials.inserted.map(ofCredential),
            updated: credentials.updated.map((credential) =>
              holding.credential(credential.credentialId) ? ofCredential(credential) : untagged(credential)
            )
          }
        })
  }
}
