/** What every `MasterKey` behind a network promises of faults on the way, beside `masterKeySuite`. Run it against each one's stub. */
import { assert, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import type { MasterKey } from "../../src/crypto/MasterKey.ts"
import { triesMax } from "../../src/crypto/RemoteKeyCall.ts"

/** What happens to so many of the next calls. */
type PassingFaults = Record<"throttle" | "break" | "lose" | "hang", number>

export interface Stubbed {
  readonly stub: { readonly faults: PassingFaults; readonly seen: ReadonlyArray<unknown> }
  readonly master: MasterKey["Service"]
}

export const key = Buffer.alloc(32, 0x5a)
/** Long enough for an answer that comes, where some never come. */
const limitFor = (fault: string): string => (fault === "hang" ? "2 seconds" : "10 seconds")

/** `setup`: a stub of its own, and the master key that asks it, with so long for a call. Inside a `describe`. */
export const remoteMasterKeySuite = (
  setup: (timeout: string) => Effect.Effect<Stubbed, unknown, Scope.Scope>
): void => {
  it.live("passes over throttling, faults, lost answers and answers that never come, as often as it tries", () =>
    Effect.gen(function* () {
      for (const fault of ["throttle", "break", "lose", "hang"] as const) {
        const { master, stub } = yield* setup(limitFor(fault))
        stub.faults[fault] = triesMax - 1
        const wrapped = yield* master.wrap("place", key)
        stub.faults[fault] = triesMax - 1
        assert.deepStrictEqual(Buffer.from(yield* master.unwrap("place", wrapped)), key, fault)
      }
    })
  )

  it.live("then gives up, with the situation named, and not before", () =>
    Effect.gen(function* () {
      const expected = { throttle: "Throttled", break: "Unreachable", lose: "Unreachable", hang: "TimedOut" } as const
      for (const fault of ["throttle", "break", "lose", "hang"] as const) {
        const { master, stub } = yield* setup(limitFor(fault))
        stub.faults[fault] = triesMax
        const before = stub.seen.length
        const error = yield* master.wrap("place", key).pipe(Effect.flip)
        assert.strictEqual(error.reason, expected[fault])
        assert.isTrue(error.isRetryable)
        assert.strictEqual(stub.seen.length - before, triesMax)
      }
    })
  )
}
