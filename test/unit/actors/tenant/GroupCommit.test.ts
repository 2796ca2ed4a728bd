// Verifies R-REV-7, R-DUR-2, R-DUR-4, R-DUR-6, R-SEC-30, R-BUS-5.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, References, Result } from "effect"
import { TestClock } from "effect/testing"
import type { AnyCommand } from "../../../../src/actors/tenant/Command.ts"
import type { Asked } from "../../../../src/actors/tenant/GroupCommit.ts"
import { removeTenant } from "../../../../src/actors/tokens/commands/applications.ts"
import * as commands from "../../../../src/actors/tokens/commands/tokens.ts"
import { TokenNotFound } from "../../../../src/domain/errors.ts"
import { StoreUnavailable } from "../../../../src/store/StoreError.ts"
import { type IdempotentAnswer, noChanges } from "../../../../src/store/TenantStore.ts"
import { aMessage } from "../../../support/storeFixtures.ts"
import { operator, type TenantWorld, tenantWorld, withKey } from "../../../support/tenantWorld.ts"

/** The next transaction decides, is not committed, and nobody can say so. */
const loseNextCommit = ({ faults, store }: TenantWorld): void => {
  faults.transact = (tenantId, load, decide) => {
    delete faults.transact
    const decided = store.transact(tenantId, load, (loaded) => {
      decide(loaded)
      return { changes: noChanges, result: null }
    })
    return Effect.andThen(decided, new StoreUnavailable({ operation: "test", outcome: "unknown" }))
  }
}

describe("a commit whose outcome is unknown", () => {
  it.effect("makes its tenant no slower than one read, when it did not happen", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { beliefs, tenants } = yield* world.replica("one")
      yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
      yield* tenants.registerApplication("acme", "app", operator)
      const item = { endpointId: "e", token: "value123", expiresAt: null, description: null }
      yield* tenants.provisionTokens("acme", "app", [item], operator)
      const validate = Effect.gen(function* () {
        const answers = yield* tenants.validate("acme", [{ appName: "app", token: "value123" }], { dryRun: true })
        assert.strictEqual(answers[0]?.statusCode, 200)
      })
      yield* validate
      assert.strictEqual(beliefs.hotCount(), 1)
      loseNextCommit(world)
      const lost = yield* Effect.flip(tenants.removeApplication("acme", "app", operator))
      assert.deepInclude(lost, { _tag: "Unavailable", committed: null })
      assert.strictEqual(beliefs.hotCount(), 0)
      yield* validate
      assert.strictEqual(beliefs.hotCount(), 1)
    })
  )
})

/** As a build before kept it, which did not seal with an answer what its row says. */
const unsaid = ({ sealedAnswer }: IdempotentAnswer): Pick<IdempotentAnswer, "sealedAnswer"> => {
  const drop = (key: string, value: unknown) => (key === "\u0000says" ? undefined : value)
  const answer: unknown = JSON.parse(new TextDecoder().decode(sealedAnswer), drop)
  return { sealedAnswer: new TextEncoder().encode(JSON.stringify(answer)) }
}

describe("the answer to a key", () => {
  it.effect("is kept for its time, to the millisecond, and no longer", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
      const register = (appName: string) =>
        Effect.exit(tenants.registerApplication("acme", appName, withKey("k", "application.register", appName)))
      assert.isTrue(Exit.isSuccess(yield* register("one")))
      const livesMs = 24 * 3_600_000
      // As if all of it had been so long ago.
      const laterBy = (ms: number) => {
        const tenant = world.tables.tenants.get("acme")!
        world.tables.tenants.set("acme", { ...tenant, createdAt: tenant.createdAt - ms })
        for (const [key, answer] of world.tables.idempotency) {
          world.tables.idempotency.set(key, { ...answer, ...unsaid(answer), createdAt: answer.createdAt - ms })
        }
      }
      laterBy(livesMs - 1)
      assert.isTrue(Exit.isSuccess(yield* register("one")))
      assert.isTrue(Exit.isFailure(yield* register("two")), "another request with the same key")
      laterBy(1)
      assert.isTrue(Exit.isSuccess(yield* register("two")))
    })
  )
})

