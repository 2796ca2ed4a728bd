// Verifies R-REF-14.
/**
 * A week's outage of 200,000 grants at one provider, on MariaDB: no storm, those nearest to their final end
 * first, nobody else's work behind it, and each look reads a bounded number of entries of an index.
 */
import { randomBytes } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { inject } from "vitest"
import * as Columns from "../../../src/store/maria/Columns.ts"
import { choose, dueSql, noBacklog, queueDueSql, queuesSql, queueUrgentSql } from "../../../src/store/maria/DuePick.ts"
import { Mariadb } from "../../../src/store/maria/Mariadb.ts"
import { RefreshStore, type Route } from "../../../src/store/RefreshStore.ts"
import { layerMariaStores } from "../../support/storeLayers.ts"

const grants = 200_000
const dayMs = 86_400_000
const key = () => randomBytes(16).toString("hex")
const route = (): Route => ({ lane: key(), circuit: key(), queue: key(), provider: "/test" })
const [crowd, few] = [route(), route()]

const sql = (statement: string, values: ReadonlyArray<string | number | Uint8Array> = []) =>
  Mariadb.use((database) => database.query("test", (session) => session.rows(statement, values)))
const run = (statement: string, values: ReadonlyArray<string | number | Uint8Array> = []) =>
  Mariadb.use((database) => database.query("test", (session) => session.run(statement, values)))

/** Ids count up from `from`; what is due has been so for up to a week, and ends within a month: the higher the id, the sooner. */
const insert = (from: number, count: number, of: Route, dueInMs: string) =>
  run(
    `INSERT INTO credentials (credential_id, tenant_id, service_name, type, owner_key, state, version, secret_version,
        scopes, allowed_consumers, metadata, noticed_ms, created_at, updated_at, created_by, updated_by,
        refresh, refresh_due_at, refresh_final_at, refresh_provider, refresh_queue, refresh_urgency)
      SELECT UNHEX(LPAD(HEX(seq), 32, '0')), 'crowd', CONCAT('s', seq), 'oauth', '', 0, 1, 1, '[]', '[]', '{}', 0, 0, 0,
        't', 't', '{"lane":"x"}', UNIX_TIMESTAMP() * 1000 + ${dueInMs}, UNIX_TIMESTAMP() * 1000 + ${31 * dayMs} - seq * 10000,
        'p', ${of === crowd || of === few ? `UNHEX('${of.queue}')` : "UNHEX(MD5(seq))"},
        UNIX_TIMESTAMP() * 1000 + ${31 * dayMs} - seq * 10000
      FROM seq_${from}_to_${from + count - 1}`
  )

const readsOf = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const reads = Effect.map(sql("SHOW SESSION STATUS LIKE 'Handler_read%'"), (rows) =>
      rows.reduce((sum, row) => sum + Number(row[1]), 0)
    )
    const before = yield* reads
    const began = performance.now()
    const value = yield* work
    const ms = performance.now() - began
    return { value, ms, reads: (yield* reads) - before }
  })
const numberOf = (credentialId: string) => Number.parseInt(credentialId.replaceAll("-", ""), 16)

/** However long it takes: all turns that were taken are of this moment. */
const noTimePassed = run(`UPDATE provider_turns SET taken_at = ${Columns.nowSql} WHERE lane = UNHEX('${crowd.lane}')`)

