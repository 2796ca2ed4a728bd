/**
 * The service: its rooms, top to bottom as in ARCHITECTURE.md.
 *
 * What is built last is released first: the protocols take no more messages and answer what they
 * have, then the actors finish, then the replica gives up its lease, then connections close.
 */
import "effect/schema/SchemaJITCompiler/enable"
import { Effect, Layer } from "effect"
import * as access from "./access/layer.ts"
import * as audit from "./actors/audit/layer.ts"
import * as clients from "./actors/clients/layer.ts"
import * as credentials from "./actors/credentials/layer.ts"
import * as keys from "./actors/keys/layer.ts"
import * as platform from "./actors/platform/layer.ts"
import * as tenant from "./actors/tenant/layer.ts"
import * as tokens from "./actors/tokens/layer.ts"
import * as validation from "./actors/validation/layer.ts"
import { layerEnvironment, layerReplica } from "./Config.ts"
import * as cache from "./cache/layer.ts"
import { LeaseSeal } from "./coherence/LeaseSeal.ts"
import * as coherence from "./coherence/layer.ts"
import * as crypto from "./crypto/layer.ts"
import { ReplicaSeal } from "./crypto/ReplicaSeal.ts"
import * as gateway from "./gateway/layer.ts"
import * as FirstTenants from "./launch/FirstTenants.ts"
import * as Process from "./launch/Process.ts"
import * as Ready from "./launch/Ready.ts"
import { StartConfig } from "./launch/StartConfig.ts"
import * as nats from "./nats/layer.ts"
import * as observability from "./observability/layer.ts"
import { Shutdown } from "./observability/Shutdown.ts"
import * as outbox from "./outbox/layer.ts"
import * as protocols from "./protocols/layer.ts"
import * as rotation from "./rotation/layer.ts"
import * as maria from "./store/maria/layer.ts"

/** Read before anything is opened: a wrong value stops the start at once. */
const Settings = Layer.mergeAll(
  access.settings,
  audit.settings,
  cache.settings,
  clients.settings,
  coherence.settings,
  credentials.settings,
  crypto.settings,
  gateway.settings,
  maria.settings,
  nats.settings,
  observability.settings,
  outbox.settings,
  platform.settings,
  protocols.settings,
  rotation.settings,
  tenant.settings,
  StartConfig.layer
)

/** Entries of the lease bucket are sealed with a key that only replicas hold. */
const Seals = Layer.effect(LeaseSeal, Effect.map(ReplicaSeal, LeaseSeal.of))

/** What a replica believes, how replicas agree, and the tenants on both. */
const Credentials = credentials.layer.pipe(
  Layer.provideMerge(rotation.refresher),
  Layer.provideMerge(credentials.parts)
)
const Actors = Layer.mergeAll(clients.layer, Credentials, keys.layer, platform.layer).pipe(
  Layer.provideMerge(tokens.layer),
  Layer.provideMerge(audit.layer.pipe(Layer.provide(outbox.published))),
  Layer.provideMerge(tenant.layer),
  Layer.provideMerge(validation.layer),
  Layer.provideMerge(coherence.layer),
  Layer.provide(Seals),
  Layer.provideMerge(validation.beliefs),
  Layer.provideMerge(tenant.limits),
  Layer.provideMerge(cache.layer)
)

const Background = Layer.mergeAll(outbox.background, rotation.background, crypto.background, nats.background)

const Service = Ready.layer.pipe(
  Layer.provideMerge(gateway.inside),
  Layer.provideMerge(Layer.merge(protocols.layer.pipe(Layer.provide(access.layer)), Background)),
  Layer.provideMerge(rotation.replayed.pipe(Layer.provide(outbox.ends))),
  Layer.provideMerge(Actors),
  Layer.provideMerge(FirstTenants.layer),
  Layer.provideMerge(crypto.layer),
  Layer.provideMerge(Layer.merge(maria.layer, nats.layer)),
  Layer.provideMerge(coherence.view),
  Layer.provideMerge(observability.layer),
  Layer.provideMerge(Ready.layerNotReady),
  Layer.provideMerge(Settings),
  Layer.provideMerge(layerReplica),
  Layer.provide(layerEnvironment)
)

Process.run(Effect.flatMap(Shutdown, ({ requested }) => requested).pipe(Effect.provide(Service)))
