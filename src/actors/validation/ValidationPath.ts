/**
 * The way of a validation: from its bytes (or texts) to its answer.
 *
 * A hit is answered inside the call: read the bytes, hash, look up, check lease, generation and
 * covered sequence, expiry, write, respond. No promise, no fiber, no log line. A miss is answered
 * when its statement has been read, with the token's state as it was in that snapshot, which began after
 * the request came: right with or without a lease.
 *
 * Requests that are given in one turn share one look at the clocks, at the first of them: all had arrived
 * by then, and what this replica believes changes in no turn of theirs, so each gets the answer of that moment.
 *
 * Nothing is ever thrown at the caller; a bug answers 500 once and is told to `onBug`.
 */
import { appNamePattern, isTokenValue } from "../../domain/Names.ts"
import { verdict } from "../../domain/TokenLifecycle.ts"
import { keyOf, names, RequestFrame } from "../../schema/EcapFrame.ts"
import { keyBytesMax } from "../../schema/PlainItems.ts"
import { LongRequests, usualBytesMax } from "../tenant/LongRequests.ts"
import { chunkOf } from "./Arena.ts"
import { inactiveFlag, rotatedFlag, toldFlag } from "./HotRecord.ts"
import { Misses, type MissesOptions } from "./Misses.ts"
import { SipHash } from "./SipHash.ts"
import type { Counts } from "./ValidationMetrics.ts"
import * as reply from "./ValidationReply.ts"
import type { Respond, Validator } from "./Validator.ts"
import { leaving, replyOf, type Waiter, waiterForBytes, waiterForTexts, writer } from "./Waiter.ts"

export interface ValidationPathOptions extends MissesOptions {
  /** 16 bytes that nobody outside knows. */
  readonly sipKey: Uint8Array
}

export class ValidationPath {
  private readonly sip: SipHash
  private readonly frame = new RequestFrame()
  private readonly itemKey = new Uint8Array(keyBytesMax)
  private readonly misses: Misses
  private readonly long = new LongRequests()
  private readonly options: ValidationPathOptions
  /** The moment of this turn, while it lasts. */
  private wall = 0
  private monotonic = 0
  private isTurn = false
  private readonly endTurn = () => {
    this.isTurn = false
  }
  hits = 0

  constructor(options: ValidationPathOptions) {
    this.options = options
    this.sip = new SipHash(options.sipKey)
    this.misses = new Misses(options)
    const { beliefs, firstUses } = options
    firstUses.onForgotten = (tokenId) => {
      const ref = beliefs.hot.findById(tokenId)
      if (ref !== 0) beliefs.hot.setTold(ref, false)
    }
  }

  // ---- the ways in ---------------------------------------------------------------------

