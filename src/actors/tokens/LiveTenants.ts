/**
 * The supervisor: `Tenants` over the tenant actors, the store and the validator.
 *
 * Changes become commands for the tenant's actor. Reads go straight to the store and check the
 * tenant there, so a tenant that another replica created or removed a moment ago is seen as it is. A
 * read that says that a right is gone, or ends sooner, waits until that is in force, as a change does.
 * Ids and token values are made here, before the command waits, so that an answer lost on the way
 * can be found again by its idempotency key; values are hashed when its turn has come.
 */
import { Cause, Clock, Effect, Exit, Layer, Option, Result } from "effect"
import { Keyring } from "../../crypto/Keyring.ts"
import * as errors from "../../domain/errors.ts"
import { globalTenantId, isEntityId, unknownEntityId } from "../../domain/Names.ts"
import { isInService, noSettings } from "../../domain/Tenant.ts"
import type { Token } from "../../domain/Token.ts"
import { isUsable } from "../../domain/TokenLifecycle.ts"
import * as Pieces from "../../observability/Pieces.ts"
import * as Seldom from "../../observability/Seldom.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import { TenantStore } from "../../store/TenantStore.ts"
import { ApplicationSettings } from "../tenant/ApplicationSettings.ts"
import type { Command } from "../tenant/Command.ts"
import * as ExistingTenant from "../tenant/ExistingTenant.ts"
import { Ids } from "../tenant/Ids.ts"
import { InForce } from "../tenant/InForce.ts"
import { Limits } from "../tenant/Limits.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import {
  type Caller,
  type ChangeError,
  type ItemResult,
  type ProvisionItem,
  Tenants,
  type TokenRecord,
  type TokenRef,
  type Transition
} from "../tenant/Tenants.ts"
import { EventWriter } from "../tenant/TokenEvents.ts"
import * as UseRecorder from "../tenant/UseRecorder.ts"
import { FirstUse } from "../validation/FirstUse.ts"
import { HotState } from "../validation/HotState.ts"
import { Validator } from "../validation/Validator.ts"
import { applicationsAmong } from "./applicationsAmong.ts"
import { claimAdminKey } from "./commands/adminKey.ts"
import * as applications from "./commands/applications.ts"
import { configureTenant } from "./commands/configure.ts"
import * as commands from "./commands/tokens.ts"
import { type HashValue, keyed } from "./KeyedCommand.ts"
import { revokeAlls } from "./revokeAll.ts"
import { tenantEvents } from "./tenantEvents.ts"
import { tokenPlaces } from "./tokenPlaces.ts"
import { validateOne } from "./validateAll.ts"
import * as validations from "./validations.ts"

