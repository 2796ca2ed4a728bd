/**
 * The rotators that a tenant may name: its own, which hide those of `global`, which hide the built-in one.
 *
 * An entry says whom secrets are sealed for, so its row is believed only with its tag.
 */
import { Context, Effect, Layer, Result } from "effect"
import { CurveBox } from "../../crypto/CurveBox.ts"
import { Keyring } from "../../crypto/Keyring.ts"
import * as RowTags from "../../crypto/RowTags.ts"
import type { JsonObject } from "../../domain/Credential.ts"
import type { Secret } from "../../domain/CredentialShape.ts"
import * as errors from "../../domain/errors.ts"
import {
  builtInRotators,
  generatedField,
  generateProblem,
  type KnownRotator,
  mariadbUserPlan,
  ofRotatorEntry,
  parseRotatorUse,
  type RotatorEntry,
  type RotatorFields
} from "../../domain/Rotator.ts"
import { RefreshStore } from "../../store/RefreshStore.ts"
import * as ExistingTenant from "../tenant/ExistingTenant.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import type { Caller, ChangeError } from "../tenant/Tenants.ts"
import { CredentialsConfig } from "./CredentialsConfig.ts"
import { putRotator, removeRotator } from "./RotatorCommands.ts"

/** A `rotation` that was checked. */
export interface RotatorSetup {
  readonly rotator: string
  /** It is the tenant's own entry. */
  readonly own?: boolean
  readonly everyMs: number
}

export class Rotators extends Context.Service<
  Rotators,
  {
    /** The one that the name means for the tenant; undefined: nobody knows it. With `own` as in `Providers.find`. */
    readonly find: (
      tenantId: string,
      name: string,
      own?: boolean
    ) => Effect.Effect<KnownRotator | undefined, ChangeError>
    readonly get: (tenantId: string, name: string) => Effect.Effect<KnownRotator, ChangeError>
    /** All that the tenant may name, by name, those that hide others alone. */
    readonly list: (tenantId: string) => Effect.Effect<ReadonlyArray<KnownRotator>, ChangeError>
    readonly put: (
      tenantId: string,
      definition: RotatorFields,
      caller: Caller
    ) => Effect.Effect<{ readonly known: KnownRotator; readonly created: boolean }, ChangeError>
    readonly remove: (
      tenantId: string,
      name: string,
      caller: Caller
    ) => Effect.Effect<{ readonly deleted: 1 }, ChangeError>
    /** Checks that the rotator is known and can do with the secret; fails with what lacks. */
    readonly setUp: (
      tenantId: string,
      type: string,
      rotation: JsonObject,
      secret: Secret
    ) => Effect.Effect<RotatorSetup, ChangeError>
  }
>()("cm/actors/Rotators") {}

const invalid = (path: string, reason: string) => new errors.InvalidRequest({ path, reason })

const make = Effect.gen(function* () {
  const keyring = yield* Keyring
  const store = yield* RefreshStore
  const actors = yield* TenantActors
  const curveBox = yield* CurveBox
  const { rotatorHosts } = yield* CredentialsConfig
  const liveTenant = yield* ExistingTenant.make

  const rows = (tenantId: string, name: string | null) =>
    Effect.mapError(store.rotators(tenantId, name), ExistingTenant.readFailed)
  const best = (tenantId: string, found: ReadonlyArray<RotatorEntry>): RotatorEntry | undefined =>
    found.find((entry) => entry.tenantId === tenantId) ?? found[0]

  const find = Effect.fnUntraced(function* (
    tenantId: string,
    name: string,
    own = false
  ): Effect.fn.Return<KnownRotator | undefined, ChangeError> {
    const entry = best(tenantId, yield* rows(tenantId, name))
    if (own && entry?.tenantId !== tenantId) {
      yield* Effect.logError("a tenant's own rotator is not there any more, and no other of its name is asked", {
        tenantId,
        name
      })
      return yield* new errors.RowChanged({ kind: "rotator", id: name })
    }
    if (entry === undefined) return builtInRotators.get(name)
    if (!keyring.rowHolds(entry.mac, RowTags.ofRotator(entry))) {
      yield* Effect.logError("the row of a rotator was changed outside of the service, and is not used", {
        tenantId: entry.tenantId
      })
      return yield* new errors.RowChanged({ kind: "rotator", id: entry.name })
    }
    return ofRotatorEntry(entry, tenantId)
  })

  return Rotators.of({
    find,
    get: Effect.fnUntraced(function* (tenantId, name) {
      yield* liveTenant(tenantId)
      return (yield* find(tenantId, name)) ?? (yield* new errors.RotatorNotFound({ name }))
    }),
    list: Effect.fnUntraced(function* (tenantId) {
      yield* liveTenant(tenantId)
      const known = new Map(builtInRotators)
      const byName = Map.groupBy(yield* rows(tenantId, null), ({ name }) => name)
      for (const [name, found] of byName) known.set(name, ofRotatorEntry(best(tenantId, found)!, tenantId))
      return Array.from(known.values()).toSorted((a, b) => (a.name < b.name ? -1 : 1))
    }),
    put: Effect.fnUntraced(function* (tenantId, definition, caller) {
      yield* liveTenant(tenantId)
      const refused = curveBox.refusal(definition.seal_to)
      if (refused !== null) return yield* invalid("seal_to", refused)
      const weak = definition.generate === undefined ? null : generateProblem(definition.generate)
      if (weak !== null) return yield* invalid("generate", weak)
      const { created, entry } = yield* actors.ask(tenantId, putRotator(definition, caller))
      return { known: ofRotatorEntry(entry, tenantId), created }
    }),
    remove: (tenantId, name, caller) =>
      Effect.andThen(liveTenant(tenantId), actors.ask(tenantId, removeRotator(name, caller))),
    setUp: Effect.fnUntraced(function* (tenantId, type, rotation, secret): Effect.fn.Return<RotatorSetup, ChangeError> {
      const parsed = parseRotatorUse(type, rotation)
      if (Result.isFailure(parsed)) return yield* new errors.InvalidRequest(parsed.failure)
      const use = parsed.success
      const known = yield* find(tenantId, use.rotator)
      if (known === undefined) return yield* invalid("rotation.rotator", "is not a rotator that the tenant knows")
      if (known.kind === "mariadb-user") {
        const plan = mariadbUserPlan(use, secret)
        if (Result.isFailure(plan)) return yield* new errors.InvalidRequest(plan.failure)
        const { host, port } = plan.success
        if (!rotatorHosts.has(`${host}:${port}`)) {
          return yield* invalid("credentials.host", "is no database that the operator lists for rotators")
        }
      } else if (
        known.entry?.definition.generate !== undefined &&
        generatedField(type, new Set(Object.keys(secret))) === undefined
      ) {
        return yield* invalid("credentials", "has neither a field password nor a field api_key to make anew")
      }
      return { rotator: use.rotator, own: known.origin === "tenant", everyMs: use.everyMs }
    })
  })
})

export const layer = Layer.effect(Rotators, make)
