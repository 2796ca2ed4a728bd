// Verifies P2, P7, R-REF-15.
/** What the stores ask the database next, over one that answers as a script says: races that are lost, and limits that are left. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { type CredentialVersion, versionStates } from "../../../../src/domain/Credential.ts"
import { Mariadb } from "../../../../src/store/maria/Mariadb.ts"
import type { Row, Session, Value } from "../../../../src/store/maria/MariadbConnection.ts"
import * as MariaRefreshStore from "../../../../src/store/maria/MariaRefreshStore.ts"
import * as MariaSweeps from "../../../../src/store/maria/MariaSweeps.ts"
import { inTheWay } from "../../../../src/store/maria/ProviderCircuits.ts"
import { RefreshStore } from "../../../../src/store/RefreshStore.ts"
import { Sweeps } from "../../../../src/store/Sweeps.ts"

type Values = ReadonlyArray<Value>

const databaseOf = (over: Partial<Session>) => {
  const session: Session = {
    rows: async () => [],
    run: async () => 0,
    batch: async () => 0,
    command: async () => undefined,
    ...over
  }
  const unused = () => Effect.die(new Error("not asked for"))
  return Layer.succeed(
    Mariadb,
    Mariadb.of({
      query: (_, body) => Effect.promise(() => body(session)),
      lookup: () => Promise.reject(new Error("not asked for")),
      transaction: unused
    })
  )
}

describe("an answer whose place somebody else writes meanwhile", () => {
  it.effect("is put at the next try, over what stands there then", () => {
    const answer: CredentialVersion = {
      ...{ credentialId: "018f0000-0000-7000-8000-000000000001", version: 1_000_001, state: "answer" },
      ...{
        sealed: Uint8Array.of(9),
        keyId: "018f0000-0000-7000-8000-000000000002",
        fingerprints: {},
        expiresAt: null,
        validUntil: null,
        reason: null
      },
      ...{ createdAt: 1, createdBy: "service" }
    }
    const spare = versionStates.indexOf("spare")
    // What stands there at each look; the first is another one's before it is replaced.
    const standing: Array<Buffer> = [Buffer.of(1), Buffer.of(2)]
    const tries: Array<number> = []
    const database = databaseOf({
      rows: async () => [[spare, standing[0]!, null, null]],
      run: async (sql: string, values: Values = []) => {
        if (!sql.startsWith("REPLACE")) return 0
        const before = values.at(-1) as Buffer
        tries.push(before[0]!)
        if (tries.length === 1) standing.shift()
        return Buffer.compare(before, standing[0]!) === 0 ? 1 : 0
      }
    })
    return Effect.gen(function* () {
      const store = yield* RefreshStore
      assert.isTrue(yield* store.putAnswer("demo", answer))
      assert.deepStrictEqual(tries, [1, 2])
    }).pipe(Effect.provide(MariaRefreshStore.layer.pipe(Layer.provide(database))))
  })
})

describe("an open circuit", () => {
  it("says for how long from now, not until when", () => {
    const now = 1_764_000_000_000
    const barred = inTheWay([[5, 1, now + 30_000, 0, 0, Buffer.alloc(16), now]], false)
    assert.deepInclude(barred, { until: now + 30_000, retryAfterMs: 30_000 })
  })
})

describe("tokens of what was removed", () => {
  const uuid = (n: number) => Buffer.from(n.toString(16).padStart(32, "0"), "hex")
  const rowsOf = (count: number, first: number): ReadonlyArray<Row> =>
    Array.from({ length: count }, (_, at) => ["demo", uuid(first + at), "meters", "meter-1"])

  it.effect("are never more than asked for, both looks together", () => {
    const limits: Array<Value> = []
    const database = databaseOf({
      rows: async (sql, values = []) => {
        const limit = Number(values[0])
        limits.push(limit)
        return rowsOf(Math.min(limit, sql === MariaSweeps.orphansOfApplicationsSql ? 7 : 50), 100 * limits.length)
      }
    })
    return Effect.gen(function* () {
      const { orphanedTokens } = yield* Sweeps
      assert.lengthOf(yield* orphanedTokens(10), 10)
      assert.deepStrictEqual(limits.splice(0), [10, 3])
      assert.lengthOf(yield* orphanedTokens(7), 7)
      assert.deepStrictEqual(limits, [7])
    }).pipe(Effect.provide(MariaSweeps.layer.pipe(Layer.provide(database))))
  })
})
