/**
 * The service: which layers there are and in which order they stand.
 *
 * What is built last is released first: the protocols take no more messages and answer what they
 * have, then the actors finish, then the replica gives up its lease, then connections close.
 * SIGTERM and Ctrl-C stop it in that order, exit code 0. A start that cannot succeed says why in
 * one line, exit code 1.
 */
import "effect/schema/SchemaJITCompiler/enable"
import { rmSync, writeFileSync } from "node:fs"
import { Cause, Config, Effect, Exit, Fiber, Layer } from "effect"
import { CredentialsConfig } from "./actors/credentials/CredentialsConfig.ts"
import { CredentialEvents } from "./actors/credentials/Events.ts"
import * as LiveCredentials from "./actors/credentials/LiveCredentials.ts"
import { Refresher } from "./actors/credentials/Refresher.ts"
import { Refusals } from "./actors/credentials/Refusals.ts"
import * as CredentialSweeps from "./actors/credentials/Sweeps.ts"
import * as LiveKeys from "./actors/keys/LiveKeys.ts"
import * as ReplicaChecks from "./actors/keys/ReplicaChecks.ts"
import { ActorsConfig } from "./actors/tenant/ActorsConfig.ts"
import * as GroupCommit from "./actors/tenant/GroupCommit.ts"
import { Ids } from "./actors/tenant/Ids.ts"
import * as TenantActors from "./actors/tenant/TenantActors.ts"
import { TenantsConfig } from "./actors/tenant/TenantsConfig.ts"
import { EventWriter } from "./actors/tenant/TokenEvents.ts"
import * as FirstUseRecorder from "./actors/tokens/FirstUseRecorder.ts"
import * as LiveTenants from "./actors/tokens/LiveTenants.ts"
import * as LiveTokenEnder from "./actors/tokens/LiveTokenEnder.ts"
import { FirstUse } from "./actors/validation/FirstUse.ts"
import { HotState } from "./actors/validation/HotState.ts"
import { KnownTenants } from "./actors/validation/KnownTenants.ts"
import * as LiveValidator from "./actors/validation/LiveValidator.ts"
import { layerEnvironment, layerReplica, StartConfig, tenantIdsOf } from "./Config.ts"
import { CacheConfig } from "./cache/CacheConfig.ts"
import * as NatsMetadataCache from "./cache/NatsMetadataCache.ts"
import * as NatsValidationCache from "./cache/NatsValidationCache.ts"
import { Coherence, LeaseView } from "./coherence/Coherence.ts"
import { CoherenceConfig } from "./coherence/CoherenceConfig.ts"
import * as NatsCoherence from "./coherence/NatsCoherence.ts"
import * as AuditSigner from "./crypto/AuditSigner.ts"
import * as ChosenMasterKey from "./crypto/ChosenMasterKey.ts"
import { CryptoConfig } from "./crypto/CryptoConfig.ts"
import { CurveBox } from "./crypto/CurveBox.ts"
import * as KeyMover from "./crypto/KeyMover.ts"
import * as KeyRotation from "./crypto/KeyRotation.ts"
import * as LiveKeyring from "./crypto/LiveKeyring.ts"
import * as LiveTenantKeys from "./crypto/LiveTenantKeys.ts"
import { globalTenantId } from "./domain/Names.ts"
import { Nats } from "./nats/Nats.ts"
import { NatsConfig } from "./nats/NatsConfig.ts"
import * as NatsConnection from "./nats/NatsConnection.ts"
import { Streams } from "./nats/Streams.ts"
import { Readiness, untilReady } from "./observability/Health.ts"
import * as Log from "./observability/Log.ts"
import { Replica } from "./observability/Replica.ts"
import * as Setting from "./observability/Setting.ts"
import { Shutdown } from "./observability/Shutdown.ts"
import * as NatsEventLog from "./outbox/NatsEventLog.ts"
import { OutboxConfig } from "./outbox/OutboxConfig.ts"
import { OutboxRelay } from "./outbox/OutboxRelay.ts"
import { WakeCall } from "./outbox/WakeCall.ts"
import { Access } from "./protocols/Access.ts"
import * as Protocols from "./protocols/Protocols.ts"
import { ProtocolsConfig } from "./protocols/ProtocolsConfig.ts"
import * as CredentialExpirySweep from "./rotation/CredentialExpirySweep.ts"
import * as ExpirySweep from "./rotation/ExpirySweep.ts"
import * as RemovalSweep from "./rotation/RemovalSweep.ts"
import { SweepConfig } from "./rotation/SweepConfig.ts"
import * as MariaStores from "./store/maria/MariaStores.ts"
import { StoreConfig } from "./store/maria/StoreConfig.ts"
import { OutboxSignal } from "./store/OutboxSignal.ts"
import { TenantStore } from "./store/TenantStore.ts"

// ---- what everything stands on ----------------------------------------------

