// Verifies R-TOK-3, R-DUR-2.
/** First uses that cannot be recorded wait for when they can be: none is lost, and none keeps a place for ever. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, References, Scope } from "effect"
import { TestClock } from "effect/testing"
import { TenantActors } from "../../../../src/actors/tenant/TenantActors.ts"
import { pendingMax } from "../../../../src/actors/tenant/UseRecorder.ts"
import * as FirstUseRecorder from "../../../../src/actors/tokens/FirstUseRecorder.ts"
import { FirstUse } from "../../../../src/actors/validation/FirstUse.ts"
import * as errors from "../../../../src/domain/errors.ts"

/** A recorder whose actors fail as the test says, and keep the ids of each command that they took. */
const setup = Effect.gen(function* () {
  const commands: Array<ReadonlyArray<string>> = []
  const world = { failure: null as errors.Unavailable | errors.TenantNotFound | null, isBug: false }
  const actors = {
    ask: (_tenantId: string, command: { readonly load: { readonly tokenIds?: ReadonlyArray<string> } }) =>
      Effect.suspend(() => {
        if (world.isBug) return Effect.die(new Error("a bug"))
        if (world.failure !== null) return Effect.fail(world.failure)
        commands.push(command.load.tokenIds ?? [])
        return Effect.succeed(0)
      })
  }
  const scope = yield* Scope.make()
  const layer = FirstUseRecorder.layer.pipe(
    Layer.provideMerge(FirstUse.layer),
    Layer.provideMerge(Layer.succeed(TenantActors, actors as unknown as TenantActors["Service"])),
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
  )
  const context = yield* Layer.buildWithScope(layer, scope)
  const turns = Effect.promise(async () => {
    for (let turn = 0; turn < 10; turn++) await new Promise<void>((done) => setImmediate(done))
  })
  return {
    world,
    commands,
    firstUse: Context.get(context, FirstUse),
    pass: Effect.andThen(TestClock.adjust("200 millis"), turns),
    stop: Scope.close(scope, Exit.void)
  }
})

describe("a first use", () => {
  it.effect("that could not be recorded is recorded when the database is back, once", () =>
    Effect.gen(function* () {
      const { commands, firstUse, pass, world } = yield* setup
      world.failure = new errors.Unavailable({ part: "database", committed: false })
      firstUse.tell("acme", "t1")
      firstUse.tell("acme", "t2")
      for (let time = 0; time < 3; time++) yield* pass
      assert.deepStrictEqual(commands, [])
      world.failure = null
      yield* pass
      assert.deepStrictEqual(commands, [["t1", "t2"]])
      yield* pass
      assert.lengthOf(commands, 1)
    })
  )

  it.effect("of a tenant that is gone is dropped, and of a bug told again at the next use", () =>
    Effect.gen(function* () {
      const { commands, firstUse, pass, world } = yield* setup
      world.failure = new errors.TenantNotFound({ tenantId: "gone" })
      firstUse.tell("gone", "t1")
      yield* pass
      world.failure = null
      world.isBug = true
      firstUse.tell("acme", "t2")
      yield* pass
      world.isBug = false
      yield* pass
      assert.deepStrictEqual(commands, [])
      firstUse.tell("acme", "t2")
      yield* pass
      assert.deepStrictEqual(commands, [["t2"]])
    })
  )

  it.effect("beyond what may wait is forgotten and told again later; what was recorded leaves its place", () =>
    Effect.gen(function* () {
      const { commands, firstUse, pass, world } = yield* setup
      const forgotten: Array<string> = []
      firstUse.onForgotten = (tokenId) => forgotten.push(tokenId)
      world.failure = new errors.Unavailable({ part: "database", committed: false })
      for (let number = 0; number < pendingMax; number++) firstUse.tell("acme", `t${number}`)
      firstUse.tell("acme", "one more")
      assert.deepStrictEqual(forgotten, ["one more"])
      world.failure = null
      yield* pass
      assert.strictEqual(new Set(commands.flat()).size, pendingMax)
      firstUse.tell("acme", "one more")
      assert.lengthOf(forgotten, 1)
      yield* pass
      assert.deepStrictEqual(commands.at(-1), ["one more"])
    })
  )

  it.effect("that was told just before the end is recorded in an orderly stop", () =>
    Effect.gen(function* () {
      const { commands, firstUse, stop } = yield* setup
      firstUse.tell("acme", "t1")
      yield* stop
      assert.deepStrictEqual(commands, [["t1"]])
    })
  )
})