describe("a kept answer", () => {
  const kept = Effect.gen(function* () {
    const world = yield* tenantWorld
    const { tenants } = yield* world.replica("one")
    yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
    yield* tenants.registerApplication("acme", "app", operator)
    const asking = (key: string, body = "app") =>
      Effect.exit(tenants.removeApplication("acme", "app", withKey(key, "application.remove", body)))
    assert.isTrue(Exit.isSuccess(yield* asking("k")))
    const [[place, row] = assert.fail("nothing is kept")] = world.tables.idempotency
    const forge = (changed: Partial<IdempotentAnswer>) => world.tables.idempotency.set(place, { ...row, ...changed })
    return { asking, forge, place, row, world }
  })

  it.effect("is not told by a row that was changed: for longer, for another body, or before it is in force", () =>
    Effect.gen(function* () {
      const { asking, forge, place, row, world } = yield* kept
      assert.isNumber(row.revocationSeq)
      yield* asking("other", "another body")
      const [other = assert.fail("nothing is kept")] = Array.from(world.tables.idempotency)
        .filter(([key]) => key !== place)
        .map(([, one]) => one)
      for (const [body, changed] of [
        ["app", { createdAt: row.createdAt + 1 }],
        ["app", { revocationSeq: null }],
        ["app", { revocationSeq: row.revocationSeq! - 1 }],
        ["another body", { fingerprint: other.fingerprint }]
      ] as const) {
        forge(changed)
        const refused = yield* Effect.flip(Effect.flatten(asking("k", body)))
        assert.deepInclude(refused, { _tag: "RowChanged", kind: "answer" })
      }
      forge({})
      assert.isTrue(Exit.isSuccess(yield* asking("k")))
    })
  )

  it.effect("is told when a build kept it that did not know what its row says", () =>
    Effect.gen(function* () {
      const { asking, forge, row } = yield* kept
      forge(unsaid(row))
      assert.isTrue(Exit.isSuccess(yield* asking("k")))
    })
  )
})

describe("a group", () => {
  const begun = Effect.gen(function* () {
    const world = yield* tenantWorld
    const replica = yield* world.replica("one")
    yield* replica.tenants.createTenant({ tenantId: "acme", name: null }, operator)
    yield* replica.tenants.registerApplication("acme", "app", operator)
    const item = { endpointId: "e", token: "value-1", expiresAt: null, description: null }
    const [made] = yield* replica.tenants.provisionTokens("acme", "app", [item], operator)
    const { tokenId } = Result.getOrThrow(made!).record
    /** All of it in one transaction; what each was answered. */
    const serve = (...commands: ReadonlyArray<AnyCommand>) => {
      const answers: Array<string | undefined> = commands.map(() => undefined)
      const group = commands.map(
        (command, index): Asked => ({
          command,
          reply: (exit) => {
            answers[index] = Exit.isFailure(exit)
              ? "died"
              : Result.isFailure(exit.value)
                ? exit.value.failure._tag
                : "success"
          }
        })
      )
      return Effect.as(replica.commit.serve("acme", group), answers)
    }
    const provision = (byte: number): AnyCommand =>
      commands.provision(
        "app",
        [
          {
            endpointId: "e",
            token: null,
            expiresAt: null,
            description: null,
            tokenId: `0190000${byte}-0000-7000-8000-000000000000`,
            hashed: {
              value: `value-${byte}`,
              hash: new Uint8Array(32).fill(byte),
              hashKeyId: "k1",
              hashes: [Buffer.alloc(32, byte).toString("hex")]
            }
          }
        ],
        operator
      )
    return { ...replica, provision, serve, tokenId, world }
  })
  const suspended = { target: "Suspended", expectedVersion: null, reason: null } as const
  const active = { ...suspended, target: "Active" } as const

  it.effect("puts into the shared cache what it changed, as of its own sequence and no later", () =>
    Effect.gen(function* () {
      const { tenants, tokenId, world } = yield* begun
      assert.deepStrictEqual(
        world.cached.map(({ readSeq, status }) => [readSeq, status]),
        [[0, "Inactive"]]
      )
      yield* tenants.transitionTokens("acme", [{ tokenId }], active, operator)
      yield* tenants.transitionTokens("acme", [{ tokenId }], suspended, operator)
      yield* tenants.transitionTokens("acme", [{ tokenId }], active, operator)
      assert.deepStrictEqual(
        world.cached.slice(1).map(({ readSeq, status }) => [readSeq, status]),
        [
          [0, "Active"],
          [1, "Suspended"],
          [1, "Active"]
        ]
      )
    })
  )

  it.effect("puts nothing there of a row that was changed by others, nor of a tenant that it removes", () =>
    Effect.gen(function* () {
      const { provision, serve, tenants, tokenId, world } = yield* begun
      yield* tenants.transitionTokens("acme", [{ tokenId }], active, operator)
      world.tables.tokens.set(tokenId, { ...world.tables.tokens.get(tokenId)!, endpointId: "mine" })
      world.cached.length = 0
      yield* tenants.transitionTokens("acme", [{ tokenId }], suspended, operator)
      assert.strictEqual(world.tables.tokens.get(tokenId)?.status, "Suspended")
      assert.isEmpty(world.cached)
      const removal = removeTenant(() => aMessage(), operator)
      assert.deepStrictEqual(yield* serve(provision(7), removal), ["success", "success"])
      assert.isEmpty(world.cached)
    })
  )

  it.effect("with a command that dies is done one by one: the others are answered as ever", () =>
    Effect.gen(function* () {
      const { provision, serve, world } = yield* begun
      const bug: AnyCommand = {
        name: "bug",
        caller: operator,
        load: {},
        decide: () => {
          throw new Error("died on purpose")
        }
      }
      assert.deepStrictEqual(yield* serve(provision(7), bug, provision(8)), ["success", "died", "success"])
      assert.strictEqual(world.tables.tokens.size, 3)
    }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))
  )

  it.effect("with a command whose row cannot be read is done one by one, and at once where the store is away", () =>
    Effect.gen(function* () {
      const { provision, serve, tokenId, world } = yield* begun
      let transactions = 0
      const failing = (isPassing: boolean) => {
        transactions = 0
        world.faults.transact = (tenantId, load, decide) => {
          transactions++
          const isNamed = JSON.stringify(load).includes(tokenId)
          return isNamed
            ? Effect.fail(new StoreUnavailable({ operation: "test", outcome: "none", isPassing }))
            : world.store.transact(tenantId, load, decide)
        }
        return serve(provision(transactions + (isPassing ? 7 : 8)), commands.deleteToken(tokenId, operator))
      }
      assert.deepStrictEqual(yield* failing(true), ["died", "died"])
      assert.strictEqual(transactions, 1)
      assert.deepStrictEqual(yield* failing(false), ["success", "died"])
      assert.strictEqual(transactions, 3)
    })
  )

  it.effect("remembers no answer to a key that is still to be looked at again", () =>
    Effect.gen(function* () {
      const { serve } = yield* begun
      const answering = (isProvisional: boolean): AnyCommand => ({
        name: "test",
        caller: withKey("k", "test"),
        load: {},
        decide: (workspace) => {
          if (!isProvisional) return Result.succeed({})
          workspace.provisional()
          return Result.fail(TokenNotFound.ofId("t"))
        }
      })
      assert.deepStrictEqual(yield* serve(answering(true)), ["TokenNotFound"])
      assert.deepStrictEqual(yield* serve(answering(false)), ["success"])
      assert.deepStrictEqual(yield* serve(answering(true)), ["success"])
    })
  )

  it.effect("has settled when its answers that wait are given", () =>
    Effect.gen(function* () {
      const { commit, serve, tokenId, world } = yield* begun
      world.state.hold = true
      const answers = yield* serve(commands.deleteToken(tokenId, operator))
      assert.deepStrictEqual(answers, [undefined])
      const settled = yield* Effect.forkChild(commit.settled, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.isUndefined(settled.pollUnsafe())
      yield* world.release
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(settled)
      assert.deepStrictEqual(answers, ["success"])
    })
  )
})

