import { assert, describe, it } from "@effect/vitest"
import * as Columns from "../../../../src/store/maria/Columns.ts"
import { parseDatabaseUrl } from "../../../../src/store/maria/MariadbConnection.ts"

describe("lists of values", () => {
  it("fill one of a few sizes, and lose and add nothing", () => {
    const sizes = new Set<number>()
    for (let count = 0; count <= 1_100; count += 1) {
      const values = Array.from({ length: count }, (_, n) => n)
      const chunks = Columns.chunksOf(values)
      const given = chunks.flatMap((chunk) => chunk.values.slice(0, chunk.count))
      assert.deepStrictEqual(given, values)
      for (const chunk of chunks) {
        assert.strictEqual(chunk.marks.split("?").length - 1, chunk.values.length)
        assert.isTrue(chunk.values.slice(chunk.count).every((value) => value === chunk.values[chunk.count - 1]))
        sizes.add(chunk.values.length)
      }
    }
    assert.deepStrictEqual(
      Array.from(sizes).toSorted((a, b) => a - b),
      [1, 4, 16, 64, 128, 256]
    )
  })
})

describe("the text of a look-up", () => {
  it("is made once for each size of its list", () => {
    const made: Array<string> = []
    const sqlOf = Columns.remembered((marks) => {
      made.push(marks)
      return `SELECT ${marks}`
    })
    for (const marks of ["?", "?, ?", "?", "?, ?"]) assert.strictEqual(sqlOf(marks), `SELECT ${marks}`)
    assert.deepStrictEqual(made, ["?", "?, ?"])
  })
})

describe("ids", () => {
  it("are the same text after their stay in a column", () => {
    const id = "01890a5d-ac96-774b-bcce-b302099a8057"
    assert.strictEqual(Columns.uuidText(Columns.uuidBytes(id)), id)
    assert.strictEqual(Columns.uuidBytes(id).length, 16)
  })

  it("stand in the order of their texts", () => {
    const ids = [
      "01890a5d-ac96-774b-bcce-b302099a8057",
      "01890a5d-ac97-7000-8000-000000000000",
      "0189ffff-0000-7000-8000-000000000000"
    ]
    assert.deepStrictEqual(ids.map(Columns.uuidBytes).toSorted(Buffer.compare).map(Columns.uuidText), ids)
  })

  it("are none when the text is another", () => {
    for (const text of ["", "x", "01890A5D-AC96-774B-BCCE-B302099A8057", "01890a5d-ac96-774b-bcce-b302099a8057 "]) {
      assert.strictEqual(Columns.uuidBytesOrNull(text), null)
    }
  })

  it("are none when any one character is another", () => {
    const id = "01890a5d-ac96-774b-bcce-b302099a8057"
    // The third but last has the low byte of a 1, the last that of a dash.
    const others = ["/", ":", "`", "g", "A", "-", "0", "f", "\0", "\u007f", "\u0080", "\u0131", "\ud800", "\u012d"]
    const usual = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/u
    for (let at = 0; at < id.length; at++) {
      for (const other of others) {
        const text = id.slice(0, at) + other + id.slice(at + 1)
        const bytes = usual.test(text) ? Buffer.from(text.replaceAll("-", ""), "hex") : null
        assert.deepStrictEqual(Columns.uuidBytesOrNull(text), bytes, JSON.stringify(text))
      }
    }
  })
})

describe("columns", () => {
  it("of another type than the schema gives are a defect", () => {
    assert.throws(() => Columns.whole(["1"], 0))
    assert.throws(() => Columns.whole([2 ** 53], 0))
    assert.throws(() => Columns.text([null], 0))
    assert.throws(() => Columns.bytes(["text"], 0))
    assert.throws(() => Columns.literal([2], 0, ["a", "b"]))
    assert.throws(() => Columns.text([], 0))
  })
})

describe("DATABASE_URL", () => {
  it("may hold every character in its password, and an IPv6 address", () => {
    assert.deepStrictEqual(parseDatabaseUrl("mariadb://us%40er:p%3A%2Fw%40@[::1]:3307/credentials?ssl=true"), {
      host: "::1",
      port: 3307,
      user: "us@er",
      password: "p:/w@",
      database: "credentials",
      ssl: true
    })
    assert.strictEqual(parseDatabaseUrl("mysql://u@db/x").port, 3306)
  })

  it("that is none is refused without repeating it", () => {
    for (const text of ["", "secret", "http://u:secret@h/x", "mariadb://u:secret@h", "mariadb:///x"]) {
      assert.throws(() => parseDatabaseUrl(text), /^DATABASE_URL is not of the form [^s]*/u)
      try {
        parseDatabaseUrl(text)
      } catch (error) {
        assert.notInclude(String(error), "secret")
      }
    }
  })
})