const Settings = Layer.mergeAll(
  ActorsConfig.layer,
  CacheConfig.layer,
  CoherenceConfig.layer,
  CredentialsConfig.layer,
  CryptoConfig.layer,
  Log.LogConfig.layer,
  NatsConfig.layer,
  OutboxConfig.layer,
  ProtocolsConfig.layer,
  StartConfig.layer,
  StoreConfig.layer,
  SweepConfig.layer,
  TenantsConfig.layer
)
const Process = Layer.mergeAll(Readiness.layer, Shutdown.layer, OutboxSignal.layer, LeaseView.layer)
const Servers = Layer.mergeAll(MariaStores.layer, Streams.layer.pipe(Layer.provideMerge(NatsConnection.layer)))
// The keyring first: it checks the master key and writes down its fingerprint, before anything makes a key.
const Keys = Layer.mergeAll(LiveTenantKeys.layer, AuditSigner.layer, KeyRotation.layer).pipe(
  Layer.provideMerge(LiveKeyring.layer),
  Layer.provideMerge(ChosenMasterKey.layer)
)

// ---- what a replica believes, and how replicas agree -----------------------

const Beliefs = NatsCoherence.layer.pipe(
  Layer.provideMerge(HotState.layer),
  Layer.provideMerge(NatsValidationCache.layer),
  Layer.provideMerge(NatsMetadataCache.layer)
)

// ---- the tenants ------------------------------------------------------------

const Actors = Layer.mergeAll(
  LiveTenants.layer,
  LiveTokenEnder.layer,
  FirstUseRecorder.layer,
  ReplicaChecks.layer,
  LiveCredentials.layer,
  CredentialSweeps.layer,
  LiveKeys.layer
).pipe(
  Layer.provideMerge(Layer.mergeAll(Refusals.layer, CredentialEvents.layer, CurveBox.layer, Refresher.layerNone)),
  Layer.provideMerge(TenantActors.layer),
  Layer.provideMerge(GroupCommit.layer),
  Layer.provideMerge(LiveValidator.layer),
  Layer.provideMerge(KnownTenants.layer),
  Layer.provideMerge(FirstUse.layer),
  Layer.provideMerge(EventWriter.layer),
  Layer.provideMerge(Ids.layer)
)

const Background = Layer.mergeAll(
  OutboxRelay.layer.pipe(Layer.provide([NatsEventLog.layer, WakeCall.layer])),
  ExpirySweep.layer,
  RemovalSweep.layer,
  CredentialExpirySweep.layer,
  KeyMover.layer
)

/** A file that a killed predecessor left says nothing of this process. */
const NotReady = Layer.effectDiscard(
  Effect.map(StartConfig, ({ readyFile }) => (readyFile === "" ? undefined : rmSync(readyFile, { force: true })))
)

/** The tenants that must exist: `global` always, others where the environment names them. */
const FirstTenants = Layer.effectDiscard(
  Effect.gen(function* () {
    const { tenants } = yield* StartConfig
    const store = yield* TenantStore
    for (const tenantId of [globalTenantId, ...tenantIdsOf(tenants)]) yield* store.createTenant(tenantId, null)
  })
)

/**
 * Tells whoever started the service that it is ready: not before the operation `ready` says so. The
 * file is there only while the service answers.
 */
const Ready = Layer.effectDiscard(
  Effect.gen(function* () {
    const { readyFile } = yield* StartConfig
    const { instance, replicaId } = yield* Replica
    const { control, requests } = yield* Nats
    yield* Effect.promise(() => Promise.all([requests.flush(), control.flush()]))
    yield* (yield* Coherence).settled
    const shutdown = yield* Shutdown
    yield* Effect.raceFirst(untilReady, shutdown.requested)
    if (yield* shutdown.isRequested) return
    yield* Effect.logInfo("ready")
    if (readyFile === "") return
    const told = JSON.stringify({ instance, replica: replicaId, pid: process.pid })
    yield* Effect.acquireRelease(
      Effect.sync(() => writeFileSync(readyFile, told)),
      () => Effect.sync(() => rmSync(readyFile, { force: true }))
    )
  })
)

const Service = Ready.pipe(
  Layer.provideMerge(Layer.merge(Protocols.layer, Background)),
  Layer.provide(Access.layerBus),
  Layer.provideMerge(Actors),
  Layer.provideMerge(Beliefs),
  Layer.provideMerge(FirstTenants),
  Layer.provideMerge(Keys),
  Layer.provideMerge(Servers),
  Layer.provideMerge(Process),
  Layer.provideMerge(Log.layer),
  Layer.provideMerge(NotReady),
  Layer.provideMerge(Settings),
  Layer.provideMerge(layerReplica),
  Layer.provide(layerEnvironment)
)

// ---- the process --------------------------------------------------------------

const program = Effect.gen(function* () {
  const shutdown = yield* Shutdown
  yield* shutdown.requested
}).pipe(Effect.provide(Service))

/** One line for what an operator can put right; everything there is for a bug. */
const whyItEnded = (cause: Cause.Cause<unknown>): string =>
  cause.reasons
    .map((reason) => {
      const error = Cause.isFailReason(reason) ? reason.error : undefined
      if (error instanceof Config.ConfigError) return Setting.explain(error)
      return error instanceof Error && error.message !== ""
        ? `${error.name}: ${error.message}`
        : Cause.pretty(Cause.fromReasons([reason]))
    })
    .join("\n")

const running = Effect.runFork(program)
const stop = () => {
  Effect.runFork(Fiber.interrupt(running))
}
process.once("SIGTERM", stop)
process.once("SIGINT", stop)

running.addObserver((exit) => {
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) process.exit(0)
  process.stderr.write(`${whyItEnded(exit.cause)}\n`)
  process.exit(1)
})
