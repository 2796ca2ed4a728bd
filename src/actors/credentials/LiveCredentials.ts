/**
 * `Credentials` over the tenant actors, the stores, the tenants' data keys and the metadata cache.
 *
 * Changes and reads of secrets become commands for the tenant's actor (`CredentialCommands`,
 * `CredentialReads`). A secret is sealed inside the decision, with a key fetched before, and opened
 * only after the read's audit row is committed; its clear bytes are overwritten as soon as they have
 * become what is answered.
 *
 * Longer than 300 lines because the way of a secret, in and out, stands in one place.
 */
import { Cause, Clock, Effect, Exit, Layer, Metric, Option, Redacted, Result } from "effect"
import { CurveBox } from "../../crypto/CurveBox.ts"
import { Keyring } from "../../crypto/Keyring.ts"
import { secretPurpose, TenantKeys } from "../../crypto/TenantKeys.ts"
import { resolve } from "../../domain/Access.ts"
import { type Credential, historyVersionsMax, type JsonObject, overlapMsMax } from "../../domain/Credential.ts"
import { shownVersionState } from "../../domain/CredentialLifecycle.ts"
import { parseSecret, type Secret } from "../../domain/CredentialShape.ts"
import * as errors from "../../domain/errors.ts"
import { isEntityId, unknownEntityId } from "../../domain/Names.ts"
import { parseRotation } from "../../domain/RotationShape.ts"
import { forReaders, isAdministrative, namesRotator } from "../../domain/Rotator.ts"
import * as Seldom from "../../observability/Seldom.ts"
import { CredentialStore, type CredentialView } from "../../store/CredentialStore.ts"
import { RefreshStore } from "../../store/RefreshStore.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import { AuditNotes } from "../audit/AuditNotes.ts"
import { Refusals } from "../audit/Refusals.ts"
import type { Command } from "../tenant/Command.ts"
import * as ExistingTenant from "../tenant/ExistingTenant.ts"
import { Ids } from "../tenant/Ids.ts"
import { Limits } from "../tenant/Limits.ts"
import { believeCredential, tellChanged } from "../tenant/RowTagging.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import type { Caller, ChangeError } from "../tenant/Tenants.ts"
import { whileWaiting } from "../tenant/WaitingPlace.ts"
import { KnownTenants } from "../validation/KnownTenants.ts"
import * as commands from "./Commands.ts"
import {
  type ChangedCredential,
  type CredentialName,
  Credentials,
  type HandedOut,
  type ReadOptions,
  type RotateRequest,
  type UpdateRequest
} from "./Credentials.ts"
import * as DescribeCache from "./DescribeCache.ts"
import { CredentialEvents } from "./Events.ts"
import { metadataOf } from "./Metadata.ts"
import { Providers } from "./Providers.ts"
import { loadOf, type Readable, read, readOfGlobal } from "./Reads.ts"
import type { RefreshSetup } from "./RefreshCommands.ts"
import { Refresher, type RevokedAtProvider } from "./Refresher.ts"
import { type HandSetup, rotate } from "./Rotation.ts"
import type { RotatorSetup } from "./Rotators.ts"
import { Rotators } from "./Rotators.ts"
import * as Sealing from "./Sealing.ts"
import { setService } from "./ServiceCommands.ts"

const decoder = new TextDecoder()
const encoder = new TextEncoder()

const reads = Metric.counter("credential_reads_total", {
  description: "Requests for secrets, by outcome: handed_out, or why not",
  incremental: true
})
const unopenable = Metric.counter("credential_unopenable_total", {
  description: "Sealed secrets that did not open: tampered with, moved, or their key is gone",
  incremental: true
})
const keyFailed = () => new errors.Unavailable({ part: "data key", committed: false })

/** For the bucket of descriptions, where no secret is decided on. */
const withoutTag = ({ credential: { mac: _, ...credential }, serviceActive }: CredentialView): CredentialView => ({
  credential,
  serviceActive
})

const outcomeOf = (exit: Exit.Exit<HandedOut, ChangeError>): string => {
  if (Exit.isSuccess(exit)) return "handed_out"
  const error = Cause.findErrorOption(exit.cause)
  return Option.isSome(error) ? error.value._tag : "failed"
}

/** Counts how a request for a secret ended. */
const makeReadCounter = Effect.map(Effect.context<never>(), (context) => {
  const handles = new Map<string, Metric.Metric<number, unknown>>()
  return (exit: Exit.Exit<HandedOut, ChangeError>) =>
    Effect.sync(() => {
      const outcome = outcomeOf(exit)
      const handle = handles.get(outcome) ?? Metric.withAttributes(reads, { outcome })
      handles.set(outcome, handle)
      handle.updateUnsafe(1, context)
    })
})

