import { assert, describe, it } from "@effect/vitest"
import { conclude, sendable, wavesOf } from "../../../src/outbox/Chain.ts"
import { Outcome } from "../../../src/outbox/EventLog.ts"
import type { OutboxRow } from "../../../src/store/Outbox.ts"

const row = (id: number, changes: Partial<OutboxRow> = {}): OutboxRow => ({
  id,
  tenantId: "acme",
  eventId: `event-${id}`,
  stream: "events",
  subject: "s",
  entityKey: "e",
  headers: {},
  payload: new Uint8Array(),
  createdAt: id,
  held: false,
  ...changes
})
const ids = (rows: ReadonlyArray<OutboxRow>) => rows.map(({ id }) => id)
const nobody = () => false

describe("sendable", () => {
  it("holds back what follows a held row in its tenant, and nobody else", () => {
    const rows = [row(1), row(2, { held: true }), row(3, { tenantId: "other" }), row(4), row(5, { tenantId: "other" })]
    assert.deepStrictEqual(ids(sendable(rows, nobody, 10)), [1, 3, 5])
  })

  it("leaves out what rests, and what follows it of its entity, and nobody else", () => {
    const rows = [row(1), row(2, { tenantId: "other" }), row(3), row(4, { entityKey: "another" })]
    assert.deepStrictEqual(ids(sendable(rows, ({ id }) => id === 1, 10)), [2, 4])
  })

  it("takes no more than it is told to, from the front", () => {
    assert.deepStrictEqual(ids(sendable([row(1), row(2), row(3)], nobody, 2)), [1, 2])
  })
})

describe("wavesOf", () => {
  it("has of each entity one row a wave, in order, and loses none", () => {
    const rows = ["a", "b", "a", "a", "c", "b"].map((entityKey, index) => row(index + 1, { entityKey }))
    assert.deepStrictEqual(wavesOf(rows).map(ids), [[1, 2, 5], [3, 6], [4]])
  })

  it("does not take entities of two tenants for one", () => {
    assert.strictEqual(wavesOf([row(1), row(2, { tenantId: "other" })]).length, 1)
  })
})

describe("conclude", () => {
  const rows = [row(1), row(2), row(3)]
  const stored = (sequence: number) => Outcome.Stored({ sequence })

  it("knows the stream when all was stored in one piece", () => {
    const concluded = conclude(rows, [stored(11), stored(12), stored(13)], 10)
    assert.deepStrictEqual(ids(concluded.sent), [1, 2, 3])
    assert.strictEqual(concluded.last, 13)
    assert.isTrue(concluded.isKnown)
    assert.isNull(concluded.trouble)
  })

  it("wants the stream read after every other outcome", () => {
    const odd = [
      Outcome.Duplicate({ sequence: 4 }),
      Outcome.Misplaced(),
      Outcome.Refused({ reason: "x" }),
      Outcome.Uncertain({ reason: "y" })
    ]
    for (const outcome of odd) {
      const concluded = conclude(rows, [stored(11), outcome, Outcome.Misplaced()], 10)
      assert.isFalse(concluded.isKnown, outcome._tag)
      assert.strictEqual(concluded.last, 11, outcome._tag)
    }
  })

  it("does not take what is behind a repeated entry for known", () => {
    const concluded = conclude(rows, [Outcome.Duplicate({ sequence: 14 }), stored(15), stored(16)], 10)
    assert.deepStrictEqual(ids(concluded.sent), [1, 2, 3])
    assert.strictEqual(concluded.last, 10)
    assert.isFalse(concluded.isKnown)
    assert.strictEqual(concluded.duplicates, 1)
  })

  it("knows the stream when the first is refused: nothing followed it, and what is left may take its place", () => {
    const refused = Outcome.Refused({ reason: "x" })
    const concluded = conclude(rows, [refused, Outcome.Misplaced(), Outcome.Misplaced()], 10)
    assert.deepStrictEqual([concluded.isKnown, concluded.last, concluded.trouble], [true, 10, null])
    assert.deepStrictEqual(ids(concluded.left), [2, 3])
    assert.deepStrictEqual(ids(conclude(rows, [stored(11), refused, Outcome.Misplaced()], 10).left), [])
  })

  it("is in trouble when somebody else wrote, not when a row of its own broke the chain", () => {
    assert.isNotNull(conclude(rows, [Outcome.Misplaced(), Outcome.Misplaced(), Outcome.Misplaced()], 10).trouble)
    const refused = conclude(rows, [stored(11), Outcome.Refused({ reason: "x" }), Outcome.Misplaced()], 10)
    assert.isNull(refused.trouble)
    assert.strictEqual(refused.refused?.row.id, 2)
  })
})
