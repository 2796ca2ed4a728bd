/** `CredentialStore` in memory, with the promises of the contract. `now` is Effect's clock. */
import { Clock, Effect, Layer } from "effect"
import { answerVersionBase, type Credential, hasRunOut, isGlobal } from "../../domain/Credential.ts"
import { overlapIsOver } from "../../domain/CredentialLifecycle.ts"
import { globalTenantId } from "../../domain/Names.ts"
import {
  type CredentialQuery,
  CredentialStore,
  type CredentialView,
  type PlacedRef,
  type SweepPlace
} from "../CredentialStore.ts"
import { type MemoryCredentialTables, newestFirst } from "./MemoryCredentialTables.ts"
import { MemoryDatabase } from "./MemoryDatabase.ts"

const matches = (credential: Credential, query: CredentialQuery, now: number): boolean => {
  const inForce = credential.state === "active" && !hasRunOut(credential, now)
  const { expiresAt } = credential
  return (
    (query.serviceName === null || credential.serviceName === query.serviceName) &&
    (query.isActive === null || inForce === query.isActive) &&
    (query.after === null || credential.credentialId < query.after) &&
    (query.expiringWithinMs === null || (inForce && expiresAt !== null && expiresAt <= now + query.expiringWithinMs))
  )
}

const refsOf = (
  tables: MemoryCredentialTables,
  credentials: ReadonlyArray<{ readonly credentialId: string }>,
  limit: number
) =>
  credentials.slice(0, limit).flatMap(({ credentialId }) => {
    const credential = tables.get(credentialId)
    return credential === undefined ? [] : [{ tenantId: credential.tenantId, credentialId }]
  })

const placeOrder = (a: SweepPlace, b: SweepPlace): number =>
  a.dueAt - b.dueAt ||
  (a.credentialId < b.credentialId ? -1 : a.credentialId > b.credentialId ? 1 : a.version - b.version)

const placeIn = ({ credentialId, dueAt, version }: SweepPlace): SweepPlace => ({ dueAt, credentialId, version })

/** Those behind a place, in order. */
const placedOf = (
  tables: MemoryCredentialTables,
  places: ReadonlyArray<SweepPlace>,
  limit: number,
  after: SweepPlace | null = null
): ReadonlyArray<PlacedRef> =>
  places
    .toSorted(placeOrder)
    .filter((place) => after === null || placeOrder(place, after) > 0)
    .slice(0, limit)
    .flatMap((place) => refsOf(tables, [place], 1).map((ref) => ({ ...ref, place })))

const make = Effect.map(MemoryDatabase, ({ credentials: tables, tenants }) => {
  const step = <A>(run: (now: number) => A): Effect.Effect<A> => Effect.map(Clock.currentTimeMillis, run)
  const view =
    (tenantId: string) =>
    (credential: Credential): CredentialView => ({
      credential,
      serviceActive:
        tables.isOn(tenantId, credential.serviceName) &&
        (!isGlobal(credential) || tables.isOn(globalTenantId, credential.serviceName))
    })
  const due = (credential: Credential) =>
    credential.state === "active" && credential.expiresAt !== null ? credential.expiresAt : Number.POSITIVE_INFINITY
  const nearestFirst = (a: Credential, b: Credential) => due(a) - due(b)
  return CredentialStore.of({
    find: (tenantId, load) =>
      step((now) => ({ views: Array.from(tables.find(tenantId, load).values(), view(tenantId)), now })),
    list: (tenantId, query) =>
      step((now) => {
        const found = tables
          .all()
          .filter((credential) => credential.tenantId === tenantId && matches(credential, query, now))
          .toSorted(newestFirst)
        const content = found.slice(0, query.limit)
        const next = found.length > query.limit ? (content.at(-1)?.credentialId ?? null) : null
        return { content: content.map(view(tenantId)), next, now }
      }),
    versions: (tenantId, credentialId, limit) =>
      step((now) => {
        const own = tables.get(credentialId)?.tenantId === tenantId
        const all = own ? tables.versionsOf(credentialId).filter(({ version }) => version < answerVersionBase) : []
        const versions = all.toReversed().slice(0, limit)
        return { versions: versions.map((version) => ({ ...version, sealed: null })), now }
      }),
    services: (tenantId, { after, limit }) =>
      step(() => {
        const found = tables
          .servicesOf(tenantId)
          .filter(({ serviceName }) => after === null || serviceName > after)
          .toSorted((a, b) => (a.serviceName < b.serviceName ? -1 : 1))
        const content = found.slice(0, limit)
        return { content, next: found.length > limit ? (content.at(-1)?.serviceName ?? null) : null }
      }),
    ended: (limit, after) =>
      step((now) => {
        const ended = tables.all().filter((credential) => due(credential) <= now)
        const places = ended.map((credential) => ({ ...credential, dueAt: due(credential), version: 0 }))
        return placedOf(tables, places.map(placeIn), limit, after)
      }),
    overlapsOver: (limit, after) =>
      step((now) => {
        const over = tables.allVersions().filter((version) => overlapIsOver(version, now))
        const places = over.map((version) => ({ ...version, dueAt: version.validUntil ?? 0 }))
        return placedOf(tables, places.map(placeIn), limit, after)
      }),
    orphaned: (limit) =>
      step(() =>
        refsOf(
          tables,
          tables.all().filter((credential) => (tenants.get(credential.tenantId)?.removedAt ?? null) !== null),
          limit
        )
      ),
    noticesDue: (thresholdsMs, limit) =>
      step((now) => {
        const found = tables.all().filter((credential) => {
          const left = due(credential) - now
          const isDue = (leftMs: number, given: number): boolean =>
            leftMs > 0 && thresholdsMs.some((threshold) => threshold < given && leftMs <= threshold)
          const { refresh, state } = credential
          const grantLeft = state === "revoked" ? null : (refresh?.grantExpiresAt ?? null)
          return (
            isDue(left, credential.noticedMs ?? Number.POSITIVE_INFINITY) ||
            (grantLeft !== null && isDue(grantLeft - now, refresh?.grantNoticedMs ?? Number.POSITIVE_INFINITY))
          )
        })
        return refsOf(tables, found.toSorted(nearestFirst), limit)
      }),
    activeCounts: (limit) =>
      step(() => {
        const counts = new Map<string, number>()
        for (const { serviceName, state } of tables.all()) {
          if (state === "active") counts.set(serviceName, (counts.get(serviceName) ?? 0) + 1)
        }
        return Array.from(counts, ([serviceName, count]) => ({ serviceName, count }))
          .toSorted((a, b) => b.count - a.count || (a.serviceName < b.serviceName ? -1 : 1))
          .slice(0, limit)
      })
  })
})

export const layer: Layer.Layer<CredentialStore, never, MemoryDatabase> = Layer.effect(CredentialStore, make)
