/**
 * `Clients` over the tenant actors and the store.
 *
 * A password is hashed before its command waits in the mailbox, off the event loop; when too many wait to
 * be hashed, the request is refused. A credential that was just used may not be Active in its row yet, so a
 * refusal that says "not used yet" is looked at again before it is given, as for tokens.
 */
import { Effect, Layer, Redacted } from "effect"
import { Password, waitingMax } from "../../crypto/Password.ts"
import type { ClientCredential } from "../../domain/ClientCredential.ts"
import * as errors from "../../domain/errors.ts"
import { isEntityId } from "../../domain/Names.ts"
import { ClientStore } from "../../store/ClientStore.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import type { Command } from "../tenant/Command.ts"
import * as ExistingTenant from "../tenant/ExistingTenant.ts"
import { Ids } from "../tenant/Ids.ts"
import { InForce } from "../tenant/InForce.ts"
import { Limits } from "../tenant/Limits.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import type { Caller, Transition } from "../tenant/Tenants.ts"
import * as UseRecorder from "../tenant/UseRecorder.ts"
import { Clients } from "./Clients.ts"
import { ClientUses } from "./ClientUses.ts"
import * as commands from "./commands.ts"
import { ClientEvents } from "./Events.ts"

/** Characters of a generated password, from 62 each. */
const generatedLength = 24
const make = Effect.gen(function* () {
  const actors = yield* TenantActors
  const store = yield* ClientStore
  const passwords = yield* Password
  const inForce = yield* InForce
  const uses = yield* ClientUses
  const events = yield* ClientEvents
  const limits = yield* Limits
  const ids = yield* Ids
  const liveTenant = yield* ExistingTenant.make

  // ---- tenants
  const known = (tenantId: string) => (actors.isResidentUnsafe(tenantId) ? Effect.void : liveTenant(tenantId))
  const change = <A>(tenantId: string, command: Command<A>) =>
    Effect.suspend(() => Effect.andThen(known(tenantId), actors.ask(tenantId, command)))
  const read = <A>(tenantId: string, effect: Effect.Effect<A, StoreUnavailable>) =>
    Effect.andThen(liveTenant(tenantId), Effect.mapError(effect, ExistingTenant.readFailed))
  /** An id that is none of ours waits in no mailbox. */
  const ifKnown = <A, E>(tenantId: string, credentialId: string, effect: Effect.Effect<A, E>) =>
    isEntityId(credentialId)
      ? effect
      : Effect.andThen(liveTenant(tenantId), errors.ClientCredentialNotFound.ofId(credentialId))
  const whenInForce = (tenantId: string) =>
    Effect.catchTag(inForce.all(tenantId), "StoreUnavailable", (error) => Effect.fail(ExistingTenant.readFailed(error)))

  const create = (tenantId: string, plan: Omit<commands.ClientPlan, "credentialId">, caller: Caller) =>
    change(
      tenantId,
      commands.create({ ...plan, credentialId: ids.next() }, limits.get(tenantId).clientCredentials, caller)
    )

  const transition = (tenantId: string, credentialId: string, wanted: Transition, caller: Caller) => {
    const ask = (isFinal: boolean) =>
      Effect.suspend(() => {
        uses.recordNowUnsafe(tenantId)
        return change(tenantId, commands.transition(credentialId, wanted, events, caller, isFinal))
      })
    return UseRecorder.asUsed(
      ask,
      (outcome) =>
        outcome._tag === "Failure" &&
        outcome.failure._tag === "TransitionNotAllowed" &&
        outcome.failure.from === "Inactive"
    )
  }

  return Clients.of({
    createBasic: Effect.fnUntraced(function* (tenantId, { clientId, description, password, username }, caller) {
      yield* known(tenantId)
      const generated = password === null ? ids.tokenValue(generatedLength) : null
      const passwordHash = yield* Effect.mapError(
        passwords.hash(password ?? Redacted.make(generated ?? "")),
        () =>
          new errors.TooManyRequests({
            limit: "passwords",
            retryAfterMs: Math.max(1, Math.ceil(passwords.eachMs() * waitingMax))
          })
      )
      return yield* create(
        tenantId,
        { name: { kind: "basic", username }, clientId, description, passwordHash, generated },
        caller
      )
    }),
    createCertificate: (tenantId, { clientId, issuer, serialNumber }, caller) =>
      create(
        tenantId,
        {
          name: { kind: "certificate", issuer, serialNumber },
          clientId,
          description: null,
          passwordHash: null,
          generated: null
        },
        caller
      ),
    get: (tenantId, credentialId) =>
      ifKnown(
        tenantId,
        credentialId,
        Effect.gen(function* () {
          const found = yield* read(tenantId, store.find(tenantId, credentialId))
          if (saysGone(found)) yield* whenInForce(tenantId)
          if (found === undefined) return yield* errors.ClientCredentialNotFound.ofId(credentialId)
          return commands.toRecord(found)
        })
      ),
    list: Effect.fnUntraced(function* (tenantId, query) {
      const { content, next } = yield* read(tenantId, store.list(tenantId, query))
      if (content.some(saysGone)) yield* whenInForce(tenantId)
      return { content: content.map(commands.toRecord), next }
    }),
    transition: (tenantId, credentialId, wanted, caller) =>
      ifKnown(tenantId, credentialId, transition(tenantId, credentialId, wanted, caller)),
    delete: (tenantId, request, caller) =>
      ifKnown(tenantId, request.credentialId, change(tenantId, commands.remove(request, events, caller))),
    kindOf: (tenantId, credentialId) =>
      isEntityId(credentialId)
        ? Effect.map(
            Effect.mapError(store.find(tenantId, credentialId), ExistingTenant.readFailed),
            (found) => found?.name.kind
          )
        : Effect.succeed(undefined)
  })
})

/** What tells that a right is gone is told when that is in force. */
const saysGone = (credential: ClientCredential | undefined): boolean =>
  credential === undefined || credential.status === "Suspended" || credential.status === "Revoked"

export const layer = Layer.effect(Clients, make)
