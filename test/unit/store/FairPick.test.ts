// Verifies R-REF-14.
/** Which of the refreshes that are due go next. */
import { assert, describe, it } from "vitest"
import { hurriedQueue } from "../../../src/domain/Refresh.ts"
import { type DueRow, fairPick, type QueueRoom } from "../../../src/store/FairPick.ts"

const due = (queue: string, ...urgencies: ReadonlyArray<number>): ReadonlyArray<DueRow> =>
  urgencies.map((urgency) => ({
    credentialId: `${queue}${urgency}`,
    tenantId: `of ${queue} ${urgency}`,
    queue,
    urgency
  }))
const dueOf = (tenantId: string, queue: string, ...urgencies: ReadonlyArray<number>): ReadonlyArray<DueRow> =>
  due(queue, ...urgencies).map((row) => ({ ...row, tenantId }))
const room = (queue: string, over: Partial<QueueRoom> = {}): QueueRoom => ({
  queue,
  lane: `lane of ${queue}`,
  isClosed: false,
  ratePerMinute: 1_000,
  parallel: 1_000,
  taken: 0,
  held: 0,
  ...over
})
const ids = (...args: Parameters<typeof fairPick>) => fairPick(...args).chosen.map(({ credentialId }) => credentialId)

describe("what is picked", () => {
  it("is one of each queue in turn, those nearest to their end first", () => {
    const rows = [...due("a", 5, 3, 4), ...due("b", 9, 8)]
    assert.deepStrictEqual(ids(rows, [room("a"), room("b")], 4), ["a3", "b8", "a4", "b9"])
  })

  it("is nothing of a queue that is closed, whatever waits there", () => {
    const rows = [...due("a", 1, 2), ...due("b", 9)]
    assert.deepStrictEqual(ids(rows, [room("a", { isClosed: true }), room("b")], 4), ["b9"])
  })

  it("is no more than rate and parallelism leave, together for queues of one lane", () => {
    const rows = [...due("a", 1, 2, 3), ...due("b", 4, 5, 6)]
    const shared = { lane: "one", parallel: 4, held: 1 }
    assert.lengthOf(ids(rows, [room("a", shared), room("b", shared)], 10), 3)
    assert.lengthOf(ids(rows, [room("a", { ratePerMinute: 10, taken: 9 }), room("b")], 10), 4)
    assert.lengthOf(ids(rows, [room("a", { parallel: 1, held: 2 }), room("b")], 10), 3)
  })

  it("is few of a queue that nobody knows yet, and as many as there is room for of those in a hurry", () => {
    assert.lengthOf(ids(due("new", 1, 2, 3, 4, 5, 6), [], 10), 4)
    assert.lengthOf(ids(due(hurriedQueue, 1, 2, 3, 4, 5, 6), [], 10), 6)
  })

  it("leaves a quarter of the room to others, whatever one tenant waits for and however near its grants' ends are", () => {
    const many = Array.from({ length: 20 }, (_, index) => dueOf("slow", `s${index}`, index)).flat()
    const rooms = many.map(({ queue }) => room(queue))
    const none = new Map<string, number>()
    assert.lengthOf(ids(many, rooms, 16, none), 12)
    assert.isTrue(fairPick(many, rooms, 16, none).more)
    // Its share is under way: nothing more of it, in queues of its own or in another's, until one has ended.
    const others = dueOf("other", "s0", 90, 91)
    const share = new Map([["slow", 12]])
    assert.deepStrictEqual(
      fairPick([...many, ...others], rooms, 4, share).chosen.map(({ credentialId }) => credentialId),
      ["s090", "s091"]
    )
    assert.deepStrictEqual(ids(many, rooms, 5, new Map([["slow", 11]])), ["s00"])
    // One alone that has none under way is given the last place.
    assert.lengthOf(ids(many, rooms, 1, none), 1)
    assert.deepStrictEqual(Array.from(share), [["slow", 12]], "what it was told is as it was")
  })

  it("says that more is due where room comes with the next that ends, not where a rate is used up", () => {
    assert.isTrue(fairPick(due("a", 1, 2, 3), [room("a", { parallel: 2 })], 10).more)
    assert.isFalse(fairPick(due("a", 1, 2, 3), [room("a", { ratePerMinute: 2 })], 10).more)
    assert.isFalse(fairPick(due("a", 1, 2, 3), [room("a")], 10).more)
    assert.isTrue(fairPick(due("a", 1, 2, 3), [room("a")], 2).more)
  })
})
