// Verifies R-EVT-1, R-EVT-2, R-EVT-4, R-EVT-5, R-LIM-5.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Layer, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { blockedEvent } from "../../../src/outbox/BlockedEvent.ts"
import { EventLog } from "../../../src/outbox/EventLog.ts"
import { OutboxRelay } from "../../../src/outbox/OutboxRelay.ts"
import { WakeCall } from "../../../src/outbox/WakeCall.ts"
import { Outbox, type OutboxRow } from "../../../src/store/Outbox.ts"
import { OutboxSignal } from "../../../src/store/OutboxSignal.ts"
import { StoreUnavailable } from "../../../src/store/StoreError.ts"
import { eventLogFaults, faulty } from "../../support/eventLogFaults.ts"
import { eventually } from "../../support/eventually.ts"
import { type MemoryOutbox, memoryOutbox } from "../../support/memoryOutbox.ts"
import { assertExactlyOnceInOrder, relayLayer, relayUntil, soloCoherence, streamOf } from "../../support/relayWorld.ts"
import { times } from "../../support/times.ts"

/** An event log that forgets every id at once, so that only the relay's own care prevents doubles. */
const forgetful = Effect.map(
  EventLog.pipe(Effect.provide(EventLog.layerMemory({ rememberedMax: 0 }), { local: true })),
  (log) => Layer.succeed(EventLog, log)
)

const write = (outbox: MemoryOutbox, entities: number, each: number) => {
  const ids: Array<string> = []
  for (let n = 0; n < each; n++) {
    for (let entity = 0; entity < entities; entity++) {
      const eventId = `e${entity}-${n}`
      outbox.write({ eventId, tenantId: `tenant${entity % 3}` })
      ids.push(eventId)
    }
  }
  return ids
}

const isEmpty = (outbox: MemoryOutbox) => Effect.sync(() => outbox.rows().length === 0)
const waitFor = (what: string, is: () => boolean) => Effect.promise(() => eventually(is, (yes) => yes, { what }))

/** An outbox whose marks do not arrive: what a relay does that is killed after publishing. */
const neverMarks = (outbox: MemoryOutbox) =>
  Layer.effect(
    Outbox,
    Effect.map(Outbox, (inner) => ({
      ...inner,
      markSent: () => Effect.fail(new StoreUnavailable({ operation: "markSent", outcome: "unknown" }))
    }))
  ).pipe(Layer.provide(outbox.layer))

