// Verifies R-SEC-30, R-RUN-16.
/** Withdrawals of applications that make no sense, however many, keep none behind them waiting and do not fill the log. */
import { assert, it } from "@effect/vitest"
import { Duration, Effect, Exit, Latch, Logger, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as WithdrawalSweep from "../../../../src/actors/platform/WithdrawalSweep.ts"
import { InForce } from "../../../../src/actors/tenant/InForce.ts"
import { TenantActors } from "../../../../src/actors/tenant/TenantActors.ts"
import { EventWriter } from "../../../../src/actors/tenant/TokenEvents.ts"
import { Replica, replicaOf } from "../../../../src/observability/Replica.ts"
import { DueWork, type Sought } from "../../../../src/store/DueWork.ts"
import { PlatformStore, type Withdrawal } from "../../../../src/store/PlatformStore.ts"
import { Sweeps } from "../../../../src/store/Sweeps.ts"

const aWithdrawal = (appName: string, tenantId: string): Withdrawal => ({
  ...{ appName, tenantId, afterTokenId: "00000000-0000-0000-0000-000000000000", takenAt: 1 }
})

/** The sweep over these withdrawals: those of `spoiled` die, and of others what was told of them is gone. */
const world = Effect.fnUntraced(function* (withdrawals: ReadonlyArray<Withdrawal>) {
  const left = new Map(withdrawals.map((one) => [one.appName, one]))
  const asked: Array<string> = []
  const lines: Array<string> = []
  const scope = yield* Scope.make()
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  const store = {
    withdrawals: (after: string, limit: number) =>
      Effect.sync(() =>
        Array.from(left.values())
          .filter(({ appName }) => appName > after)
          .toSorted((a, b) => (a.appName < b.appName ? -1 : 1))
          .slice(0, limit)
      ),
    tokensAfter: ({ appName }: Withdrawal) => Effect.sync(() => [void asked.push(appName)].map(() => "token"))
  }
  const actors = {
    ask: (tenantId: string) =>
      Effect.suspend(() => {
        if (tenantId === "spoiled") return Effect.die(new Error("a number beyond what can be read"))
        for (const [appName, one] of left) if (one.tenantId === tenantId) left.delete(appName)
        return Effect.void
      })
  }
  yield* WithdrawalSweep.make.pipe(
    Effect.provideService(PlatformStore, store as never),
    Effect.provideService(Sweeps, { claim: () => Effect.succeed(true) } as never),
    Effect.provideService(InForce, { all: () => Effect.void } as never),
    Effect.provideService(TenantActors, actors as never),
    Effect.provideService(EventWriter, {} as never),
    Effect.provideService(Replica, replicaOf("cm", "one")),
    Effect.provideService(Scope.Scope, scope),
    Effect.provide(Logger.layer([Logger.make(({ message }) => lines.push(String(message)))]))
  )
  return { left, asked, lines }
})

const spoiled = Array.from({ length: 250 }, (_, n) => aWithdrawal(`a${String(n).padStart(3, "0")}`, "spoiled"))

it.effect("of others are announced behind them", () =>
  Effect.gen(function* () {
    const { left } = yield* world([...spoiled, aWithdrawal("b", "demo")])
    yield* TestClock.adjust("3 seconds")
    assert.isFalse(left.has("b"))
    assert.strictEqual(left.size, spoiled.length)
    left.set("c", aWithdrawal("c", "demo"))
    yield* TestClock.adjust("3 seconds")
    assert.isFalse(left.has("c"))
  })
)

it.effect("are tried once an hour, and told once a second at most", () =>
  Effect.gen(function* () {
    const { asked, lines } = yield* world(spoiled)
    yield* TestClock.adjust("59 minutes")
    assert.deepStrictEqual(
      asked,
      spoiled.map(({ appName }) => appName)
    )
    assert.isAtMost(lines.length, 3)
    yield* TestClock.adjust("2 minutes")
    assert.lengthOf(asked, 2 * spoiled.length)
  })
)

it.effect("are looked for when a look for all work has found one", () =>
  Effect.gen(function* () {
    const some = yield* Latch.make()
    const sought: Array<Sought> = []
    const seek = (one: Sought) =>
      Effect.sync(() => {
        sought.push(one)
        return Effect.andThen(some.await, Effect.asVoid(some.close))
      })
    const { left } = yield* world([aWithdrawal("b", "demo")]).pipe(Effect.provideService(DueWork, { seek }))
    yield* TestClock.adjust("1 hour")
    assert.isTrue(left.has("b"))
    assert.deepStrictEqual(sought, [{ work: ["applications out of service"], every: Duration.seconds(1) }])
    yield* some.open
    yield* TestClock.adjust("1 millis")
    assert.isFalse(left.has("b"))
  })
)