const settings = { connections: 1, operationTimeout: Duration.minutes(4) }
layer(layerMariaStores(inject("databaseUrl"), settings), { excludeTestServices: true, timeout: 300_000 })(
  "a backlog of 200,000 grants",
  (it) => {
    it.effect(
      "makes no storm, takes those nearest to their end, and hides nobody else's work",
      () =>
        Effect.gen(function* () {
          const store = yield* RefreshStore
          for (const one of [crowd, few]) yield* store.knowQueue({ ...one, ratePerMinute: 60, parallel: 4 })
          for (let count = 0; count < 500; count++)
            yield* store.knowQueue({ ...route(), ratePerMinute: 60, parallel: 4 })
          // 2,000 clients of whom nothing is due, and one of whom three are.
          yield* insert(grants + 10, 2_000, route(), `${dayMs}`)
          yield* insert(1, 10_000, crowd, "-MOD(seq * 7919, 604800000)")
          const small = yield* readsOf(
            Effect.flatMap(Mariadb, (database) =>
              database.query("t", (session) => choose(session, { limit: 64 }, noBacklog(), 0))
            )
          )
          for (let from = 10_001; from <= grants; from += 38_000)
            yield* insert(from, 38_000, crowd, "-MOD(seq * 7919, 604800000)")
          yield* insert(900_001, 3, few, "-1000")
          yield* run("ANALYZE TABLE credentials")
          const large = yield* readsOf(
            Effect.flatMap(Mariadb, (database) =>
              database.query("t", (session) => choose(session, { limit: 64 }, noBacklog(), 0))
            )
          )
          assert.isBelow(large.reads, 20_000, "entries that a look reads")
          assert.isBelow(large.reads, small.reads * 2, "a look at twenty times as many")

          // A minute of it: rate 60, four at a time.
          const given: Array<number> = []
          let fewGiven = 0
          let looks = 0
          let isFull = false
          while (!isFull) {
            assert.isBelow(++looks, 200)
            const { refs } = yield* store.pick(64)
            const numbers = refs.map(({ credentialId }) => numberOf(credentialId))
            fewGiven += numbers.filter((number) => number > 900_000).length
            const own = refs.filter(({ credentialId }) => numberOf(credentialId) <= grants)
            assert.isAtMost(own.length, 4, "of one provider at a time")
            for (const { credentialId } of own) {
              yield* noTimePassed
              const turn = yield* store.takeTurn({
                ...crowd,
                ratePerMinute: 60,
                parallel: 4,
                holdMs: 60_000,
                passes: false
              })
              if (turn._tag === "Taken") {
                given.push(numberOf(credentialId))
                yield* run("UPDATE credentials SET refresh_due_at = NULL WHERE credential_id = ?", [
                  Buffer.from(credentialId.replaceAll("-", ""), "hex")
                ])
                yield* store.endTurn(turn.turnId, crowd, { _tag: "ok" }, 0)
              } else isFull = true
            }
            isFull ||= own.length === 0
          }
          assert.strictEqual(fewGiven, 3)
          assert.deepStrictEqual(
            given,
            Array.from({ length: 60 }, (_, index) => grants - index),
            "those nearest to their final end, in order"
          )
          // Closed by its rate: what comes to be due elsewhere is seen as soon as the queues are listed anew.
          yield* insert(910_001, 2, few, "-1000")
          const seen: Array<number> = []
          const until = performance.now() + 60_000
          while (seen.length < 2 && performance.now() < until) {
            const { refs } = yield* store.pick(64)
            seen.push(...refs.map(({ credentialId }) => numberOf(credentialId)))
          }
          assert.deepStrictEqual(
            seen.toSorted((a, b) => a - b),
            [910_001, 910_002]
          )
        }),
      900_000
    )

    it.effect("is read by indexes alone", () =>
      Effect.gen(function* () {
        const id = Buffer.from(crowd.queue, "hex")
        for (const [statement, values, index] of [
          [dueSql, [], "ix_credentials_refresh_due"],
          [queuesSql, [], "ix_credentials_refresh_queue_due"],
          [queueDueSql, [id, 64], "ix_credentials_refresh_queue_due"],
          [queueUrgentSql, [id, 64], "ix_credentials_refresh_queue_urgency"]
        ] as const) {
          const rows = yield* sql(`EXPLAIN ${statement}`, values)
          const row = rows.at(-1) ?? []
          assert.strictEqual(row[5], index, statement)
          assert.include(["range", "ref"], row[3], statement)
          assert.notInclude(String(row[9]), "filesort", statement)
        }
      })
    )
  }
)
