/** `Sweeps` in memory; its clock is Effect's. */
import { Clock, Effect, Layer } from "effect"
import { settingsOf } from "../../domain/Tenant.ts"
import { endOf, hasEnded, type Token } from "../../domain/Token.ts"
import { claimMsMax, Sweeps } from "../Sweeps.ts"
import { isLive, MemoryDatabase, type MemoryTables, tokenCount } from "./MemoryDatabase.ts"
import { endKeys } from "./memoryKeys.ts"

const refOf = ({ appName, endpointId, tenantId, tokenId }: Token) => ({
  tenantId,
  tokenId,
  place: `${appName}/${endpointId}`
})

const claim = (tables: MemoryTables, sweep: string, process: string, expiresAt: number, now: number): boolean => {
  const held = tables.sweeps.get(sweep)
  const isHeld = held !== undefined && held.expiresAt > now && held.expiresAt <= now + claimMsMax
  if (isHeld && held.process !== process) return false
  tables.sweeps.set(sweep, { process, expiresAt })
  return true
}

const purgeRemoved = (tables: MemoryTables) => {
  const gone = { applications: 0, tenants: 0 }
  const pending = new Set(Array.from(tables.pending.values(), ({ tenantId }) => tenantId))
  for (const { appName, removedAt, tenantId } of Array.from(tables.applications.values())) {
    const removed = removedAt !== null || (tables.tenants.get(tenantId)?.removedAt ?? null) !== null
    if (!removed || pending.has(tenantId) || tokenCount(tables, (token) => token.appName === appName) > 0) continue
    tables.applications.delete(appName)
    gone.applications += 1
  }
  for (const { removedAt, tenantId } of Array.from(tables.tenants.values())) {
    const owned = Array.from(tables.applications.values()).some((application) => application.tenantId === tenantId)
    const tokens = tokenCount(tables, (token) => token.tenantId === tenantId)
    if (removedAt !== null) {
      tables.credentials.deleteServices(tenantId)
      tables.credentials.deleteEntries(tenantId)
      endKeys(tables, tenantId, settingsOf(tables.tenants.get(tenantId)).retentionMs, removedAt)
    }
    const credentials =
      tables.credentials.all().some((credential) => credential.tenantId === tenantId) ||
      Array.from(tables.clients.values()).some((client) => client.tenantId === tenantId)
    if (removedAt === null || pending.has(tenantId) || owned || tokens > 0 || credentials) continue
    tables.tenants.delete(tenantId)
    gone.tenants += 1
  }
  return gone
}

const purgeIdempotent = (tables: MemoryTables, before: number, limit: number): number => {
  const old = Array.from(tables.idempotency)
    .filter(([, answer]) => answer.createdAt < before)
    .toSorted(([, a], [, b]) => a.createdAt - b.createdAt)
    .slice(0, limit)
  for (const [key] of old) tables.idempotency.delete(key)
  return old.length
}

const make = Effect.map(MemoryDatabase, (tables) => {
  const step = <A>(run: (now: number) => A): Effect.Effect<A> => Effect.map(Clock.currentTimeMillis, run)
  const ask: Sweeps["Service"]["claim"] = (sweep, process, ttlMs) =>
    step((now) => claim(tables, sweep, process, now + ttlMs, now))
  return Sweeps.of({
    claim: ask,
    hold: ask,
    release: (process) =>
      Effect.sync(() => {
        for (const [sweep, claim] of tables.sweeps) if (claim.process === process) tables.sweeps.delete(sweep)
      }),
    endedTokens: (limit) =>
      step((now) =>
        Array.from(tables.tokens.values())
          .filter((token) => token.status !== "Revoked" && hasEnded(token, now))
          .toSorted((a, b) => (endOf(a) ?? 0) - (endOf(b) ?? 0))
          .slice(0, limit)
          .map(refOf)
      ),
    orphanedTokens: (limit) =>
      Effect.sync(() =>
        Array.from(tables.tokens.values())
          .filter((token) => !isLive(tables, token))
          .slice(0, limit)
          .map(refOf)
      ),
    purgeRemoved: Effect.sync(() => purgeRemoved(tables)),
    purgeIdempotent: (ageMs, limit) => step((now) => purgeIdempotent(tables, now - ageMs, limit)),
    // They are counted here.
    putNumbersBack: Effect.succeed([])
  })
})

export const layer: Layer.Layer<Sweeps, never, MemoryDatabase> = Layer.effect(Sweeps, make)