export const layer = Layer.effect(
  Tenants,
  Effect.gen(function* () {
    const actors = yield* TenantActors
    const store = yield* TenantStore
    const inForce = yield* InForce
    const keyring = yield* Keyring
    const changedRows = yield* Seldom.make
    const ids = yield* Ids
    const settings = yield* ApplicationSettings
    const events = yield* EventWriter
    const validator = yield* Validator
    const hotState = yield* HotState
    const firstUse = yield* FirstUse
    const clock = yield* Clock.Clock
    const limits = yield* Limits

    // ---- tenants
    const liveTenant = yield* ExistingTenant.make
    const { validate, validatePlain } = yield* validations.make(liveTenant)
    /** An actor is made only for a tenant that exists: a flood of invented names makes none. */
    const change = <A>(tenantId: string, command: Command<A>) =>
      actors.isResidentUnsafe(tenantId)
        ? actors.ask(tenantId, command)
        : Effect.andThen(liveTenant(tenantId), actors.ask(tenantId, command))

    const read = <A>(tenantId: string, effect: Effect.Effect<A, StoreUnavailable>) =>
      Effect.andThen(liveTenant(tenantId), Effect.mapError(effect, ExistingTenant.readFailed))

    /** An id that is none of ours waits in no mailbox. */
    const refuseUnknown = (tenantId: string, tokenId: string) =>
      Effect.andThen(liveTenant(tenantId), errors.TokenNotFound.ofId(tokenId))

    const announce = tenantEvents(events)
    /** A change of the tenant that stands in the request's body. */
    const asAdmin = <A, E>(caller: Caller, effect: Effect.Effect<A, E>): Effect.Effect<A, E | ChangeError> => {
      const claim = claimAdminKey(caller)
      return claim === null ? effect : Effect.andThen(actors.ask(globalTenantId, claim), effect)
    }

    // ---- values and references
    const keyedCommand = keyed(keyring)
    const provision = (tenantId: string, appName: string, items: ReadonlyArray<ProvisionItem>, caller: Caller) => {
      const { alphabet, defaultLifetimeMs, length } = settings.of(appName)
      const named = items.map((item) => ({ item, tokenId: ids.next() }))
      const missing = items.filter(({ token }) => token === null).length
      /** Drawn when the command's turn has come, with those of its group, which share a draw; once, so that a repetition finds them. */
      let drawn: ReadonlyArray<string> | undefined
      return keyedCommand("token.provision", caller, named.length, function* (hash) {
        drawn ??= ids.tokenValues(missing, length, alphabet)
        const left = drawn.values()
        const plans = yield* Pieces.map(named, ({ item, tokenId }) => ({
          ...item,
          tokenId,
          lifetimeMs: defaultLifetimeMs,
          hashed: hash(appName, item.token ?? left.next().value!)
        }))
        return commands.provision(appName, plans, caller, limits.get(tenantId).tokens)
      })
    }
    const resolve = (ref: TokenRef, hash: HashValue): commands.ResolvedRef =>
      "tokenId" in ref ? ref : { appName: ref.appName, hashes: hash(ref.appName, ref.token).hashes }

    /** Tokens of a removed application are gone for every caller, though their rows wait for the sweep. */
    const visible = Effect.fnUntraced(function* (tenantId: string, tokens: ReadonlyArray<Token>) {
      const appNames = Array.from(new Set(tokens.map((token) => token.appName)))
      const found = appNames.length === 0 ? [] : yield* store.findApplications(appNames, tenantId)
      const live = new Set(found.filter(isInService).map(({ appName }) => appName))
      return tokens.filter((token) => live.has(token.appName))
    })
    const findToken = (tenantId: string, tokenId: string) =>
      store.findToken(tenantId, tokenId).pipe(
        Effect.flatMap((token) => visible(tenantId, token === undefined ? [] : [token])),
        Effect.map(([token]) => token)
      )
    const shown = (token: Token) => commands.toRecord(token, clock.currentTimeMillisUnsafe())
    /** What was read may be committed and not yet in force; asked after the reading, so it is among what is pending. */
    const whenInForce = (tenantId: string) =>
      Effect.catchTag(inForce.all(tenantId), "StoreUnavailable", (error) =>
        Effect.fail(ExistingTenant.readFailed(error))
      )

    /**
     * A token that was just used may not be Active yet: what was used on this replica goes into the
     * mailbox first, and a refusal that says "not used yet" is looked at again before it is given.
     */
    const transition = (tenantId: string, refs: ReadonlyArray<TokenRef>, wanted: Transition, caller: Caller) => {
      const ask = (isFinal: boolean) =>
        Effect.suspend(() => {
          firstUse.recordNow(tenantId)
          const command = keyedCommand("token.transition", caller, refs.length, function* (hash) {
            const resolved = yield* Pieces.map(refs, (ref) => resolve(ref, hash))
            return commands.transition(resolved, wanted, caller, isFinal)
          })
          return change(tenantId, command)
        })
      return UseRecorder.asUsed(ask, (results) => Result.isSuccess(results) && results.success.some(refusesUnused))
    }

    return {
      createTenant: ({ name, settings = noSettings, tenantId }, caller) =>
        asAdmin(caller, actors.ask(tenantId, applications.createTenant(name, settings, caller))),
      configureTenant: (tenantId, wanted, caller) => {
        const command = configureTenant(wanted, announce.updated, caller)
        // A tenant that is gone may have been configured, and that answered, to the same key.
        return asAdmin(caller, caller.idempotency === null ? change(tenantId, command) : actors.ask(tenantId, command))
      },
      tenantOfIssuer: (issuer) => Effect.mapError(store.findTenantByIssuer(issuer), ExistingTenant.readFailed),
      removeTenant: Effect.fnUntraced(function* (tenantId, caller) {
        // One that is being removed has an actor still: the repetition waits there until the first is in force. And
        // one that is gone may have been answered to the same key.
        const [tenant] = yield* Effect.mapError(store.findTenants([tenantId]), ExistingTenant.readFailed)
        if (tenant === undefined && caller.idempotency === null) return yield* new errors.TenantNotFound({ tenantId })
        return yield* asAdmin(caller, actors.ask(tenantId, applications.removeTenant(announce.unregistered, caller)))
      }),
      listTenants: (options) => Effect.mapError(store.listTenants(options), ExistingTenant.readFailed),

      registerApplication: (tenantId, appName, caller) =>
        change(tenantId, applications.registerApplication(appName, caller)),
      listApplications: Effect.fnUntraced(function* (tenantId, { among = null, ...options }) {
        const page = yield* read(tenantId, applicationsAmong(store, tenantId, among, options))
        // Of none, none lacks.
        if (among === null || among.length > 0) yield* whenInForce(tenantId)
        return page
      }),
      removeApplication: (tenantId, appName, caller) =>
        change(tenantId, applications.removeApplication(appName, caller)),

      provisionTokens: (tenantId, appName, items, caller) =>
        Effect.suspend(() => change(tenantId, provision(tenantId, appName, items, caller))),
      getToken: Effect.fnUntraced(function* (tenantId, tokenId) {
        if (!isEntityId(tokenId)) return yield* refuseUnknown(tenantId, tokenId)
        const token = yield* read(tenantId, findToken(tenantId, tokenId))
        if (token === undefined || saysGone(token)) yield* whenInForce(tenantId)
        if (token === undefined) return yield* errors.TokenNotFound.ofId(tokenId)
        return shown(token)
      }),
      whereTokensAre: (tenantId, refs) =>
        tokenPlaces(refs, {
          byId: (tokenId) => Effect.mapError(findToken(tenantId, tokenId), ExistingTenant.readFailed),
          byValue: (ref) => validateOne(validator, tenantId, ref, true)
        }),
      applicationsOfEndpoint: (tenantId, endpointId) =>
        Effect.mapError(store.applicationsOfEndpoint(tenantId, endpointId), ExistingTenant.readFailed),
      listTokens: Effect.fnUntraced(function* (tenantId, query) {
        const page = yield* read(tenantId, store.listTokens(tenantId, query))
        const tokens = yield* Effect.mapError(visible(tenantId, page.content), ExistingTenant.readFailed)
        if (tokens.some(saysGone)) yield* whenInForce(tenantId)
        return { content: tokens.map(shown), next: page.next }
      }),
      transitionTokens: Effect.fnUntraced(function* (tenantId, refs, wanted, caller) {
        const known = refs.filter((ref) => !("tokenId" in ref) || isEntityId(ref.tokenId))
        if (known.length === 0) yield* liveTenant(tenantId)
        const results = known.length === 0 ? [] : yield* transition(tenantId, known, wanted, caller)
        const outcomes = new Map(known.map((ref, at) => [ref, results[at]!]))
        return refs.map((ref) => outcomes.get(ref) ?? ofNobody)
      }),
      rotateToken: Effect.fnUntraced(function* (
        tenantId,
        { expectedVersion = null, overlapMs, token, tokenId },
        caller
      ) {
        if (!isEntityId(tokenId)) return yield* refuseUnknown(tenantId, tokenId)
        const old = yield* read(tenantId, findToken(tenantId, tokenId))
        // Without a row the command is asked all the same: it may be the repetition of one that had it.
        const { alphabet, length } = settings.of(old?.appName ?? "")
        const [successorId, value] = [ids.next(), token ?? ids.tokenValue(length, alphabet)]
        const command = keyedCommand("token.rotate", caller, 1, function* (hash) {
          const hashed = hash(old?.appName ?? "", value)
          const asked = { tokenId, overlapMs, successorId, place: old, hashed, expectedVersion }
          return commands.rotate(asked, caller, limits.get(tenantId).tokens)
        })
        return yield* change(tenantId, command)
      }),
      ...revokeAlls({ store, ids, keyring, changedRows, liveTenant, change }),
      deleteTokens: Effect.fnUntraced(function* (tenantId, options, caller) {
        if (!("tokenId" in options)) {
          return yield* change(tenantId, commands.deleteTokensOfEndpoint(options.endpointId, caller))
        }
        if (!isEntityId(options.tokenId)) return yield* refuseUnknown(tenantId, options.tokenId)
        return yield* change(tenantId, commands.deleteToken(options.tokenId, caller, options.expectedVersion))
      }),
      unregisterEndpoint: Effect.fnUntraced(function* (endpointId, caller) {
        const tenantIds = yield* Effect.mapError(store.tenantsOfEndpoint(endpointId), ExistingTenant.readFailed)
        // One that fails, by a bug included, keeps no other tenant's tokens good; asked again, the others do nothing twice.
        const exits = yield* Effect.forEach(tenantIds, (tenantId) =>
          change(tenantId, commands.deleteTokensOfEndpoint(endpointId, caller)).pipe(
            Effect.catchTag("TenantNotFound", () => Effect.succeed({ deleted: 0 })),
            Effect.tapDefect(() =>
              Effect.logError("the tokens of an endpoint that is unregistered stay in one tenant", {
                tenantId,
                endpointId
              })
            ),
            Effect.exit
          )
        )
        const failed = gravest(exits)
        if (failed !== undefined) return yield* failed
        return { deleted: exits.reduce((sum, exit) => sum + (Exit.isSuccess(exit) ? exit.value.deleted : 0), 0) }
      }),
      transitionByValue: Effect.fnUntraced(function* (appName, token, target, caller) {
        const [application] = yield* Effect.mapError(store.findApplications([appName]), ExistingTenant.readFailed)
        if (application === undefined) return yield* new errors.ApplicationNotFound({ appName })
        if (!isInService(application)) {
          yield* whenInForce(application.tenantId)
          return yield* new errors.ApplicationNotFound({ appName })
        }
        const wanted = { target, expectedVersion: null, reason: null }
        const [result] = yield* transition(application.tenantId, [{ appName, token }], wanted, caller)
        yield* Effect.fromResult(result!)
      }),

      validate: (tenantId, items, { dryRun }) => validate(tenantId, items, dryRun),
      validatePlain,

      census: Effect.sync(() => ({
        actors: actors.residentUnsafe(),
        waiting: actors.waitingUnsafe(),
        hotTokens: hotState.hotCount()
      }))
    }
  })
)

/** Of what failed: what passes, since that is asked again until it has; else a bug; else what is committed. */
const gravest = <A>(exits: ReadonlyArray<Exit.Exit<A, ChangeError>>): Exit.Exit<A, ChangeError> | undefined => {
  const fails = (is: (error: ChangeError) => boolean) =>
    exits.find((exit) => Exit.isFailure(exit) && Option.exists(Cause.findErrorOption(exit.cause), is))
  const passes = ({ _tag }: ChangeError) => _tag === "Unavailable" || _tag === "TooManyRequests"
  return fails(passes) ?? exits.find(Exit.hasDies) ?? exits.find(Exit.isFailure)
}

/** One for all: a batch may hold a thousand of them. */
const ofNobody = Result.fail(errors.TokenNotFound.ofId(unknownEntityId))

/** Refused because it was never used, as far as the row says. */
const refusesUnused = (item: ItemResult<TokenRecord>): boolean =>
  Result.isFailure(item) && item.failure._tag === "TransitionNotAllowed" && item.failure.from === "Inactive"

/** The end of an overlap is nearer than the one before; a token that ended by its own date is gone by the clock alone. */
const saysGone = (token: Token): boolean => !isUsable(token.status) || token.overlapEndsAt !== null
