import { assert, describe, it } from "@effect/vitest"
import { fewRows, outboxRowOf, pagesMax, unsentRows } from "../../../../src/store/maria/load/outbox.ts"
import type { Row, Session, Value } from "../../../../src/store/maria/MariadbConnection.ts"

interface Stored {
  readonly id: number
  readonly tenantId: string
  readonly held?: boolean
}

const rowOf = ({ held = false, id, tenantId }: Stored): Row => [
  ...[id, tenantId, Buffer.alloc(16), 0, "subject", `entity/${id}`, "{}", Buffer.alloc(0), 1, held ? 1 : 0, null]
]

/** A server that has these rows; before the statement of a number, what is committed then is there as well. */
const serverOf = (stored: ReadonlyArray<Stored>, late: ReadonlyMap<number, ReadonlyArray<Stored>> = new Map()) => {
  const all = [...stored]
  let statements = 0
  const rows = async (_sql: string, values: ReadonlyArray<Value> = []) => {
    all.push(...(late.get(++statements) ?? []))
    const [without, limit] = [new Set(values.slice(0, -1)), Number(values.at(-1))]
    const found = all.filter(({ tenantId }) => !without.has(tenantId)).sort((a, b) => a.id - b.id)
    return found.slice(0, limit).map(rowOf)
  }
  return { session: { rows }, statements: () => statements }
}

/** `count` rows of a tenant, the first of them held. */
const heldRows = (tenantId: string, first: number, count: number): ReadonlyArray<Stored> =>
  Array.from({ length: count }, (_, at) => ({ id: first + at, tenantId, held: at === 0 }))

const seen = async (session: Pick<Session, "rows">, limit: number) =>
  (await unsentRows(session, limit)).map(outboxRowOf).map(({ held, id, tenantId }) => ({ id, tenantId, held }))

describe("a look at what has to leave", () => {
  it("is one statement while nothing is held, and where the answer holds all that there is", async () => {
    const plain = serverOf([
      { id: 1, tenantId: "a" },
      { id: 2, tenantId: "b" },
      { id: 3, tenantId: "a" }
    ])
    assert.deepStrictEqual(
      (await seen(plain.session, 2)).map(({ id }) => id),
      [1, 2]
    )
    assert.strictEqual(plain.statements(), 1)
    const held = serverOf([...heldRows("a", 1, 3), { id: 4, tenantId: "b" }])
    assert.deepStrictEqual(
      (await seen(held.session, 5)).map(({ id }) => id),
      [1, 4]
    )
    assert.strictEqual(held.statements(), 1)
  })

  it("takes the rows of one tenant from one statement, whatever is committed between two", async () => {
    // Row 2 was given its number before row 9 and is committed after the first page was read, and then row 9.
    const late = new Map([
      [
        2,
        [
          { id: 2, tenantId: "late" },
          { id: 9, tenantId: "late" }
        ]
      ]
    ])
    const { session } = serverOf([...heldRows("a", 3, 5), { id: 8, tenantId: "b" }], late)
    assert.deepStrictEqual(await seen(session, 4), [
      { id: 2, tenantId: "late", held: false },
      { id: 3, tenantId: "a", held: true },
      { id: 8, tenantId: "b", held: false },
      { id: 9, tenantId: "late", held: false }
    ])
  })

  it("is read once more only where it is short, or less than half of it may leave", async () => {
    const limit = fewRows + 2
    const half = limit / 2
    const others = Array.from({ length: limit }, (_, at) => ({ id: 10_000 + at, tenantId: "b" }))
    const idsOf = async (held: number, most: number) => {
      const { session, statements } = serverOf([...heldRows("a", 1, held), ...others])
      const found = (await seen(session, most)).map(({ id }) => id)
      return { found, statements: statements() }
    }
    const enough = await idsOf(half, limit)
    assert.strictEqual(enough.statements, 1)
    assert.deepStrictEqual(enough.found, [
      ...Array.from({ length: half }, (_, at) => 1 + at),
      ...others.slice(0, half).map(({ id }) => id)
    ])
    for (const [held, most] of [
      [half + 1, limit],
      [2, fewRows]
    ] as const) {
      const { found, statements } = await idsOf(held, most)
      assert.strictEqual(statements, 2)
      assert.deepStrictEqual(found, [1, ...others.slice(0, most - 1).map(({ id }) => id)])
    }
  })

  it("is never shorter than it may be while there is more, however many tenants wait", async () => {
    const limit = 40
    const tenants = pagesMax + 3
    const stored = Array.from({ length: tenants }, (_, at) => heldRows(`t${at}`, 100 * at + 1, 60)).flat()
    const { session, statements } = serverOf([...stored, { id: 100_000, tenantId: "other" }])
    const rows = await seen(session, limit)
    assert.strictEqual(statements(), pagesMax)
    assert.strictEqual(rows.length, limit)
    assert.deepStrictEqual(
      rows.map(({ id }) => id),
      rows.map(({ id }) => id).toSorted((a, b) => a - b)
    )
    // Whoever takes them holds back by the first one of a tenant.
    const firsts = new Map<string, boolean>()
    for (const { held, tenantId } of rows) if (!firsts.has(tenantId)) firsts.set(tenantId, held)
    assert.isTrue(Array.from(firsts.values()).every((held) => held))
  })
})