describe("OutboxRelay", () => {
  it.live("brings every row into its stream, once and in order", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const ids = write(outbox, 20, 30)
      outbox.write({ eventId: "r-0", stream: "revocations" })
      outbox.write({ eventId: "r-1", stream: "revocations" })
      yield* relayUntil({ replicaId: "one", outbox: outbox.layer, log }, isEmpty(outbox))
      assertExactlyOnceInOrder(yield* streamOf("events").pipe(Effect.provide(log)), ids)
      assertExactlyOnceInOrder(yield* streamOf("revocations").pipe(Effect.provide(log)), ["r-0", "r-1"])
      assert.strictEqual(outbox.positions.get("events"), ids.length)
    })
  )

  it.live("publishes once what was stored although the answer was lost", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const faults = eventLogFaults()
      const ids = write(outbox, 5, 40)
      faults.loseAnswers = 25
      yield* relayUntil({ replicaId: "one", outbox: outbox.layer, log: faulty(log, faults) }, isEmpty(outbox))
      assertExactlyOnceInOrder(yield* streamOf("events").pipe(Effect.provide(log)), ids)
    })
  )

  it.live("publishes again what never arrived, before what followed it", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const faults = eventLogFaults()
      const ids = write(outbox, 5, 40)
      faults.loseEntries = 5
      faults.failReads = 2
      yield* relayUntil({ replicaId: "one", outbox: outbox.layer, log: faulty(log, faults) }, isEmpty(outbox))
      assertExactlyOnceInOrder(yield* streamOf("events").pipe(Effect.provide(log)), ids)
    })
  )

  it.live("doubles nothing when a relay dies between publishing and marking", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const ids = write(outbox, 7, 30)
      const published = streamOf("events").pipe(Effect.provide(log))
      yield* relayUntil(
        { replicaId: "one", outbox: neverMarks(outbox), log },
        Effect.map(published, (found) => found.length > 0)
      )
      assert.strictEqual(outbox.rows().length, ids.length, "the first relay marked nothing")
      outbox.expireTerm()
      yield* relayUntil({ replicaId: "two", outbox: outbox.layer, log }, isEmpty(outbox))
      assertExactlyOnceInOrder(yield* published, ids)
    })
  )

  it.live("doubles nothing when rows that were committed late stand before what a dead relay published", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      for (let n = 0; n < 8; n++) outbox.write({ id: 101 + n, eventId: `e0-${n}`, tenantId: "acme" })
      const published = streamOf("events").pipe(Effect.provide(log))
      yield* relayUntil(
        { replicaId: "one", outbox: neverMarks(outbox), log, batchMax: 8 },
        Effect.map(published, (found) => found.length === 8)
      )
      for (let n = 0; n < 40; n++) outbox.write({ id: 1 + n, eventId: `e1-${n}`, tenantId: "other" })
      outbox.expireTerm()
      yield* relayUntil({ replicaId: "two", outbox: outbox.layer, log, batchMax: 8 }, isEmpty(outbox))
      const ids = [8, 40].flatMap((count, entity) => Array.from({ length: count }, (_, n) => `e${entity}-${n}`))
      assertExactlyOnceInOrder(yield* published, ids)
    })
  )

  it.live("doubles nothing when a dead relay published more than the first look shows", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const ids = write(outbox, 7, 40)
      const published = streamOf("events").pipe(Effect.provide(log))
      yield* EventLog.use(({ append }) => append("events", 0, outbox.rows().slice(0, 16))).pipe(Effect.provide(log))
      // Its first look shows some of those, its second the others and rows that are in no stream.
      yield* relayUntil({ replicaId: "one", outbox: outbox.layer, log, batchMax: 6 }, isEmpty(outbox))
      assertExactlyOnceInOrder(yield* published, ids)
    })
  )

  it.live("lets nothing of an entity leave behind one that was refused, however far behind it stands", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const faults = eventLogFaults()
      faults.refused.add("bad-0")
      outbox.write({ eventId: "bad-0" })
      write(outbox, 5, 10)
      outbox.write({ eventId: "bad-1" })
      const early: Array<number> = []
      faults.onAppend = (_, entries) =>
        Effect.sync(() => {
          if (outbox.aside.length === 0 && entries.some(({ eventId }) => eventId === "bad-1")) early.push(1)
        })
      yield* relayUntil(
        { replicaId: "one", outbox: outbox.layer, log: faulty(log, faults), batchMax: 4 },
        isEmpty(outbox)
      )
      assert.deepStrictEqual(early, [])
      assert.include(yield* streamOf("events").pipe(Effect.provide(log)), "bad-1")
    })
  )

  it.live("doubles nothing when marking takes longer than publishing", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const faults = eventLogFaults()
      const ids = write(outbox, 7, 80)
      let [marks, behind] = [0, 0]
      const late = Layer.effect(
        Outbox,
        Effect.map(Outbox, (inner) => ({
          ...inner,
          markSent: (...args: Parameters<typeof inner.markSent>) =>
            Effect.sync(() => void marks++).pipe(
              Effect.andThen(Effect.repeat(Effect.yieldNow, { times: 100 })),
              Effect.andThen(inner.markSent(...args)),
              Effect.ensuring(Effect.sync(() => void marks--))
            )
        }))
      ).pipe(Layer.provide(outbox.layer))
      faults.onAppend = () =>
        Effect.sync(() => {
          behind += marks
        })
      yield* relayUntil({ replicaId: "one", outbox: late, log: faulty(log, faults), batchMax: 4 }, isEmpty(outbox))
      assertExactlyOnceInOrder(yield* streamOf("events").pipe(Effect.provide(log)), ids)
      assert.isAbove(behind, 0, "nothing was published while something was marked")
      assert.strictEqual(new Set(outbox.marked).size, outbox.marked.length)
    })
  )

  it.live("lets nothing of an entity overtake what was committed before it with a row that came late", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const faults = eventLogFaults()
      const ids: Array<string> = []
      const commit = (id: number, eventId: string) => {
        outbox.write({ id, eventId, tenantId: eventId.split("-")[0]! })
        ids.push(eventId)
      }
      for (let n = 0; n < 200; n++) commit(1_000 + n, `e0-${n}`)
      let late = 0
      // Of each of these the first stands before all that was seen, the second behind it.
      faults.onAppend = () =>
        Effect.sync(() => {
          if (++late > 10) return
          commit(100 + late, `e${late}-0`)
          commit(2_000 + late, `e${late}-1`)
        })
      yield* relayUntil(
        { replicaId: "one", outbox: outbox.layer, log: faulty(log, faults), batchMax: 4 },
        Effect.sync(() => late > 10 && outbox.rows().length === 0)
      )
      assertExactlyOnceInOrder(yield* streamOf("events").pipe(Effect.provide(log)), ids)
    })
  )

  it.live("doubles nothing when its term is lost in the middle of a batch", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const faults = eventLogFaults()
      const ids = write(outbox, 7, 30)
      let deposed = false
      faults.onAppend = () =>
        Effect.gen(function* () {
          if (deposed) return
          deposed = true
          outbox.expireTerm()
          yield* Outbox.use(({ claimTerm }) => claimTerm("two", 1_000)).pipe(Effect.provide(outbox.layer), Effect.orDie)
        })
      yield* relayUntil(
        { replicaId: "one", outbox: outbox.layer, log: faulty(log, faults) },
        Effect.map(streamOf("events").pipe(Effect.provide(log)), (found) => found.length > 0)
      )
      assert.strictEqual(outbox.rows().length, ids.length, "a deposed relay marks nothing")
      yield* relayUntil({ replicaId: "two", process: "two", outbox: outbox.layer, log }, isEmpty(outbox))
      assertExactlyOnceInOrder(yield* streamOf("events").pipe(Effect.provide(log)), ids)
    })
  )

  it.live("does nothing more in a term that it has lost", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const faults = eventLogFaults()
      let marks = 0
      const counted = Layer.effect(
        Outbox,
        Effect.map(Outbox, (inner) => ({
          ...inner,
          markSent: (...args: Parameters<typeof inner.markSent>) =>
            Effect.andThen(
              Effect.sync(() => void marks++),
              inner.markSent(...args)
            )
        }))
      ).pipe(Layer.provide(outbox.layer))
      let deposed = false
      faults.onAppend = () =>
        Effect.suspend(() => {
          if (deposed) return Effect.void
          deposed = true
          outbox.expireTerm()
          return Outbox.use(({ claimTerm }) => claimTerm("two", 1_000)).pipe(Effect.provide(outbox.layer), Effect.orDie)
        })
      yield* Effect.gen(function* () {
        const one = yield* Layer.build(relayLayer({ replicaId: "one", outbox: counted, log: faulty(log, faults) }))
        const relay = yield* OutboxRelay.pipe(Effect.provide(one))
        yield* waitFor("the first term", () => relay.termUnsafe() === 1)
        write(outbox, 3, 5)
        yield* waitFor("the end of the term", () => relay.termUnsafe() === null)
        assert.strictEqual(marks, 1)
      }).pipe(Effect.scoped)
    })
  )

  it.live("holds back only the tenant whose revocation is not in force", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      outbox.write({ eventId: "a-0", tenantId: "acme" })
      outbox.write({ eventId: "a-1", tenantId: "acme", held: true })
      outbox.write({ eventId: "a-2", tenantId: "acme" })
      // More held rows than one look takes, so others are found only by looking further.
      for (let n = 3; n < 200; n++) outbox.write({ eventId: `a-${n}`, tenantId: "acme", held: true })
      outbox.write({ eventId: "b-0", tenantId: "other" })
      outbox.write({ eventId: "b-1", tenantId: "other" })
      const published = streamOf("events").pipe(Effect.provide(log))
      yield* relayUntil(
        { replicaId: "one", outbox: outbox.layer, log, batchMax: 16 },
        Effect.map(published, (found) => found.includes("b-1"))
      )
      assert.deepStrictEqual(yield* published, ["a-0", "b-0", "b-1"])
      outbox.release("acme")
      yield* relayUntil({ replicaId: "one", outbox: outbox.layer, log, batchMax: 16 }, isEmpty(outbox))
      assert.strictEqual((yield* published).length, 202)
    })
  )

  it.live("sets a row aside that was refused three times, tells of it, and goes on behind it, in order", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const faults = eventLogFaults()
      const tried: Array<string> = []
      faults.onAppend = (_, entries) =>
        Effect.sync(() => void tried.push(...entries.slice(0, 1).map(({ eventId }) => eventId)))
      const bad = Array.from({ length: 40 }, (_, n) => `bad${n}`)
      for (const entity of bad) {
        faults.refused.add(`${entity}-0`)
        for (const n of [0, 1, 2]) outbox.write({ eventId: `${entity}-${n}`, tenantId: entity })
      }
      const ids = write(outbox, 3, 20)
      const options = { replicaId: "one", outbox: outbox.layer, log: faulty(log, faults) }
      yield* relayUntil(
        options,
        Effect.sync(() => outbox.rows().length === bad.length * 3)
      )
      assertExactlyOnceInOrder(yield* streamOf("events").pipe(Effect.provide(log)), ids)
      yield* relayUntil(options, isEmpty(outbox))
      assert.sameMembers(
        outbox.aside.map(({ reason, row }) => `${row.eventId} ${reason}`),
        bad.map((entity) => `${entity}-0 on purpose`)
      )
      const published = yield* streamOf("events").pipe(Effect.provide(log))
      const told = published.slice(0).filter((id) => !id.startsWith("e") && !id.startsWith("bad"))
      assert.strictEqual(told.length, bad.length)
      assert.deepStrictEqual(
        published.filter((id) => id.startsWith("bad7-")),
        ["bad7-1", "bad7-2"]
      )
      assert.isAtLeast(tried.filter((id) => id === "bad0-0").length, 3)
    })
  )

  it.live("does not ask a fourth time for a row that was refused three times", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      let asked = 0
      const faults = {
        ...eventLogFaults(),
        refused: new Set(["bad-0"]),
        onAppend: (_: unknown, entries: ReadonlyArray<{ readonly eventId: string }>) =>
          Effect.sync(() => {
            if (entries.some(({ eventId }) => eventId === "bad-0")) asked++
          })
      }
      outbox.write({ eventId: "bad-0" })
      yield* relayUntil({ replicaId: "one", outbox: outbox.layer, log: faulty(log, faults) }, isEmpty(outbox))
      assert.strictEqual(asked, 3)
    })
  )

  it.live("tells of a row that was set aside under one id, whenever that is", () =>
    Effect.sync(() => {
      const outbox = memoryOutbox()
      outbox.write({ eventId: "bad-0" })
      outbox.write({ eventId: "bad-1" })
      const [first, second] = outbox.rows().map((row) => ({ ...row, createdAt: 1_000 }))
      const idAt = (row: OutboxRow, now: number) => blockedEvent("cm", row, "why", now).eventId
      assert.strictEqual(idAt(first!, 2_000), idAt(first!, 3_000))
      assert.notStrictEqual(idAt(first!, 2_000), idAt(second!, 2_000))
    })
  )

  it.live("sets nothing aside for answers that do not come", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const faults = eventLogFaults()
      faults.loseEntries = 6
      const ids = write(outbox, 2, 3)
      yield* relayUntil({ replicaId: "one", outbox: outbox.layer, log: faulty(log, faults) }, isEmpty(outbox))
      assert.strictEqual(faults.loseEntries, 0)
      assert.deepStrictEqual(outbox.aside, [])
      assertExactlyOnceInOrder(yield* streamOf("events").pipe(Effect.provide(log)), ids)
    })
  )

  it.live("publishes nothing but events of this service, whatever stands in a row", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const appended: Array<string> = []
      const faults = eventLogFaults()
      faults.onAppend = (_, entries) => Effect.sync(() => void appended.push(...entries.map(({ subject }) => subject)))
      const own = "cm.events.v1.acme.token.provisioned"
      const headers = { "ce-type": "token.provisioned" }
      const strangers: ReadonlyArray<Partial<OutboxRow>> = [
        { subject: "$JS.API.STREAM.DELETE.CM_EVENTS" },
        { subject: "$JS.API.STREAM.DELETE.CM_EVENTS", held: true },
        { subject: "$KV.CM_LEASES.barrier.one" },
        { subject: "cm.v1.acme.token.revoke" },
        { subject: "cm.events.v1.other.token.provisioned" },
        { subject: "cm.events.v1.acme.token.revoked" },
        { subject: "cm.events.v1.acme.>", headers: { "ce-type": ">" } },
        { subject: "cm.events.v1.a.b.token.provisioned", tenantId: "a.b" },
        { subject: "other.events.v1.acme.token.provisioned" },
        { subject: `${own}\r\nPUB x 0`, headers },
        { subject: own, headers: {} },
        { subject: own, headers: { ...headers, "Nats-Rollup": "all" } },
        { subject: own, headers: { ...headers, "Nats-Expected-Stream": "CM_REVOCATIONS" } },
        { subject: own, headers: { ...headers, "ce-id": "a\r\nNats-Rollup: all" } },
        { subject: own, headers: {}, unreadable: true },
        { subject: "kaa.v1.events.cm.endpoint.lifecycle.unregistered", stream: "revocations", headers: {} },
        { subject: "kaa.v1.events.cm.endpoint.token.revoked", stream: "events" }
      ]
      strangers.forEach((row, n) => void outbox.write({ eventId: `s${n}-0`, tenantId: "acme", ...row }))
      outbox.write({ eventId: "good-0", tenantId: "acme" })
      outbox.write({ eventId: "good-1", tenantId: "acme", stream: "revocations" })
      yield* relayUntil({ replicaId: "one", outbox: outbox.layer, log: faulty(log, faults) }, isEmpty(outbox))
      assert.deepStrictEqual(
        outbox.aside.map(({ row }) => row.eventId),
        strangers.map((_, n) => `s${n}-0`)
      )
      assert.sameMembers(Array.from(new Set(appended)), [
        own,
        "kaa.v1.events.cm.endpoint.token.revoked",
        "cm.events.v1.global.platform.outbox_blocked"
      ])
    })
  )

  it.live("announces only checkpoints that the service signed, and lets them wait while that cannot be said", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const row = (eventId: string, signature: string, tenant = "acme", payload?: string) => {
        const said = { tenant_id: tenant, seq: 3, hash: "a", at: 1, key_id: "k", public_key: "p", signature }
        outbox.write({
          ...{ eventId, tenantId: "acme", entityKey: eventId, subject: "cm.events.v1.acme.audit.checkpoint" },
          headers: { "ce-type": "audit.checkpoint" },
          payload: new TextEncoder().encode(payload ?? JSON.stringify(said))
        })
      }
      row("good-0", "good")
      row("forged-0", "else")
      row("other-0", "good", "other")
      row("nothing-0", "", "acme", "{}")
      outbox.write({ eventId: "token-0", tenantId: "acme" })
      let isKnown = false
      const checkpoints = {
        ready: Effect.suspend(() =>
          isKnown ? Effect.void : Effect.fail(new StoreUnavailable({ operation: "keys", outcome: "none" }))
        ),
        isOwn: ({ signature }: { readonly signature: Uint8Array }) =>
          Buffer.from(signature).toString("base64url") === "good"
      }
      const options = { replicaId: "one", outbox: outbox.layer, log, checkpoints }
      yield* relayUntil(
        options,
        Effect.sync(() => outbox.marked.includes("token-0"))
      )
      assert.deepStrictEqual([outbox.marked, outbox.aside], [["token-0"], []])
      isKnown = true
      yield* relayUntil(options, isEmpty(outbox))
      assert.deepStrictEqual(
        outbox.aside.map(({ reason, row: { eventId } }) => `${eventId} ${reason}`),
        ["forged-0", "other-0", "nothing-0"].map((id) => `${id} forged checkpoint`)
      )
      assert.include(outbox.marked, "good-0")
    })
  )

  it.live("does not tell of the word itself, when that is refused too", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const faults = eventLogFaults()
      const all = { has: () => true } as unknown as Set<string>
      outbox.write({ eventId: "bad-0" })
      yield* relayUntil(
        { replicaId: "one", outbox: outbox.layer, log: faulty(log, { ...faults, refused: all }) },
        isEmpty(outbox)
      )
      assert.deepStrictEqual(
        outbox.aside.map(({ row }) => row.headers["ce-type"]),
        ["token.provisioned", "platform.outbox_blocked"]
      )
    })
  )

  it.live("leaves the term to another replica while that one renews it, and takes it when it ends", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      yield* Effect.gen(function* () {
        const one = yield* Layer.build(relayLayer({ replicaId: "one", outbox: outbox.layer, log }))
        const relayOne = yield* OutboxRelay.pipe(Effect.provide(one))
        yield* waitFor("the first term", () => relayOne.termUnsafe() === 1)
        const two = yield* Layer.build(relayLayer({ replicaId: "two", process: "two", outbox: outbox.layer, log }))
        const relayTwo = yield* OutboxRelay.pipe(Effect.provide(two))
        outbox.write({ eventId: "a-0" })
        yield* waitFor("the row to leave", () => outbox.rows().length === 0)
        assert.isNull(relayTwo.termUnsafe())
        outbox.expireTerm()
        yield* Outbox.use(({ claimTerm }) => claimTerm("two", 1_000)).pipe(Effect.provide(outbox.layer))
        yield* waitFor("the second term", () => relayTwo.termUnsafe() === 2 && relayOne.termUnsafe() === null)
      }).pipe(Effect.scoped)
    })
  )

  it.live("shares its term with no other process, not even one that was given the same replica id", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      yield* Effect.gen(function* () {
        const relays = []
        for (let count = 0; count < 2; count++) {
          const context = yield* Layer.build(relayLayer({ replicaId: "same", outbox: outbox.layer, log }))
          relays.push(yield* OutboxRelay.pipe(Effect.provide(context)))
        }
        const [one, two] = relays as [OutboxRelay["Service"], OutboxRelay["Service"]]
        yield* waitFor("the first term", () => one.termUnsafe() === 1)
        outbox.write({ eventId: "a-0" })
        yield* waitFor("the row to leave", () => outbox.rows().length === 0)
        assert.isNull(two.termUnsafe())
      }).pipe(Effect.scoped)
    })
  )

  it.live("publishes at once when it is told that something was committed", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const context = yield* Layer.build(relayLayer({ replicaId: "one", outbox: outbox.layer, log }))
      const { wakeUnsafe } = yield* OutboxSignal.pipe(Effect.provide(context))
      for (let n = 0; n < 20; n++) {
        outbox.write({ eventId: `a-${n}` })
        wakeUnsafe()
        yield* waitFor("the row to leave", () => outbox.rows().length === 0)
      }
    })
  )

  it.live("hands the term to another replica when it cannot reach the streams", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const faults = eventLogFaults()
      faults.failReads = Number.MAX_SAFE_INTEGER
      const termTtl = Duration.millis(100)
      outbox.write({ eventId: "a-0" })
      yield* Layer.build(relayLayer({ replicaId: "cut", outbox: outbox.layer, log: faulty(log, faults), termTtl }))
      yield* Layer.build(relayLayer({ replicaId: "fine", outbox: outbox.layer, log, termTtl }))
      yield* waitFor("the row to leave", () => outbox.rows().length === 0)
    })
  )

  it.effect("counts the rows that wait seldom where that takes long, and as ever where it failed", () =>
    Effect.gen(function* () {
      const outbox = memoryOutbox()
      const counting = { ms: 1_000, fails: false }
      let startedAt: Array<number> = []
      const slowly = Layer.effect(
        Outbox,
        Effect.map(Outbox, (inner) => ({
          ...inner,
          depth: Effect.gen(function* () {
            startedAt.push(yield* Clock.currentTimeMillis)
            yield* Effect.delay(Effect.void, Duration.millis(counting.ms))
            if (counting.fails) return yield* new StoreUnavailable({ operation: "depth", outcome: "none" })
            return yield* inner.depth
          })
        }))
      ).pipe(Layer.provide(outbox.layer))
      yield* Layer.build(relayLayer({ replicaId: "one", outbox: slowly, log: yield* forgetful }))
      for (const [ms, fails, apartMs] of [
        [1_000, false, 21_000],
        [100, false, 5_100],
        [4_000, false, 34_000],
        [4_000, true, 9_000]
      ] as const) {
        Object.assign(counting, { ms, fails })
        // What waits by the counts before is over by then.
        for (let seconds = 0; seconds < 60; seconds++) yield* TestClock.adjust("1 second")
        startedAt = []
        while (startedAt.length < 3) yield* TestClock.adjust("100 millis")
        assert.deepStrictEqual(
          startedAt.slice(1).map((at, n) => at - startedAt[n]!),
          [apartMs, apartMs]
        )
      }
    }).pipe(Effect.scoped)
  )

  it.effect("renews its term long before that is over, so that nobody takes it meanwhile", () =>
    Effect.gen(function* () {
      const outbox = memoryOutbox()
      const claimedAt: Array<number> = []
      const noting = Layer.effect(
        Outbox,
        Effect.map(Outbox, (inner) => ({
          ...inner,
          claimTerm: (process: string, ttlMs: number) =>
            Effect.flatMap(Clock.currentTimeMillis, (at) => {
              claimedAt.push(at)
              return inner.claimTerm(process, ttlMs)
            })
        }))
      ).pipe(Layer.provide(outbox.layer))
      const termTtl = Duration.seconds(6)
      yield* Layer.build(relayLayer({ replicaId: "one", outbox: noting, log: yield* forgetful, termTtl }))
      for (let n = 0; n < 200; n++) yield* TestClock.adjust("100 millis")
      const apart = claimedAt.slice(1).map((at, n) => at - claimedAt[n]!)
      assert.isAtLeast(apart.length, 6)
      assert.isAtMost(Math.max(...apart), 3_000)
    }).pipe(Effect.scoped)
  )

  it.live("is woken by another replica's commit", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const listeners: Array<() => void> = []
      const wakeCall = Layer.succeed(WakeCall, {
        callUnsafe: () => {
          for (const heard of listeners) heard()
        },
        listen: (heard) => Effect.sync(() => void listeners.push(heard))
      })
      // Without being woken it would look again too late for the limit of the wait.
      const options = {
        outbox: outbox.layer,
        log,
        wakeCall,
        pollInterval: Duration.minutes(5),
        termTtl: Duration.minutes(5)
      }
      const one = yield* Layer.build(relayLayer({ replicaId: "one", ...options }))
      const relayOne = yield* OutboxRelay.pipe(Effect.provide(one))
      yield* waitFor("the first term", () => relayOne.termUnsafe() === 1)
      const two = yield* Layer.build(relayLayer({ replicaId: "two", ...options }))
      const { wakeUnsafe } = yield* OutboxSignal.pipe(Effect.provide(two))
      outbox.write({ eventId: "a-0" })
      wakeUnsafe()
      yield* waitFor("the row to leave", () => outbox.rows().length === 0)
    })
  )

  it.live("puts a revocation in force whose committer died, and then tells of it", () =>
    Effect.gen(function* () {
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const inForce: Array<number> = []
      outbox.pending.push({ tenantId: "acme", seq: 7, targets: [{ kind: "tenant" }], ageMs: 60_000 })
      outbox.pending.push({ tenantId: "acme", seq: 8, targets: [{ kind: "tenant" }], ageMs: 1 })
      outbox.write({ eventId: "a-0", tenantId: "acme", held: true })
      const coherence = soloCoherence(({ seq, tenantId }) =>
        Effect.gen(function* () {
          inForce.push(seq)
          yield* Outbox.use(({ markInForce }) => markInForce([{ tenantId, seq }])).pipe(Effect.orDie)
          outbox.release(tenantId)
        }).pipe(Effect.provide(outbox.layer))
      )
      yield* relayUntil(
        { replicaId: "one", outbox: outbox.layer, log, coherence, lease: Duration.millis(100) },
        isEmpty(outbox)
      )
      assert.deepStrictEqual(inForce, [7])
    })
  )

  it.live("keeps every event once and in order under random faults and changes of term", () =>
    Effect.gen(function* () {
      const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
      yield* Effect.promise(() => run(seed))
    })
  )
})

