// Verifies R-SEC-13, R-AUD-4.
/** What becomes of refusals that are counted: none is lost, none counted twice, and they take bounded room. */

import { assert, describe, it } from "vitest"
import { batchRowsMax, others, type RefusalBatch, RefusalLedger } from "../../../../src/actors/audit/RefusalLedger.ts"
import type { AuditEntry } from "../../../../src/store/TenantStore.ts"
import { auditedBy } from "../../../support/auditedBy.ts"
import { seededRandom } from "../../../support/seededRandom.ts"

const refusal = (entityId: string): AuditEntry => ({
  ...auditedBy("mallory"),
  action: "credential.refused",
  entityType: "credential",
  entityId,
  diff: { reason: "ConsumerNotAllowed" }
})
const by = (actor: string, entityId: string): AuditEntry => ({ ...refusal(entityId), ...auditedBy(actor) })
const ids = () => {
  let last = 0
  return () => `batch-${++last}`
}
const countOf = ({ diff }: AuditEntry): number => Number(diff?.count)
const sumOf = ({ entries }: RefusalBatch): number => entries.map(countOf).reduce((a, b) => a + b, 0)

describe("RefusalLedger", () => {
  it("remembers nothing of what is over", () => {
    const ledger = new RefusalLedger(100, 3)
    const next = ids()
    const rows = () => Object.values(ledger).flatMap((value) => (value instanceof Map ? [...value.keys()] : []))
    for (let n = 0; n < 20; n++) {
      for (const id of ["a", "b", "c", "d", "e"]) {
        ledger.note("demo", by(`actor ${n}`, id), n)
        const { undo } = ledger.note(`tenant ${n}`, by("mallory", id), n)
        if (n % 2 === 0) undo()
        else ledger.note(`tenant ${n}`, by("mallory", id), n)
      }
    }
    assert.isNotEmpty(rows())
    const batches = ledger.take(100, next)
    assert.isNotEmpty(batches)
    for (const [at, batch] of batches.entries()) if (at % 2 === 0) ledger.notWritten(batch)
    for (const batch of ledger.take(100, next)) ledger.written(batch)
    assert.deepStrictEqual(rows(), [])
    assert.strictEqual(ledger.counted, 0)
  })

  it("gives the first a row, counts those that follow, and gives their number when the while is over", () => {
    const ledger = new RefusalLedger(10, 10)
    const next = ids()
    assert.isTrue(ledger.note("demo", refusal("a"), 0).isRow)
    for (let n = 0; n < 3; n++) assert.isFalse(ledger.note("demo", refusal("a"), n).isRow)
    assert.isEmpty(ledger.take(-1, next))
    const [batch] = ledger.take(0, next)
    assert.deepStrictEqual(batch, {
      batchId: "batch-1",
      tenantId: "demo",
      entries: [{ ...refusal("a"), diff: { reason: "ConsumerNotAllowed", count: 3 } }]
    })
    ledger.written(batch!)
    assert.isEmpty(ledger.take(10, next))
    assert.isTrue(ledger.note("demo", refusal("a"), 11).isRow)
  })

  it("counts on what was not written, together with what came meanwhile, and gives it at once", () => {
    const ledger = new RefusalLedger(10, 10)
    const next = ids()
    for (let n = 0; n < 4; n++) ledger.note("demo", refusal("a"), 0)
    const [batch] = ledger.take(0, next)
    for (let n = 0; n < 3; n++) ledger.note("demo", refusal("a"), 5)
    ledger.notWritten(batch!)
    assert.strictEqual(ledger.counted, 5)
    const [again, ...rest] = ledger.take(0, next)
    assert.isEmpty(rest)
    assert.deepStrictEqual(again!.entries.map(countOf), [5])
    assert.notStrictEqual(again!.batchId, batch!.batchId)
  })

  it("gives a batch of which nothing is known again as it was, whatever came meanwhile", () => {
    const ledger = new RefusalLedger(10, 10)
    const next = ids()
    for (let n = 0; n < 4; n++) ledger.note("demo", refusal("a"), 0)
    const [batch] = ledger.take(0, next)
    for (let n = 0; n < 3; n++) ledger.note("demo", refusal("a"), 5)
    const [same, meanwhile] = ledger.take(5, next)
    assert.deepStrictEqual(same, batch)
    assert.deepStrictEqual(meanwhile!.entries.map(countOf), [2])
    ledger.written(same!)
    ledger.written(meanwhile!)
    assert.strictEqual(ledger.counted, 0)
    assert.isEmpty(ledger.take(10, next))
  })

  it("does not count on what may have been written at an attempt before", () => {
    const ledger = new RefusalLedger(10, 10)
    const next = ids()
    for (let n = 0; n < 4; n++) ledger.note("demo", refusal("a"), 0)
    const [batch] = ledger.take(0, next)
    assert.deepStrictEqual(ledger.take(0, next), [batch!])
    ledger.notWritten(batch!)
    assert.deepStrictEqual(ledger.take(0, next), [batch!])
    ledger.written(batch!)
    assert.strictEqual(ledger.counted, 0)
  })

  it("gives the next one a row when that of the first was not committed", () => {
    const ledger = new RefusalLedger(10, 10)
    const first = ledger.note("demo", refusal("a"), 0)
    const second = ledger.note("demo", refusal("a"), 0)
    first.undo()
    assert.isTrue(ledger.note("demo", refusal("a"), 1).isRow)
    second.undo()
    assert.strictEqual(ledger.counted, 0)
    assert.isFalse(ledger.note("demo", refusal("a"), 1).isRow)
  })

  it("takes no more room than it may, what is on its way included, and then counts by tenant and reason", () => {
    const ledger = new RefusalLedger(2, 10)
    const next = ids()
    for (const name of ["a", "a", "b", "b"]) ledger.note("demo", refusal(name), 0)
    const [batch] = ledger.take(0, next)
    assert.isTrue(ledger.note("demo", refusal("c"), 1).isRow)
    for (let n = 0; n < 5; n++) assert.isFalse(ledger.note("demo", by(`actor${n}`, `d${n}`), 1).isRow)
    ledger.written(batch!)
    assert.isTrue(ledger.note("demo", refusal("e"), 2).isRow)
    assert.isFalse(ledger.note("demo", refusal("e"), 2).isRow)
    const [full] = ledger.take(1, next)
    assert.deepStrictEqual(
      full!.entries.map((entry) => [entry.actor, entry.entityId, countOf(entry)]),
      [[others, others, 5]]
    )
  })

  it("tells of a few things by their names, and of all else that an actor names for one reason by one number", () => {
    const ledger = new RefusalLedger(10_000, 3)
    const next = ids()
    const rows = Array.from({ length: 5_000 }, (_, n) => ledger.note("demo", refusal(`made-up-${n}`), 0).isRow)
    assert.deepStrictEqual(
      rows.flatMap((isRow, n) => (isRow ? [n] : [])),
      [0, 1, 2, 3]
    )
    // Another actor, another reason and another tenant are told apart, and so is what was named before.
    assert.isTrue(ledger.note("demo", by("other", "x"), 0).isRow)
    assert.isTrue(ledger.note("demo", { ...refusal("x"), diff: { reason: "Revoked" } }, 0).isRow)
    assert.isTrue(ledger.note("other", refusal("x"), 0).isRow)
    assert.isFalse(ledger.note("demo", refusal("made-up-1"), 0).isRow)
    const told = ledger.take(0, next).flatMap(({ entries }) => entries)
    assert.deepStrictEqual(
      told.map((entry) => [entry.entityId, countOf(entry)]),
      [
        ["made-up-1", 1],
        [others, 4_996]
      ]
    )
    // The while is over: a few are named again.
    for (const n of [7, 8, 9]) assert.isTrue(ledger.note("demo", refusal(`made-up-${n}`), 1).isRow)
    ledger.note("demo", refusal("one more"), 1)
    assert.isFalse(ledger.note("demo", refusal("another"), 1).isRow)
  })

  it("gives batches of one tenant each, and of a bounded number of rows", () => {
    const ledger = new RefusalLedger(10_000, 10_000)
    for (const tenantId of ["one", "two"]) {
      for (let n = 0; n < 2 * (batchRowsMax + 1); n++) ledger.note(tenantId, refusal(`${n >> 1}`), 0)
    }
    const batches = ledger.take(0, ids())
    assert.deepStrictEqual(
      batches.map(({ entries, tenantId }) => [tenantId, entries.length]),
      ["one", "two"].flatMap((tenantId) => [
        [tenantId, batchRowsMax],
        [tenantId, 1]
      ])
    )
  })

  it("has told of each refusal exactly once at the end, whatever became of each attempt", () => {
    const { random, seed } = seededRandom("refusals")
    for (let round = 0; round < 200; round++) {
      const ledger = new RefusalLedger(1 + Math.floor(random() * 6), 1 + Math.floor(random() * 4))
      const next = ids()
      /** What stands in the audit: the rows of firsts, and batches by their id, as the actor knows them again. */
      let rows = 0
      const batches = new Map<string, number>()
      let answered = 0
      for (let step = 0; step < 60; step++) {
        const tenantId = random() < 0.5 ? "one" : "two"
        if (random() < 0.7) {
          const noted = ledger.note(tenantId, refusal(String(Math.floor(random() * 4))), step)
          if (random() < 0.2) noted.undo()
          else {
            answered += 1
            rows += noted.isRow ? 1 : 0
          }
          continue
        }
        for (const batch of ledger.take(step - 5, next)) {
          const isCommitted = random() < 0.5
          if (isCommitted) batches.set(batch.batchId, sumOf(batch))
          const isTold = random() < 0.5
          if (isTold && isCommitted) ledger.written(batch)
          if (isTold && !isCommitted) ledger.notWritten(batch)
        }
      }
      for (const batch of ledger.take(Number.MAX_SAFE_INTEGER, next)) {
        batches.set(batch.batchId, sumOf(batch))
        ledger.written(batch)
      }
      assert.strictEqual(ledger.counted, 0)
      const told = rows + Array.from(batches.values()).reduce((a, b) => a + b, 0)
      assert.strictEqual(told, answered, `seed ${seed} round ${round}`)
    }
  })
})
