/**
 * The validator: the hot table first, the coalesced miss otherwise.
 *
 * A hit is answered inside the call: read the bytes, hash, look up, check lease, generation and
 * covered sequence, expiry, write, respond. No promise, no fiber, no log line. A miss is answered
 * when its statement has been read, with the token's state as it was in that snapshot, which began after
 * the request came: right with or without a lease.
 *
 * Every accepted request is answered exactly once. A bug answers 500 and is logged, at most once a
 * second; nothing is ever thrown at the caller.
 */
import { Clock, Duration, Effect, Layer } from "effect"
import { ValidationCache } from "../cache/ValidationCache.ts"
import { type LeaseState, LeaseView, monotonicMsUnsafe } from "../coherence/Coherence.ts"
import { Keyring } from "../crypto/Keyring.ts"
import type { HotToken } from "../domain/HotToken.ts"
import { appNamePattern, isTokenValue } from "../domain/Names.ts"
import { verdict } from "../domain/TokenLifecycle.ts"
import * as Loop from "../observability/Loop.ts"
import { encodeTail, keyOf, names, RequestFrame } from "../schema/EcapFrame.ts"
import { TokenLookup } from "../store/TokenLookup.ts"
import { TokenUse } from "../store/TokenUse.ts"
import { ActorsConfig, type ValidationSettings } from "./ActorsConfig.ts"
import { Directory, type Found } from "./Directory.ts"
import { FirstUse, type FirstUses } from "./FirstUse.ts"
import { type ApplicationRecord, type Beliefs, HotState, tailOf } from "./HotState.ts"
import { inactiveFlag, rotatedFlag, toldFlag } from "./HotTable.ts"
import { type Miss, MissQueue } from "./MissQueue.ts"
import { makeSipKey, SipHash } from "./SipHash.ts"
import { type Counts, makePublish } from "./ValidationMetrics.ts"
import * as reply from "./ValidationReply.ts"
import { type Answer, answerFor } from "./ValidationReply.ts"
import { type Respond, Validator } from "./Validator.ts"
import { replyOf, type Waiter, waiterForBytes, waiterForTexts, writer } from "./Waiter.ts"

const sweepEvery = "50 millis"
const metricsEvery = "1 second"
const usesPerCall = 10_000
const bugLogEveryMs = 1_000

interface WaitedMiss extends Miss {
  readonly waiters: Array<Waiter>
}

export interface LiveValidatorOptions {
  readonly settings: ValidationSettings
  readonly beliefs: Beliefs
  readonly lease: LeaseState
  readonly firstUses: FirstUses
  readonly lookup: TokenLookup["Service"]
  readonly cache: ValidationCache["Service"]
  readonly keyring: Keyring["Service"]
  /** UNIX milliseconds. */
  readonly now: () => number
  readonly monotonicMs: () => number
  readonly onBug: (bug: unknown) => void
  /** 16 bytes that nobody outside knows. */
  readonly sipKey: Uint8Array
}

export class ValidationPath {
  private readonly sip: SipHash
  private readonly frame = new RequestFrame()
  private readonly directory: Directory
  private readonly misses: MissQueue<WaitedMiss>
  private readonly waitingPerTenantMax: number
  private waiting = 0
  private drains: Array<() => void> = []
  private readonly options: LiveValidatorOptions
  hits = 0

  constructor(options: LiveValidatorOptions) {
    this.options = options
    this.sip = new SipHash(options.sipKey)
    const { beliefs, cache, firstUses, keyring, lease, lookup, monotonicMs, now, onBug, settings } = options
    this.waitingPerTenantMax = Math.min(settings.missesPerTenantMax, Math.ceil(settings.missesMax / 2))
    const generation = () => lease.generation
    const timeoutMs = Duration.toMillis(settings.missTimeout)
    this.directory = new Directory({ beliefs, lookup, generation, now, monotonicMs, timeoutMs })
    this.misses = new MissQueue({
      beliefs,
      lookup,
      cache,
      keyring,
      settle: (miss, found) => this.settle(miss, found),
      merge: (into, from) => into.waiters.push(...from.waiters),
      onBug,
      leaseHolds: () => lease.holds(monotonicMs(), now()),
      generation,
      monotonicMs,
      cacheEnabled: settings.kvCache,
      cacheFirstMax: settings.kvFirstMax,
      statementsMax: settings.missStatementsMax,
      timeoutMs
    })
    firstUses.onForgotten = (tokenId) => {
      const ref = beliefs.hot.findById(tokenId)
      if (ref !== 0) beliefs.hot.setTold(ref, false)
    }
  }