const run = (seed: number): Promise<void> =>
  Effect.runPromise(
    Effect.gen(function* () {
      let state = seed
      const random = () => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
        return state / 0x7fffffff
      }
      const log = yield* forgetful
      const outbox = memoryOutbox()
      const faults = eventLogFaults()
      const log2 = faulty(log, faults)
      const ids: Array<string> = []
      // Claims every 10 ms: terms change all the time.
      const termTtl = Duration.millis(30)
      const disturb = Effect.sync(() => {
        const dice = random()
        if (dice < 0.15) faults.loseAnswers = Math.ceil(random() * 20)
        else if (dice < 0.3) faults.loseEntries = Math.ceil(random() * 3)
        else if (dice < 0.4) faults.failReads = 1
        else if (dice < 0.8) outbox.expireTerm()
        for (let n = 0; n < 5; n++) {
          const entity = Math.floor(random() * 6)
          const eventId = `e${entity}-${ids.length}`
          ids.push(eventId)
          outbox.write({ eventId, tenantId: `tenant${entity % 3}` })
        }
      }).pipe(Effect.repeat(Schedule.spaced("5 millis").pipe(Schedule.upTo({ times: times(150) }))))
      // A relay that was deposed goes on publishing what it has in hand, as a slow one would.
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Layer.build(relayLayer({ replicaId: "one", outbox: outbox.layer, log: log2, batchMax: 16, termTtl }))
          yield* Layer.build(relayLayer({ replicaId: "two", outbox: outbox.layer, log: log2, batchMax: 16, termTtl }))
          yield* disturb
          yield* waitFor("an empty outbox", () => outbox.rows().length === 0)
        })
      )
      assertExactlyOnceInOrder(yield* streamOf("events").pipe(Effect.provide(log)), ids)
      assert.strictEqual(new Set(outbox.marked).size, outbox.marked.length)
    }).pipe(
      Effect.tapCause(() => Effect.sync(() => process.stderr.write(`seed ${seed}\n`))),
      Effect.asVoid
    ) as Effect.Effect<void>
  )
