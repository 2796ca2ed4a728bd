// Verifies R-RUN-16.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Logger, Metric, Scope } from "effect"
import { TestClock } from "effect/testing"
import { ActorsConfig } from "../../../../src/actors/tenant/ActorsConfig.ts"
import type { ValidationAnswer } from "../../../../src/actors/tenant/Tenants.ts"
import { FirstUse } from "../../../../src/actors/validation/FirstUse.ts"
import { type Beliefs, HotState } from "../../../../src/actors/validation/HotState.ts"
import * as LiveValidator from "../../../../src/actors/validation/LiveValidator.ts"
import { Uses, usesWaitingMax } from "../../../../src/actors/validation/Uses.ts"
import { Validator } from "../../../../src/actors/validation/Validator.ts"
import { ValidationCache } from "../../../../src/cache/ValidationCache.ts"
import { LeaseView } from "../../../../src/coherence/Coherence.ts"
import { Keyring } from "../../../../src/crypto/Keyring.ts"
import { encodeTail } from "../../../../src/schema/EcapReply.ts"
import { StoreUnavailable } from "../../../../src/store/StoreError.ts"
import { TokenLookup } from "../../../../src/store/TokenLookup.ts"
import { TokenUse, type TokenUsed, usesPerCallMax } from "../../../../src/store/TokenUse.ts"
import { countingSleeps } from "../../../support/sleepsAsked.ts"
import { hashOf, keyringOf, tokenIdOf } from "../../../support/validationWorld.ts"

const settings = {
  hotTokensMax: 100,
  kvCache: false,
  kvFirstMax: 0,
  missesPerTenantMax: 10,
  missesMax: 20,
  missStatementsMax: 1,
  missTimeout: Duration.seconds(2),
  lastUseInterval: Duration.seconds(5),
  tombstonesPerTenantMax: 10
}

/** The layer over one Active token, a lookup that may hang, and a use store that may fail. */
const setup = Effect.fnUntraced(function* (own: Partial<typeof settings>) {
  const recorded: Array<ReadonlyArray<TokenUsed>> = []
  const logged: Array<ReadonlyArray<unknown>> = []
  const state = {
    failUses: false,
    hang: false,
    hangNames: false,
    isThere: true,
    onRecord: () => {},
    /** What the store waits for before it has written anything. */
    before: Effect.void as Effect.Effect<void>
  }
  const row = {
    tenantId: "acme",
    appName: "app",
    tokenId: tokenIdOf(1),
    endpointId: "e",
    status: "Active" as const,
    version: 1,
    endsAt: null,
    ending: "expired" as const,

    readSeq: 0,
    cacheKey: hashOf("app", "value1").toString("hex")
  }
  const neighbours = Layer.mergeAll(
    Layer.succeed(ActorsConfig, { ...settings, ...own }),
    Layer.succeed(
      Keyring,
      keyringOf(["k1"], () => true)
    ),
    Layer.succeed(TokenLookup, {
      byHash: () => (state.hang ? new Promise<never>(() => {}) : Promise.resolve([state.isThere ? row : undefined])),
      applications: () =>
        state.hangNames ? new Promise<never>(() => {}) : Promise.resolve([{ appName: "app", tenantId: "acme" }])
    }),
    Layer.succeed(TokenUse, {
      record: (uses) =>
        Effect.suspend(() => {
          if (state.failUses) return Effect.fail(new StoreUnavailable({ operation: "record", outcome: "none" }))
          // One that asks for nothing, without an end, would leave no test its turn.
          if (recorded.length > 50) return Effect.die("the store is asked for ever")
          recorded.push(uses)
          state.onRecord()
          return state.before
        })
    }),
    ValidationCache.layerNoop,
    FirstUse.layer,
    LeaseView.layer,
    Logger.layer([Logger.make(({ logLevel, message }) => logged.push([logLevel, ...(message as Array<unknown>)]))])
  )
  const scope = yield* Scope.make()
  const context = yield* LiveValidator.layer.pipe(
    Layer.provideMerge(HotState.layer),
    Layer.provideMerge(neighbours),
    Layer.buildWithScope(scope)
  )
  const lease = yield* LeaseView.pipe(Effect.provide(context))
  lease.trustedUntilMonotonicMs = Number.POSITIVE_INFINITY
  lease.trustedUntilWallMs = Number.POSITIVE_INFINITY
  const validator = yield* Validator.pipe(Effect.provide(context))
  const validate = (token: string) =>
    Effect.callback<ValidationAnswer>((resume) =>
      validator.validateUnsafe(null, "app", token, false, (answer) => resume(Effect.succeed(answer)))
    )
  const beliefs = yield* HotState.pipe(Effect.provide(context))
  return { beliefs, logged, recorded, scope, state, validate, validator }
})

