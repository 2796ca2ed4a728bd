/** `RefreshStore` in memory, with the promises of the contract. `now` is Effect's clock. */
import { Clock, Effect, Layer } from "effect"
import {
  afterFailure,
  type Circuit,
  type CircuitKind,
  circuitState,
  closedCircuit,
  waitFor
} from "../../domain/Circuit.ts"
import { historyVersionsMax } from "../../domain/Credential.ts"
import { globalTenantId } from "../../domain/Names.ts"
import { queueOf, urgencyOf } from "../../domain/Refresh.ts"
import { never, rotatorQueue } from "../../domain/Rotating.ts"
import { fairPick, type QueueRoom } from "../FairPick.ts"
import {
  busyRetryMs,
  type CircuitChange,
  isKeptAt,
  limitedMsMax,
  pickedMs,
  type QueueRules,
  RefreshStore,
  type Route,
  rateWindowMs,
  type StoredProvider,
  type Turn
} from "../RefreshStore.ts"
import { MemoryDatabase } from "./MemoryDatabase.ts"

interface HeldTurn {
  readonly turnId: number
  readonly lane: string
  readonly takenAt: number
  heldUntil: number
}

interface KnownCircuit {
  readonly of: CircuitKind
  readonly provider: string
  readonly circuit: Circuit
}

