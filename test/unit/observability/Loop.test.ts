// Verifies R-RUN-8, R-RUN-16, R-ACT-6.
/**
 * Background work outlives a bug: a turn that dies is followed by others, wherever it is that it dies.
 * Each row starts one loop over neighbours of the test's own, of which one calls `turn` each time.
 */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer, Metric, References, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { AuditConfig } from "../../../src/actors/audit/AuditConfig.ts"
import { AuditSweeps } from "../../../src/actors/audit/Sweeps.ts"
import { CredentialsConfig } from "../../../src/actors/credentials/CredentialsConfig.ts"
import { CredentialSweeps } from "../../../src/actors/credentials/Sweeps.ts"
import { ActorsConfig } from "../../../src/actors/tenant/ActorsConfig.ts"
import { FirstUse } from "../../../src/actors/validation/FirstUse.ts"
import { HotState } from "../../../src/actors/validation/HotState.ts"
import * as LiveValidator from "../../../src/actors/validation/LiveValidator.ts"
import { Validator } from "../../../src/actors/validation/Validator.ts"
import { ValidationCache } from "../../../src/cache/ValidationCache.ts"
import { LeaseView, monotonicMsUnsafe } from "../../../src/coherence/Coherence.ts"
import { CoherenceConfig } from "../../../src/coherence/CoherenceConfig.ts"
import type { LeaseBucket } from "../../../src/coherence/LeaseBucket.ts"
import * as LeaseKeeper from "../../../src/coherence/LeaseKeeper.ts"
import * as Rounds from "../../../src/coherence/Rounds.ts"
import { CryptoConfig } from "../../../src/crypto/CryptoConfig.ts"
import * as KeyFile from "../../../src/crypto/KeyFile.ts"
import * as KeyMover from "../../../src/crypto/KeyMover.ts"
import { Keyring } from "../../../src/crypto/Keyring.ts"
import * as LiveKeyring from "../../../src/crypto/LiveKeyring.ts"
import * as LocalMasterKey from "../../../src/crypto/LocalMasterKey.ts"
import { MasterKey } from "../../../src/crypto/MasterKey.ts"
import { TenantKeys } from "../../../src/crypto/TenantKeys.ts"
import { Nats } from "../../../src/nats/Nats.ts"
import * as Loop from "../../../src/observability/Loop.ts"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"
import { CorrelationId } from "../../../src/observability/Turn.ts"
import { EventLog } from "../../../src/outbox/EventLog.ts"
import * as AuditSweep from "../../../src/rotation/AuditSweep.ts"
import * as CredentialExpirySweep from "../../../src/rotation/CredentialExpirySweep.ts"
import { SweepConfig } from "../../../src/rotation/SweepConfig.ts"
import * as TokenSweep from "../../../src/rotation/TokenSweep.ts"
import { KeyRotationStore } from "../../../src/store/KeyRotationStore.ts"
import { Outbox } from "../../../src/store/Outbox.ts"
import { Sweeps } from "../../../src/store/Sweeps.ts"
import { TokenLookup } from "../../../src/store/TokenLookup.ts"
import { TokenUse } from "../../../src/store/TokenUse.ts"
import { freshRevocation } from "../../support/coherenceReplicas.ts"
import { memoryOutbox } from "../../support/memoryOutbox.ts"
import { relayLayer } from "../../support/relayWorld.ts"
import { countingSleeps } from "../../support/sleepsAsked.ts"
import { hashOf, keyringOf, tokenIdOf } from "../../support/validationWorld.ts"
import { keyWorld } from "../crypto/keyWorld.ts"

/** Called in each turn of a loop; it throws once after `arm`. */
const bomb = () => {
  const seen = { turns: 0, deaths: 0, armed: false }
  const turn = (): void => {
    seen.turns += 1
    if (!seen.armed) return
    seen.armed = false
    seen.deaths += 1
    throw new Error("died on purpose")
  }
  return { seen, turn }
}
type Turn = () => void