  // ---- the two ways in -----------------------------------------------------------------

  readonly answerUnsafe = (request: Uint8Array, respond: Respond): void => {
    let responded = false
    try {
      const wall = this.options.now()
      const now = this.fromBytes(request, wall, respond)
      if (now === undefined) return
      responded = true
      if (now instanceof Uint8Array) respond(now, 200)
      else {
        const { correlationEnd, correlationStart } = this.frame
        const bytes =
          now === reply.undecodable
            ? replyOf(request, 0, 0, now, wall)
            : replyOf(request, correlationStart, correlationEnd, now, wall)
        respond(bytes, now.statusCode)
      }
    } catch (bug) {
      this.options.onBug(bug)
      if (!responded) this.respondBroken(respond)
    }
  }

  /** After a bug before any answer. The correlation id is not to be trusted then. */
  private respondBroken(respond: Respond): void {
    try {
      respond(replyOf(new Uint8Array(0), 0, 0, reply.broken, this.options.now()), 500)
    } catch (bug) {
      this.options.onBug(bug)
    }
  }

  readonly validateUnsafe: Validator["Service"]["validateUnsafe"] = (tenantId, appName, token, dryRun, done) => {
    const waiter = waiterForTexts(tenantId, dryRun, done)
    const { monotonicMs, now } = this.options
    const wall = now()
    try {
      if (!appNamePattern.test(appName) || !isTokenValue(token)) {
        waiter.answer(reply.badRequest, wall)
        return
      }
      const key = keyOf(appName, token)
      this.sip.hash(key, 0, key.length)
      const leaseHolds = this.options.lease.holds(monotonicMs(), wall)
      const ref = this.findHot(leaseHolds)
      // A hot Inactive token may be Active by now, which matters only to a caller who is told the status.
      const known = ref !== 0 && (this.options.beliefs.hot.flags(ref) & inactiveFlag) === 0
      if (known) waiter.answer(this.hotAnswer(ref, wall, waiter), wall)
      else this.miss(appName, token, leaseHolds, wall, waiter)
    } catch (bug) {
      this.options.onBug(bug)
      this.finish(waiter, reply.broken, wall)
    }
  }

  readonly inFlight = (): number => this.waiting

  /** Resolves when nothing waits. */
  readonly quiet = (): Promise<void> =>
    this.waiting === 0 ? Promise.resolve() : new Promise((resolve) => this.drains.push(resolve))

  readonly sweep = (): void => {
    try {
      this.directory.sweep()
      this.misses.sweep()
    } catch (bug) {
      this.options.onBug(bug)
    }
  }

  /** What the metrics say of the path. */
  readonly counts = (): Counts => ({
    hits: this.hits,
    hotTokens: this.options.beliefs.hotCount(),
    waiting: this.waiting,
    statements: this.misses.statementCount,
    cacheHits: this.misses.cacheHits,
    cacheDisbelieved: this.options.beliefs.disbelieved,
    usesDropped: this.options.beliefs.uses.dropped
  })

  // ---- the hit --------------------------------------------------------------------------

