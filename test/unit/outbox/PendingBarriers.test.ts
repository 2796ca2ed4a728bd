// Verifies R-REV-7, R-SEC-30.
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Coherence } from "../../../src/coherence/Coherence.ts"
import { decodeApply, encode, inPieces } from "../../../src/coherence/Messages.ts"
import type { Revocation } from "../../../src/domain/Revocation.ts"
import { putOrphansInForce } from "../../../src/outbox/PendingBarriers.ts"
import { memoryOutbox } from "../../support/memoryOutbox.ts"

/** What is carried of a row that says this. */
const carried = Effect.fnUntraced(function* (targets: unknown) {
  const carriedNow: Array<Revocation> = []
  const outbox = memoryOutbox()
  outbox.pending.push({ tenantId: "demo", seq: 7, targets, ageMs: 60_000 })
  const unused = () => assert.fail("is not called")
  const coherence = Coherence.of({
    putInForce: unused,
    putInForceAndTell: (revocation) => Effect.sync(() => void carriedNow.push(revocation)),
    announceUnsafe: unused,
    onInForceUnsafe: unused,
    tellNowUnsafe: unused,
    lapse: Effect.succeed(null),
    settled: Effect.void
  })
  const layer = Layer.mergeAll(outbox.layer, Layer.succeed(Coherence, coherence))
  assert.strictEqual(yield* putOrphansInForce(1).pipe(Effect.provide(layer)), 1)
  assert.deepInclude(carriedNow[0], { tenantId: "demo", seq: 7 })
  return carriedNow[0]?.targets
})

const token = { kind: "token", tokenId: "t", appName: "a", cacheKey: "0a", version: 3, usableUntil: null } as const

it.effect("a pending revocation is carried as it stands, but for what it says that a tenant may", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual(yield* carried([token, { kind: "service", serviceName: "s" }]), [
      token,
      { kind: "service", serviceName: "s" }
    ])
    assert.deepStrictEqual(yield* carried([{ kind: "settings", limits: { tokens: 1_000_000_000 } }]), [
      { kind: "settings" }
    ])
  })
)

it.effect("one whose row says nothing that can be read takes everything of the tenant away that is remembered", () =>
  Effect.gen(function* () {
    for (const stored of [null, 5, [], {}, [null], [{ kind: "nobody" }], [token, { kind: "token" }]]) {
      assert.deepStrictEqual(yield* carried(stored), [{ kind: "tenant" }, { kind: "settings" }], JSON.stringify(stored))
    }
  })
)

it.effect(
  "one whose row says more than a message between replicas may hold does so, too: no replica loses its lease",
  () =>
    Effect.gen(function* () {
      const named = (appName: string) =>
        Array.from({ length: 1_000 }, () => ({ kind: "application" as const, appName }))
      assert.deepStrictEqual(yield* carried(named("\u20ac".repeat(1_024))), [{ kind: "tenant" }, { kind: "settings" }])
      const longest = { ...token, appName: "\u20ac".repeat(64), cacheKey: "0".repeat(64), tokenId: "0".repeat(36) }
      const many = Array.from({ length: 1_000 }, () => longest)
      const kept = yield* carried(many)
      assert.deepStrictEqual(kept, many)
      const revocations = inPieces([{ tenantId: "demo", seq: 7, targets: kept! }])[0]!
      assert.isNotNull(decodeApply(encode({ from: "one.1", id: 1, revocations })))
    })
)