describe("the validator's layer", () => {
  it.effect("tells each second what it has counted since", () =>
    Effect.gen(function* () {
      const names = ["cm_validation_hot_hits_total", "cm_validation_statements_total", "cm_hot_tokens"]
      const told = Effect.map(Metric.snapshot, (all) =>
        names.map((name) => {
          const state = all.find(({ id }) => id === name)?.state as { count?: number; value?: number } | undefined
          return Number(state?.count ?? state?.value ?? 0)
        })
      )
      const { validate } = yield* setup({})
      const [hits = 0, statements = 0] = yield* told
      for (let time = 0; time < 4; time++) yield* validate("value1")
      for (let second = 0; second < 2; second++) {
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* told, [hits + 3, statements + 1, 1])
      }
    })
  )

  it.effect("records last uses in batches, the newest of each token, and not at each validation", () =>
    Effect.gen(function* () {
      const { recorded, validate } = yield* setup({})
      yield* validate("value1")
      yield* TestClock.adjust("1 second")
      for (let time = 0; time < 10; time++) yield* validate("value1")
      assert.deepStrictEqual(recorded, [])
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(recorded, [[{ tokenId: tokenIdOf(1), usedAt: 1_000 }]])
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(recorded.length, 1)
    })
  )

  it.effect("records many last uses in calls of few, so that no change of a token waits behind all of them", () =>
    Effect.gen(function* () {
      const { beliefs, recorded } = yield* setup({})
      const ids = Array.from({ length: 1_000 }, (_, number) => tokenIdOf(number))
      for (const tokenId of ids) beliefs.uses.add(tokenId, 1)
      yield* TestClock.adjust("5 seconds")
      assert.sameMembers(
        recorded.flat().map(({ tokenId }) => tokenId),
        ids
      )
      assert.isAtMost(Math.max(...recorded.map(({ length }) => length)), usesPerCallMax)
      assert.isAtMost(usesPerCallMax, 256)
    })
  )

  it.effect("writes a token that is used all the time once in each interval", () =>
    Effect.gen(function* () {
      const { beliefs, recorded, state } = yield* setup({})
      const ids = Array.from({ length: 2 * usesPerCallMax }, (_, number) => tokenIdOf(number))
      const useAll = (at: number) => {
        for (const tokenId of ids) beliefs.uses.add(tokenId, at)
      }
      // While the store takes some, all are used again; a few times only, so that without an end the test still has one.
      state.onRecord = () => {
        if (recorded.length < 10) useAll(recorded.length)
      }
      useAll(0)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(recorded.flat().length, ids.length)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(recorded.flat().length, 2 * ids.length)
    })
  )

  it.effect("writes for a tenth of the time, those that wait longest first, and goes on the next time", () =>
    Effect.gen(function* () {
      const { beliefs, recorded, state } = yield* setup({})
      const ids = Array.from({ length: 10 * usesPerCallMax }, (_, number) => tokenIdOf(number))
      for (const tokenId of ids) beliefs.uses.add(tokenId, 1)
      state.before = TestClock.adjust("200 millis")
      yield* TestClock.adjust("5 seconds")
      for (let turns = 0; turns < 100; turns++) yield* Effect.yieldNow
      // Three calls are over half a second.
      assert.deepStrictEqual(
        recorded.flat().map(({ tokenId }) => tokenId),
        ids.slice(0, 3 * usesPerCallMax)
      )
      for (let flushes = 0; flushes < 20 && recorded.length < 10; flushes++) {
        yield* TestClock.adjust("5 seconds")
        for (let turns = 0; turns < 100; turns++) yield* Effect.yieldNow
      }
      assert.deepStrictEqual(
        recorded.flat().map(({ tokenId }) => tokenId),
        ids
      )
    })
  )

  it.effect("writes uses of hot tokens, too, while there are always others that fill a call", () =>
    Effect.gen(function* () {
      const { beliefs, recorded, state, validate } = yield* setup({})
      yield* validate("value1")
      yield* TestClock.adjust("5 seconds")
      // It is hot.
      yield* validate("value1")
      let other = 1_000
      const others = () => {
        for (let count = 0; count < usesPerCallMax; count++) beliefs.uses.add(tokenIdOf(other++), 1)
      }
      others()
      others()
      state.before = TestClock.adjust("10 seconds")
      state.onRecord = others
      for (let flushes = 0; flushes < 4; flushes++) yield* TestClock.adjust("15 seconds")
      const written = recorded.flat().filter(({ tokenId }) => tokenId === tokenIdOf(1))
      assert.deepStrictEqual(
        written.map(({ usedAt }) => usedAt),
        [0, 5_000]
      )
    })
  )

  /** So many hot entries, each of which was used. */
  const useHot = (beliefs: Beliefs, count: number): ReadonlyArray<number> =>
    Array.from({ length: count }, (_, number) => {
      const ref = beliefs.hot.put({
        h0: number,
        h1: number,
        h2: number,
        h3: number,
        tenantIndex: 0,
        applicationIndex: 0,
        version: 1,
        readSeq: 0,
        expiresAt: Number.POSITIVE_INFINITY,
        flags: 0,
        tail: encodeTail({ tokenId: tokenIdOf(number), endpointId: "e", statusCode: 200, reasonPhrase: null })
      })
      beliefs.hot.use(ref, 1)
      return ref
    })

  it.effect("writes all last uses in one interval, though most of the tokens used before them went", () =>
    Effect.gen(function* () {
      const { beliefs, recorded } = yield* setup({ hotTokensMax: 10_000 })
      const refs = useHot(beliefs, 10_000)
      // What went has left its use to be written with others. Asked here is what comes behind it.
      for (const ref of refs.slice(0, 9_500)) beliefs.hot.remove(ref)
      beliefs.uses.take(9_500)
      yield* TestClock.adjust("5 seconds")
      assert.sameMembers(
        recorded.flat().map(({ tokenId }) => tokenId),
        Array.from({ length: 500 }, (_, number) => tokenIdOf(9_500 + number))
      )
      assert.strictEqual(beliefs.hot.usesNoted, 0)
    })
  )

  it.effect("ends a flush in which two uses of one token were one", () =>
    Effect.gen(function* () {
      const { beliefs, recorded } = yield* setup({})
      const [ref] = useHot(beliefs, 1)
      beliefs.hot.remove(ref!)
      useHot(beliefs, 1)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(recorded, [[{ tokenId: tokenIdOf(0), usedAt: 1 }]])
    })
  )

  it.effect("writes in its end what a flush has in hand just then", () =>
    Effect.gen(function* () {
      const { beliefs, recorded, scope, state } = yield* setup({})
      const ids = Array.from({ length: 3 * usesPerCallMax }, (_, number) => tokenIdOf(number))
      for (const tokenId of ids) beliefs.uses.add(tokenId, 1)
      state.before = Effect.never
      yield* TestClock.adjust("5 seconds")
      assert.lengthOf(recorded, 1)
      state.before = Effect.void
      yield* Scope.close(scope, Exit.void)
      assert.sameMembers(
        recorded.slice(1).flatMap((uses) => uses.map(({ tokenId }) => tokenId)),
        ids
      )
    })
  )

  it.effect("ends in its time, though more last uses wait than it can write, and says how many are left", () =>
    Effect.gen(function* () {
      const { beliefs, logged, recorded, scope, state } = yield* setup({})
      for (let number = 0; number < 10 * usesPerCallMax; number++) beliefs.uses.add(tokenIdOf(number), 1)
      useHot(beliefs, 7)
      state.before = TestClock.adjust("2 seconds")
      yield* Scope.close(scope, Exit.void)
      assert.lengthOf(recorded, 3)
      // The third call is cut off when the time is over: what it writes may be written.
      assert.strictEqual(beliefs.uses.count + beliefs.hot.usesNoted, 8 * usesPerCallMax)
      assert.deepStrictEqual(logged, [
        ["Warn", "last uses of tokens were left unwritten", { count: 8 * usesPerCallMax }]
      ])
    })
  )

  it.effect("ends in its time, though the store says nothing", () =>
    Effect.gen(function* () {
      const { logged, scope, state, validate } = yield* setup({})
      yield* validate("value1")
      state.before = Effect.never
      const ending = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      for (let turns = 0; turns < 100; turns++) yield* Effect.yieldNow
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(ending)
      assert.deepStrictEqual(logged, [["Warn", "last uses of tokens were left unwritten", { count: 1 }]])
    })
  )

  it.effect("keeps the uses that the store did not take, for the next time", () =>
    Effect.gen(function* () {
      const { recorded, state, validate } = yield* setup({})
      state.failUses = true
      yield* validate("value1")
      yield* TestClock.adjust("5 seconds")
      state.failUses = false
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(recorded, [[{ tokenId: tokenIdOf(1), usedAt: 0 }]])
    })
  )

  it.effect("is drained when all are answered, and records the last uses when it ends", () =>
    Effect.gen(function* () {
      const { logged, recorded, scope, validate, validator } = yield* setup({})
      yield* validate("value1")
      yield* Effect.promise(() => validator.drained())
      assert.deepStrictEqual(recorded, [])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(recorded, [[{ tokenId: tokenIdOf(1), usedAt: 0 }]])
      assert.deepStrictEqual(logged, [])
    })
  )

  it.effect("is drained when those over a limit know it, too, though they are told a moment later", () =>
    Effect.gen(function* () {
      const { validate, validator } = yield* setup({ missesPerTenantMax: 1, missesMax: 2 })
      yield* validate("value1")
      const told: Array<number> = []
      for (const value of ["a", "b", "c"]) {
        validator.validateUnsafe(null, "app", value, false, ({ statusCode }) => told.push(statusCode))
      }
      assert.isEmpty(told)
      yield* Effect.promise(() => validator.drained())
      assert.sameMembers(told, [200, 429, 429])
    })
  )

  it.effect("ends what hangs, by itself", () =>
    Effect.gen(function* () {
      const { state, validate, validator } = yield* setup({})
      yield* validate("value1")
      state.hang = true
      let answer: ValidationAnswer | undefined
      validator.validateUnsafe(null, "app", "other", false, (given) => {
        answer = given
      })
      yield* Effect.promise(() => Promise.resolve())
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(answer?.statusCode, 503)
      assert.strictEqual(validator.inFlight(), 0)
    })
  )

  it.effect("ends what hangs as early after a rest of an hour: a name, a token, and a name that nobody waits for", () =>
    Effect.gen(function* () {
      const { state, validate, validator } = yield* setup({})
      const given: Array<number> = []
      const ask = (value: string) =>
        validator.validateUnsafe(null, "app", value, false, ({ statusCode }) => given.push(statusCode))
      yield* TestClock.adjust("1 hour")
      state.hangNames = true
      ask("value1")
      yield* TestClock.adjust("2050 millis")
      assert.deepStrictEqual(given, [503])
      yield* TestClock.adjust("1 hour")
      assert.isNull(validator.tenantOfUnsafe("app"))
      yield* TestClock.adjust("2050 millis")
      state.hangNames = false
      // Not behind the one that was given up.
      assert.strictEqual((yield* validate("value1")).statusCode, 200)
      yield* TestClock.adjust("1 hour")
      state.hang = true
      ask("other")
      yield* Effect.promise(() => Promise.resolve())
      yield* TestClock.adjust("2050 millis")
      assert.deepStrictEqual(given, [503, 503])
    })
  )

  it.effect("lets go of refusals that it remembered when they are over, and rests then", () =>
    countingSleeps((sleeps) =>
      Effect.gen(function* () {
        const { beliefs, state, validator } = yield* setup({ lastUseInterval: Duration.hours(2) })
        state.isThere = false
        const refused = yield* Effect.callback<number>((resume) =>
          validator.validateUnsafe(null, "app", "other", false, ({ statusCode }) => resume(Effect.succeed(statusCode)))
        )
        assert.strictEqual(refused, 404)
        const { negatives } = beliefs.tenant("acme")
        assert.strictEqual(negatives.count, 1)
        yield* TestClock.adjust("1050 millis")
        assert.strictEqual(negatives.count, 0)
        // What is left are the counts, each second.
        const before = sleeps()
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(sleeps() - before, 60)
      })
    )
  )
})

describe("Uses", () => {
  it("keeps the newest use of each token and hands out no more than asked for", () => {
    const uses = new Uses()
    uses.add("a", 2)
    uses.add("a", 1)
    uses.add("b", 3)
    uses.add("a", 4)
    assert.deepStrictEqual(uses.take(1), [{ tokenId: "a", usedAt: 4 }])
    assert.deepStrictEqual(uses.take(9), [{ tokenId: "b", usedAt: 3 }])
    assert.strictEqual(uses.count, 0)
  })

  it("is bounded: what does not fit is dropped and counted", () => {
    const uses = new Uses()
    for (let number = 0; number < usesWaitingMax + 5; number++) uses.add(String(number), 1)
    uses.add("0", 2)
    assert.deepStrictEqual([uses.count, uses.dropped], [usesWaitingMax, 5])
  })
})