const make = Effect.gen(function* () {
  const actors = yield* TenantActors
  const store = yield* CredentialStore
  const tenantKeys = yield* TenantKeys
  const keyring = yield* Keyring
  const curveBox = yield* CurveBox
  const refresher = yield* Refresher
  const providers = yield* Providers
  const rotators = yield* Rotators
  const refreshes = yield* RefreshStore
  const knownTenants = yield* KnownTenants
  const refusals = yield* Refusals
  const notes = yield* AuditNotes
  const changedRows = yield* Seldom.make
  const events = yield* CredentialEvents
  const ids = yield* Ids
  const limits = yield* Limits
  const describeCache = yield* DescribeCache.make
  const liveTenant = yield* ExistingTenant.make
  const countRead = yield* makeReadCounter

  // ---- tenants
  /** No actor and no key is made for a tenant that does not exist. */
  const known = (tenantId: string) => (actors.isResidentUnsafe(tenantId) ? Effect.void : liveTenant(tenantId))
  const ask = <A>(tenantId: string, command: Command<A>) =>
    Effect.suspend(() => {
      const asked = actors.ask(tenantId, command)
      return actors.isResidentUnsafe(tenantId) ? asked : Effect.andThen(liveTenant(tenantId), asked)
    })
  /** A change of metadata: the cache is told before the answer. */
  const change = <A>(tenantId: string, command: Command<A>) =>
    Effect.tap(ask(tenantId, command), () => describeCache.changed(tenantId))
  const reading = <A>(tenantId: string, effect: Effect.Effect<A, StoreUnavailable>) =>
    Effect.andThen(liveTenant(tenantId), Effect.mapError(effect, ExistingTenant.readFailed))

  /** Of a request that names a credential by an id that is none of ours: it waits in no mailbox. */
  const refuseUnknown = (tenantId: string) =>
    Effect.andThen(liveTenant(tenantId), new errors.CredentialNotFound({ credentialId: unknownEntityId }))
  const ifKnown = <A, E, R>(tenantId: string, credentialId: string, effect: Effect.Effect<A, E, R>) =>
    isEntityId(credentialId) ? effect : refuseUnknown(tenantId)

  // ---- secrets
  const sealerOf = Sealing.sealerOf(keyring)
  const sealerFor = (tenantId: string) =>
    Effect.andThen(known(tenantId), Effect.mapError(tenantKeys.sealerFor(tenantId), keyFailed)).pipe(
      Effect.map((sealer) => sealerOf(tenantId, sealer))
    )

  const open = ({ credential, version }: Readable) => {
    const { credentialId, tenantId } = credential
    const place = { credentialId, version: version.version, purpose: secretPurpose }
    return Effect.catch(tenantKeys.openFor(tenantId, place, version.sealed ?? new Uint8Array()), (error) =>
      error._tag === "TenantKeyUnavailable"
        ? Effect.fail(keyFailed())
        : Effect.andThen(
            Metric.update(unopenable, 1),
            Effect.die(new Error(`the secret of ${credentialId} does not open`))
          )
    )
  }

  const handOut = (readable: Readable, sealTo: string | null) =>
    Effect.map(open(readable), (plaintext): HandedOut => {
      const metadata = metadataOf({ credential: readable.credential, serviceActive: true }, readable.now)
      try {
        const whole = JSON.parse(decoder.decode(plaintext)) as Secret
        const isWhole = !namesRotator(readable.credential.rotation)
        const shown = isWhole ? whole : forReaders(whole)
        const secret: HandedOut["secret"] =
          sealTo === null
            ? { _tag: "Clear", value: Redacted.make(shown) }
            : { _tag: "Sealed", ...curveBox.seal(sealTo, isWhole ? plaintext : encoder.encode(JSON.stringify(shown))) }
        return { ...metadata, secret }
      } finally {
        plaintext.fill(0)
      }
    })

  /** The command; what was noted counts only when the answer is that refusal, so that the next one is written down. */
  const readable = (tenantId: string, name: CredentialName, options: ReadOptions, caller: Caller) =>
    Effect.suspend(() => {
      const noting = refusals.noting()
      const ended = (exit: Exit.Exit<Result.Result<Readable, errors.Refusal>, ChangeError>) =>
        Exit.isSuccess(exit) && Result.isFailure(exit.value) ? Effect.void : Effect.sync(noting.forget)
      const asked = ask(tenantId, read(name, options.consumer, noting.note, caller))
      return Effect.flatMap(Effect.onExit(asked, ended), (result) =>
        Result.isFailure(result) && result.failure._tag === "RowChanged"
          ? Effect.andThen(tellChanged(tenantId, result.failure, changedRows), Effect.fail(result.failure))
          : Effect.fromResult(result)
      )
    })

  const runsOut = ({ credential, now }: Readable, minTtlMs: number): boolean =>
    credential.refresh !== undefined && credential.expiresAt !== null && credential.expiresAt - now < minTtlMs

  // ---- reads
  const viewOf = Effect.fnUntraced(function* (tenantId: string, name: CredentialName) {
    const { now, views } = yield* reading(tenantId, store.find(tenantId, loadOf(name)))
    const found: ReadonlyArray<Credential> = views.map(({ credential }) => credential)
    const wanted =
      "credentialId" in name ? found.find((one) => one.credentialId === name.credentialId) : resolve(found, now)
    const view = views.find(({ credential }) => credential === wanted)
    if (view !== undefined) return withoutTag(view)
    return yield* new errors.CredentialNotFound({ credentialId: "credentialId" in name ? name.credentialId : null })
  })

  /** A secret of `global` that another tenant asked for is in the audit of both, before it leaves. */
  const accounted = (tenantId: string, found: Readable, consumer: ReadOptions["consumer"], caller: Caller) =>
    found.credential.tenantId === tenantId
      ? Effect.succeed(found)
      : Effect.as(notes.row(found.credential.tenantId, caller, readOfGlobal(found, tenantId, consumer)), found)

  const get = (
    tenantId: string,
    name: CredentialName,
    options: ReadOptions,
    caller: Caller
  ): Effect.Effect<HandedOut, ChangeError> => {
    const { minTtlMs, sealTo } = options
    const refused = sealTo === null ? null : curveBox.refusal(sealTo)
    if (refused !== null) return Effect.fail(new errors.InvalidRequest({ path: "seal_to", reason: refused }))
    const reading = Effect.flatMap(readable(tenantId, name, options, caller), (found) =>
      accounted(tenantId, found, options.consumer, caller)
    )
    return Effect.suspend(() => {
      let hasWaited = false
      const waiting = (credential: Pick<Credential, "credentialId" | "tenantId">) =>
        Effect.suspend(() => {
          // Its end may have come meanwhile; who asks waits for one refresh.
          if (hasWaited) return Effect.void
          hasWaited = true
          return whileWaiting(refresher.settled(credential.tenantId, credential.credentialId, caller))
        })
      return Effect.flatMap(reading, (first) =>
        minTtlMs === null || !runsOut(first, minTtlMs)
          ? handOut(first, sealTo)
          : waiting(first.credential).pipe(
              Effect.andThen(reading),
              Effect.flatMap((second) => handOut(second, sealTo))
            )
      ).pipe(
        // Its end has come, and a refresh may bring it back.
        Effect.catchTag("CredentialExpired", (expired) =>
          minTtlMs === null ? Effect.fail(expired) : revived(tenantId, expired, reading, sealTo, waiting)
        )
      )
    })
  }

  const revived = Effect.fnUntraced(function* (
    tenantId: string,
    expired: errors.CredentialExpired,
    reading: Effect.Effect<Readable, ChangeError>,
    sealTo: string | null,
    waiting: (credential: Credential) => Effect.Effect<void, errors.TooManyRequests>
  ): Effect.fn.Return<HandedOut, ChangeError> {
    const { credentialId } = expired
    const viewed = Effect.map(
      Effect.mapError(store.find(tenantId, loadOf({ credentialId })), ExistingTenant.readFailed),
      ({ now, views }) => {
        const view = views.find((one) => one.credential.credentialId === credentialId)
        return view === undefined ? undefined : { credential: view.credential, shown: metadataOf(view, now) }
      }
    )
    const credential = (yield* viewed)?.credential
    if (credential?.refresh === undefined) return yield* expired
    yield* waiting(credential)
    const found = yield* Effect.catchTag(reading, "CredentialExpired", () =>
      Effect.flatMap(viewed, (view) => {
        const state = view?.shown.refresh?.state
        return new errors.RefreshPending({ credentialId, ...(state === undefined ? {} : { state }) })
      })
    )
    return yield* handOut(found, sealTo)
  })

  /** The provider and what it needs, checked; null where nothing is to be refreshed. */
  const setUp = (
    tenantId: string,
    type: string,
    rotation: JsonObject | null,
    secret: Secret
  ): Effect.Effect<RefreshSetup | RotatorSetup | null, ChangeError> =>
    namesRotator(rotation)
      ? rotators.setUp(tenantId, type, rotation, secret)
      : setUpRefresh(tenantId, type, rotation, secret)

  const setUpRefresh = (
    tenantId: string,
    type: string,
    rotation: JsonObject | null,
    secret: Secret,
    isStored = false
  ) =>
    Effect.flatMap(
      Effect.fromResult(Result.mapError(parseRotation(type, rotation), (shape) => new errors.InvalidRequest(shape))),
      (parsed) => (parsed === null ? Effect.succeed(null) : providers.setUp(tenantId, parsed, secret, isStored))
    )

  /** What a secret that is given by hand is refreshed by; the rotator of one that is rotated has to be able to do with it. */
  const setUpByHand = Effect.fnUntraced(function* (
    tenantId: string,
    credentialId: string,
    value: unknown
  ): Effect.fn.Return<HandSetup, ChangeError> {
    const standing = yield* Effect.mapError(refreshes.standing(tenantId, credentialId), ExistingTenant.readFailed)
    const credential = standing?.credential
    if (credential === undefined) return { seenVersion: 0, setup: null }
    // By whose rules it goes on is decided by this reading, though the command makes one of its own.
    yield* believeCredential(credential, keyring, changedRows)
    const { refresh, rotating, rotation, type, version } = credential
    const none = { seenVersion: version, setup: null }
    if (refresh === undefined && rotating === undefined) return none
    const secret = parseSecret(type, value)
    // What is wrong with it is told by the command.
    if (Result.isFailure(secret)) return none
    if (rotating === undefined) {
      return { seenVersion: version, setup: yield* setUpRefresh(tenantId, type, rotation, secret.success, true) }
    }
    yield* setUp(tenantId, type, rotation, secret.success)
    return none
  })

  /** The secret in force, opened; for checking whether a provider can do with it. */
  const setUpForUpdate = Effect.fnUntraced(function* (tenantId: string, request: UpdateRequest) {
    if (request.rotation === undefined) return null
    const standing = yield* Effect.mapError(
      refreshes.standing(tenantId, request.credentialId),
      ExistingTenant.readFailed
    )
    if (standing === undefined) return yield* new errors.CredentialNotFound({ credentialId: request.credentialId })
    const { credential, now, versions } = standing
    yield* believeCredential(credential, keyring, changedRows)
    const version = versions.find((one) => one.version === credential.secretVersion)
    if (version === undefined) return null
    const plaintext = yield* open({ credential, version, now })
    const secret = JSON.parse(decoder.decode(plaintext)) as Secret
    plaintext.fill(0)
    const refresh = yield* setUp(tenantId, credential.type, request.rotation, secret)
    return { secretVersion: credential.secretVersion, refresh, isAdministrative: isAdministrative(secret) }
  })

  const rotateByHand = Effect.fnUntraced(function* (
    tenantId: string,
    request: RotateRequest & { readonly secret: Redacted.Redacted<unknown> },
    caller: Caller
  ): Effect.fn.Return<ChangedCredential, ChangeError> {
    const sealer = yield* sealerFor(tenantId)
    const byHand = yield* setUpByHand(tenantId, request.credentialId, Redacted.value(request.secret))
    return yield* change(tenantId, rotate(request, sealer, events, caller, byHand))
  })

  /** Whether the provider takes revocations; which secret it is asked to revoke is decided under the lock. */
  const takesRevocations = Effect.fnUntraced(function* (tenantId: string, credentialId: string) {
    const standing = yield* Effect.mapError(refreshes.standing(tenantId, credentialId), ExistingTenant.readFailed)
    const refresh = standing?.credential.refresh
    if (standing === undefined || refresh === undefined || standing.credential.state === "revoked") return false
    yield* believeCredential(standing.credential, keyring, changedRows)
    const known = yield* providers.find(tenantId, refresh.provider, refresh.own)
    return known !== undefined && known.provider.revoke_url !== null
  })

  const revoke = Effect.fnUntraced(function* (
    tenantId: string,
    request: Parameters<Credentials["Service"]["revoke"]>[1],
    caller: Caller
  ): Effect.fn.Return<ChangedCredential & { readonly atProvider?: RevokedAtProvider }, ChangeError> {
    if (request.atProvider !== true) return yield* change(tenantId, commands.revoke(request, events, caller))
    // What cannot be read for the provider is no reason not to revoke here.
    const asks = yield* Effect.orElseSucceed(takesRevocations(tenantId, request.credentialId), () => false)
    const changed = yield* change(tenantId, commands.revoke(request, events, caller, asks))
    return { ...changed, atProvider: yield* refresher.revoke(tenantId, request.credentialId, caller) }
  })

  return Credentials.of({
    store: Effect.fnUntraced(function* (tenantId, request, caller) {
      const sealer = yield* sealerFor(tenantId)
      const setup = yield* setUp(tenantId, request.type, request.rotation, Redacted.value(request.secret))
      const rotation = setup === null ? null : request.rotation
      const max = limits.get(tenantId).credentials
      return yield* change(
        tenantId,
        commands.store({ ...request, rotation }, ids.next(), sealer, events, caller, max, setup)
      )
    }),
    get: (tenantId, name, options, caller) => Effect.onExit(get(tenantId, name, options, caller), countRead),
    describe: Effect.fnUntraced(function* (tenantId, name) {
      // "No" may tell of a removal: it is said when that is in force.
      yield* Effect.catchTag(knownTenants.require(tenantId), "TenantNotFound", () => liveTenant(tenantId))
      if ("credentialId" in name && !isEntityId(name.credentialId)) return yield* refuseUnknown(tenantId)
      const view = yield* describeCache.through(tenantId, name, viewOf(tenantId, name))
      return metadataOf(view, yield* Clock.currentTimeMillis)
    }),
    list: (tenantId, query) =>
      Effect.map(reading(tenantId, store.list(tenantId, query)), ({ content, next, now }) => ({
        content: content.map((view) => metadataOf(view, now)),
        next
      })),
    rotate: Effect.fnUntraced(function* (tenantId, request, caller) {
      const { secret } = request
      if (!isEntityId(request.credentialId)) return yield* refuseUnknown(tenantId)
      if ((request.overlapMs ?? 0) > overlapMsMax) {
        return yield* new errors.InvalidRequest({ path: "overlap", reason: "must be at most 90 days" })
      }
      if (secret !== null) return yield* rotateByHand(tenantId, { ...request, secret }, caller)
      yield* known(tenantId)
      return yield* Effect.ensuring(
        whileWaiting(
          refresher.refresh(tenantId, request.credentialId, caller, request.overlapMs, request.expectedVersion)
        ),
        describeCache.changed(tenantId)
      )
    }),
    reconnect: Effect.fnUntraced(function* (tenantId, request, caller) {
      if (!isEntityId(request.credentialId) || request.secret === null) return yield* refuseUnknown(tenantId)
      return yield* rotateByHand(tenantId, { ...request, secret: request.secret }, caller)
    }),
    update: (tenantId, request, caller) =>
      ifKnown(
        tenantId,
        request.credentialId,
        Effect.flatMap(setUpForUpdate(tenantId, request), (setup) => {
          const rotation = setup?.refresh === null ? null : request.rotation
          return change(tenantId, commands.update({ ...request, rotation }, caller, setup))
        })
      ),
    revoke: (tenantId, request, caller) => ifKnown(tenantId, request.credentialId, revoke(tenantId, request, caller)),
    history: Effect.fnUntraced(function* (tenantId, credentialId) {
      if (!isEntityId(credentialId)) return yield* refuseUnknown(tenantId)
      const { now, versions } = yield* reading(tenantId, store.versions(tenantId, credentialId, historyVersionsMax))
      if (versions.length === 0) return yield* new errors.CredentialNotFound({ credentialId })
      return versions.map((version) => ({
        version: version.version,
        state: shownVersionState(version, now),
        createdAt: version.createdAt,
        createdBy: version.createdBy,
        reason: version.reason,
        expiresAt: version.expiresAt
      }))
    }),
    delete: (tenantId, request, caller) =>
      ifKnown(tenantId, request.credentialId, change(tenantId, commands.remove(request, events, caller))),

    services: (tenantId, query) => reading(tenantId, store.services(tenantId, query)),
    enableService: (tenantId, serviceName, caller) => change(tenantId, setService(serviceName, true, null, caller)),
    disableService: (tenantId, serviceName, reason, caller) =>
      change(tenantId, setService(serviceName, false, reason, caller))
  })
})

export const layer = Layer.effect(Credentials, make)
