/**
 * The credential actors of one or more replicas over one memory database, with a key file of the
 * test's own. Time is the test's; background loops are not started, the test does their turns.
 */

import { join } from "node:path"
import { ConfigProvider, Context, Duration, Effect, Layer } from "effect"
import { Audit } from "../../src/actors/audit/Audit.ts"
import { AuditAlarm } from "../../src/actors/audit/AuditAlarm.ts"
import { AuditConfig } from "../../src/actors/audit/AuditConfig.ts"
import { AuditNotes } from "../../src/actors/audit/AuditNotes.ts"
import * as LiveAudit from "../../src/actors/audit/LiveAudit.ts"
import { Refusals } from "../../src/actors/audit/Refusals.ts"
import { SignedHeads } from "../../src/actors/audit/SignedHeads.ts"
import * as AuditSweeps from "../../src/actors/audit/Sweeps.ts"
import { Credentials } from "../../src/actors/credentials/Credentials.ts"
import { CredentialsConfig } from "../../src/actors/credentials/CredentialsConfig.ts"
import { CredentialEvents } from "../../src/actors/credentials/Events.ts"
import * as LiveCredentials from "../../src/actors/credentials/LiveCredentials.ts"
import * as Providers from "../../src/actors/credentials/Providers.ts"
import { Refresher } from "../../src/actors/credentials/Refresher.ts"
import * as Rotators from "../../src/actors/credentials/Rotators.ts"
import * as CredentialSweeps from "../../src/actors/credentials/Sweeps.ts"
import { ActorsConfig } from "../../src/actors/tenant/ActorsConfig.ts"
import * as GroupCommit from "../../src/actors/tenant/GroupCommit.ts"
import { Ids } from "../../src/actors/tenant/Ids.ts"
import * as TenantActors from "../../src/actors/tenant/TenantActors.ts"
import { TenantsConfig } from "../../src/actors/tenant/TenantsConfig.ts"
import { EventWriter } from "../../src/actors/tenant/TokenEvents.ts"
import { HotState } from "../../src/actors/validation/HotState.ts"
import { KnownTenants } from "../../src/actors/validation/KnownTenants.ts"
import { MetadataCache } from "../../src/cache/MetadataCache.ts"
import { ValidationCache } from "../../src/cache/ValidationCache.ts"
import { Coherence, LeaseView } from "../../src/coherence/Coherence.ts"
import * as AuditSigner from "../../src/crypto/AuditSigner.ts"
import { CryptoConfig } from "../../src/crypto/CryptoConfig.ts"
import { CurveBox } from "../../src/crypto/CurveBox.ts"
import { Keyring } from "../../src/crypto/Keyring.ts"
import * as LiveKeyring from "../../src/crypto/LiveKeyring.ts"
import * as LiveTenantKeys from "../../src/crypto/LiveTenantKeys.ts"
import * as LocalMasterKey from "../../src/crypto/LocalMasterKey.ts"
import * as RowTags from "../../src/crypto/RowTags.ts"
import type { Credential } from "../../src/domain/Credential.ts"
import { Nats } from "../../src/nats/Nats.ts"
import { Replica, replicaOf } from "../../src/observability/Replica.ts"
import { Shutdown } from "../../src/observability/Shutdown.ts"
import * as LiveRefresher from "../../src/rotation/LiveRefresher.ts"
import { RefreshConfig } from "../../src/rotation/RefreshConfig.ts"
import { RotatorConfig } from "../../src/rotation/RotatorConfig.ts"
import { type CheckpointFields, checkpointOf } from "../../src/store/AuditCheckpointBytes.ts"
import { type AuditCheckpoint, AuditStore } from "../../src/store/AuditStore.ts"
import { MemoryDatabase } from "../../src/store/memory/MemoryDatabase.ts"
import * as MemoryStores from "../../src/store/memory/MemoryStores.ts"
import { OutboxSignal } from "../../src/store/OutboxSignal.ts"
import { PublishedCheckpoints } from "../../src/store/PublishedCheckpoints.ts"
import { RefreshStore } from "../../src/store/RefreshStore.ts"
import { StoreUnavailable } from "../../src/store/StoreError.ts"
import { Sweeps } from "../../src/store/Sweeps.ts"
import { decided, TenantStore } from "../../src/store/TenantStore.ts"
import { auditedBy } from "./auditedBy.ts"
import { temporaryFolder } from "./servers.ts"
import { nextRevocation, transact } from "./storeFixtures.ts"

