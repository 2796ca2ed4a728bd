/**
 * One rotation of one credential by its rotator, from what is to be done next to what came of it, step by step.
 *
 *   next step (claimed, durable) ──> look once more ──> the rotator ──> what came of it (durable) ──> next step
 *
 * Runs on the fibre of `RefreshFlights`, which nobody's going away ends. Whoever comes after a crash goes on where
 * the last step was written down: each may be done again. The rules are `domain/RotationLife.ts`; docs/rotators.md.
 *
 * Longer than 300 lines because the steps are read in their order.
 */
import { Duration, Effect, Metric, Random, Result } from "effect"
import { CredentialsConfig } from "../actors/credentials/CredentialsConfig.ts"
import * as DescribeCache from "../actors/credentials/DescribeCache.ts"
import { CredentialEvents } from "../actors/credentials/Events.ts"
import * as commands from "../actors/credentials/RotationSteps.ts"
import { Rotators } from "../actors/credentials/Rotators.ts"
import * as Sealing from "../actors/credentials/Sealing.ts"
import { believeCredential, tellChanged } from "../actors/tenant/RowTagging.ts"
import { TenantActors } from "../actors/tenant/TenantActors.ts"
import type { Caller, ChangeError } from "../actors/tenant/Tenants.ts"
import { CurveBox } from "../crypto/CurveBox.ts"
import { Keyring } from "../crypto/Keyring.ts"
import { TenantKeys } from "../crypto/TenantKeys.ts"
import type { Credential, CredentialVersion } from "../domain/Credential.ts"
import type { Secret } from "../domain/CredentialShape.ts"
import * as errors from "../domain/errors.ts"
import { backOffMs } from "../domain/Refresh.ts"
import * as Life from "../domain/RotationLife.ts"
import { type KnownRotator, parseRotatorUse } from "../domain/Rotator.ts"
import { Nats } from "../nats/Nats.ts"
import { Replica } from "../observability/Replica.ts"
import type { Seldom } from "../observability/Seldom.ts"
import { RefreshStore, type Standing } from "../store/RefreshStore.ts"
import { mariadbUser } from "./MariadbUser.ts"
import * as OpenVersion from "./OpenVersion.ts"
import { keyFailed } from "./OpenVersion.ts"
import { lookEvery, looksMax } from "./otherReplica.ts"
import { perhapsDone } from "./perhapsDone.ts"
import { RotatorConfig } from "./RotatorConfig.ts"
import { type StepAnswer, type StepQuestion, steps } from "./RotatorStep.ts"
import { webhook } from "./Webhook.ts"

export interface RotationJob {
  readonly tenantId: string
  readonly credentialId: string
  readonly caller: Caller
  readonly asked: boolean
  readonly overlapMs: number | null
  /** Whether no further step may begin here: what was written down goes on at another replica. */
  readonly stops: Effect.Effect<boolean>
}

export type RotationEnded =
  | { readonly _tag: "Refreshed"; readonly version: number }
  | { readonly _tag: "Failed"; readonly error: ChangeError }
  | { readonly _tag: "Idle" }

const failed = (error: ChangeError): RotationEnded => ({ _tag: "Failed", error })
const idle: RotationEnded = { _tag: "Idle" }
const stepsMax = 32
/** Rotations that nobody asked for, under way here at once: a slow rotator holds up nobody's refreshes. */
const underWayMax = 16
const ofTenantMax = 4

/** What has begun goes on, here or elsewhere, and may yet hand out another secret. */
const failedMeanwhile = (error: ChangeError): ChangeError =>
  error._tag === "Unavailable" || error._tag === "TooManyRequests" ? perhapsDone(error, "rotation") : error

/** What was read of a rotation before something was waited for. */
interface Seen {
  readonly rotating: Life.Rotating
  readonly secretVersion: number
}

