/**
 * The keys of one or more replicas over one memory database, and the actor that rotates and retires
 * them. Time is the test's; the mover is not started, the test does its turns.
 */

import { assert } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as KeyErasure from "../../src/actors/keys/KeyErasure.ts"
import { Keys } from "../../src/actors/keys/Keys.ts"
import * as LiveKeys from "../../src/actors/keys/LiveKeys.ts"
import * as GroupCommit from "../../src/actors/tenant/GroupCommit.ts"
import { Ids } from "../../src/actors/tenant/Ids.ts"
import * as TenantActors from "../../src/actors/tenant/TenantActors.ts"
import type { Caller } from "../../src/actors/tenant/Tenants.ts"
import { TenantsConfig } from "../../src/actors/tenant/TenantsConfig.ts"
import { EventWriter } from "../../src/actors/tenant/TokenEvents.ts"
import { ValidationCache } from "../../src/cache/ValidationCache.ts"
import { Applier, Coherence, LeaseView } from "../../src/coherence/Coherence.ts"
import * as AuditSigner from "../../src/crypto/AuditSigner.ts"
import { CryptoConfig } from "../../src/crypto/CryptoConfig.ts"
import * as KeyFile from "../../src/crypto/KeyFile.ts"
import * as KeyMover from "../../src/crypto/KeyMover.ts"
import * as KeyRotation from "../../src/crypto/KeyRotation.ts"
import { Keyring } from "../../src/crypto/Keyring.ts"
import * as LiveKeyring from "../../src/crypto/LiveKeyring.ts"
import * as LiveTenantKeys from "../../src/crypto/LiveTenantKeys.ts"
import * as LocalMasterKey from "../../src/crypto/LocalMasterKey.ts"
import { MasterKey, MasterKeyError } from "../../src/crypto/MasterKey.ts"
import { TenantKeys } from "../../src/crypto/TenantKeys.ts"
import { globalTenantId } from "../../src/domain/Names.ts"
import { servicePrincipal } from "../../src/domain/Principal.ts"
import { Replica, replicaOf } from "../../src/observability/Replica.ts"
import { MemoryDatabase } from "../../src/store/memory/MemoryDatabase.ts"
import * as MemoryOutbox from "../../src/store/memory/MemoryOutbox.ts"
import * as MemorySweeps from "../../src/store/memory/MemorySweeps.ts"
import * as MemoryTenantStore from "../../src/store/memory/MemoryTenantStore.ts"
import { OutboxSignal } from "../../src/store/OutboxSignal.ts"
import { StoreUnavailable } from "../../src/store/StoreError.ts"
import { decided, TenantStore } from "../../src/store/TenantStore.ts"
import { keyWorld } from "../unit/crypto/keyWorld.ts"

export const fileKeys = (...days: ReadonlyArray<number>) =>
  days.flatMap((day) => KeyFile.parse(KeyFile.newText(1_764_000_000_000, `2026-01-0${day}T00:00:00.000Z`))!)

export const operator: Caller = { ...servicePrincipal("operator"), correlationId: "c", idempotency: null }
export const withKey = (key: string, operation: string, body = ""): Caller => ({
  ...operator,
  idempotency: { key, operation, body: new TextEncoder().encode(body) }
})

/** What becomes of the next transaction that writes. */
export type Fate = "is committed, answer lost" | "is not done"

