/** A gap of the inbox is told once, however many replicas look at the same moment. */
import { Effect } from "effect"
import { assert, it } from "vitest"
import { watchInbox } from "../../../../src/actors/platform/watchInbox.ts"
import type { InboxSeen } from "../../../../src/store/PlatformStore.ts"

it("is told by whoever has the claim", async () => {
  let stands: InboxSeen = { madeAt: 1, lostUpTo: 0, seenAt: 1 }
  let holder: string | null = null
  const told: Array<string> = []
  const replica = (name: string) =>
    watchInbox({
      claim: Effect.sync(() => {
        holder ??= name
        return holder === name
      }),
      seen: Effect.sync(() => stands),
      now: Effect.as(Effect.yieldNow, 1_000_000),
      save: (seen) =>
        Effect.sync(() => {
          stands = seen
        }),
      tell: (gap) => Effect.andThen(Effect.yieldNow, () => Effect.sync(() => void told.push(`${name} ${gap}`)))
    })
  const stand = { madeAt: 1, firstSeq: 1, deliveredSeq: 0, waiting: 0 }
  const looks = ["one", "two"].map((name) => replica(name)(stand, 1_000))
  await Effect.runPromise(Effect.all(looks, { concurrency: "unbounded" }))
  await Effect.runPromise(replica("one")(stand, 1_000))
  assert.deepStrictEqual(told, ["one too_old"])
  assert.strictEqual(stands.seenAt, 1_000_000)
})