describe("a group that dies after its commit", () => {
  const appNames = ["one", "two", "three"]
  const bug = () => {
    throw new Error("died on purpose")
  }
  /** Three commands of one group: nobody is answered before all of it is committed. */
  const groupOf = Effect.fnUntraced(function* (world: TenantWorld) {
    const { tenants } = yield* world.replica("one")
    yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
    let transactions = 0
    world.faults.transact = (...args) => {
      transactions += 1
      return world.store.transact(...args)
    }
    const asked = yield* Effect.forEach(appNames, (appName) =>
      Effect.forkChild(Effect.flip(tenants.registerApplication("acme", appName, operator)), { startImmediately: true })
    )
    // Far less than a request may take: who has no answer by then was forgotten.
    yield* TestClock.adjust("1 second")
    const answers = asked.map((fiber) => fiber.pollUnsafe())
    yield* Fiber.interruptAll(asked)
    return { tenants, answers, transactions: () => transactions }
  })
  const registered = (world: TenantWorld): ReadonlyArray<string> =>
    (world.tables.audit.get("acme") ?? [])
      .filter(({ action }) => action === "application.registered")
      .map(({ entityId }) => entityId)

  it.effect("is not run again: all of it are told that it is done, and the actor goes on", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      let calls = 0
      world.faults.announce = () => (++calls === 2 ? bug() : undefined)
      const { answers, tenants, transactions } = yield* groupOf(world)
      assert.strictEqual(transactions(), 1)
      assert.deepStrictEqual(registered(world), appNames)
      for (const answer of answers) {
        const error = answer !== undefined && Exit.isSuccess(answer) ? answer.value : null
        assert.deepInclude(error, { _tag: "Unavailable", committed: true }, "somebody has no answer")
      }
      const again = yield* tenants.registerApplication("acme", "one", operator)
      assert.isFalse(again.created)
      assert.isTrue((yield* tenants.registerApplication("acme", "four", operator)).created)
    })
  )

  it.live("wakes the relay again when the store knows that what it held is in force", () =>
    Effect.gen(function* () {
      const turn = Effect.promise(() => new Promise((done) => setImmediate(done)))
      const world = yield* tenantWorld
      const { signal, tenants } = yield* world.replica("one")
      yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
      yield* tenants.registerApplication("acme", "app", operator)
      world.state.hold = true
      const removal = yield* Effect.forkChild(tenants.removeApplication("acme", "app", operator), {
        startImmediately: true
      })
      while (world.held.length === 0) yield* turn
      const woken = yield* Effect.forkChild(signal.awaitWake, { startImmediately: true })
      yield* turn
      assert.isUndefined(woken.pollUnsafe())
      yield* world.release
      yield* Fiber.join(removal)
      yield* turn
      assert.isDefined(woken.pollUnsafe())
    })
  )

  it.live("wakes the relay for what may leave, and not before that for what is held", () =>
    Effect.gen(function* () {
      const turns = Effect.promise(async () => {
        for (let n = 0; n < 4; n += 1) await new Promise((done) => setImmediate(done))
      })
      const world = yield* tenantWorld
      const { signal, tenants } = yield* world.replica("one")
      yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
      yield* tenants.registerApplication("acme", "app", operator)
      const isWoken = Effect.gen(function* () {
        const woken = yield* Effect.forkChild(signal.awaitWake, { startImmediately: true })
        yield* turns
        const isOver = woken.pollUnsafe() !== undefined
        yield* Fiber.interrupt(woken)
        return isOver
      })
      yield* isWoken
      const item = { endpointId: "e", token: "value123", expiresAt: null, description: null }
      const [made] = yield* tenants.provisionTokens("acme", "app", [item], operator)
      const { tokenId } = Result.getOrThrow(made!).record
      assert.isTrue(yield* isWoken)
      world.state.hold = true
      const wanted = { target: "Revoked", expectedVersion: null, reason: null } as const
      const revoked = yield* Effect.forkChild(tenants.transitionTokens("acme", [{ tokenId }], wanted, operator), {
        startImmediately: true
      })
      while (world.held.length === 0) yield* turns
      assert.isFalse(yield* isWoken)
      yield* world.release
      yield* Fiber.join(revoked)
      assert.isTrue(yield* isWoken)
    })
  )

  it.effect("with its barrier is answered as a bug, and the actor goes on", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
      yield* tenants.registerApplication("acme", "app", operator)
      world.faults.putInForce = () => Effect.sync(bug)
      const exit = yield* Effect.exit(tenants.removeApplication("acme", "app", operator))
      assert.isTrue(Exit.hasDies(exit))
      delete world.faults.putInForce
      assert.isTrue((yield* tenants.registerApplication("acme", "four", operator)).created)
    })
  )
})

