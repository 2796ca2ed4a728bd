/**
 * The providers that a tenant may name: its own, which hide those of `global`, which hide the built-in ones.
 *
 * A definition says where secrets are sent to, so its row is believed only with its tag. Client secrets
 * and keys are opened for an exchange and for nothing else.
 */
import { createHash, createPrivateKey } from "node:crypto"
import { Context, Effect, Layer, Random } from "effect"
import { Keyring } from "../../crypto/Keyring.ts"
import * as RowTags from "../../crypto/RowTags.ts"
import { secretPurpose, TenantKeys } from "../../crypto/TenantKeys.ts"
import { builtInProviders } from "../../domain/BuiltInProviders.ts"
import type { Secret } from "../../domain/CredentialShape.ts"
import * as errors from "../../domain/errors.ts"
import {
  fillUrl,
  fitsHeader,
  lacking,
  type ProviderFields,
  parametersOf,
  providerOf,
  strangeParameter
} from "../../domain/Provider.ts"
import { type KnownProvider, ofEntry, type ProviderEntry, type ProviderSecrets } from "../../domain/ProviderEntry.ts"
import { providerFor, type Rotation } from "../../domain/Refresh.ts"
import { urlProblem, writtenUrlProblem } from "../../platform/GuardedHttp.ts"
import { type CircuitView, RefreshStore, type Route, type StoredProvider } from "../../store/RefreshStore.ts"
import * as ExistingTenant from "../tenant/ExistingTenant.ts"
import { Ids } from "../tenant/Ids.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import type { Caller, ChangeError } from "../tenant/Tenants.ts"
import { CredentialsConfig } from "./CredentialsConfig.ts"
import { putProvider, removeProvider } from "./ProviderCommands.ts"
import { urlFault } from "./ProviderUrls.ts"
import type { RefreshSetup } from "./RefreshCommands.ts"

export type { CircuitView } from "../../store/RefreshStore.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const noSecrets: ProviderSecrets = { clientSecrets: [], clientKey: null }
const keyFailed = () => new errors.Unavailable({ part: "data key", committed: false })

export interface ProviderInForce extends KnownProvider {
  readonly clientId: string | null
  readonly secrets: ProviderSecrets
}

export interface PutProvider {
  readonly definition: ProviderFields
  readonly clientId: string | null
  readonly secrets: ProviderSecrets
}

export class Providers extends Context.Service<
  Providers,
  {
    /**
     * The one that the name means for the tenant, its secrets opened; undefined: nobody knows it. With `own` only the tenant's
     * own: what a credential was stored for is not deleted while it is there, so a row that lacks was taken away by others.
     */
    readonly find: (
      tenantId: string,
      name: string,
      own?: boolean
    ) => Effect.Effect<ProviderInForce | undefined, ChangeError>
    readonly get: (tenantId: string, name: string) => Effect.Effect<KnownProvider, ChangeError>
    /** Where an exchange of a credential with these parameters goes. */
    readonly routeOf: (known: KnownProvider, lane: string, params: Readonly<Record<string, string>>) => Route
    /** Those that are not closed: at the provider, and of clients at it. */
    readonly circuitsOf: (known: KnownProvider) => Effect.Effect<ReadonlyArray<CircuitView>, ChangeError>
    /** All that the tenant may name, by name, those that hide others alone. */
    readonly list: (tenantId: string) => Effect.Effect<ReadonlyArray<KnownProvider>, ChangeError>
    readonly put: (
      tenantId: string,
      request: PutProvider,
      caller: Caller
    ) => Effect.Effect<{ readonly known: KnownProvider; readonly created: boolean }, ChangeError>
    readonly remove: (
      tenantId: string,
      name: string,
      caller: Caller
    ) => Effect.Effect<{ readonly deleted: 1 }, ChangeError>
    /**
     * Checks that the provider is known and has what it needs; fails with what lacks. Of a `rotation` that is asked for,
     * and not one that is stored, also that it brings nothing else: a provider's entry may have changed since.
     */
    readonly setUp: (
      tenantId: string,
      rotation: Rotation,
      secret: Secret,
      isStored?: boolean
    ) => Effect.Effect<RefreshSetup, ChangeError>
  }
>()("cm/actors/Providers") {}

/** The key that assertions are signed with: of a kind that has a private half, and whole. */
const isPrivateKey = (jwk: string): boolean => {
  try {
    createPrivateKey({ key: JSON.parse(jwk), format: "jwk" })
    return true
  } catch {
    return false
  }
}

const invalid = (path: string, reason: string) => new errors.InvalidRequest({ path, reason })