const make = Effect.map(MemoryDatabase, ({ credentials: tables }) => {
  const step = <A>(run: (now: number) => A): Effect.Effect<A> => Effect.map(Clock.currentTimeMillis, run)
  let turns: ReadonlyArray<HeldTurn> = []
  let lastTurnId = 0
  const queues = new Map<string, QueueRules & { readonly closedUntil: number }>()
  const circuits = new Map<string, KnownCircuit>()

  const close = (by: "queue" | "lane" | "circuit", key: string, until: number) => {
    for (const [name, queue] of queues) {
      if (queue[by] === key) queues.set(name, { ...queue, closedUntil: Math.max(queue.closedUntil, until) })
    }
  }
  const open = (by: "lane" | "circuit" | "provider", key: string) => {
    for (const [name, queue] of queues) if (queue[by] === key) queues.set(name, { ...queue, closedUntil: 0 })
  }
  const fail = (route: Route, of: CircuitKind, now: number, chance: number): ReadonlyArray<CircuitChange> => {
    const by = of === "provider" ? "circuit" : "lane"
    const before = circuits.get(route[by])?.circuit ?? closedCircuit
    const circuit = afterFailure(before, of, now, chance)
    circuits.set(route[by], { of, provider: route.provider, circuit })
    if (circuit.openUntil === before.openUntil) return []
    close(by, route[by], circuit.openUntil)
    return [{ of, to: "open", forMs: circuit.openUntil - now }]
  }
  const succeed = (route: Route, of: CircuitKind): ReadonlyArray<CircuitChange> => {
    const by = of === "provider" ? "circuit" : "lane"
    const before = circuits.get(route[by])
    circuits.delete(route[by])
    if (before === undefined || before.circuit.openUntil === 0) return []
    open(by, route[by])
    return [{ of, to: "closed", forMs: 0 }]
  }
  const endProbe = (route: Route, heldUntil: number) => {
    for (const by of ["lane", "circuit"] as const) {
      const known = circuits.get(route[by])
      if (known?.circuit.probeUntil !== heldUntil) continue
      circuits.set(route[by], { ...known, circuit: { ...known.circuit, probeUntil: 0 } })
      for (const [name, queue] of queues) {
        if (queue[by] === route[by] && queue.closedUntil === heldUntil) queues.set(name, { ...queue, closedUntil: 0 })
      }
    }
  }
  const know = (rules: QueueRules) => {
    queues.set(rules.queue, { ...rules, closedUntil: queues.get(rules.queue)?.closedUntil ?? 0 })
  }
  const roomsAt = (now: number): ReadonlyArray<QueueRoom> =>
    Array.from(queues.values(), ({ closedUntil, lane, parallel, queue, ratePerMinute }) => {
      const own = turns.filter((turn) => turn.lane === lane)
      return {
        queue,
        lane,
        isClosed: closedUntil > now,
        ratePerMinute,
        parallel,
        taken: own.filter(({ takenAt }) => takenAt > now - rateWindowMs).length,
        held: own.filter(({ heldUntil }) => heldUntil > now).length
      }
    })

  return RefreshStore.of({
    pick: (limit, underWay) =>
      step((now) => {
        const due = tables.all().filter(({ refreshDueAt }) => (refreshDueAt ?? Number.POSITIVE_INFINITY) <= now)
        const rows = due.flatMap(({ credentialId, refresh, rotating, tenantId }) => {
          if (refresh !== undefined) {
            return [{ credentialId, tenantId, queue: queueOf(refresh), urgency: urgencyOf(refresh) }]
          }
          return rotating === undefined ? [] : [{ credentialId, tenantId, queue: rotatorQueue, urgency: never }]
        })
        const { chosen, more } = fairPick(rows, roomsAt(now), limit, underWay)
        const refs = chosen.map(({ credentialId }) => {
          const one = tables.get(credentialId)!
          tables.put({ ...one, refreshDueAt: now + pickedMs })
          return { tenantId: one.tenantId, credentialId }
        })
        return { refs, more }
      }),
    putBack: (credentialId, inMs) =>
      step((now) => {
        const one = tables.get(credentialId)
        const at = one?.refreshDueAt ?? null
        if (one === undefined || at === null || at <= now + inMs || at > now + pickedMs) return
        tables.put({ ...one, refreshDueAt: now + inMs })
      }),
    rest: (credentialId, version, forMs) =>
      step((now) => {
        const one = tables.get(credentialId)
        if (one === undefined || one.version !== (version ?? one.version)) return
        if ((one.refreshDueAt ?? Number.POSITIVE_INFINITY) > now + pickedMs) return
        tables.put({ ...one, refreshDueAt: forMs === null ? null : now + forMs })
      }),
    sift: ({ after, forMs, holds, limit }) =>
      step((now) => {
        const rows = tables
          .all()
          .flatMap((one) =>
            one.refreshDueAt == null || one.refreshDueAt > now ? [] : [{ one, dueAt: one.refreshDueAt }]
          )
          .toSorted((a, b) => a.dueAt - b.dueAt || (a.one.credentialId < b.one.credentialId ? -1 : 1))
          .filter(
            ({ dueAt, one }) =>
              after === null || dueAt > after.dueAt || (dueAt === after.dueAt && one.credentialId > after.credentialId)
          )
          .slice(0, limit)
        const changed = rows.flatMap(({ one }) => (holds(one) ? [] : [one]))
        for (const one of changed) tables.put({ ...one, refreshDueAt: now + forMs })
        const last = rows.at(-1)
        return {
          changed: changed.map(({ credentialId, tenantId }) => ({ credentialId, tenantId })),
          next:
            last === undefined || rows.length < limit
              ? null
              : { dueAt: last.dueAt, credentialId: last.one.credentialId }
        }
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
        if (credential?.tenantId !== tenantId) return false
        if (credential.state === "revoked" && credential.refresh?.atProvider !== "pending") return false
        const there = tables.versionsOf(answer.credentialId).find(({ version }) => version === answer.version)
        const refresh = credential.refresh ?? credential.formerRefresh
        if (there === undefined || !isKeptAt(there, answer, refresh)) tables.putVersion(answer)
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
    rotators: (tenantId, name) =>
      step(() =>
        Array.from(tables.rotators.values())
          .filter((entry) => [tenantId, globalTenantId].includes(entry.tenantId))
          .filter((entry) => name === null || entry.name === name)
          .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      ),
    knowQueue: (rules) => step(() => know(rules)),
    takeTurn: (request) =>
      step((now): Turn => {
        const { holdMs, lane, parallel, queue, ratePerMinute } = request
        turns = turns.filter(({ heldUntil, takenAt }) => takenAt > now - rateWindowMs || heldUntil > now)
        know(request)
        const own = turns.filter((turn) => turn.lane === lane)
        const recent = own.filter(({ takenAt }) => takenAt > now - rateWindowMs)
        if (recent.length >= ratePerMinute) {
          const retryAfterMs = Math.max(1, Math.min(...recent.map(({ takenAt }) => takenAt)) + rateWindowMs - now)
          close("queue", queue, now + retryAfterMs)
          return { _tag: "Full", retryAfterMs }
        }
        if (own.filter(({ heldUntil }) => heldUntil > now).length >= parallel) {
          return { _tag: "Full", retryAfterMs: busyRetryMs }
        }
        for (const key of [lane, request.circuit]) {
          const known = circuits.get(key)
          const until = known === undefined ? null : waitFor(known.circuit, now)
          if (until === null || request.passes) continue
          close("queue", queue, until)
          return { _tag: "Open", of: known!.of, retryAfterMs: Math.max(1, until - now) }
        }
        for (const key of [lane, request.circuit]) {
          const known = circuits.get(key)
          if (known === undefined || known.circuit.openUntil === 0 || known.circuit.probeUntil > now) continue
          circuits.set(key, { ...known, circuit: { ...known.circuit, probeUntil: now + holdMs } })
        }
        const turn = { turnId: ++lastTurnId, lane, takenAt: now, heldUntil: now + holdMs }
        turns = [...turns, turn]
        return { _tag: "Taken", turnId: turn.turnId }
      }),
    keepTurn: (turnId, route, forMs) =>
      step((now) => {
        const held = turns.find((turn) => turn.turnId === turnId && turn.lane === route.lane && turn.heldUntil > now)
        if (held === undefined) return false
        const before = held.heldUntil
        held.heldUntil = Math.max(before, now + forMs)
        for (const key of [route.lane, route.circuit]) {
          const known = circuits.get(key)
          if (known?.circuit.probeUntil !== before) continue
          circuits.set(key, { ...known, circuit: { ...known.circuit, probeUntil: held.heldUntil } })
        }
        return true
      }),
    endTurn: (turnId, route, result, chance) =>
      step((now): ReadonlyArray<CircuitChange> => {
        const held = turns.find((turn) => turn.turnId === turnId)
        const heldUntil = held?.heldUntil ?? 0
        if (held !== undefined) held.heldUntil = 0
        switch (result._tag) {
          case "none":
            if (heldUntil > 0) endProbe(route, heldUntil)
            return []
          case "ok":
            return [...succeed(route, "client"), ...succeed(route, "provider")]
          case "limited":
            close("lane", route.lane, now + Math.min(result.retryAfterMs, limitedMsMax))
            return succeed(route, "provider")
          case "provider":
            return fail(route, "provider", now, chance)
          case "client":
            return [...fail(route, "client", now, chance), ...succeed(route, "provider")]
        }
      }),
    circuits: (provider) =>
      step((now) =>
        Array.from(circuits.values()).flatMap(({ circuit, of, provider: whose }) => {
          const state = circuitState(circuit, now)
          return whose !== provider || state === "closed" ? [] : [{ of, state, until: circuit.openUntil }]
        })
      ),
    forgetCircuits: (provider) =>
      step(() => {
        for (const [key, known] of circuits) if (known.provider === provider) circuits.delete(key)
        open("provider", provider)
      }),
    pruneVersions: (tenantId, credentialId) =>
      step(() => {
        if (tables.get(credentialId)?.tenantId !== tenantId) return 0
        const rows = tables.versionsOf(credentialId).toSorted((a, b) => b.version - a.version)
        const gone = rows.slice(historyVersionsMax).filter(({ sealed }) => sealed === null)
        for (const { version } of gone) tables.deleteVersion(credentialId, version)
        return gone.length
      })
  })
})

export const layer: Layer.Layer<RefreshStore, never, MemoryDatabase> = Layer.effect(RefreshStore, make)
