// Verifies R-GWY-9.
/** Whose an issuer is, over a service that answers when and what the test says: asked once, believed for a while, bounded. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Result } from "effect"
import { TestClock } from "effect/testing"
import { Bus } from "../../../src/gateway/Bus.ts"
import * as TenantByIssuer from "../../../src/gateway/TenantByIssuer.ts"

/** A service that knows these issuers, and is asked in vain until `held` is done. */
const world = Effect.gen(function* () {
  const owners = new Map([["https://acme.example", "acme"]])
  const asked: Array<string> = []
  const state: { held: Deferred.Deferred<void> | null } = { held: null }
  const bus = Layer.succeed(Bus, {
    instance: "cm",
    isUp: () => true,
    hear: () => () => {},
    ask: (subject, payload) =>
      Effect.gen(function* () {
        assert.strictEqual(subject, "cm.gateway.v1.resolve")
        const { issuer } = JSON.parse(payload) as { readonly issuer: string }
        asked.push(issuer)
        if (state.held !== null) yield* Deferred.await(state.held)
        const tenantId = owners.get(issuer)
        const body = tenantId === undefined ? { error: { code: "TENANT_NOT_FOUND", statusCode: 404 } } : { tenantId }
        const data = Buffer.from(JSON.stringify(body))
        return { status: tenantId === undefined ? 404 : 200, correlationId: "", data }
      })
  })
  const tenants = yield* TenantByIssuer.make.pipe(Effect.provide(bus))
  /** The tenant, or the code of the refusal. */
  const find = (issuer: string) =>
    tenants.find(issuer, null).pipe(
      Effect.result,
      Effect.map((found) => (Result.isSuccess(found) ? found.success : found.failure.code))
    )
  return { owners, asked, state, tenants, find }
})

describe("whose an issuer is", () => {
  it.effect("is asked once for all who wait, and believed for a minute; that it is nobody's for five seconds", () =>
    Effect.gen(function* () {
      const { asked, find, owners, state } = yield* world
      state.held = Deferred.makeUnsafe<void>()
      const waiting = yield* Effect.forEach([1, 2, 3], () =>
        Effect.forkChild(find("https://acme.example"), { startImmediately: true })
      )
      yield* Deferred.succeed(state.held, undefined)
      assert.deepStrictEqual(yield* Fiber.joinAll(waiting), ["acme", "acme", "acme"])
      assert.strictEqual(yield* find("https://new.example"), "UNAUTHENTICATED")
      assert.deepStrictEqual(asked, ["https://acme.example", "https://new.example"])
      owners.set("https://acme.example", "other").set("https://new.example", "new")
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual(yield* find("https://new.example"), "UNAUTHENTICATED")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* find("https://new.example"), "new")
      yield* TestClock.adjust("54999 millis")
      assert.strictEqual(yield* find("https://acme.example"), "acme")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* find("https://acme.example"), "other")
    })
  )

  it.effect("is asked again when the service judged otherwise", () =>
    Effect.gen(function* () {
      const { find, owners, tenants } = yield* world
      assert.strictEqual(yield* find("https://acme.example"), "acme")
      owners.set("https://acme.example", "other")
      tenants.forget("https://acme.example")
      assert.strictEqual(yield* find("https://acme.example"), "other")
    })
  )

  it.effect("is asked for 64 issuers at once and no more, and who asks for one of those waits", () =>
    Effect.gen(function* () {
      const { asked, find, state } = yield* world
      state.held = Deferred.makeUnsafe<void>()
      const issuers = Array.from({ length: 64 }, (_, n) => `https://i${n}.example`)
      const waiting = yield* Effect.forEach([...issuers, issuers[0]!], (issuer) =>
        Effect.forkChild(find(issuer), { startImmediately: true })
      )
      const oneMore = yield* Effect.forkChild(find("https://acme.example"), { startImmediately: true })
      assert.deepStrictEqual(asked, issuers)
      yield* Deferred.succeed(state.held, undefined)
      assert.strictEqual(yield* Fiber.join(oneMore), "TOO_MANY_REQUESTS")
      yield* Fiber.joinAll(waiting)
      assert.strictEqual(yield* find("https://acme.example"), "acme")
    })
  )
})