const environment = ConfigProvider.layer(ConfigProvider.fromEnvRecord({}))
const replica = Layer.succeed(Replica, replicaOf("cm", "one"))
const sweepsWith = (turn: Turn) => {
  const claim = () =>
    Effect.sync(() => {
      turn()
      return false
    })
  return Layer.mock(Sweeps, { claim, hold: claim })
}
const nats = {
  control: {
    publish: () => {},
    status: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) })
  }
}
const coherenceParts = Layer.mergeAll(
  Layer.succeed(Nats, nats as unknown as Nats["Service"]),
  replica,
  LeaseView.layer,
  CoherenceConfig.layer.pipe(Layer.provide(environment))
)
/** A lease bucket that takes every write and holds nothing of anybody else. */
const bucketWith = (turn: Turn, at: "write" | "list") =>
  Effect.clockWith((clock) => {
    let revision = 0
    const bucket: LeaseBucket = {
      ensure: Effect.void,
      write: () =>
        Effect.sync(() => {
          if (at === "write") turn()
          return ++revision
        }),
      list: Effect.sync(() => {
        if (at === "list") turn()
        const ms = monotonicMsUnsafe(clock)
        return { sentMs: ms, receivedMs: ms, barrier: ++revision, entries: [] }
      }),
      plan: { name: "KV_CM_LEASES" },
      seen: () => ({ highest: revision, changedAtMs: Number.NEGATIVE_INFINITY })
    }
    return Effect.succeed(bucket)
  })

const credentialSweep = (method: "expire" | "measure") => (turn: Turn) => {
  const nothing = Effect.succeed(0)
  const works = Effect.sync(() => {
    turn()
    return 0
  })
  const sweeps = Layer.succeed(CredentialSweeps, {
    expire: method === "expire" ? works : nothing,
    endOverlaps: nothing,
    purge: nothing,
    notify: nothing,
    measure: method === "measure" ? Effect.asVoid(works) : Effect.void
  })
  const settings = CredentialsConfig.layer.pipe(Layer.provide(environment))
  const claims = Layer.mock(Sweeps, { hold: () => Effect.succeed(true) })
  return Layer.build(CredentialExpirySweep.layer.pipe(Layer.provide([sweeps, settings, claims, replica])))
}

const auditSweep = (method: "checkpoint" | "writeRefusals" | "finishCuts" | "retain") => (turn: Turn) => {
  const nothing = Effect.succeed(0)
  const works = Effect.sync(() => {
    turn()
    return 0
  })
  const sweeps = Layer.succeed(AuditSweeps, {
    checkpoint: method === "checkpoint" ? works : nothing,
    writeRefusals: () => (method === "writeRefusals" ? works : nothing),
    finishCuts: method === "finishCuts" ? works : nothing,
    retain: method === "retain" ? works : nothing
  })
  const settings = AuditConfig.layer.pipe(
    Layer.provide(
      ConfigProvider.layer(
        ConfigProvider.fromEnvRecord({ CM_AUDIT_CHECKPOINT_EVERY: "5 seconds", CM_AUDIT_RETENTION_EVERY: "5 seconds" })
      )
    )
  )
  const claims = Layer.mock(Sweeps, { hold: () => Effect.succeed(true) })
  return Layer.build(AuditSweep.layer.pipe(Layer.provide([sweeps, settings, claims, replica])))
}

const relay = (method: "unsent" | "depth" | "pendingRevocations") => (turn: Turn) => {
  const outbox = Layer.effect(
    Outbox,
    Effect.map(Outbox, (inner) => ({
      ...inner,
      unsent: (limit: number) =>
        Effect.andThen(method === "unsent" ? Effect.sync(turn) : Effect.void, inner.unsent(limit)),
      depth: Effect.andThen(method === "depth" ? Effect.sync(turn) : Effect.void, inner.depth),
      pendingRevocations: (options: { readonly minAgeMs: number; readonly limit: number }) =>
        Effect.andThen(
          method === "pendingRevocations" ? Effect.sync(turn) : Effect.void,
          inner.pendingRevocations(options)
        )
    }))
  ).pipe(Layer.provide(memoryOutbox().layer))
  const log = EventLog.layerMemory({ rememberedMax: 10 })
  return Layer.build(relayLayer({ replicaId: "one", outbox, log, pollInterval: Duration.seconds(1) })).pipe(
    Effect.orDie
  )
}

