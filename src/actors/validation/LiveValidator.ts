/**
 * The `Validator` as a layer: the validation path over the real clocks, stores and keys, and what has
 * to be done for it regularly: giving up what is overdue, writing down last uses, publishing counts.
 *
 * Last uses are written every `CM_LAST_USE_INTERVAL`, for a tenth of it at most, and what is left of them when the
 * layer ends, for `lastFlushFor` at most: a stop waits for nothing that may be late. What the store did not take is kept
 * for the next time. Bugs are logged, at most one a second.
 */
import { Clock, Duration, Effect, Layer, Metric } from "effect"
import { ValidationCache } from "../../cache/ValidationCache.ts"
import { LeaseView, monotonicMsUnsafe } from "../../coherence/Coherence.ts"
import { Keyring } from "../../crypto/Keyring.ts"
import * as Loop from "../../observability/Loop.ts"
import * as Seldom from "../../observability/Seldom.ts"
import { StoreUnavailable } from "../../store/StoreError.ts"
import { TokenLookup } from "../../store/TokenLookup.ts"
import { TokenUse, type TokenUsed, usesPerCallMax } from "../../store/TokenUse.ts"
import { ActorsConfig } from "../tenant/ActorsConfig.ts"
import * as HeldRefusals from "../tenant/HeldRefusals.ts"
import { Limits } from "../tenant/Limits.ts"
import { rowsChanged } from "../tenant/RowTagging.ts"
import { FirstUse } from "./FirstUse.ts"
import { type Beliefs, HotState } from "./HotState.ts"
import { makeSipKey } from "./SipHash.ts"
import { makePublish } from "./ValidationMetrics.ts"
import { ValidationPath } from "./ValidationPath.ts"
import { Validator } from "./Validator.ts"

const sweepEvery = "50 millis"
const metricsEvery = "1 second"
/** Uses of hot tokens in each call, though as many others wait as fill it. */
const hotPerCall = usesPerCallMax / 2
/** Of the time: a million tokens in use would be written without a pause, and MariaDB had little left for others. */
const flushShare = 0.1
/** Some 20,000 uses; with `CM_DRAIN_TIMEOUT` before it less than those who stop the service wait before they kill it. */
const lastFlushFor = Duration.seconds(5)

type Record = (uses: ReadonlyArray<TokenUsed>, leftMs: number) => Effect.Effect<void, StoreUnavailable>

/** Uses of hot tokens, as many as the next call takes. Where many entries have gone it looks for them in turns of the loop. */
const takeHot = Effect.fnUntraced(function* ({ hot, uses }: Beliefs) {
  let wanted = Math.max(usesPerCallMax - uses.count, hotPerCall)
  for (;;) {
    wanted -= hot.takeUses((tokenId, usedAt) => uses.add(tokenId, usedAt), wanted)
    if (wanted === 0 || hot.usesNoted === 0) return
    yield* Effect.yieldNow
  }
})

/**
 * Writes what is known of last use to the store, those that wait longest first, for so many milliseconds. What comes
 * meanwhile waits for the next time: tokens that are used all the time would be written all the time. Uses of hot
 * tokens stay in the table until there is a call for them.
 */
const flushUses = Effect.fnUntraced(function* (beliefs: Beliefs, record: Record, forMs: number) {
  const { hot, uses } = beliefs
  const endsAt = Number(yield* Clock.currentTimeNanos) / 1e6 + forMs
  for (let left = uses.count + hot.usesNoted; left > 0; ) {
    yield* takeHot(beliefs)
    const taken = uses.take(Math.min(left, usesPerCallMax))
    // Two of one token were one.
    if (taken.length === 0) return
    left -= taken.length
    const keep = () => {
      for (const { tokenId, usedAt } of taken) uses.add(tokenId, usedAt)
    }
    const leftMs = endsAt - Number(yield* Clock.currentTimeNanos) / 1e6
    const written = yield* Effect.isSuccess(record(taken, leftMs)).pipe(Effect.onInterrupt(() => Effect.sync(keep)))
    if (!written) keep()
    if (!written || Number(yield* Clock.currentTimeNanos) / 1e6 >= endsAt) return
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
  const limits = yield* Limits
  const refusals = yield* HeldRefusals.make
  const context = yield* Effect.context<never>()
  const log = Effect.runForkWith(context)
  const monotonicMs = () => monotonicMsUnsafe(clock)
  const bugs = yield* Seldom.make
  const changes = yield* Seldom.make
  const changed = Metric.withAttributes(rowsChanged, { kind: "token" })
  const fallen = Metric.withAttributes(rowsChanged, { kind: "revocation sequence" })
  beliefs.onFallen = (tenantId) => {
    fallen.updateUnsafe(1, context)
    log(
      Effect.logError("a tenant's revocation sequence was set back outside of the service: it begins anew", {
        tenantId
      })
    )
  }
  let sweepUnsafe = () => {}
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
    onBug: (bug) => bugs.tellUnsafe(Effect.logError("a validation failed by a bug", bug)),
    hold: refusals.hold,
    missesPerSecond: (tenantId) => limits.get(tenantId).missesPerSecond,
    onChanged: ({ tenantId, tokenId }) => {
      changed.updateUnsafe(1, context)
      changes.tellUnsafe(
        Effect.logError("the row of a token was changed outside of the service, and is not used", { tenantId, tokenId })
      )
    },
    onSome: () => sweepUnsafe(),
    sipKey: makeSipKey()
  })
  const flushSome = flushUses(beliefs, tokenUse.record, flushShare * Duration.toMillis(settings.lastUseInterval))
  const flushLast = Effect.andThen(
    flushUses(
      beliefs,
      (uses, leftMs) =>
        Effect.timeoutOrElse(tokenUse.record(uses), {
          duration: leftMs,
          orElse: () => Effect.fail(new StoreUnavailable({ operation: "TokenUse.record", outcome: "unknown" }))
        }),
      Duration.toMillis(lastFlushFor)
    ),
    Effect.suspend(() => {
      const count = beliefs.uses.count + beliefs.hot.usesNoted
      return count === 0 ? Effect.void : Effect.logWarning("last uses of tokens were left unwritten", { count })
    })
  )
  const every = (loop: string, interval: Duration.Input, step: Effect.Effect<void>) =>
    Loop.forever(loop, Effect.delay(step, interval)).pipe(Effect.forkScoped)
  // After the loops have ended, so that it is the only one that writes.
  yield* Effect.addFinalizer(() => flushLast)
  sweepUnsafe = yield* Loop.whileSome("validation sweep", sweepEvery, Effect.sync(path.sweep))
  yield* every("last uses", settings.lastUseInterval, flushSome)
  yield* every("validation metrics", metricsEvery, makePublish(path.counts))
  yield* Effect.addFinalizer(() => refusals.end)
  const validator: Validator["Service"] = {
    answerUnsafe: path.answerUnsafe,
    validateUnsafe: path.validateUnsafe,
    writeUnsafe: path.writeUnsafe,
    tenantOfUnsafe: path.tenantOfUnsafe,
    drained: () => path.quiet().then(() => Effect.runPromiseWith(context)(refusals.end)),
    inFlight: path.inFlight
  }
  return validator
})

export const layer = Layer.effect(Validator, make)