describe("an answer that waits for an earlier change, of which the store cannot say whether it is in force", () => {
  it.effect("says that it is done where it is, and not where it was refused, also when it is asked for again", () =>
    Effect.gen(function* () {
      const world = yield* tenantWorld
      const { tenants } = yield* world.replica("one")
      yield* tenants.createTenant({ tenantId: "acme", name: null }, operator)
      yield* tenants.registerApplication("acme", "app", operator)
      const item = { endpointId: "e", token: null, expiresAt: null, description: null }
      const made = yield* tenants.provisionTokens("acme", "app", [item, item], operator)
      const [tokenId, other] = made.map((one) => Result.getOrThrow(one).record.tokenId) as [string, string]
      const change = (target: "Active" | "Revoked", key?: string, ...others: ReadonlyArray<string>) =>
        tenants.transitionTokens(
          "acme",
          [tokenId, ...others].map((one) => ({ tokenId: one })),
          { target, expectedVersion: null, reason: null },
          key === undefined ? operator : withKey(key, "token.transition")
        )
      world.state.hold = true
      const revocation = yield* Effect.forkChild(Effect.exit(change("Revoked", "first")), { startImmediately: true })
      yield* TestClock.adjust("100 millis")
      assert.lengthOf(world.held, 1)
      world.faults.pendingOf = () => Effect.fail(new StoreUnavailable({ operation: "test", outcome: "none" }))
      const told = (asked: ReturnType<typeof change>) =>
        Effect.map(Effect.flip(asked), (error) => error._tag === "Unavailable" && error.committed)
      assert.isTrue(yield* told(change("Revoked", "first")), "the same again")
      assert.isTrue(yield* told(change("Revoked")), "already so")
      // Kept with its key, and asked for again with it.
      for (const key of ["second", "second"]) assert.isFalse(yield* told(change("Active", key)), "refused")
      // Of two one is done.
      assert.isTrue(yield* told(change("Active", undefined, other)), "refused in part")
      yield* world.release
      yield* Fiber.join(revocation)
    })
  )
})
