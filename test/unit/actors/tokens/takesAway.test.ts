// Verifies R-REV-7, R-TOK-7, R-TOK-8.
/** Whatever takes a right away puts exactly that in force, and is not answered before it is. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { takeOutOfService } from "../../../../src/actors/tokens/commands/service.ts"
import { operator, tenantWorld } from "../../../support/tenantWorld.ts"

const setup = Effect.gen(function* () {
  const world = yield* tenantWorld
  const { commit, tenants } = yield* world.replica("one")
  yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
  yield* tenants.registerApplication("acme", "app", operator)
  const item = { endpointId: "e", token: "value-1", expiresAt: null, description: null }
  const [made] = yield* tenants.provisionTokens("acme", "app", [item], operator)
  const { tokenId } = Result.getOrThrow(made!).record
  yield* tenants.validate("acme", [{ appName: "app", token: "value-1" }], { dryRun: false })
  yield* TestClock.adjust("2 seconds")
  world.state.hold = true
  return { world, commit, tenants, tokenId }
})
type Parts = Effect.Success<typeof setup>
const revoked = { target: "Revoked", expectedVersion: null, reason: null } as const

const takings: ReadonlyArray<
  readonly [name: string, kind: string, take: (parts: Parts) => Effect.Effect<unknown, unknown>]
> = [
  ["a token deleted", "token", ({ tenants, tokenId }) => tenants.deleteTokens("acme", { tokenId }, operator)],
  [
    "the tokens of an endpoint deleted",
    "token",
    ({ tenants }) => tenants.deleteTokens("acme", { endpointId: "e" }, operator)
  ],
  ["an endpoint unregistered", "token", ({ tenants }) => tenants.unregisterEndpoint("e", operator)],
  [
    "a token revoked",
    "token",
    ({ tenants, tokenId }) => tenants.transitionTokens("acme", [{ tokenId }], revoked, operator)
  ],
  [
    "a token rotated without overlap",
    "token",
    ({ tenants, tokenId }) => tenants.rotateToken("acme", { tokenId, overlapMs: 0, token: null }, operator)
  ],
  ["an application removed", "application", ({ tenants }) => tenants.removeApplication("acme", "app", operator)],
  ["a tenant removed", "tenant", ({ tenants }) => tenants.removeTenant("acme", operator)]
]

for (const [name, kind, take] of takings) {
  it.effect(`${name}: ${kind}`, () =>
    Effect.gen(function* () {
      const parts = yield* setup
      const { tenants, tokenId, world } = parts
      const asked = yield* Effect.forkChild(take(parts), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.isUndefined(asked.pollUnsafe(), "answered before it was in force")
      const targets = world.held.flatMap(({ revocation }) => revocation.targets)
      assert.deepStrictEqual(
        targets.map((target) => target.kind),
        [kind]
      )
      assert.include(JSON.stringify(targets), kind === "token" ? tokenId : kind === "application" ? "app" : "tenant")
      yield* world.release
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(asked)
      world.state.hold = false
      if (kind === "tenant") return
      const [answer] = yield* tenants.validate("acme", [{ appName: "app", token: "value-1" }], { dryRun: true })
      assert.notStrictEqual(answer?.statusCode, 200)
    })
  )
}

it.effect("an application taken out of service: application", () =>
  Effect.gen(function* () {
    const { commit, world } = yield* setup
    let isAnswered = false
    const reply = () => {
      isAnswered = true
    }
    yield* Effect.forkChild(
      commit.serve("acme", [{ command: takeOutOfService("app", "deleted", Number.MAX_SAFE_INTEGER, operator), reply }]),
      { startImmediately: true }
    )
    yield* TestClock.adjust("1 second")
    assert.isFalse(isAnswered)
    assert.deepStrictEqual(
      world.held.flatMap(({ revocation }) => revocation.targets.map((target) => target.kind)),
      ["application"]
    )
    yield* world.release
    yield* TestClock.adjust("1 second")
    assert.isTrue(isAnswered)
  })
)

const gone: ReadonlyArray<readonly [what: string, ask: (parts: Parts) => Effect.Effect<unknown, unknown>]> = [
  ["an application, by its name", ({ tenants }) => tenants.removeApplication("acme", "app", operator)],
  ["a token, by its id", ({ tenants, tokenId }) => tenants.deleteTokens("acme", { tokenId }, operator)],
  [
    "a token, by its value",
    ({ tenants }) => tenants.transitionTokens("acme", [{ appName: "app", token: "value-1" }], revoked, operator)
  ]
]
it.effect.each(gone)("that there is no such thing any more is said when that is in force: %s", ([what, ask]) =>
  Effect.gen(function* () {
    const parts = yield* setup
    const { tenants, tokenId, world } = parts
    const take = what.startsWith("a token")
      ? tenants.deleteTokens("acme", { tokenId }, operator)
      : tenants.removeApplication("acme", "app", operator)
    yield* Effect.forkChild(take, { startImmediately: true })
    yield* TestClock.adjust("1 second")
    const asked = yield* Effect.forkChild(Effect.result(ask(parts)), { startImmediately: true })
    yield* TestClock.adjust("1 second")
    assert.isUndefined(asked.pollUnsafe(), "answered before it was in force")
    yield* world.release
    yield* TestClock.adjust("1 second")
    assert.include(JSON.stringify(yield* Fiber.join(asked)), "NotFound")
  })
)

it.effect("how many tokens went with an application is in the audit", () =>
  Effect.gen(function* () {
    const { tenants, world } = yield* setup
    world.state.hold = false
    assert.deepStrictEqual(yield* tenants.removeApplication("acme", "app", operator), { deleted: 1 })
    const row = world.tables.audit.get("acme")?.find(({ action }) => action === "application.removed")
    assert.deepStrictEqual([row?.entityId, JSON.parse(row?.diff ?? "null")], ["app", { tokens: 1 }])
  })
)
