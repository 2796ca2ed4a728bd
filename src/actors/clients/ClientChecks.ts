/**
 * Whether a client's password or certificate is good: the client half of 16/ECAP, and 22/CAP.
 *
 * What is hot is answered at once: a certificate by its name, a password by comparing its keyed fingerprint
 * with that of the one that was verified. Everything else costs one read, and a password one hash, whether
 * the name is unknown, the password wrong, or the credential suspended or revoked: the answer is the same.
 *
 * A row is read before its password is hashed, and hashing takes a while. So a right password is answered
 * only if the row may still be believed, or after reading it again.
 *
 * A row that was changed outside of the service is not used, told and counted (`crypto/RowTags.ts`).
 *
 * The fingerprint's key is made when the process starts and never leaves it.
 */
import { createHmac, randomBytes, randomInt, timingSafeEqual } from "node:crypto"
import { Cause, Clock, Context, Duration, Effect, Exit, FiberSet, Layer, Option, Redacted } from "effect"
import { LeaseView, monotonicMsUnsafe } from "../../coherence/Coherence.ts"
import { Password, type PasswordsBusy } from "../../crypto/Password.ts"
import {
  accepted,
  type ClientAnswer,
  type ClientName,
  type FoundClient,
  nameKey,
  refusal,
  unauthenticated
} from "../../domain/ClientCredential.ts"
import * as errors from "../../domain/errors.ts"
import * as Seldom from "../../observability/Seldom.ts"
import { ClientStore } from "../../store/ClientStore.ts"
import * as Background from "../tenant/Background.ts"
import { Limits } from "../tenant/Limits.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import { HotState } from "../validation/HotState.ts"
import { Attempts } from "./Attempts.ts"
import { ClientsConfig } from "./ClientsConfig.ts"
import { ClientUses } from "./ClientUses.ts"
import { raisePassword } from "./commands.ts"
import { type HotClient, HotClients } from "./HotClients.ts"
import { LoginLanes } from "./LoginLanes.ts"
import { LoginRates } from "./LoginRates.ts"
import { NameLookups, type Outcome } from "./NameLookups.ts"
import { usableRows } from "./usableRows.ts"

export interface PasswordCheck {
  readonly username: string
  readonly password: string
  /** Whose the credential must be; null: anybody's. */
  readonly tenantId: string | null
  /** UNIX milliseconds after which nobody waits for the answer; null: not said. */
  readonly untilMs: number | null
}

export type Respond = (answer: ClientAnswer) => void

export class ClientChecks extends Context.Service<
  ClientChecks,
  {
    /** `respond` is called once, at once or later. Texts are within their limits. Must not throw. */
    readonly passwordUnsafe: (check: PasswordCheck, respond: Respond) => void
    /**
     * Of a hot certificate, by issuer and serial number as a question holds them (`HotClients.wireKeyOf`): the
     * answer, the same value each time; undefined where only `certificateUnsafe` knows.
     */
    readonly hotCertificateUnsafe: (wireKey: string) => ClientAnswer | undefined
    readonly certificateUnsafe: (issuer: string, serialNumber: string, respond: Respond) => void
    /** Hot credentials, and logins that wait to be hashed. */
    readonly census: () => { readonly hot: number; readonly waiting: number }
  }
>()("cm/actors/ClientChecks") {}

/** A check that takes longer is not known: 503. */
const limit = "10 seconds"
const tooMany = refusal(429)
const unavailable = refusal(503)
const bug = refusal(500)

type CheckError = errors.TooManyRequests | errors.Unavailable | PasswordsBusy

/** Who was right, or an answer for all who asked. */
type Verified = { readonly right: FoundClient } | { readonly answer: ClientAnswer }