export const make = Effect.fnUntraced(function* (changedRows: Seldom) {
  const { beyond, claim, overlap, timeout } = yield* RotatorConfig
  const { rotatorHosts } = yield* CredentialsConfig
  const { instance, process } = yield* Replica
  const actors = yield* TenantActors
  const store = yield* RefreshStore
  const keyring = yield* Keyring
  const tenantKeys = yield* TenantKeys
  const rotators = yield* Rotators
  const events = yield* CredentialEvents
  const curveBox = yield* CurveBox
  const nats = yield* Nats
  const describeCache = yield* DescribeCache.make
  const timeoutMs = Duration.toMillis(timeout)
  const marginMs = Math.min(Duration.toMillis(beyond) / 2, 10_000)
  const claimMs = Duration.toMillis(claim)
  const overlapMs = Duration.toMillis(overlap)

  /**
   * Each reading is believed by itself: the claim makes one of its own, and a row that was changed between the two
   * would choose whom a secret is sealed for.
   */
  const standingOf = ({ credentialId, tenantId }: RotationJob): Effect.Effect<Standing, ChangeError> =>
    Effect.flatMap(
      Effect.mapError(
        store.standing(tenantId, credentialId),
        () => new errors.Unavailable({ part: "database", committed: false })
      ),
      (standing): Effect.Effect<Standing, ChangeError> =>
        standing === undefined
          ? Effect.fail(new errors.CredentialNotFound({ credentialId }))
          : Effect.as(believeCredential(standing.credential, keyring, changedRows), standing)
    )

  const openText = OpenVersion.make(tenantKeys)
  /** Nobody else tells where it cannot be opened. */
  const open = (tenantId: string, version: CredentialVersion | undefined): Effect.Effect<Secret, ChangeError> =>
    version?.sealed == null
      ? Effect.fail(keyFailed())
      : openText(tenantId, version).pipe(
          Effect.tapErrorTag("RowChanged", (error) => tellChanged(tenantId, error, changedRows)),
          Effect.map((text) => JSON.parse(text) as Secret)
        )

  /** What is asked of the rotator; null when somebody else has decided otherwise since. */
  const questionOf = Effect.fnUntraced(function* (
    job: RotationJob,
    rotator: KnownRotator,
    { claim, work }: { readonly claim: Life.StepClaim; readonly work: Life.Work }
  ): Effect.fn.Return<StepQuestion | null, ChangeError> {
    const { credential, versions } = yield* standingOf(job)
    const { rotating } = credential
    // What was stored by hand leaves the claim where it is, and nothing to do for it.
    if (rotating?.claim?.term !== claim.term || !Life.isOf(rotating, work)) return null
    const use = parseRotatorUse(credential.type, credential.rotation ?? {})
    if (Result.isFailure(use)) return yield* new errors.RefreshNotConfigured({ credentialId: job.credentialId })
    const at = (place: number) => versions.find(({ version }) => version === place)
    const pending = rotating.underWay === null ? undefined : at(Life.pendingVersion(rotating.underWay.generation))
    const current = yield* open(job.tenantId, at(credential.secretVersion))
    const underWay = pending === undefined ? null : yield* open(job.tenantId, pending)
    const secret =
      work.kind === "cleanup" ? yield* open(job.tenantId, at(work.version)) : work.step === "prepare" ? null : underWay
    if (secret === null && work.step !== "prepare") return yield* keyFailed()
    const names = [current, underWay].flatMap((one) => one?.username ?? [])
    return {
      rotator,
      use: use.success,
      tenantId: job.tenantId,
      credentialId: job.credentialId,
      type: credential.type,
      generation: work.generation,
      step: work.step,
      current,
      secret,
      inUse: new Set(names),
      mayBegin: Effect.matchEffect(standingOf(job), {
        onSuccess: ({ credential: { rotating: now_, state }, now }) =>
          Effect.map(job.stops, (stops) =>
            !stops && now_ !== undefined && state !== "revoked" && Life.mayBegin(now_, claim, now)
              ? claim.until - now
              : null
          ),
        onFailure: () => Effect.succeed(null)
      })
    }
  })

  const ask = (question: StepQuestion): Effect.Effect<StepAnswer> =>
    question.rotator.kind === "mariadb-user"
      ? mariadbUser(question, { allowedHosts: rotatorHosts, timeoutMs, marginMs })
      : webhook(question, { connection: nats.requests, instance, curveBox, timeoutMs })

  /** One step, from the question to its settling. */
  const perform = Effect.fnUntraced(function* (
    job: RotationJob,
    rotator: KnownRotator,
    claimed: { readonly claim: Life.StepClaim; readonly work: Life.Work }
  ): Effect.fn.Return<commands.SettledStep, ChangeError> {
    const { tenantId } = job
    const question = yield* questionOf(job, rotator, claimed)
    if (question === null) return { _tag: "Fenced" }
    const answer = yield* ask(question)
    const { step } = claimed.work
    const attributes = { kind: rotator.kind, step, outcome: answer._tag.toLowerCase() }
    yield* Metric.update(Metric.withAttributes(steps, attributes), 1)
    if (answer._tag === "Late") {
      // Nothing was touched: another replica need not wait for the claim's end. One that is not given back runs out.
      if (yield* job.stops) {
        const request = { credentialId: job.credentialId, term: claimed.claim.term }
        yield* Effect.ignore(actors.ask(tenantId, commands.giveBackStep(request, job.caller)))
      }
      return { _tag: "Fenced" }
    }
    const { credential, now } = yield* standingOf(job)
    const attempts = credential.rotating?.cleanups.find(
      ({ generation }) => generation === question.generation
    )?.attempts
    const wait = backOffMs(
      claimed.work.kind === "step" ? (credential.rotating?.attempts ?? 0) : (attempts ?? 0),
      yield* Random.next
    )
    const sealer = yield* Effect.mapError(tenantKeys.sealerFor(tenantId), keyFailed)
    const settling: commands.StepSettling = {
      credentialId: job.credentialId,
      term: claimed.claim.term,
      work: claimed.work,
      outcome:
        answer._tag === "Done"
          ? { kind: "done" }
          : { kind: "failed", permanent: answer.permanent, reason: answer.reason, retryAt: now + wait },
      secret: answer._tag === "Done" ? (answer.secret ?? question.secret) : null,
      detail: answer._tag === "Failed" ? answer.detail : ""
    }
    const command = commands.settleStep(settling, Sealing.sealerOf(keyring)(tenantId, sealer), events, job.caller)
    const settled = yield* actors.ask(tenantId, command)
    yield* Effect.forkDetach(describeCache.changed(tenantId))
    return settled
  })

  const rotatorFailed = ({ permanent, reason, retryAfterMs }: commands.StepFailure): RotationEnded =>
    failed(new errors.RotatorFailed({ reason, permanent, retryAfterMs }))

  /** What a rotation came to since this was read of it. Undefined: nothing yet. */
  const cameTo = ({ rotating, secretVersion }: Credential, since: Seen): RotationEnded | undefined => {
    if (rotating === undefined) return undefined
    // One that was stored by hand is the new secret, too.
    if (secretVersion !== since.secretVersion) return { _tag: "Refreshed", version: secretVersion }
    const { lastError, underWay } = rotating
    if (lastError === null || lastError.at === since.rotating.lastError?.at) return undefined
    return rotatorFailed({ reason: lastError.reason, permanent: underWay === null, retryAfterMs: null })
  }

  /** Another replica is at it: until its claim is over, or the rotation. Undefined: nothing came of it yet. */
  const awaitOther = Effect.fnUntraced(function* (
    job: RotationJob,
    since: Seen
  ): Effect.fn.Return<RotationEnded | undefined, ChangeError> {
    for (let look = 0; look < looksMax; look++) {
      yield* Effect.sleep(lookEvery)
      const { credential, now } = yield* standingOf(job)
      const { rotating } = credential
      if (rotating === undefined) return undefined
      const ended = cameTo(credential, since)
      if (ended !== undefined) return ended
      if (rotating.claim === null ? rotating.underWay === null : now >= rotating.claim.until) return undefined
    }
    return failed(new errors.RefreshPending({ credentialId: job.credentialId }))
  })

  const goThrough = Effect.fnUntraced(function* (
    job: RotationJob,
    begins: () => void
  ): Effect.fn.Return<RotationEnded, ChangeError> {
    const { asked, credentialId, tenantId } = job
    let atFirst: Seen | undefined
    const over = (first: Seen) =>
      Effect.map(
        standingOf(job),
        ({ credential }) => cameTo(credential, first) ?? failed(new errors.RefreshPending({ credentialId }))
      )
    let workedAt: number | null = null
    for (let step = 0; step < stepsMax; step++) {
      if (yield* job.stops) return asked ? failed(new errors.RefreshPending({ credentialId })) : idle
      const { credential } = yield* standingOf(job)
      const { rotating } = credential
      if (rotating === undefined) return failed(new errors.RefreshNotConfigured({ credentialId }))
      const seen = { rotating, secretVersion: credential.secretVersion }
      atFirst ??= seen
      const rotator = yield* rotators.find(tenantId, rotating.rotator, rotating.own)
      if (rotator === undefined) return yield* new errors.RotatorNotFound({ name: rotating.rotator })
      const request: commands.StepRequest = {
        credentialId,
        holder: process,
        claimMs,
        overlapMs,
        asked: asked ? { overlapMs: job.overlapMs, workedAt } : null
      }
      const next = yield* actors.ask(tenantId, commands.nextStep(request, job.caller))
      switch (next._tag) {
        case "Busy": {
          if (!asked) return idle
          const ended = yield* awaitOther(job, seen)
          if (ended !== undefined) return ended
          continue
        }
        case "Wait":
          return idle
        case "Paused":
          return failed(new errors.ServiceInactive({ serviceName: credential.serviceName }))
        case "Refused": {
          if (!asked) return idle
          const { now } = yield* standingOf(job)
          const retryAfterMs = Math.max(0, next.until - now)
          const refused = { reason: "rate_limited", permanent: false, retryAfterMs, behind: next.why }
          return failed(new errors.RotatorFailed(refused))
        }
        case "Over":
          return yield* over(atFirst)
        case "Claimed": {
          if (next.work.kind === "step") {
            workedAt = next.work.generation
            begins()
          }
          const settled = yield* perform(job, rotator, next)
          if (settled._tag === "Fenced") return asked ? yield* over(atFirst) : idle
          // What it replaced is taken away by the loop, when its time has come.
          if (settled.switched && asked) return { _tag: "Refreshed", version: settled.version }
          if (settled.failure !== null && next.work.kind === "step") {
            if (asked) return rotatorFailed(settled.failure)
            if (!settled.failure.permanent) return idle
          }
        }
      }
    }
    return asked ? failed(new errors.RefreshPending({ credentialId })) : idle
  })

  const run = (job: RotationJob): Effect.Effect<RotationEnded, ChangeError> =>
    Effect.suspend(() => {
      let hasBegun = false
      const steps = goThrough(job, () => {
        hasBegun = true
      })
      return Effect.mapError(steps, (error) => (hasBegun ? failedMeanwhile(error) : error))
    })

  const underWay = new Map<string, number>()
  let total = 0
  /** One that finds no room is picked again a little later. */
  const ifRoom = <E>({ asked, tenantId }: RotationJob, work: Effect.Effect<RotationEnded, E>) =>
    Effect.suspend(() => {
      if (asked) return work
      const own = underWay.get(tenantId) ?? 0
      if (total >= underWayMax || own >= ofTenantMax) return Effect.succeed(idle)
      total++
      underWay.set(tenantId, own + 1)
      return Effect.ensuring(
        work,
        Effect.sync(() => {
          total--
          const left = underWay.get(tenantId)! - 1
          if (left === 0) underWay.delete(tenantId)
          else underWay.set(tenantId, left)
        })
      )
    })

  return {
    /** For a credential whose `rotation` names a rotator. */
    run: (job: RotationJob): Effect.Effect<RotationEnded, ChangeError> => ifRoom(job, run(job))
  }
})