  readonly answerUnsafe: Validator["Service"]["answerUnsafe"] = (request, respond, keepLittle) => {
    let responded = false
    try {
      if (!this.isTurn) this.beginTurn()
      const { wall } = this
      const now = this.fromBytes(request, wall, respond, keepLittle)
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

  private beginTurn(): void {
    this.wall = this.options.now()
    this.monotonic = this.options.monotonicMs()
    this.isTurn = true
    queueMicrotask(this.endTurn)
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
    if (!this.isTurn) this.beginTurn()
    const { wall } = this
    try {
      if (!appNamePattern.test(appName) || !isTokenValue(token)) {
        waiter.answer(reply.badRequest, wall)
        return
      }
      const key = keyOf(appName, token)
      this.sip.hash(key, 0, key.length)
      const leaseHolds = this.options.lease.holds(this.monotonic, wall)
      const ref = this.findHot(leaseHolds)
      // A hot Inactive token may be Active by now, which matters only to a caller who is told the status.
      const known = ref !== 0 && (this.options.beliefs.hot.flags(ref) & inactiveFlag) === 0
      if (known) waiter.answer(this.hotAnswer(ref, wall, waiter), wall)
      else this.miss(appName, token, leaseHolds, wall, waiter)
    } catch (bug) {
      this.options.onBug(bug)
      this.misses.answer(waiter, reply.broken, wall)
    }
  }

  readonly writeUnsafe: Validator["Service"]["writeUnsafe"] = (tenantId, items, item, verdicts) => {
    // What was written is answered, whatever comes of noting it.
    let isWritten = false
    try {
      if (!this.isTurn) this.beginTurn()
      const { itemKey, wall } = this
      this.sip.hash(itemKey, 0, items.putKey(itemKey, item))
      const ref = this.findHot(this.options.lease.holds(this.monotonic, wall))
      if (ref === 0) return false
      const { hot, tenants } = this.options.beliefs
      const isActive = (hot.flags(ref) & inactiveFlag) === 0 && wall < hot.expiresAt(ref)
      if (!isActive || tenants[hot.tenantIndex(ref)]!.tenantId !== tenantId) return false
      isWritten = verdicts.putActive(hot.bytesOf(ref), hot.tailStart(ref))
      // One that is not written goes by its texts, and is used there.
      if (isWritten) this.noteUse(ref, wall)
    } catch (bug) {
      this.options.onBug(bug)
    }
    return isWritten
  }

  readonly tenantOfUnsafe: Validator["Service"]["tenantOfUnsafe"] = (appName) =>
    appNamePattern.test(appName) ? this.misses.tenantOf(appName) : null

  readonly inFlight = (): number => this.misses.count

  /** Resolves when nothing waits. */
  readonly quiet = (): Promise<void> => this.misses.quiet()

  /** Called regularly while there is anything; answers whether there is. */
  readonly sweep = (): boolean => this.misses.sweep()

  /** What the metrics say of the path. */
  readonly counts = (): Counts => ({
    hits: this.hits,
    hotTokens: this.options.beliefs.hotCount(),
    waiting: this.misses.count,
    statements: this.misses.queue.statementCount,
    cacheHits: this.misses.queue.cacheHits,
    cacheDisbelieved: this.options.beliefs.disbelieved,
    usesDropped: this.options.beliefs.uses.dropped
  })

  // ---- the hit --------------------------------------------------------------------------

  /** The bytes of a 200 or another answer, to give now; undefined when `respond` will be called later. */
  private fromBytes(
    request: Uint8Array,
    wall: number,
    respond: Respond,
    keepLittle?: () => void
  ): Uint8Array | reply.Answer | undefined {
    const { frame, sip } = this
    if (!frame.read(request)) return reply.undecodable
    if (frame.timeout !== 0 || !frame.timesExact) {
      const refusal = frame.timeoutIsNegative() ? reply.badRequest : frame.hasPassed(wall) ? reply.passed : null
      // What cannot be read is that above all, however late it is.
      if (refusal !== null) return names(request, frame) === "undecodable" ? reply.undecodable : refusal
    }
    if (frame.isTooLong()) return names(request, frame) === "undecodable" ? reply.undecodable : reply.badRequest
    if (frame.keyCanonical) sip.hash(request, frame.keyStart, request.length)
    else {
      const texts = names(request, frame)
      if (texts === "undecodable") return reply.undecodable
      if (texts === "invalid") return reply.badRequest
      const key = keyOf(texts.appName, texts.token)
      sip.hash(key, 0, key.length)
    }
    const leaseHolds = this.options.lease.holds(this.monotonic, wall)
    const ref = this.findHot(leaseHolds)
    if (ref !== 0) {
      const { hot } = this.options.beliefs
      if (wall >= hot.expiresAt(ref)) return this.hotAnswer(ref, wall, null)
      this.noteUse(ref, wall)
      const { correlationEnd, correlationStart } = frame
      const words = hot.chunks[chunkOf(ref)]!.words
      const tailWord = hot.tailStart(ref) >>> 2
      return writer.writeWords(request, correlationStart, correlationEnd, wall, words, tailWord, hot.tailLength(ref))
    }
    const texts = names(request, frame)
    if (texts === "undecodable") return reply.undecodable
    if (texts === "invalid") return reply.badRequest
    const waiter = waiterForBytes(request, frame, respond, keepLittle)
    if (request.length <= usualBytesMax) this.miss(texts.appName, texts.token, leaseHolds, wall, waiter)
    else {
      const { length } = request
      if (!this.long.enter(length)) return reply.tooMany
      let isInside = true
      const left = () => {
        if (isInside) this.long.leave(length)
        isInside = false
      }
      try {
        this.miss(texts.appName, texts.token, leaseHolds, wall, leaving(waiter, left))
      } catch (bug) {
        left()
        throw bug
      }
    }
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
  private hotAnswer(ref: number, wall: number, waiter: Waiter | null): reply.Answer {
    const { beliefs } = this.options
    const { hot } = beliefs
    const tenantId = beliefs.tenants[hot.tenantIndex(ref)]!.tenantId
    if (waiter !== null && waiter.tenantId !== null && waiter.tenantId !== tenantId) return reply.unknownApplication
    const flags = hot.flags(ref)
    const state = {
      status: (flags & inactiveFlag) === 0 ? ("Active" as const) : ("Inactive" as const),
      endsAt: hot.expiresAt(ref),
      ending: (flags & rotatedFlag) === 0 ? ("expired" as const) : ("rotated" as const)
    }
    const { reasonPhrase, statusCode } = verdict(state, wall)
    if (statusCode === 200 && waiter !== null && !waiter.dryRun) this.noteUse(ref, wall)
    return new reply.KnownAnswer({
      tokenId: hot.tokenId(ref),
      endpointId: hot.endpointId(ref),
      statusCode,
      reasonPhrase,
      status: statusCode === 200 ? state.status : "Revoked"
    })
  }

  private miss(appName: string, token: string, leaseHolds: boolean, wall: number, waiter: Waiter): void {
    const { h0, h1, h2, h3 } = this.sip
    this.misses.take({ appName, token, h0, h1, h2, h3, waiter }, leaseHolds, wall)
  }
}