  /** The bytes of a 200 or another answer, to give now; undefined when `respond` will be called later. */
  private fromBytes(request: Uint8Array, wall: number, respond: Respond): Uint8Array | Answer | undefined {
    const { frame, sip } = this
    if (!frame.read(request)) return reply.undecodable
    if (frame.timeout !== 0 || !frame.timesExact) {
      if (frame.timeoutIsNegative()) return reply.badRequest
      if (frame.hasPassed(wall)) return reply.passed
    }
    if (frame.keyCanonical) sip.hash(request, frame.keyStart, request.length)
    else {
      const texts = names(request, frame)
      if (texts === "undecodable") return reply.undecodable
      if (texts === "invalid") return reply.badRequest
      const key = keyOf(texts.appName, texts.token)
      sip.hash(key, 0, key.length)
    }
    const leaseHolds = this.options.lease.holds(this.options.monotonicMs(), wall)
    const ref = this.findHot(leaseHolds)
    if (ref !== 0) {
      const { hot } = this.options.beliefs
      if (wall >= hot.expiresAt(ref)) return this.hotAnswer(ref, wall, null)
      this.noteUse(ref, wall)
      const { correlationEnd, correlationStart } = frame
      const [bytes, start, end] = [hot.bytesOf(ref), hot.tailStart(ref), hot.tailEnd(ref)]
      return writer.write(request, correlationStart, correlationEnd, wall, bytes, start, end)
    }
    const texts = names(request, frame)
    if (texts === "undecodable") return reply.undecodable
    if (texts === "invalid") return reply.badRequest
    this.miss(texts.appName, texts.token, leaseHolds, wall, waiterForBytes(request, frame, respond))
    return undefined
  }

  /** The hot entry for the hash just made, if it may be believed; else 0. */
  private findHot(leaseHolds: boolean): number {
    if (!leaseHolds) return 0
    const { h0, h1, h2, h3 } = this.sip
    const { beliefs } = this.options
    const ref = beliefs.hot.find(h0, h1, h2, h3)
    return ref !== 0 && beliefs.believesHot(ref, true) ? ref : 0
  }

  private noteUse(ref: number, wall: number): void {
    const { beliefs, firstUses } = this.options
    const { hot } = beliefs
    this.hits++
    hot.touch(ref)
    hot.use(ref, wall)
    if ((hot.flags(ref) & (inactiveFlag | toldFlag)) === inactiveFlag) {
      hot.setTold(ref, true)
      firstUses.tell(beliefs.tenants[hot.tenantIndex(ref)]!.tenantId, hot.tokenId(ref))
    }
  }

  /** A hot entry's answer with everything in it. `waiter` null: nobody's use. */
  private hotAnswer(ref: number, wall: number, waiter: Waiter | null): Answer {
    const { beliefs } = this.options
    const { hot } = beliefs
    const tenantId = beliefs.tenants[hot.tenantIndex(ref)]!.tenantId
    if (waiter !== null && waiter.tenantId !== null && waiter.tenantId !== tenantId) return reply.unknownApplication
    const flags = hot.flags(ref)
    const state = {
      status: (flags & inactiveFlag) === 0 ? ("Active" as const) : ("Inactive" as const),
      expiresAt: hot.expiresAt(ref),
      endReason: (flags & rotatedFlag) === 0 ? ("expired" as const) : ("rotated" as const),
      reason: null
    }
    const { reasonPhrase, statusCode } = verdict(state, wall)
    if (statusCode === 200 && waiter !== null && !waiter.dryRun) this.noteUse(ref, wall)
    const ids = { tokenId: hot.tokenId(ref), endpointId: hot.endpointId(ref) }
    return {
      tail: encodeTail({ ...ids, statusCode, reasonPhrase }),
      ...ids,
      statusCode,
      reasonPhrase,
      status: statusCode === 200 ? state.status : "Revoked"
    }
  }

  // ---- the miss --------------------------------------------------------------------------

  private miss(appName: string, token: string, leaseHolds: boolean, wall: number, waiter: Waiter): void {
    const { h0, h1, h2, h3 } = this.sip
    const known = this.directory.find(appName, leaseHolds)
    if (known === "unknown") waiter.answer(reply.unknownApplication, wall)
    else if (this.waiting >= this.options.settings.missesMax) waiter.answer(reply.tooMany, wall)
    else if (known !== undefined) this.wait(known, appName, token, [h0, h1, h2, h3], leaseHolds, wall, waiter)
    else {
      this.waiting++
      this.directory.ask(appName, (found) => this.located(found, appName, token, [h0, h1, h2, h3], waiter))
    }
  }

