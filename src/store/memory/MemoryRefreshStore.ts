/** `RefreshStore` in memory, with the promises of the contract. `now` is Effect's clock. */
import { Clock, Effect, Layer } from "effect"
import { globalTenantId } from "../../domain/Names.ts"
import { RefreshStore, rateWindowMs, type StoredProvider, type Turn } from "../RefreshStore.ts"
import { MemoryDatabase } from "./MemoryDatabase.ts"

interface HeldTurn {
  readonly turnId: number
  readonly lane: string
  readonly takenAt: number
  heldUntil: number
}

const finalSoonMs = 3 * 86_400_000

const make = Effect.map(MemoryDatabase, ({ credentials: tables }) => {
  const step = <A>(run: (now: number) => A): Effect.Effect<A> => Effect.map(Clock.currentTimeMillis, run)
  let turns: ReadonlyArray<HeldTurn> = []
  let lastTurnId = 0
  return RefreshStore.of({
    pick: (limit, againMs, closed) =>
      step((now) => {
        const due = tables.all().filter(({ refreshDueAt }) => (refreshDueAt ?? Number.POSITIVE_INFINITY) <= now)
        const final = (one: (typeof due)[number]) => one.refresh?.grantExpiresAt ?? Number.POSITIVE_INFINITY
        const soon = due.filter((one) => final(one) <= now + finalSoonMs).toSorted((a, b) => final(a) - final(b))
        const rest = due.toSorted((a, b) => (a.refreshDueAt ?? 0) - (b.refreshDueAt ?? 0))
        const all = Array.from(new Set([...soon, ...rest])).slice(0, limit)
        for (const one of all) tables.put({ ...one, refreshDueAt: now + againMs })
        return all
          .filter(({ refresh }) => !closed.includes(refresh?.lane ?? ""))
          .map(({ credentialId, tenantId }) => ({ tenantId, credentialId }))
      }),
    standing: (tenantId, credentialId) =>
      step((now) => {
        const credential = tables.get(credentialId)
        if (credential?.tenantId !== tenantId) return undefined
        const versions = tables.versionsOf(credentialId).filter(({ sealed }) => sealed !== null)
        return { credential, now, serviceActive: tables.isOn(tenantId, credential.serviceName), versions }
      }),
    putAnswer: (tenantId, answer) =>
      step(() => {
        const credential = tables.get(answer.credentialId)
        if (credential?.tenantId !== tenantId || credential.state === "revoked") return false
        if (tables.versionsOf(answer.credentialId).every(({ version }) => version !== answer.version)) {
          tables.putVersion(answer)
        }
        return true
      }),
    providers: (tenantId, name) =>
      step(() =>
        Array.from(tables.providers.values())
          .filter((entry) => [tenantId, globalTenantId].includes(entry.tenantId))
          .filter((entry) => name === null || entry.name === name)
          .toSorted((a, b) => (a.name < b.name ? -1 : 1))
          .map((entry): StoredProvider => {
            const found = tables.versionsOf(entry.providerId).find(({ version }) => version === entry.version)
            return { entry, sealed: found?.sealed ?? undefined }
          })
      ),
    takeTurn: ({ holdMs, lane, parallel, ratePerMinute }) =>
      step((now): Turn => {
        turns = turns.filter(({ heldUntil, takenAt }) => takenAt > now - rateWindowMs || heldUntil > now)
        const own = turns.filter((turn) => turn.lane === lane)
        const recent = own.filter(({ takenAt }) => takenAt > now - rateWindowMs)
        if (recent.length >= ratePerMinute) {
          const oldest = Math.min(...recent.map(({ takenAt }) => takenAt))
          return { _tag: "Full", retryAfterMs: Math.max(1, oldest + rateWindowMs - now) }
        }
        if (own.filter(({ heldUntil }) => heldUntil > now).length >= parallel)
          return { _tag: "Full", retryAfterMs: 250 }
        const turn = { turnId: ++lastTurnId, lane, takenAt: now, heldUntil: now + holdMs }
        turns = [...turns, turn]
        return { _tag: "Taken", turnId: turn.turnId }
      }),
    endTurn: (turnId) =>
      step(() => {
        for (const turn of turns) if (turn.turnId === turnId) turn.heldUntil = 0
      })
  })
})

export const layer: Layer.Layer<RefreshStore, never, MemoryDatabase> = Layer.effect(RefreshStore, make)