const master = Layer.sync(MasterKey, () =>
  LocalMasterKey.make(KeyFile.parse(KeyFile.newText(1_764_000_000_000, "2026-01-01T00:00:00.000Z"))!)
)
const cryptoConfig = CryptoConfig.layer.pipe(Layer.provide(environment))

const loops: Record<string, (turn: Turn) => Effect.Effect<unknown, unknown, Scope.Scope>> = {
  "a loop of nothing but turns": (turn) =>
    Effect.forkScoped(Loop.forever("test", Effect.delay(Effect.sync(turn), "1 second"))),
  "a sweep of tokens": (turn) =>
    TokenSweep.forkEvery("test", { work: [] }, Effect.sync(turn)).pipe(
      Effect.provide(
        Layer.succeed(SweepConfig, { interval: Duration.seconds(1), pieceMax: 1, claimTtl: Duration.seconds(1) })
      )
    ),
  "the ends of credentials": credentialSweep("expire"),
  "the audit's checkpoints": auditSweep("checkpoint"),
  "the gauges of credentials": credentialSweep("measure"),
  "counted refusals": auditSweep("writeRefusals"),
  "cuts of audits that were interrupted": auditSweep("finishCuts"),
  "the audit's retention": auditSweep("retain"),
  "moving rows to new keys": (turn) =>
    Layer.build(
      KeyMover.layer.pipe(
        Layer.provide([
          sweepsWith(turn),
          replica,
          master,
          cryptoConfig,
          Layer.mock(TenantKeys, {}),
          Layer.succeed(
            Keyring,
            keyringOf(["k1"], () => true)
          ),
          Layer.mock(KeyRotationStore, {})
        ])
      )
    ),
  "reading the keys again": Effect.fnUntraced(function* (turn) {
    const world = yield* keyWorld
    const stores = Layer.effect(
      KeyRotationStore,
      Effect.map(KeyRotationStore, (inner) => ({
        ...inner,
        serviceKeys: Effect.andThen(Effect.sync(turn), inner.serviceKeys)
      }))
    ).pipe(Layer.provideMerge(world.stores))
    yield* Layer.build(LiveKeyring.layer.pipe(Layer.provide([stores, master, cryptoConfig])))
  }),
  "keeping the lease": Effect.fnUntraced(function* (turn) {
    yield* LeaseKeeper.make(yield* bucketWith(turn, "write"), "one.p")
  }, Effect.provide(coherenceParts)),
  "rounds of revocations": Effect.fnUntraced(function* (turn) {
    const asked = new Set<number>()
    const bucket = yield* bucketWith(turn, "list")
    const rounds = yield* Rounds.make(
      bucket,
      "one.p",
      () => null,
      (batch) => {
        for (const { revocation } of batch) asked.delete(revocation.seq)
      }
    )
    const another = Effect.sync(() => {
      const revocation = freshRevocation()
      asked.add(revocation.seq)
      rounds.enqueueUnsafe({ revocation, inForce: () => {}, told: () => {} })
    })
    yield* another.pipe(Effect.delay("4 seconds"), Effect.repeat({ times: 42 }), Effect.forkScoped)
    // What was under way when it died is done by the next turns.
    yield* Effect.addFinalizer(() => Effect.sync(() => assert.isEmpty(asked)))
  }, Effect.provide(coherenceParts)),
  "the relay of events": relay("unsent"),
  "the outbox's depth": relay("depth"),
  "orphaned revocations": relay("pendingRevocations"),
  "last uses": Effect.fnUntraced(function* (turn) {
    const token = {
      ...{ tenantId: "acme", appName: "app", tokenId: tokenIdOf(1), endpointId: "e", status: "Active" as const },
      ...{ version: 1, endsAt: null, ending: "expired" as const, readSeq: 0 },
      cacheKey: hashOf("app", "value1").toString("hex")
    }
    const parts = Layer.mergeAll(
      ActorsConfig.layer.pipe(Layer.provide(environment)),
      Layer.succeed(
        Keyring,
        keyringOf(["k1"], () => true)
      ),
      Layer.mock(TokenLookup, {
        byHash: () => Promise.resolve([token]),
        applications: () => Promise.resolve([{ appName: "app", tenantId: "acme" }])
      }),
      Layer.succeed(TokenUse, { record: () => Effect.sync(turn) }),
      ValidationCache.layerNoop,
      FirstUse.layer,
      LeaseView.layer
    )
    const context = yield* Layer.build(
      LiveValidator.layer.pipe(Layer.provideMerge(HotState.layer), Layer.provide(parts))
    )
    const { validateUnsafe } = yield* Effect.provide(Validator, context)
    yield* Effect.sync(() => validateUnsafe(null, "app", "value1", false, () => {})).pipe(
      Effect.delay("1 second"),
      Effect.repeat({ times: 1_000 }),
      Effect.forkScoped
    )
  })
}

