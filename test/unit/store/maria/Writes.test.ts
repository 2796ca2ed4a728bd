/** What of a transaction's writes goes with its COMMIT, and what is sent before it. */
import { assert, describe, it } from "@effect/vitest"
import type { Session } from "../../../../src/store/maria/MariadbConnection.ts"
import * as Writes from "../../../../src/store/maria/Writes.ts"

/** A session that tells in which order it was asked, and answers what the test says. */
const sessionOf = (answer: () => Promise<never> | number = () => 1) => {
  const asked: Array<string> = []
  const take = (what: string) => {
    asked.push(what)
    return Promise.resolve(answer())
  }
  const session: Session = {
    rows: (sql) => take(sql).then(() => []),
    run: take,
    batch: (sql, rows) => take(`${sql} ${rows.length}`),
    command: (sql) => take(sql).then(() => undefined)
  }
  return { asked, session }
}

/** What hangs says nothing in so many turns. */
const turns = async () => {
  for (let turn = 0; turn < 100; turn++) await Promise.resolve()
  return "it hangs"
}

const rowsOf = (count: number) => Array.from({ length: count }, (_, at) => [at])

describe("what a transaction writes at its end", () => {
  it("goes with COMMIT in its order where it is few rows, and is not sent before", async () => {
    const { asked, session } = sessionOf()
    const written = await Writes.written(session, (writing) => [
      writing.batch("one", rowsOf(2)),
      writing.batch("none", []),
      writing.batch("two", [["x"]])
    ])
    assert.deepStrictEqual(written, {
      wrote: true,
      last: [
        { sql: "one", values: [0] },
        { sql: "one", values: [1] },
        { sql: "two", values: ["x"] }
      ]
    })
    assert.isEmpty(asked)
  })

  it("is sent before COMMIT where it is many rows", async () => {
    const { asked, session } = sessionOf()
    const few = rowsOf(Writes.writesMax)
    assert.isDefined((await Writes.written(session, (writing) => [writing.batch("few", few)])).last)
    const written = await Writes.written(session, (writing) => [writing.batch("one", few), writing.batch("two", [[1]])])
    assert.deepStrictEqual(written, { wrote: true })
    assert.deepStrictEqual(asked, [`one ${few.length}`, "two 1"])
  })

  it("is sent before COMMIT where an answer may forbid that", async () => {
    for (const kind of ["rows", "run", "command"] as const) {
      const { asked, session } = sessionOf()
      const refused = Writes.written(session, (writing) => [
        writing.batch("one", [[1]]),
        writing[kind]("asked").then(() => {
          throw new Error("it must not be")
        })
      ])
      const told = await refused.then(
        () => "nothing",
        (error: unknown) => String(error)
      )
      assert.strictEqual(told, "Error: it must not be", kind)
      assert.deepStrictEqual(asked, ["one 1", "asked"])
    }
  })

  it("is sent before COMMIT where something is asked, though nobody here looks at the answer", async () => {
    for (const kind of ["rows", "run", "command"] as const) {
      const { asked, session } = sessionOf()
      const written = await Writes.written(session, (writing) => [writing.batch("one", [[1]]), writing[kind]("asked")])
      assert.deepStrictEqual(written, { wrote: true })
      assert.deepStrictEqual(asked, ["one 1", "asked"], kind)
    }
  })

  it("fails where something is asked after all was written down, whether it would go with COMMIT or before it", async () => {
    const later = {
      "in another turn": async (writing: Session) => {
        await Promise.resolve()
        return writing.batch("late", [[2]])
      },
      "after an answer": (writing: Session) => writing.batch("early", [[1]]).then(() => writing.run("late", []))
    }
    for (const [how, ask] of Object.entries(later)) {
      for (const count of [1, Writes.writesMax + 1]) {
        const { asked, session } = sessionOf()
        const failed = Writes.written(session, (writing) => [writing.batch("one", rowsOf(count)), ask(writing)]).then(
          () => "nothing",
          (error: unknown) => String(error)
        )
        const told = await Promise.race([failed, turns()])
        assert.match(told, /after all of its transaction/u, `${how}, ${count}`)
        assert.notInclude(asked.join(), "late")
      }
    }
  })

  it("fails as what it asked failed", async () => {
    const { session } = sessionOf(() => Promise.reject(new Error("gone")))
    const failed = Writes.written(session, (writing) => [writing.batch("one", rowsOf(Writes.writesMax + 1))])
    const told = await failed.then(
      () => "nothing",
      (error: unknown) => String(error)
    )
    assert.strictEqual(told, "Error: gone")
  })
})
