/**
 * The tenants of one or more replicas over one memory database. Time is the test's, barriers end when
 * it says so, and the store does what it is told to do instead of what it is asked.
 */

import { createHash } from "node:crypto"
import { ConfigProvider, Context, Deferred, Effect, Layer, Redacted } from "effect"
import { ClientChecks } from "../../src/actors/clients/ClientChecks.ts"
import { ClientSweeps } from "../../src/actors/clients/ClientSweeps.ts"
import { Clients } from "../../src/actors/clients/Clients.ts"
import * as clientsRoom from "../../src/actors/clients/layer.ts"
import { ActorsConfig } from "../../src/actors/tenant/ActorsConfig.ts"
import * as GroupCommit from "../../src/actors/tenant/GroupCommit.ts"
import { Ids } from "../../src/actors/tenant/Ids.ts"
import * as TenantActors from "../../src/actors/tenant/TenantActors.ts"
import { type Caller, Tenants } from "../../src/actors/tenant/Tenants.ts"
import { TenantsConfig } from "../../src/actors/tenant/TenantsConfig.ts"
import { EventWriter } from "../../src/actors/tenant/TokenEvents.ts"
import * as LiveTenants from "../../src/actors/tokens/LiveTenants.ts"
import * as LiveTokenEnder from "../../src/actors/tokens/LiveTokenEnder.ts"
import { TokenEnder } from "../../src/actors/tokens/TokenEnder.ts"
import { FirstUse } from "../../src/actors/validation/FirstUse.ts"
import { HotState } from "../../src/actors/validation/HotState.ts"
import { KnownTenants } from "../../src/actors/validation/KnownTenants.ts"
import * as LiveValidator from "../../src/actors/validation/LiveValidator.ts"
import { ValidationCache } from "../../src/cache/ValidationCache.ts"
import { Applier, Coherence, LeaseView } from "../../src/coherence/Coherence.ts"
import { Keyring } from "../../src/crypto/Keyring.ts"
import { Password } from "../../src/crypto/Password.ts"
import * as RowTags from "../../src/crypto/RowTags.ts"
import type { HotToken } from "../../src/domain/HotToken.ts"
import { globalTenantId } from "../../src/domain/Names.ts"
import { servicePrincipal } from "../../src/domain/Principal.ts"
import type { Appearance, Revocation } from "../../src/domain/Revocation.ts"
import { Replica, replicaOf } from "../../src/observability/Replica.ts"
import { ClientStore } from "../../src/store/ClientStore.ts"
import { MemoryDatabase } from "../../src/store/memory/MemoryDatabase.ts"
import * as MemoryStores from "../../src/store/memory/MemoryStores.ts"
import { Outbox } from "../../src/store/Outbox.ts"
import { OutboxSignal } from "../../src/store/OutboxSignal.ts"
import { Sweeps } from "../../src/store/Sweeps.ts"
import { TenantStore } from "../../src/store/TenantStore.ts"
import { keyringOf } from "./validationWorld.ts"

export const operator: Caller = { ...servicePrincipal("alice"), correlationId: "c", idempotency: null }
export const withKey = (key: string, operation: string, body = "{}"): Caller => ({
  ...operator,
  idempotency: { key, operation, body: new TextEncoder().encode(body) }
})

export const tagOf = (text: string): Uint8Array => createHash("sha256").update(text).digest().subarray(0, 16)

const fingerprintOf = (...parts: ReadonlyArray<string | Uint8Array>): string => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part).update("\0")
  return hash.digest("hex")
}

/** Seals nothing and fingerprints without a key: what the actors do with it is the same. */
export const keyringWith = (keys: {
  readonly ids: ReadonlyArray<string>
  readonly isCurrent: boolean
}): Keyring["Service"] => ({
  ...keyringOf(keys.ids, () => keys.isCurrent),
  fingerprint: fingerprintOf,
  fingerprintAll: (...parts) => [fingerprintOf(...parts)],
  rowTag: (text) => tagOf(text),
  rowHolds: (tag, text) => tag !== undefined && text !== null && Buffer.compare(tag, tagOf(text)) === 0,
  seal: (_aad, plaintext) => plaintext,
  open: (_aad, record) => Effect.succeed(record)
})

/** Loops that only time starts are far apart, so that a test may let time pass. */
const variables = { CM_ACTOR_IDLE: "1 day", CM_LAST_USE_INTERVAL: "1 hour" }