const make = Effect.gen(function* () {
  const { hotClientsMax, loginWaitMax, loginsWaitingMax, loginsWaitingPerNameMax } = yield* ClientsConfig
  const beliefs = yield* HotState
  const lease = yield* LeaseView
  const store = yield* ClientStore
  const passwords = yield* Password
  const actors = yield* TenantActors
  const uses = yield* ClientUses
  const limits = yield* Limits
  const clock = yield* Clock.Clock
  const fibers = yield* FiberSet.make<unknown, unknown>()
  const runPromise = yield* FiberSet.runtimePromise(fibers)<never>()
  const fork = yield* FiberSet.runtime(fibers)<never>()
  const hot = new HotClients(beliefs, hotClientsMax)
  uses.onForgotten = hot.markUnused
  const rates = new LoginRates()
  const attempts = new Attempts<Verified>({
    waitingMax: loginsWaitingMax,
    waitingPerNameMax: loginsWaitingPerNameMax,
    waitMaxMs: Duration.toMillis(loginWaitMax),
    eachMs: passwords.eachMs,
    nowMs: () => clock.currentTimeMillisUnsafe(),
    random: (below) => randomInt(below),
    isForLate: (verified) => "right" in verified
  })
  const { holds, isUsable } = yield* usableRows
  const fingerprintKey = randomBytes(32)
  const fingerprintOf = (username: string, password: string): Buffer =>
    createHmac("sha256", fingerprintKey).update(username).update("\0").update(password).digest()

  const now = () => clock.currentTimeMillisUnsafe()
  const leaseHolds = () => lease.holds(monotonicMsUnsafe(clock), now())
  const bugs = yield* Seldom.make
  const reads = {
    byNames: store.byNames,
    onBug: (cause: unknown) => bugs.tellUnsafe(Effect.logError("a look-up of client credentials met a bug", cause)),
    generation: () => (leaseHolds() ? lease.generation : 0),
    tick: () => beliefs.sequences.tick,
    cover: (tenantId: string, readSeq: number, sentGeneration: number, sentTick: number) =>
      beliefs.cover(tenantId, readSeq, sentGeneration, sentTick)
  }
  const lookups = new NameLookups(reads)
  const lanes = new LoginLanes(reads, () => attempts.isIdle)

  // ---- answering
  /** 200 or, when the tenant has no login left in this second, 429. */
  const granted = (answer: ClientAnswer): ClientAnswer => {
    const tenantId = answer.tenantId ?? ""
    return rates.take(tenantId, limits.get(tenantId).loginsPerSecond, monotonicMsUnsafe(clock)) ? answer : tooMany
  }
  const answerHot = (client: HotClient): ClientAnswer => {
    const answer = granted(client.answer)
    if (answer.statusCode === 200 && client.isUnused) {
      // Before it is told: what there is no room for is marked again at once.
      client.isUnused = false
      uses.tellUnsafe(client.tenant.tenantId, client.credentialId)
    }
    return answer
  }
  const respondFound = (found: FoundClient, respond: Respond): void => {
    const { credential } = found
    const answer = granted(accepted(credential))
    if (answer.statusCode === 200 && credential.status === "Inactive") {
      uses.tellUnsafe(credential.tenantId, credential.credentialId)
    }
    respond(answer)
  }

  // ---- certificates
  const hotCertificateUnsafe = (wireKey: string): ClientAnswer | undefined => {
    const known = hot.findWire(wireKey, leaseHolds())
    return known && answerHot(known)
  }
  const certificateUnsafe = (issuer: string, serialNumber: string, respond: Respond): void => {
    const name: ClientName = { kind: "certificate", issuer, serialNumber }
    const known = hot.find(nameKey(name), leaseHolds())
    if (known !== undefined) {
      respond(answerHot(known))
      return
    }
    lookups.ask(name, (outcome) => {
      if (outcome === "full") return respond(tooMany)
      if (outcome === "unavailable") return respond(unavailable)
      if (outcome === "bug") return respond(bug)
      if (outcome === "unknown" || !isUsable(outcome)) return respond(unauthenticated)
      hot.keep(outcome, null, leaseHolds())
      respondFound(outcome, respond)
    })
  }

  // ---- passwords
  const lookUp = (name: ClientName) =>
    Effect.callback<Outcome>((resume) => lookups.ask(name, (outcome) => resume(Effect.succeed(outcome)))).pipe(
      Effect.flatMap(
        (outcome): Effect.Effect<FoundClient | undefined, CheckError> =>
          outcome === "full"
            ? Effect.fail(new errors.TooManyRequests({ limit: "logins" }))
            : outcome === "unavailable"
              ? Effect.fail(new errors.Unavailable({ part: "database", committed: false }))
              : outcome === "bug"
                ? Effect.die(new Error("the look-up met a bug"))
                : Effect.succeed(outcome === "unknown" ? undefined : outcome)
      )
    )

  /** The row was read before its password was hashed: it holds still, or is read again. */
  const confirmed = Effect.fnUntraced(function* (found: FoundClient) {
    if (hot.believes(found, leaseHolds())) return found
    const again = yield* lookUp(found.credential.name)
    const isSame =
      again?.credential.credentialId === found.credential.credentialId &&
      again.credential.passwordHash !== null &&
      isUsable(again)
    return isSame ? again : undefined
  })

  const raise = (found: FoundClient, password: Redacted.Redacted) => {
    const { credentialId, passwordHash, tenantId } = found.credential
    if (passwordHash === null || !passwords.isOutdated(passwordHash)) return
    fork(
      passwords.hash(password).pipe(
        Effect.zip(Background.caller("sweep")),
        Effect.flatMap(([raised, caller]) =>
          actors.ask(tenantId, raisePassword(credentialId, passwordHash, raised, caller))
        ),
        // Its next use raises it.
        Effect.ignore
      )
    )
  }

  const verify = Effect.fnUntraced(function* (
    username: string,
    password: Redacted.Redacted,
    fingerprint: Uint8Array,
    close: () => void
  ): Effect.fn.Return<Verified, CheckError> {
    const row = yield* lookUp({ kind: "basic", username })
    // Before it is hashed: what a hash costs is said by the row.
    const found = row !== undefined && holds(row) ? row : undefined
    const isRight = yield* passwords.verify(password, found?.credential.passwordHash ?? null)
    if (!isRight || found === undefined || !isUsable(found)) return { answer: unauthenticated }
    close()
    const right = yield* confirmed(found)
    if (right === undefined) return { answer: unauthenticated }
    hot.keep(right, fingerprint, leaseHolds())
    raise(right, password)
    return { right }
  })

  const outcomeOf = (exit: Exit.Exit<Verified, CheckError>): Verified => {
    if (Exit.isSuccess(exit)) return exit.value
    if (Cause.hasDies(exit.cause)) return { answer: bug }
    const error = Option.getOrNull(Cause.findErrorOption(exit.cause))
    return { answer: error !== null && error._tag !== "Unavailable" ? tooMany : unavailable }
  }

  const attempt = (username: string, password: string, fingerprint: Buffer) => (close: () => void) =>
    runPromise(
      verify(username, Redacted.make(password), fingerprint, close).pipe(
        Effect.timeoutOrElse({
          duration: limit,
          orElse: () => Effect.fail(new errors.Unavailable({ part: "logins", committed: false }))
        }),
        Effect.tapDefect((defect) => Effect.logError("a login met a bug", defect)),
        Effect.exit,
        Effect.map(outcomeOf)
      )
    ).catch((): Verified => ({ answer: unavailable }))

  const passwordUnsafe = ({ password, tenantId, untilMs, username }: PasswordCheck, respond: Respond): void => {
    const fingerprint = fingerprintOf(username, password)
    const isWanted = (owner: string) => tenantId === null || owner === tenantId
    const known = hot.find(nameKey({ kind: "basic", username }), leaseHolds())
    if (
      known !== undefined &&
      known.fingerprint !== null &&
      timingSafeEqual(known.fingerprint, fingerprint) &&
      isWanted(known.tenant.tenantId)
    ) {
      respond(answerHot(known))
      return
    }
    const key = fingerprint.toString("latin1")
    const told = (outcome: Verified | "displaced"): void => {
      if (outcome === "displaced") respond(tooMany)
      else if ("answer" in outcome) respond(outcome.answer)
      else if (!isWanted(outcome.right.credential.tenantId)) respond(unauthenticated)
      else respondFound(outcome.right, respond)
    }
    const question = {
      name: username,
      key,
      untilMs: untilMs ?? Number.POSITIVE_INFINITY,
      run: attempt(username, password, fingerprint),
      told
    }
    lanes.find(username, tenantId, (lane) => attempts.ask({ ...question, lane }))
  }

  return ClientChecks.of({
    passwordUnsafe,
    certificateUnsafe,
    hotCertificateUnsafe,
    census: () => ({ hot: hot.count, waiting: attempts.waitingCount })
  })
})

export const layer = Layer.effect(ClientChecks, make)