/** What a transaction of a replica ends in. */
export type TransactionFate =
  | "succeeds"
  | "is not done"
  | "is committed, answer lost"
  | "is not done, answer lost"
  /** As the last one, but for what was decided, and heard of by whoever listens, before it was lost. */
  | "is decided, and not done, answer lost"
  | "dies"

/** For a refresher that runs no rotator on the bus. */
const noNats = Layer.succeed(Nats, {} as Nats["Service"])

/** Loops that only time starts are far apart, so that a test may let months pass. */
const variables = {
  CM_ACTOR_IDLE: "1 day",
  CM_KEYS_RELOAD: "1 minute",
  CM_KEYS_ACTIVATION: "5 minutes",
  CM_KEY_FILE_CREATE: "true",
  CM_ROTATOR_HOSTS_ALLOWED: "127.0.0.1:3306",
  CM_AUDIT_RETENTION: "90 minutes"
}

/** `more`: settings over those of the world. */
export const credentialWorldWith = Effect.fnUntraced(function* (more: Readonly<Record<string, string>>) {
  const folder = yield* Effect.acquireRelease(Effect.sync(temporaryFolder), (made) => Effect.sync(made.remove))
  const environment = ConfigProvider.layer(
    ConfigProvider.fromEnvRecord({ ...variables, ...more, CM_KEY_FILE: join(folder.path, "keys.json") })
  )
  const settings = Layer.mergeAll(
    ActorsConfig.layer,
    TenantsConfig.layer,
    AuditConfig.layer,
    CredentialsConfig.layer,
    CryptoConfig.layer,
    RefreshConfig.layer,
    RotatorConfig.layer
  ).pipe(Layer.provide(environment))
  const database = yield* Layer.build(Layer.provideMerge(MemoryStores.layer, MemoryDatabase.layer))
  const metadata = yield* Layer.build(MetadataCache.layerMemory)
  const tenants = Context.get(database, TenantStore)
  /** What becomes of a tenant's next transactions, in order; the last one stands. Not said: they succeed. */
  const fates = new Map<string, Array<TransactionFate>>()
  const fateOf = (tenantId: string): TransactionFate => {
    const next = fates.get(tenantId) ?? []
    return (next.length > 1 ? next.shift() : next[0]) ?? "succeeds"
  }
  /** What happens just before the next transactions of replicas, in order. */
  const beforeTransactions: Array<Effect.Effect<unknown>> = []
  const failingTenants = TenantStore.of({
    ...tenants,
    transact: (tenantId, load, decide) =>
      Effect.flatMap(
        Effect.suspend(() => beforeTransactions.shift() ?? Effect.void),
        () => {
          const fate = fateOf(tenantId)
          if (fate === "succeeds") return tenants.transact(tenantId, load, decide)
          if (fate === "dies") return Effect.die(new Error("died on purpose"))
          const outcome = fate === "is not done" ? "none" : "unknown"
          const failure = Effect.fail(new StoreUnavailable({ operation: "test", outcome }))
          if (fate === "is decided, and not done, answer lost") {
            const rolledBack: typeof decide = (loaded) =>
              Effect.andThen(decided(decide, loaded), Effect.die("rolled back"))
            return Effect.catchDefect(tenants.transact(tenantId, load, rolledBack), () => failure)
          }
          return fate === "is committed, answer lost"
            ? Effect.andThen(tenants.transact(tenantId, load, decide), failure)
            : failure
        }
      )
  })
  /** What becomes of the next answers of providers that are to be stored, in order; not said: they are. */
  const answerFates: Array<"is not done" | "is stored, answer lost" | "dies"> = []
  /** What happens just before the next looks at a credential and what it holds, in order. */
  const beforeLooks: Array<Effect.Effect<unknown, StoreUnavailable>> = []
  /** And just before the next turns at a provider are asked for. */
  const beforeTurns: Array<Effect.Effect<unknown>> = []
  const refreshes = Context.get(database, RefreshStore)
  const failingRefreshes = RefreshStore.of({
    ...refreshes,
    standing: (...args) =>
      Effect.suspend(() => Effect.andThen(beforeLooks.shift() ?? Effect.void, refreshes.standing(...args))),
    takeTurn: (request) =>
      Effect.suspend(() => Effect.andThen(beforeTurns.shift() ?? Effect.void, refreshes.takeTurn(request))),
    putAnswer: (tenantId, answer) =>
      Effect.suspend(() => {
        const fate = answerFates.shift()
        const stored = refreshes.putAnswer(tenantId, answer)
        if (fate === undefined) return stored
        if (fate === "dies") return Effect.die(new Error("died on purpose"))
        const isDone = fate === "is stored, answer lost"
        const failure = new StoreUnavailable({ operation: "test", outcome: isDone ? "unknown" : "none" })
        return isDone ? Effect.andThen(stored, Effect.fail(failure)) : Effect.fail(failure)
      })
  })
  /** How long a page of the audit takes. */
  const pace = { page: Duration.zero as Duration.Duration }
  const audit = Context.get(database, AuditStore)
  const slowAudit = AuditStore.of({
    ...audit,
    list: (...args) =>
      Effect.suspend(() => (Duration.isZero(pace.page) ? Effect.void : Effect.sleep(pace.page))).pipe(
        Effect.andThen(audit.list(...args))
      )
  })
  const { rowTag } = yield* Keyring.pipe(
    Effect.provide(LiveKeyring.layer.pipe(Layer.provide(LocalMasterKey.layer))),
    Effect.provide(settings),
    Effect.provide(database)
  )
  const addTenant = (tenantId: string) =>
    tenants.createTenant(tenantId, null, (tenant) => ({
      tenantMac: rowTag(RowTags.ofTenant(tenant, "")),
      tenantSettingsMac: rowTag(RowTags.ofTenantSettings(tenant))
    }))
  for (const tenantId of ["global", "demo"]) yield* addTenant(tenantId)

  const published: Array<AuditCheckpoint | null> = []
  /** The stream of events: what left is there, though the database be written anew. `announce` is the relay's turn. */
  const relay = { isHeld: false }
  const announce = () => {
    if (relay.isHeld) return
    for (const event of events().slice(announced)) {
      announced++
      if (!event.subject.endsWith(".audit.checkpoint")) continue
      const said = event.body as unknown as CheckpointFields
      published.push(checkpointOf(String(event.body.tenant_id), said))
    }
  }
  let announced = 0
  const stream = PublishedCheckpoints.of({
    after: (tenantId, place) =>
      Effect.sync(() => {
        announce()
        const points = published.slice(place).filter((point) => point === null || point.tenantId === tenantId)
        return { points, place: published.length, more: false }
      })
  })

  /** A replica of its own over the shared database and bucket; starting one again is a restart. */
  const replica = (replicaId: string, refreshes = false, nats = noNats) => {
    const stores = Context.add(Context.add(database, TenantStore, failingTenants), AuditStore, slowAudit).pipe(
      Context.add(RefreshStore, failingRefreshes)
    )
    const shared = Layer.mergeAll(Layer.succeedContext(stores), Layer.succeedContext(metadata))
    const keys = Layer.mergeAll(LiveKeyring.layer, LiveTenantKeys.layer, AuditSigner.layer).pipe(
      Layer.provide(LocalMasterKey.layer)
    )
    const auditParts = Layer.mergeAll(Refusals.layer, SignedHeads.layer, AuditAlarm.layer).pipe(
      Layer.provideMerge(Layer.mergeAll(Layer.succeed(PublishedCheckpoints, stream), keys))
    )
    const parts = Layer.mergeAll(auditParts, CredentialEvents.layer, CurveBox.layer)
    const refresher = refreshes ? LiveRefresher.layer.pipe(Layer.provide(nats)) : Refresher.layerNone
    const ground = Layer.mergeAll(
      ValidationCache.layerNoop,
      OutboxSignal.layer,
      LeaseView.layer,
      Shutdown.layer,
      Layer.succeed(Replica, replicaOf("cm", replicaId))
    )
    return Layer.build(
      Layer.fresh(
        Layer.mergeAll(LiveAudit.layer, AuditSweeps.layer, LiveCredentials.layer, CredentialSweeps.layer).pipe(
          Layer.provideMerge(refresher),
          Layer.provideMerge(Layer.mergeAll(AuditNotes.layer, Providers.layer, Rotators.layer)),
          Layer.provideMerge(parts),
          Layer.provideMerge(TenantActors.layer),
          Layer.provideMerge(GroupCommit.layer),
          Layer.provideMerge(EventWriter.layer),
          Layer.provideMerge(Ids.layer),
          Layer.provideMerge(KnownTenants.layer),
          Layer.provideMerge(Layer.mergeAll(Coherence.layerSolo, keys)),
          Layer.provideMerge(HotState.layer),
          Layer.provideMerge(ground),
          Layer.provideMerge(settings),
          Layer.provideMerge(shared)
        )
      )
    ).pipe(
      Effect.map((context) => ({
        credentials: Context.get(context, Credentials),
        providers: Context.get(context, Providers.Providers),
        rotators: Context.get(context, Rotators.Rotators),
        refresher: Context.get(context, Refresher),
        shutdown: Context.get(context, Shutdown),
        audit: Context.get(context, Audit),
        alarm: Context.get(context, AuditAlarm),
        sweeps: {
          ...Context.get(context, CredentialSweeps.CredentialSweeps),
          ...Context.get(context, AuditSweeps.AuditSweeps)
        }
      }))
    )
  }

  const tables = Context.get(database, MemoryDatabase)
  /** The events that were written so far, in order. */
  const events = () =>
    Array.from(tables.outbox.values(), ({ entry }) => ({
      subject: entry.subject,
      headers: entry.headers,
      body: JSON.parse(new TextDecoder().decode(entry.payload)) as Record<string, unknown>
    }))
  /** As `tenants.remove` does: its rows are tidied up by sweeps. */
  const removeTenant = (tenantId: string) =>
    transact(tenantId, {}, (loaded) => ({
      tenantRemoved: true,
      revocation: nextRevocation(tenantId, loaded)
    })).pipe(Effect.provideService(TenantStore, tenants))
  let appended = 0
  /** Rows for the audit, no two alike, in one transaction. */
  const append = (tenantId: string, count: number) => {
    const entry = { ...auditedBy("bus"), action: "test.done", entityType: "test", diff: null }
    const rows = Array.from({ length: count }, () => ({ ...entry, entityId: `e${++appended}` }))
    return transact(tenantId, {}, () => ({ audit: rows })).pipe(Effect.provideService(TenantStore, tenants))
  }
  const sweeps = Context.get(database, Sweeps)
  /** A row as the service would have written it. */
  const tagged = (credential: Credential): Credential => ({
    ...credential,
    mac: rowTag(RowTags.ofCredential(credential))
  })
  return {
    replica,
    answerFates,
    beforeLooks,
    beforeTransactions,
    beforeTurns,
    refreshes,
    tables,
    tagged,
    events,
    published,
    relay,
    fates,
    pace,
    addTenant,
    removeTenant,
    append,
    sweeps
  }
})

export const credentialWorld = credentialWorldWith({})