  /** The directory has answered for a request that waited for it. */
  private located(found: Found, appName: string, token: string, hash: Hash, waiter: Waiter): void {
    const wall = this.options.now()
    try {
      if (found === "unknown") this.finish(waiter, reply.unknownApplication, wall)
      else if (found === "unavailable") this.finish(waiter, reply.unavailable, wall)
      else if (found === "full") this.finish(waiter, reply.tooMany, wall)
      else {
        const leaseHolds = this.options.lease.holds(this.options.monotonicMs(), wall)
        this.wait(found, appName, token, hash, leaseHolds, wall, waiter)
      }
    } catch (bug) {
      this.options.onBug(bug)
      this.finish(waiter, reply.broken, wall)
    } finally {
      this.left(1)
    }
  }

  private wait(
    application: ApplicationRecord,
    appName: string,
    token: string,
    hash: Hash,
    leaseHolds: boolean,
    wall: number,
    waiter: Waiter
  ): void {
    const [h0, h1, h2, h3] = hash
    const { tenant } = application
    if (waiter.tenantId !== null && waiter.tenantId !== tenant.tenantId) {
      this.finish(waiter, reply.unknownApplication, wall)
      return
    }
    const negative = leaseHolds ? tenant.negatives.find(h0, h1, h2, h3, wall) : undefined
    if (negative !== undefined) {
      this.finish(waiter, negative, wall)
      return
    }
    if (tenant.waiting >= this.waitingPerTenantMax) {
      this.finish(waiter, reply.tooMany, wall)
      return
    }
    tenant.waiting++
    this.waiting++
    const open = this.misses.find(h0, h1, h2, h3)
    if (open !== undefined) {
      open.waiters.push(waiter)
      return
    }
    this.misses.add({
      h0,
      h1,
      h2,
      h3,
      appName,
      token,
      application,
      bornAt: this.options.monotonicMs(),
      cacheAsked: false,
      negativeEpoch: tenant.negatives.epoch,
      waiters: [waiter]
    })
  }

  /** What became of a miss. Called again with `bug` for one that may have been settled before. */
  private settle(miss: WaitedMiss, found: HotToken | "unknown" | "unavailable" | "bug"): void {
    const waiters = miss.waiters.splice(0)
    if (waiters.length === 0) return
    const wall = this.options.now()
    miss.application.tenant.waiting -= waiters.length
    try {
      if (found === "unavailable") for (const waiter of waiters) this.finish(waiter, reply.unavailable, wall)
      else if (found === "bug") for (const waiter of waiters) this.finish(waiter, reply.broken, wall)
      else if (found === "unknown") this.settleUnknown(miss, waiters, wall)
      else this.settleFound(miss, found, waiters, wall)
    } catch (bug) {
      this.options.onBug(bug)
      for (const waiter of waiters) this.finish(waiter, reply.broken, wall)
    } finally {
      this.left(waiters.length)
    }
  }

  private settleUnknown(miss: WaitedMiss, waiters: ReadonlyArray<Waiter>, wall: number): void {
    const { h0, h1, h2, h3, negativeEpoch } = miss
    miss.application.tenant.negatives.put(h0, h1, h2, h3, wall, negativeEpoch, reply.unknownToken)
    for (const waiter of waiters) this.finish(waiter, reply.unknownToken, wall)
  }