/** One database; `replica` starts one more service on it, without its mover; `turn` is its mover's. */
export const rotationWorld = Effect.fnUntraced(function* (env: Record<string, string> = {}) {
  const world = yield* keyWorld
  /** `calls` are those of the master key; `during` runs at each of them, `down` lets them fail. */
  const master = { keys: fileKeys(1), calls: 0, down: false, during: Effect.void as Effect.Effect<void> }
  const state: { fate: Fate | undefined } = { fate: undefined }
  const given = { CM_KEYS_ACTIVATION: "20 seconds", CM_KEYS_AGE_MIN: "0 seconds", CM_ACTOR_IDLE: "1 day", ...env }
  const settings = Layer.mergeAll(CryptoConfig.layer, TenantsConfig.layer).pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord(given)))
  )
  const stores = yield* Layer.build(
    Layer.mergeAll(MemoryTenantStore.layer, MemoryOutbox.layer, MemorySweeps.layer).pipe(
      Layer.provide(Layer.succeed(MemoryDatabase, world.tables))
    )
  )
  const tenants = Context.get(stores, TenantStore)
  yield* tenants.createTenant(globalTenantId, null)
  const failing = TenantStore.of({
    ...tenants,
    transact: (tenantId, load, decide) => {
      let fate: Fate | undefined
      const deciding: typeof decide = (loaded) =>
        Effect.map(decided(decide, loaded), (decision) => {
          const writes = decision.changes.audit.length > 0
          if (writes) [fate, state.fate] = [state.fate, undefined]
          return writes && fate === "is not done"
            ? { ...decision, changes: { ...decision.changes, keys: undefined, audit: [], outbox: [], idempotent: [] } }
            : decision
        })
      return Effect.flatMap(tenants.transact(tenantId, load, deciding), (result) =>
        fate === undefined
          ? Effect.succeed(result)
          : Effect.fail(
              new StoreUnavailable({ operation: "test", outcome: fate === "is not done" ? "none" : "unknown" })
            )
      )
    }
  })
  const masterKey = Effect.sync(() => {
    const local = LocalMasterKey.make(master.keys)
    const call = <A>(effect: Effect.Effect<A, MasterKeyError>) =>
      Effect.suspend(() => {
        master.calls += 1
        const down = new MasterKeyError({ masterKeyId: "m", operation: "wrap", reason: "Unreachable", detail: "test" })
        return Effect.andThen(master.during, master.down ? Effect.fail(down) : effect)
      })
    return MasterKey.of({
      ...local,
      wrap: (place, material) => call(local.wrap(place, material)),
      unwrap: (place, wrapped) => call(local.unwrap(place, wrapped))
    })
  })
  let count = 0
  const replica = Effect.suspend(() => {
    const ground = Layer.mergeAll(
      settings,
      Layer.succeed(Replica, replicaOf("cm", `r${++count}`)),
      Layer.succeedContext(Context.add(stores, TenantStore, failing)),
      world.stores,
      Layer.effect(MasterKey, masterKey),
      Applier.layerNoop,
      ValidationCache.layerNoop,
      OutboxSignal.layer,
      LeaseView.layer
    )
    const rotating = KeyRotation.layer.pipe(Layer.provideMerge(AuditSigner.layer))
    const keys = Layer.mergeAll(LiveKeyring.layer, LiveTenantKeys.layer, rotating)
    const all = Layer.merge(LiveKeys.layer, KeyErasure.layer).pipe(
      Layer.provideMerge(TenantActors.layer),
      Layer.provideMerge(GroupCommit.layer),
      Layer.provideMerge(EventWriter.layer),
      Layer.provideMerge(Ids.layer),
      Layer.provideMerge(Layer.mergeAll(Coherence.layerSolo, keys)),
      Layer.provideMerge(ground)
    )
    return Layer.build(Layer.fresh(all)).pipe(
      Effect.flatMap((context) =>
        Effect.map(Effect.provide(KeyMover.make, context), ({ turn }) => ({
          keyring: Context.get(context, Keyring),
          signer: Context.get(context, AuditSigner.AuditSigner),
          tenantKeys: Context.get(context, TenantKeys),
          keys: Context.get(context, Keys),
          erasure: Context.get(context, KeyErasure.KeyErasure),
          turn
        }))
      )
    )
  })
  const audit = () =>
    (world.tables.audit.get(globalTenantId) ?? [])
      .filter(({ entityType }) => entityType === "key")
      .map(({ action, actor, diff, entityId }) => ({ action, actor, entityId, diff: JSON.parse(diff!) }))
  const events = () =>
    Array.from(world.tables.outbox.values(), ({ entry }) => ({
      subject: entry.subject,
      body: JSON.parse(new TextDecoder().decode(entry.payload)) as Record<string, unknown>
    }))
  return { world, replica, master, state, audit, events }
})
export type RotationWorld = Effect.Success<ReturnType<typeof rotationWorld>>
export type RotationReplica = Effect.Success<RotationWorld["replica"]>

/** Lets a mover run to its end while time passes. */
export const turns = (replica: RotationReplica, count = 1) =>
  Effect.gen(function* () {
    for (let i = 0; i < count; i++) {
      const fiber = yield* Effect.forkChild(replica.turn, { startImmediately: true })
      for (let step = 0; step < 200 && fiber.pollUnsafe() === undefined; step++) yield* TestClock.adjust("1 second")
      assert.isDefined(fiber.pollUnsafe(), "the turn ends")
    }
  })
