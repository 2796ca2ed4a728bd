// Verifies R-REF-13, R-REF-14, R-REF-15.
/** What an answer says of the provider and of the client, and what who asks is told while there is no turn. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import type { Credential } from "../../../src/domain/Credential.ts"
import { providerOf } from "../../../src/domain/Provider.ts"
import type { RawAnswer } from "../../../src/domain/ProviderAnswer.ts"
import type { Refresh } from "../../../src/domain/Refresh.ts"
import { whyNot } from "../../../src/rotation/Ended.ts"
import type { Kept } from "../../../src/rotation/Exchange.ts"
import * as HeldTurns from "../../../src/rotation/HeldTurns.ts"
import type { Job } from "../../../src/rotation/RefreshJob.ts"
import type { RefreshWork } from "../../../src/rotation/RefreshWork.ts"
import type { Known } from "../../../src/rotation/StoredAnswers.ts"
import { pickedMs, RefreshStore, type Turn } from "../../../src/store/RefreshStore.ts"

const provider = providerOf({ name: "p", token_url: "https://provider.example/token" })
const now = 1_800_000_000_000

const keptOf = (outcome: Kept["outcome"]): Kept => ({
  term: 1,
  spends: 1,
  spent: "f",
  claimedAt: now,
  secret: {},
  sent: [],
  outcome
})
const answered = (status: number, body: unknown, retryAfter: string | null = null) => {
  const raw: RawAnswer = {
    status,
    contentType: "application/json",
    retryAfter,
    receivedAt: now,
    body: JSON.stringify(body)
  }
  return HeldTurns.resultOf(keptOf({ _tag: "Answer", raw }), provider)
}
const failedBy = (reason: string) =>
  HeldTurns.resultOf(keptOf({ _tag: "Failure", reason, mayHaveArrived: false }), provider)

describe("what an exchange says of the provider and of the client", () => {
  it("nothing, where nobody was asked", () => {
    assert.deepStrictEqual(HeldTurns.resultOf(null, provider), { _tag: "none" })
    assert.deepStrictEqual(failedBy("blocked_url"), { _tag: "none" })
  })

  it("that both are well, where it answered: with a grant, or that this one is over", () => {
    assert.deepStrictEqual(answered(200, { access_token: "a", refresh_token: "r" }), { _tag: "ok" })
    assert.deepStrictEqual(answered(400, { error: "invalid_grant" }), { _tag: "ok" })
  })

  it("that the client is none of its own", () => {
    assert.deepStrictEqual(answered(401, { error: "invalid_client" }), { _tag: "client" })
    assert.deepStrictEqual(failedBy("invalid_client"), { _tag: "client" })
  })

  it("that the provider is not well", () => {
    for (const status of [500, 503]) assert.deepStrictEqual(answered(status, {}), { _tag: "provider" })
    for (const reason of ["timeout", "refused", "too_long"])
      assert.deepStrictEqual(failedBy(reason), { _tag: "provider" })
  })

  it("that it was asked too often: for as long as it says, or five seconds", () => {
    assert.deepStrictEqual(answered(429, {}, "20"), { _tag: "limited", retryAfterMs: 20_000 })
    assert.deepStrictEqual(answered(429, {}), { _tag: "limited", retryAfterMs: 5_000 })
  })
})

const credentialId = "01900000-0000-7000-8000-000000000001"

/** Turns that are not to be had, and what was put back. */
const taking = (turns: ReadonlyArray<Turn>, asked: boolean) => {
  const back: Array<number> = []
  let taken = 0
  const store = Layer.mock(RefreshStore, {
    takeTurn: () => Effect.sync(() => turns[Math.min(taken++, turns.length - 1)]!),
    putBack: (_, forMs) => Effect.sync(() => void back.push(forMs))
  })
  const job = { tenantId: "demo", credentialId, asked } as Job
  const known = { provider, route: {} } as Known
  const take = Effect.gen(function* () {
    const { takeTurn } = yield* HeldTurns.make({} as RefreshWork, { exchangeMs: 1_000, holdMs: 30_000 })
    return yield* takeTurn(job, known, false)
  }).pipe(Effect.provide(store))
  return { back, take, taken: () => taken }
}

describe("where there is no turn", () => {
  it.effect("a circuit is told by whose it is", () =>
    Effect.gen(function* () {
      for (const [of, reason] of [
        ["client", "invalid_client"],
        ["provider", "provider_down"]
      ] as const) {
        const { take } = taking([{ _tag: "Open", of, retryAfterMs: 700 }], true)
        assert.deepInclude(yield* Effect.flip(take), { _tag: "ProviderFailed", reason, retryAfterMs: 700 })
      }
    })
  )

  it.effect("who asks waits eight seconds in all, and is told how long it would take", () =>
    Effect.gen(function* () {
      const full: Turn = { _tag: "Full", retryAfterMs: 4_000 }
      const had = taking([full, full, { _tag: "Taken", turnId: 9 }], true)
      const waiting = yield* Effect.forkChild(had.take, { startImmediately: true })
      yield* TestClock.adjust("3999 millis")
      assert.strictEqual(had.taken(), 1)
      yield* TestClock.adjust("4001 millis")
      assert.deepStrictEqual(yield* Fiber.join(waiting), { id: 9, until: 38_000 })
      const never = taking([full, { ...full, retryAfterMs: 4_001 }], true)
      const told = yield* Effect.forkChild(Effect.flip(never.take), { startImmediately: true })
      yield* TestClock.adjust("4 seconds")
      assert.deepInclude(yield* Fiber.join(told), { reason: "rate_limited", retryAfterMs: 4_001 })
      assert.deepStrictEqual([never.taken(), never.back], [2, []])
    })
  )

  it.effect(
    "what nobody waits for is put back until there may be one, and picked again at the latest as if it was forgotten",
    () =>
      Effect.gen(function* () {
        for (const [retryAfterMs, forMs] of [
          [700, 700],
          [10 * pickedMs, pickedMs - 1]
        ] as const) {
          for (const turn of [
            { _tag: "Full", retryAfterMs },
            { _tag: "Open", of: "client", retryAfterMs }
          ] as const) {
            const { back, take } = taking([turn], false)
            assert.isNull(yield* take)
            assert.deepStrictEqual(back, [forMs])
          }
        }
      })
  )
})

it("who waits in vain is told why, as far as it is known, and when it comes again", () => {
  const told = (grant: object, lastError: object | null = null) =>
    whyNot(
      { credentialId } as Credential,
      { grant: { isFinal: false, doubtSince: null, nextAttemptAt: null, ...grant }, lastError } as unknown as Refresh,
      now
    )
  assert.deepInclude(told({ isFinal: true, doubtSince: 1 }), { _tag: "ReconnectNeeded", credentialId })
  assert.deepInclude(told({ doubtSince: 1 }), { _tag: "RefreshInDoubt", credentialId })
  const later = { nextAttemptAt: now + 30 }
  assert.deepInclude(told(later, { reason: "timeout" }), { reason: "timeout", retryAfterMs: 30 })
  assert.deepInclude(told(later), { _tag: "ProviderFailed", reason: "unknown", retryAfterMs: 30 })
  assert.deepInclude(told({ nextAttemptAt: now - 30 }), { retryAfterMs: 0 })
  assert.deepInclude(told({}), { retryAfterMs: null })
})
