// Verifies R-EVT-1, R-EVT-2.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { inject } from "vitest"
import { Nats } from "../../../src/nats/Nats.ts"
import { Streams } from "../../../src/nats/Streams.ts"
import { EventLog } from "../../../src/outbox/EventLog.ts"
import * as NatsEventLog from "../../../src/outbox/NatsEventLog.ts"
import { OutboxConfig } from "../../../src/outbox/OutboxConfig.ts"
import { OutboxRelay } from "../../../src/outbox/OutboxRelay.ts"
import { WakeCall } from "../../../src/outbox/WakeCall.ts"
import { Outbox } from "../../../src/store/Outbox.ts"
import { OutboxSignal } from "../../../src/store/OutboxSignal.ts"
import { StoreUnavailable } from "../../../src/store/StoreError.ts"
import { busLayer, environment, freshInstance } from "../../support/bus.ts"
import { eventLogFaults, faulty } from "../../support/eventLogFaults.ts"
import { eventually } from "../../support/eventually.ts"
import { relayLayer, relayUntil, streamOf } from "../../support/relayWorld.ts"
import { startNats, temporaryFolder } from "../../support/servers.ts"
import { aMessage, aTenant, nextRevocation, transact } from "../../support/storeFixtures.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

const config = OutboxConfig.layer.pipe(Layer.provide(environment({ CM_OUTBOX_PUBLISH_TIMEOUT: "500 millis" })))

const world = (natsUrl: string, instance: string) =>
  Layer.mergeAll(NatsEventLog.layer.pipe(Layer.provide(config)), WakeCall.layer).pipe(
    Layer.provideMerge(busLayer({ natsUrl, instance })),
    Layer.provideMerge(layerMariaStores(inject("databaseUrl")))
  )

/** The event log and outbox of the world, for relays of their own. */
const shared = Effect.gen(function* () {
  const [log, outbox, wakeCall] = [yield* EventLog, yield* Outbox, yield* WakeCall]
  return {
    log: Layer.succeed(EventLog, log),
    outbox: Layer.succeed(Outbox, outbox),
    wakeCall: Layer.succeed(WakeCall, wakeCall)
  }
})

/** Terms that end at once, and how long those behind them are, in milliseconds. */
const [deposedTerms, honestTermMs] = [12, 5_000]

interface Written {
  readonly eventId: string
  readonly tenantId: string
}

/** Commits `transactions` changes of each of three tenants, all at once, three events each. */
const commitEvents = Effect.fnUntraced(function* (instance: string, transactions: number) {
  const written: Array<Written> = []
  const one = (tenantId: string) =>
    Effect.gen(function* () {
      for (let n = 0; n < transactions; n++) {
        const events = [1, 2, 3].map(() => aMessage({ subject: `${instance}.events.v1.${tenantId}.token.provisioned` }))
        yield* transact(tenantId, {}, () => ({ outbox: events }))
        written.push(...events.map(({ eventId }) => ({ eventId, tenantId })))
      }
    })
  const tenants = yield* Effect.all([aTenant, aTenant, aTenant])
  yield* Effect.forEach(tenants, ({ tenantId }) => one(tenantId), { concurrency: "unbounded" })
  return written
})

const ofTenant = (ids: ReadonlyArray<string>, written: ReadonlyArray<Written>, tenantId: string) => {
  const own = new Set(written.filter((event) => event.tenantId === tenantId).map(({ eventId }) => eventId))
  return ids.filter((id) => own.has(id))
}

const assertExactlyOnceInOrder = (found: ReadonlyArray<string>, written: ReadonlyArray<Written>) => {
  assert.strictEqual(found.length, written.length)
  for (const tenantId of new Set(written.map((event) => event.tenantId))) {
    const expected = written.filter((event) => event.tenantId === tenantId).map(({ eventId }) => eventId)
    assert.deepStrictEqual(ofTenant(found, written, tenantId), expected)
  }
}