describe("after a turn that died there are others", () => {
  it.effect.each(Object.keys(loops))("of %s", (name) =>
    Effect.gen(function* () {
      const { seen, turn } = bomb()
      yield* loops[name]!(turn)
      yield* TestClock.adjust("1 minute")
      assert.isAbove(seen.turns, 0, "it runs")
      seen.armed = true
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(seen.deaths, 1)
      const before = seen.turns
      yield* TestClock.adjust("1 minute")
      assert.isAbove(seen.turns, before)
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )

  it.effect("each has a correlation id of its own", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const turn = Effect.map(CorrelationId, (id) => void seen.push(id))
      yield* Effect.forkScoped(Loop.forever("told apart", Effect.delay(turn, "1 second")), {
        startImmediately: true
      })
      yield* TestClock.adjust("5 seconds")
      assert.isAtLeast(seen.length, 4)
      assert.strictEqual(new Set(seen).size, seen.length)
      assert.notInclude(seen, "")
    })
  )

  it.effect("and each is counted under its loop's name, after a pause", () =>
    Effect.gen(function* () {
      const { seen, turn } = bomb()
      seen.armed = true
      yield* Effect.forkScoped(Loop.forever("counted", Effect.andThen(Effect.sync(turn), Effect.never)), {
        startImmediately: true
      })
      const counted = Effect.map(Metric.snapshot, (all) =>
        all.filter(({ attributes, id }) => id === "cm_loop_defects_total" && attributes?.loop === "counted")
      )
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(seen.turns, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(seen.turns, 2)
      assert.deepStrictEqual(
        (yield* counted).map(({ state }) => state),
        [{ count: 1, incremental: true }] as never
      )
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )
})

describe("work that is looked after while there is some", () => {
  /** Left: how many of its next steps say that there is more. */
  const world = Effect.gen(function* () {
    const seen = { steps: 0, left: 0, during: () => {} }
    const step = Effect.sync(() => {
      seen.steps++
      seen.during()
      return seen.left-- > 0
    })
    return { seen, wakeUnsafe: yield* Loop.whileSome("some", "50 millis", step) }
  })

  it.effect("is looked at as soon after it has come as it is while there always is some", () =>
    Effect.gen(function* () {
      const { seen, wakeUnsafe } = yield* world
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(seen.steps, 0)
      wakeUnsafe()
      seen.left = 3
      yield* TestClock.adjust("49 millis")
      assert.strictEqual(seen.steps, 0)
      yield* TestClock.adjust("1 millis")
      for (let step = 1; step <= 4; step++) {
        assert.strictEqual(seen.steps, step)
        yield* TestClock.adjust("50 millis")
      }
      assert.strictEqual(seen.steps, 4)
    })
  )

  it.effect("takes no timer while there is none", () =>
    countingSleeps((sleeps) =>
      Effect.gen(function* () {
        const { wakeUnsafe } = yield* world
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(sleeps(), 0)
        wakeUnsafe()
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(sleeps(), 1)
      })
    )
  )

  it.effect("is looked at again when more comes during a step", () =>
    Effect.gen(function* () {
      const { seen, wakeUnsafe } = yield* world
      seen.during = () => {
        seen.during = () => {}
        wakeUnsafe()
      }
      wakeUnsafe()
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(seen.steps, 2)
    })
  )

  it.effect("is looked at again after a step that died", () =>
    Effect.gen(function* () {
      const { seen, wakeUnsafe } = yield* world
      seen.during = () => {
        seen.during = () => {}
        throw new Error("died on purpose")
      }
      wakeUnsafe()
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(seen.steps, 2)
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )
})
