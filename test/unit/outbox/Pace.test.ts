import { threadCpuUsage } from "node:process"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"
import { EventLog } from "../../../src/outbox/EventLog.ts"
import { agesOf, ofThread, pauseMs } from "../../../src/outbox/Pace.ts"
import * as RelayTerm from "../../../src/outbox/RelayTerm.ts"
import { Outbox } from "../../../src/store/Outbox.ts"
import { OwnCheckpoints } from "../../../src/store/OwnCheckpoints.ts"
import { memoryOutbox } from "../../support/memoryOutbox.ts"

/** A thousand events are 15 ms of the thread. */
const since = { events: 1_000, ms: 30, busy: 1, cpuMs: 29, ageMs: null }

describe("the relay's pace", () => {
  it("leaves four fifths of a thread that always has work to those who have it", () => {
    assert.strictEqual(pauseMs(since), 45)
    assert.strictEqual(pauseMs({ ...since, ms: 60, cpuMs: 60 }), 15)
    assert.strictEqual(pauseMs({ ...since, events: 100, ms: 5 }), 2.5)
  })

  it("is not held up where the thread waits, where it works for the relay alone, or where it was slow enough", () => {
    assert.strictEqual(pauseMs({ ...since, busy: 0.9 }), 0)
    assert.strictEqual(pauseMs({ ...since, cpuMs: 16 }), 0)
    assert.strictEqual(pauseMs({ ...since, cpuMs: 0 }), 0)
    assert.strictEqual(pauseMs({ ...since, ms: 75, cpuMs: 75 }), 0)
    assert.strictEqual(pauseMs({ ...since, events: 10, ms: 0 }), 0)
  })

  it("is not held up while what leaves is older than five seconds, if that is known", () => {
    assert.strictEqual(pauseMs({ ...since, ageMs: 5_001 }), 0)
    assert.strictEqual(pauseMs({ ...since, ageMs: 5_000 }), 45)
    let ms = 100
    const ages = agesOf(() => ms)
    assert.isNull(ages.of(0))
    ages.heard(1_000_000)
    ms += 7_000
    assert.strictEqual(ages.of(1_000_000), 7_000)
    assert.strictEqual(ages.of(1_006_000), 1_000)
  })

  it.effect("goes by the age of what it is told of", () =>
    Effect.gen(function* () {
      const pace = ofThread(
        () => 0,
        (writtenAt) => 6_000 - writtenAt
      )
      const cpu = threadCpuUsage()
      while (threadCpuUsage(cpu).user < 40_000);
      const isOver = yield* Effect.forkChild(pace(1_000, 0), { startImmediately: true })
      assert.isDefined(isOver.pollUnsafe())
      const again = threadCpuUsage()
      while (threadCpuUsage(again).user < 40_000);
      const waits = yield* Effect.forkChild(pace(1_000, 5_000), { startImmediately: true })
      assert.isUndefined(waits.pollUnsafe())
      yield* TestClock.adjust(Duration.millis(75))
      yield* Fiber.join(waits)
    })
  )

  it.effect("is kept after each piece that was published", () =>
    Effect.gen(function* () {
      const outbox = memoryOutbox()
      for (let n = 0; n < 40; n++) outbox.write({ eventId: `e${n}-0` })
      const pieces: Array<ReadonlyArray<number | null>> = []
      const claimed = yield* Outbox.use(({ claimTerm }) => claimTerm("one", 1_000)).pipe(Effect.provide(outbox.layer))
      const term = yield* RelayTerm.make(
        claimed!,
        4,
        (...told) => Effect.sync(() => void pieces.push(told)),
        5_000
      ).pipe(
        Effect.provide(
          Layer.mergeAll(
            outbox.layer,
            EventLog.layerMemory({ rememberedMax: 0 }),
            Layer.succeed(OwnCheckpoints, { ready: Effect.void, isOwn: () => true }),
            Layer.succeed(Replica, replicaOf("cm", "one"))
          )
        )
      )
      const { sent } = yield* term.round
      assert.deepStrictEqual(
        [sent, pieces],
        [
          40,
          [
            [4, 1],
            [16, 5],
            [16, 21],
            [4, 37]
          ]
        ]
      )
    })
  )
})