const isEmpty = Outbox.use(({ depth }) => Effect.map(depth, ({ rows }) => rows === 0))

describe("OutboxRelay on NATS and MariaDB", () => {
  it.live("publishes what was committed, with its headers, to plain subscribers too", () => {
    const instance = freshInstance()
    return Effect.gen(function* () {
      const parts = yield* shared
      const { control, jetstreamManager } = yield* Nats
      const { tenantId } = yield* aTenant
      const subject = `kaa.v1.events.${instance}.endpoint.token.revoked`
      const heard: Array<string> = []
      const subscription = control.subscribe(subject, {
        callback: (_error, msg) => void heard.push(msg.headers?.get("Nats-Msg-Id") ?? "")
      })
      const context = yield* Layer.build(relayLayer({ instance, replicaId: "one", ...parts }))
      const { wakeUnsafe } = yield* OutboxSignal.pipe(Effect.provide(context))
      const message = aMessage({ stream: "revocations", subject, headers: { "ce-entityversion": "3" } })
      const event = aMessage({ subject: `${instance}.events.v1.${tenantId}.token.provisioned`, afterRevocation: true })
      yield* transact(tenantId, {}, (loaded) => ({
        revocation: nextRevocation(tenantId, loaded),
        outbox: [{ ...message, afterRevocation: true }, event]
      }))
      // Held until it is in force: what another tenant commits meanwhile leaves.
      const [other] = yield* commitEvents(instance, 1)
      wakeUnsafe()
      yield* Effect.promise(() =>
        eventually(
          () => Effect.runPromise(streamOf("events").pipe(Effect.provide(parts.log))),
          (ids) => ids.includes(other!.eventId)
        )
      )
      assert.deepStrictEqual(heard, [])
      yield* Outbox.use(({ markInForce }) => markInForce([{ tenantId, seq: 1 }]))
      yield* Effect.promise(() =>
        eventually(
          () => heard,
          (ids) => ids.length > 0
        )
      )
      subscription.unsubscribe()
      assert.deepStrictEqual(heard, [message.eventId])
      const { revocations } = yield* Streams
      const stored = yield* Effect.promise(() => jetstreamManager.streams.getMessage(revocations, { seq: 1 }))
      assert.strictEqual(stored?.header.get("ce-entityversion"), "3")
      assert.deepStrictEqual(new Uint8Array(stored!.data), message.payload)
    }).pipe(Effect.provide(world(inject("natsUrl"), instance)))
  })

  it.live("keeps changes going while the bus is away, and catches up once and in order", () => {
    const instance = freshInstance()
    return Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(Effect.sync(temporaryFolder), ({ remove }) => Effect.sync(remove))
      const dir = `${folder.path}/nats`
      const first = yield* Effect.promise(() => startNats({ dir }))
      yield* Effect.gen(function* () {
        const parts = yield* shared
        yield* Layer.build(relayLayer({ instance, replicaId: "one", ...parts, termTtl: Duration.seconds(5) }))
        const before = yield* commitEvents(instance, 10)
        first.kill("SIGKILL")
        yield* Effect.promise(() => first.exited)
        const during = yield* commitEvents(instance, 60)
        assert.isAbove((yield* Outbox.use(({ depth }) => depth)).rows, 0)
        const second = yield* Effect.acquireRelease(
          Effect.promise(() => startNats({ dir, port: first.port })),
          (server) => Effect.promise(() => server.stop())
        )
        assert.strictEqual(second.port, first.port)
        yield* Effect.promise(() =>
          eventually(
            () => Effect.runPromise(isEmpty.pipe(Effect.provide(parts.outbox))),
            (empty) => empty,
            { limitMs: 120_000, what: "an empty outbox" }
          )
        )
        assertExactlyOnceInOrder(yield* streamOf("events").pipe(Effect.provide(parts.log)), [...before, ...during])
      }).pipe(Effect.provide(world(first.url, instance)))
    }).pipe(Effect.scoped)
  })

  it.live("doubles nothing when a relay dies between publishing and marking, beyond the duplicate window", () => {
    const instance = freshInstance()
    return Effect.gen(function* () {
      const parts = yield* shared
      const { jetstream, jetstreamManager } = yield* Nats
      const { events } = yield* Streams
      yield* Effect.promise(() => jetstreamManager.streams.update(events, { duplicate_window: 100_000_000 }))
      const written = yield* commitEvents(instance, 30)
      const outbox = yield* Outbox
      const neverMarks = Layer.succeed(Outbox, {
        ...outbox,
        markSent: () => Effect.fail(new StoreUnavailable({ operation: "markSent", outcome: "unknown" }))
      })
      const published = streamOf("events").pipe(Effect.provide(parts.log))
      yield* relayUntil(
        { instance, replicaId: "one", ...parts, outbox: neverMarks },
        Effect.map(published, (ids) => ids.length > 0)
      )
      const [firstId] = yield* published
      // The server has forgotten the first id when it takes it a second time.
      const probe = () =>
        jetstream.publish(`${instance}.events.v1.probe`, "", { msgID: `probe-${firstId}` }).then((ack) => ack.duplicate)
      yield* Effect.promise(probe)
      yield* Effect.promise(() => eventually(probe, (duplicate) => !duplicate))
      yield* relayUntil({ instance, replicaId: "two", ...parts }, isEmpty.pipe(Effect.provide(parts.outbox)))
      const ids = (yield* published).filter((id) => !id.startsWith("probe"))
      assertExactlyOnceInOrder(ids, written)
    }).pipe(Effect.provide(world(inject("natsUrl"), instance)))
  })

  it.live("keeps every event once and in order with two relays that depose each other and lost answers", () => {
    const instance = freshInstance()
    return Effect.gen(function* () {
      const parts = yield* shared
      const faults = eventLogFaults()
      const outbox = yield* Outbox
      // Terms that end at once: each claim of one replica deposes the other. Not for ever: where a round takes longer than
      // a claim of the other is away, none would ever be done.
      const terms = new Set<number>()
      const termMs = () => (terms.size < deposedTerms ? 1 : honestTermMs)
      const claimTerm = (replicaId: string) =>
        Effect.tap(outbox.claimTerm(replicaId, termMs()), (term) => Effect.sync(() => terms.add(term ?? 0)))
      const shortTerms = Layer.succeed(Outbox, { ...outbox, claimTerm })
      const options = {
        ...parts,
        outbox: shortTerms,
        log: faulty(parts.log, faults),
        batchMax: 16,
        termTtl: Duration.millis(60)
      }
      yield* Effect.scoped(
        Effect.gen(function* () {
          const one = yield* Layer.build(relayLayer({ instance, replicaId: "one", ...options }))
          const two = yield* Layer.build(relayLayer({ instance, replicaId: "two", ...options }))
          const relays = [yield* OutboxRelay.pipe(Effect.provide(one)), yield* OutboxRelay.pipe(Effect.provide(two))]
          assert.notStrictEqual(relays[0], relays[1])
          const written: Array<Written> = []
          for (let round = 0; round < 8; round++) {
            faults.loseAnswers = 5
            faults.loseEntries = round % 2
            written.push(...(yield* commitEvents(instance, 5)))
          }
          yield* Effect.promise(() =>
            eventually(
              () => Effect.runPromise(isEmpty.pipe(Effect.provide(parts.outbox))),
              (empty) => empty,
              { limitMs: 120_000, what: "an empty outbox" }
            )
          )
          assert.isAbove(terms.size, 2)
          assertExactlyOnceInOrder(yield* streamOf("events").pipe(Effect.provide(parts.log)), written)
        })
      )
    }).pipe(Effect.provide(world(inject("natsUrl"), instance)))
  })
})