  private settleFound(miss: WaitedMiss, token: HotToken, waiters: ReadonlyArray<Waiter>, wall: number): void {
    const { beliefs, firstUses, lease, monotonicMs } = this.options
    const { application, h0, h1, h2, h3, negativeEpoch } = miss
    const answer = answerFor(token, wall)
    const leaseHolds = lease.holds(monotonicMs(), wall)
    const tail = answer.statusCode === 200 ? answer.tail : tailOf(token)
    beliefs.keep(h0, h1, h2, h3, token, tail, leaseHolds)
    if (answer.statusCode !== 200 && token.tenantId === application.tenant.tenantId) {
      application.tenant.negatives.put(h0, h1, h2, h3, wall, negativeEpoch, answer)
    }
    let used = false
    for (const waiter of waiters) {
      const foreign = waiter.tenantId !== null && waiter.tenantId !== token.tenantId
      used ||= !foreign && !waiter.dryRun
      this.finish(waiter, foreign ? reply.unknownApplication : answer, wall)
    }
    if (answer.statusCode !== 200 || !used) return
    beliefs.uses.add(token.tokenId, wall)
    if (token.status === "Inactive") firstUses.tell(token.tenantId, token.tokenId)
  }

  /** One waiter's own trouble is not the others'. */
  private finish(waiter: Waiter, answer: Answer, wall: number): void {
    try {
      waiter.answer(answer, wall)
    } catch (bug) {
      this.options.onBug(bug)
    }
  }

  private left(count: number): void {
    this.waiting -= count
    if (this.waiting > 0 || this.drains.length === 0) return
    const drains = this.drains
    this.drains = []
    for (const resolve of drains) resolve()
  }
}

type Hash = readonly [number, number, number, number]

/** Writes what is known of last use to the store: hot uses first into the line, then the line in calls. */
const flushUses = Effect.fnUntraced(function* (beliefs: Beliefs, store: TokenUse["Service"]) {
  beliefs.hot.takeUses((tokenId, usedAt) => beliefs.uses.add(tokenId, usedAt))
  while (beliefs.uses.count > 0) {
    const uses = beliefs.uses.take(usesPerCall)
    const written = yield* Effect.isSuccess(store.record(uses))
    if (written) continue
    for (const { tokenId, usedAt } of uses) beliefs.uses.add(tokenId, usedAt)
    return
  }
})

const make = Effect.gen(function* () {
  const settings = yield* ActorsConfig
  const beliefs = yield* HotState
  const lease = yield* LeaseView
  const firstUses = yield* FirstUse
  const lookup = yield* TokenLookup
  const tokenUse = yield* TokenUse
  const cache = yield* ValidationCache
  const keyring = yield* Keyring
  const clock = yield* Clock.Clock
  const context = yield* Effect.context<never>()
  const log = Effect.runForkWith(context)
  const monotonicMs = () => monotonicMsUnsafe(clock)
  let bugLoggedAt = Number.NEGATIVE_INFINITY
  const path = new ValidationPath({
    settings,
    beliefs,
    lease,
    firstUses,
    lookup,
    cache,
    keyring,
    now: () => clock.currentTimeMillisUnsafe(),
    monotonicMs,
    onBug: (bug) => {
      if (monotonicMs() - bugLoggedAt < bugLogEveryMs) return
      bugLoggedAt = monotonicMs()
      log(Effect.logError("a validation failed by a bug", bug))
    },
    sipKey: makeSipKey()
  })
  const flush = flushUses(beliefs, tokenUse)
  const every = (loop: string, interval: Duration.Input, step: Effect.Effect<void>) =>
    Loop.forever(loop, Effect.delay(step, interval)).pipe(Effect.forkScoped)
  yield* every("validation sweep", sweepEvery, Effect.sync(path.sweep))
  yield* every("last uses", settings.lastUseInterval, flush)
  yield* every("validation metrics", metricsEvery, makePublish(path.counts))
  yield* Effect.addFinalizer(() => flush)
  const validator: Validator["Service"] = {
    answerUnsafe: path.answerUnsafe,
    validateUnsafe: path.validateUnsafe,
    drained: () => path.quiet().then(() => Effect.runPromiseWith(context)(flush)),
    inFlight: path.inFlight
  }
  return validator
})

export const layer = Layer.effect(Validator, make)