const make = Effect.gen(function* () {
  const keyring = yield* Keyring
  const tenantKeys = yield* TenantKeys
  const store = yield* RefreshStore
  const actors = yield* TenantActors
  const ids = yield* Ids
  const { providerHosts } = yield* CredentialsConfig
  const liveTenant = yield* ExistingTenant.make

  const rows = (tenantId: string, name: string | null) =>
    Effect.mapError(store.providers(tenantId, name), ExistingTenant.readFailed)

  const believed = (entry: ProviderEntry) =>
    keyring.rowHolds(entry.mac, RowTags.ofProvider(entry))
      ? Effect.void
      : Effect.andThen(
          Effect.logError("the row of a provider was changed outside of the service, and is not used", {
            tenantId: entry.tenantId
          }),
          new errors.RowChanged({ kind: "provider", id: entry.providerId })
        )

  /** The tenant's own before the one of `global`. */
  const best = (tenantId: string, found: ReadonlyArray<StoredProvider>): StoredProvider | undefined =>
    found.find(({ entry }) => entry.tenantId === tenantId) ?? found[0]

  const open = ({ entry, sealed }: StoredProvider): Effect.Effect<ProviderSecrets, ChangeError> => {
    if (sealed === undefined) return Effect.succeed(noSecrets)
    const place = { credentialId: entry.providerId, version: entry.version, purpose: secretPurpose }
    return Effect.matchEffect(tenantKeys.openFor(entry.tenantId, place, sealed), {
      onSuccess: (plaintext) => {
        const secrets = JSON.parse(decoder.decode(plaintext)) as ProviderSecrets
        plaintext.fill(0)
        return Effect.succeed(secrets)
      },
      onFailure: (error): Effect.Effect<never, ChangeError> =>
        error._tag === "TenantKeyUnavailable"
          ? Effect.fail(keyFailed())
          : Effect.fail(new errors.RowChanged({ kind: "provider", id: entry.providerId }))
    })
  }

  const find = Effect.fnUntraced(function* (
    tenantId: string,
    name: string,
    own = false
  ): Effect.fn.Return<ProviderInForce | undefined, ChangeError> {
    const stored = best(tenantId, yield* rows(tenantId, name))
    if (own && stored?.entry.tenantId !== tenantId) {
      yield* Effect.logError("a tenant's own provider is not there any more, and no other of its name is asked", {
        tenantId,
        name
      })
      return yield* new errors.RowChanged({ kind: "provider", id: name })
    }
    if (stored === undefined) {
      const builtIn = builtInProviders.get(name)
      return builtIn && { provider: builtIn, origin: "built_in", entry: null, clientId: null, secrets: noSecrets }
    }
    yield* believed(stored.entry)
    const secrets = yield* open(stored)
    return { ...ofEntry(stored.entry, tenantId), clientId: stored.entry.clientId, secrets }
  })

  const list = Effect.fnUntraced(function* (
    tenantId: string
  ): Effect.fn.Return<ReadonlyArray<KnownProvider>, ChangeError> {
    yield* liveTenant(tenantId)
    const known = new Map<string, KnownProvider>(
      Array.from(builtInProviders, ([name, provider]) => [name, { provider, origin: "built_in", entry: null }])
    )
    const byName = Map.groupBy(yield* rows(tenantId, null), ({ entry }) => entry.name)
    for (const [name, found] of byName) known.set(name, ofEntry(best(tenantId, found)!.entry, tenantId))
    return Array.from(known.values()).toSorted((a, b) => (a.provider.name < b.provider.name ? -1 : 1))
  })

  const key = (parts: ReadonlyArray<string>): string =>
    createHash("sha256").update(JSON.stringify(parts), "utf8").digest("hex").slice(0, 32)

  /** Whose provider, and which. */
  const labelOf = (known: KnownProvider): string =>
    `${known.origin === "tenant" ? known.entry!.tenantId : ""}/${known.provider.name}`

  const routeOf = (known: KnownProvider, lane: string, params: Readonly<Record<string, string>>): Route => {
    const provider = labelOf(known)
    const filled = fillUrl(known.provider.token_url, known.provider, params)
    const host = filled._tag === "Url" && URL.canParse(filled.url) ? new URL(filled.url).host : ""
    const circuit = key(["circuit", provider, host])
    return { lane, circuit, queue: key(["queue", lane, circuit]), provider }
  }

  /**
   * What shares the provider's rate: everybody with the same client at it. Never by the fingerprint key: who is
   * stored after that was rotated would be in another lane than who was before, and each lane has the whole rate.
   */
  const laneOf = (known: KnownProvider, clientId: string | null): string => {
    const whose = known.origin === "tenant" ? known.entry!.tenantId : ""
    const tag = keyring.rowTag(RowTags.ofProviderClient(whose, known.provider.name, clientId ?? ""))
    return Buffer.from(tag).toString("hex")
  }

  return Providers.of({
    find,
    routeOf,
    circuitsOf: (known) => Effect.mapError(store.circuits(labelOf(known)), ExistingTenant.readFailed),
    list,
    get: Effect.fnUntraced(function* (tenantId, name) {
      yield* liveTenant(tenantId)
      const stored = best(tenantId, yield* rows(tenantId, name))
      if (stored !== undefined) return ofEntry(stored.entry, tenantId)
      const builtIn = builtInProviders.get(name)
      if (builtIn === undefined) return yield* new errors.ProviderNotFound({ name })
      return { provider: builtIn, origin: "built_in", entry: null }
    }),
    put: Effect.fnUntraced(function* (tenantId, { clientId, definition, secrets }, caller) {
      yield* liveTenant(tenantId)
      const provider = providerOf(definition)
      const fault = urlFault(provider, providerHosts)
      if (fault !== null) return yield* invalid(fault.path, fault.reason)
      if (secrets.clientKey !== null && !isPrivateKey(secrets.clientKey)) {
        return yield* invalid("client_key", "is not a private key as a JWK")
      }
      const sealer = yield* Effect.mapError(tenantKeys.sealerFor(tenantId), keyFailed)
      const seal = (providerId: string, version: number) => {
        const plaintext = encoder.encode(JSON.stringify(secrets))
        const place = { credentialId: providerId, version, purpose: secretPurpose }
        const made = sealer.seal(place, plaintext)
        plaintext.fill(0)
        return made
      }
      const { created, entry } = yield* actors.ask(
        tenantId,
        putProvider({ definition, clientId, secrets, newId: ids.next(), seal }, caller)
      )
      const known = ofEntry(entry, tenantId)
      // Whoever mended it should not wait for what the one before had brought about.
      yield* Effect.ignore(store.forgetCircuits(labelOf(known)))
      return { known, created }
    }),
    remove: (tenantId, name, caller) =>
      Effect.andThen(liveTenant(tenantId), actors.ask(tenantId, removeProvider(name, caller))),
    setUp: Effect.fnUntraced(function* (
      tenantId,
      rotation,
      secret,
      isStored = false
    ): Effect.fn.Return<RefreshSetup, ChangeError> {
      const known = yield* find(tenantId, rotation.provider)
      if (known === undefined) return yield* invalid("rotation.provider", "is not a provider that the tenant knows")
      const provider = providerFor(known.provider, rotation)
      const strange = isStored ? null : strangeParameter(provider, rotation.params)
      if (strange !== null) return yield* invalid(strange.path, strange.reason)
      const clientId = secret.client_id ?? known.clientId
      const lacks = lacking({
        provider,
        params: rotation.params,
        secretFields: new Set(Object.keys(secret)),
        hasClientId: clientId !== null,
        hasClientSecret: secret.client_secret !== undefined || known.secrets.clientSecrets.length > 0,
        hasClientKey: known.secrets.clientKey !== null
      })
      if (lacks !== null) return yield* invalid(lacks.path, lacks.reason)
      if (provider.health !== null && !fitsHeader(secret.access_token ?? "")) {
        const reason = `is sent in a header by the provider ${provider.name}: it may hold visible ASCII characters only`
        return yield* invalid("credentials.access_token", reason)
      }
      const filled = fillUrl(provider.token_url, provider, rotation.params)
      if (filled._tag === "Wrong") return yield* invalid(`rotation.params.${filled.param}`, "is not what the URL needs")
      const problem = writtenUrlProblem(filled.url) ?? urlProblem(filled.url, { allowedHosts: providerHosts })
      const [param] = parametersOf(provider)
      if (problem !== null) {
        return yield* invalid(param === undefined ? "rotation.provider" : `rotation.params.${param}`, problem)
      }
      const lane = laneOf(known, clientId)
      const route = routeOf(known, lane, rotation.params)
      const rules = { ...route, ratePerMinute: provider.rate_per_minute, parallel: provider.parallel }
      yield* Effect.mapError(store.knowQueue(rules), ExistingTenant.readFailed)
      const { queue } = route
      return { provider, rotation, own: known.origin === "tenant", lane, queue, chance: yield* Random.next }
    })
  })
})

export const layer = Layer.effect(Providers, make)