export type TenantWorld = Effect.Success<typeof tenantWorld>
export const tenantWorld = Effect.gen(function* () {
  const environment = ConfigProvider.layer(ConfigProvider.fromEnvRecord(variables))
  const settings = Layer.mergeAll(TenantsConfig.layer, ActorsConfig.layer, clientsRoom.settings).pipe(
    Layer.provide(environment)
  )
  const database = yield* Layer.build(MemoryStores.layer)
  const realStore = Context.get(database, TenantStore)
  const realOutbox = Context.get(database, Outbox)
  /** Of all replicas: the one to write with first. */
  const keys = { ids: ["k1"], isCurrent: true }
  const { rowTag } = keyringWith(keys)
  yield* realStore.createTenant(globalTenantId, null, (tenant) => ({
    tenantMac: rowTag(RowTags.ofTenant(tenant, "")),
    tenantSettingsMac: rowTag(RowTags.ofTenantSettings(tenant))
  }))
  const announced: Array<Appearance> = []
  /** What was put into the shared cache, which finds nothing. */
  const cached: Array<HotToken> = []
  /** Revocations whose barrier does not end before `release`. */
  const held: Array<{ readonly revocation: Revocation; readonly done: Deferred.Deferred<void> }> = []
  const state = { hold: false }
  /** How often values of tokens were asked for, by all replicas. */
  const drawn = { count: 0 }
  const countingIds = Layer.effect(
    Ids,
    Effect.map(Ids, (ids) => ({
      ...ids,
      tokenValues: (...asked: Parameters<Ids["Service"]["tokenValues"]>) => {
        drawn.count++
        return ids.tokenValues(...asked)
      }
    }))
  ).pipe(Layer.provide(Ids.layer))
  type Listener = Parameters<Coherence["Service"]["onInForceUnsafe"]>[0]
  const listeners: Array<Listener> = []
  const markInForce = (revocations: ReadonlyArray<Revocation>) =>
    Effect.andThen(
      Effect.orDie(realOutbox.markInForce(revocations)),
      Effect.sync(() => {
        for (const { tenantId } of revocations) for (const listener of listeners) listener(tenantId, true)
      })
    )
  /** How often a password was hashed, and verified against what; verifying waits for `hold`, where a test sets one. */
  const passwords = {
    hashes: 0,
    verified: [] as Array<string | null>,
    hold: undefined as Deferred.Deferred<void> | undefined,
    /** What one is said to take. */
    eachMs: 1
  }
  /** Hashes nothing: what the actors do with it is the same. One that begins with `old` was made at less cost. */
  const password = Layer.succeed(Password, {
    hash: (secret) =>
      Effect.sync(() => {
        passwords.hashes++
        return `new ${createHash("sha256").update(Redacted.value(secret)).digest("hex")}`
      }),
    verify: (secret, stored) =>
      Effect.suspend(() => {
        passwords.verified.push(stored)
        const hash = createHash("sha256").update(Redacted.value(secret)).digest("hex")
        return Effect.as(
          passwords.hold === undefined ? Effect.void : Deferred.await(passwords.hold),
          stored?.slice(4) === hash
        )
      }),
    isOutdated: (stored) => stored.startsWith("old "),
    eachMs: () => passwords.eachMs
  })
  /** What the stores of all replicas, and the protocol between them, do otherwise. */
  const faults: {
    announce?: Coherence["Service"]["announceUnsafe"]
    putInForce?: Coherence["Service"]["putInForce"]
    transact?: TenantStore["Service"]["transact"]
    findTenants?: TenantStore["Service"]["findTenants"]
    listTokens?: TenantStore["Service"]["listTokens"]
    pendingOf?: Outbox["Service"]["pendingOf"]
    /** Done before tokens are counted, and before the number is answered. */
    aroundCount?: Effect.Effect<unknown>
    byNames?: (
      names: Parameters<ClientStore["Service"]["byNames"]>[0],
      real: ClientStore["Service"]["byNames"]
    ) => ReturnType<ClientStore["Service"]["byNames"]>
  } = {}
  const store: TenantStore["Service"] = {
    ...realStore,
    transact: (...args) => (faults.transact ?? realStore.transact)(...args),
    findTenants: (...args) => (faults.findTenants ?? realStore.findTenants)(...args),
    listTokens: (...args) => Effect.suspend(() => (faults.listTokens ?? realStore.listTokens)(...args)),
    countTokens: (...args) =>
      Effect.suspend(() => {
        const { aroundCount = Effect.void } = faults
        return Effect.andThen(
          aroundCount,
          Effect.tap(realStore.countTokens(...args), () => aroundCount)
        )
      })
  }

  const outbox: Outbox["Service"] = {
    ...realOutbox,
    pendingOf: (tenantId) => (faults.pendingOf ?? realOutbox.pendingOf)(tenantId)
  }

  const realClients = Context.get(database, ClientStore)
  const clientStore = Layer.succeed(ClientStore, {
    ...realClients,
    byNames: (names) => faults.byNames?.(names, realClients.byNames) ?? realClients.byNames(names)
  })

  const coherence = Layer.effect(
    Coherence,
    Effect.map(Applier, (applier) => ({
      putInForce: (revocation: Revocation) =>
        Effect.suspend(() => {
          if (faults.putInForce !== undefined) return faults.putInForce(revocation)
          applier.applyUnsafe(revocation)
          if (!state.hold) return markInForce([revocation])
          const done = Deferred.makeUnsafe<void>()
          held.push({ revocation, done })
          return Deferred.await(done)
        }),
      announceUnsafe: (appearance: Appearance) => {
        faults.announce?.(appearance)
        announced.push(appearance)
        applier.appearUnsafe(appearance)
      },
      putInForceAndTell: () => Effect.die("only the relay asks for this"),
      onInForceUnsafe: (listener: Listener) => void listeners.push(listener),
      tellNowUnsafe: () => {},
      lapse: Effect.succeed(null),
      settled: Effect.void
    }))
  )

  const release = Effect.suspend(() => {
    const all = held.splice(0)
    return Effect.andThen(
      markInForce(all.map(({ revocation }) => revocation)),
      Effect.forEach(all, ({ done }) => Deferred.succeed(done, undefined), { discard: true })
    )
  })

  /** A replica of its own over the shared database. */
  const replica = (replicaId: string) => {
    const ground = Layer.mergeAll(
      Layer.succeed(Keyring, keyringWith(keys)),
      Layer.succeed(Replica, replicaOf("cm", replicaId)),
      Layer.succeed(ValidationCache, {
        getMany: () => Promise.resolve([]),
        putUnsafe: (entries) => void cached.push(...entries)
      }),
      OutboxSignal.layer,
      LeaseView.layer,
      settings,
      Layer.succeedContext(Context.add(database, Outbox, outbox))
    )
    return Layer.build(
      Layer.fresh(
        Layer.mergeAll(LiveTenants.layer, LiveTokenEnder.layer, clientsRoom.layer).pipe(
          Layer.provideMerge(password),
          Layer.provideMerge(TenantActors.layer),
          Layer.provideMerge(GroupCommit.layer),
          Layer.provideMerge(LiveValidator.layer),
          Layer.provideMerge(KnownTenants.layer),
          Layer.provideMerge(FirstUse.layer),
          Layer.provideMerge(EventWriter.layer),
          Layer.provideMerge(countingIds),
          Layer.provideMerge(coherence),
          Layer.provideMerge(HotState.layer),
          Layer.provideMerge(Layer.merge(Layer.succeed(TenantStore, store), clientStore)),
          Layer.provideMerge(ground)
        )
      )
    ).pipe(
      // Before the replica ends, which waits for what is under way.
      Effect.tap(() => Effect.addFinalizer(() => release)),
      Effect.map((context) => {
        const lease = Context.get(context, LeaseView)
        lease.trustedUntilMonotonicMs = Number.MAX_SAFE_INTEGER
        lease.trustedUntilWallMs = Number.MAX_SAFE_INTEGER
        return {
          tenants: Context.get(context, Tenants),
          ender: Context.get(context, TokenEnder),
          clients: Context.get(context, Clients),
          checks: Context.get(context, ClientChecks),
          clientSweeps: Context.get(context, ClientSweeps),
          commit: Context.get(context, GroupCommit.GroupCommit),
          beliefs: Context.get(context, HotState),
          firstUse: Context.get(context, FirstUse),
          signal: Context.get(context, OutboxSignal),
          lease
        }
      })
    )
  }

  return {
    replica,
    tables: Context.get(database, MemoryDatabase),
    store: realStore,
    outbox: realOutbox,
    sweeps: Context.get(database, Sweeps),
    announced,
    cached,
    keys,
    faults,
    held,
    state,
    passwords,
    drawn,
    /** What a barrier's end does: the held revocations are in force. */
    release
  }
})
