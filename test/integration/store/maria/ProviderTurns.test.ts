// Verifies R-REF-13, R-REF-14.
/** What a turn at a provider reads, and turns of the release before, which knows no numbers. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { inject } from "vitest"
import { roomsOf } from "../../../../src/store/maria/DuePick.ts"
import { Mariadb } from "../../../../src/store/maria/Mariadb.ts"
import { RefreshStore, type TurnRequest } from "../../../../src/store/RefreshStore.ts"
import { layerMariaStores } from "../../../support/storeLayers.ts"

let lanes = 0
const newRequest = (over: Partial<TurnRequest> = {}): TurnRequest => {
  const key = (++lanes).toString(16).padStart(32, "0")
  const keys = { lane: key, circuit: key, queue: key, provider: "demo/acme" }
  return { ...keys, ratePerMinute: 100_000, parallel: 16, holdMs: 60_000, passes: false, ...over }
}
const laneOf = ({ lane }: TurnRequest) => Buffer.from(lane, "hex")
const take = (request: TurnRequest) => RefreshStore.use((store) => store.takeTurn(request))
const takes = (request: TurnRequest, times: number) =>
  Effect.map(
    Effect.forEach(Array.from({ length: times }), () => take(request)),
    (turns) => turns.filter(({ _tag }) => _tag === "Taken").length
  )
const sql = (text: string, values: ReadonlyArray<number | Uint8Array>) =>
  Mariadb.use((database) => database.query("test", (session) => session.run(text, values)))
const roomOf = (request: TurnRequest) =>
  Mariadb.use((database) => database.query("test", (session) => roomsOf(session, [request.queue])))

const nowSql = "CAST(ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000) AS SIGNED)"
/** As the release before takes them: without a number. */
const before = (request: TurnRequest, count: number, heldMs = 0) =>
  sql(
    `INSERT INTO provider_turns (lane, taken_at, held_until)
      SELECT ?, ${nowSql}, IF(? > 0, ${nowSql} + ?, 0) FROM seq_1_to_${count}`,
    [laneOf(request), heldMs, heldMs]
  )
/** A part of the turns of a lane was taken a minute sooner. */
const aMinuteSooner = (request: TurnRequest, where: string) =>
  sql(`UPDATE provider_turns SET taken_at = taken_at - 60000 WHERE lane = ? AND ${where}`, [laneOf(request)])

const readsOf = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const database = yield* Mariadb
    const reads = database.query("test", async (session) => {
      const rows = await session.rows("SHOW SESSION STATUS LIKE 'Handler_read%'")
      return rows.reduce((sum, row) => sum + Number(row[1]), 0)
    })
    const from = yield* reads
    yield* work
    return (yield* reads) - from
  })

const oneConnection = { connections: 1 }

layer(layerMariaStores(inject("databaseUrl"), oneConnection))("turns at a provider", (it) => {
  it.effect("are taken, and looked for, by as few reads after thousands in a minute as after a few", () =>
    Effect.gen(function* () {
      const costOf = Effect.fnUntraced(function* (count: number) {
        const request = newRequest()
        yield* take(request)
        yield* sql(
          `INSERT INTO provider_turns (lane, taken_at, held_until, lane_turn)
            SELECT ?, ${nowSql}, 0, 1 + seq FROM seq_1_to_${count}`,
          [laneOf(request)]
        )
        assert.deepInclude((yield* roomOf(request))[0], { taken: 1 + count, held: 1 })
        return { turn: yield* readsOf(take(request)), rooms: yield* readsOf(roomOf(request)) }
      })
      const few = yield* costOf(20)
      const many = yield* costOf(5_000)
      assert.isAtMost(many.turn, few.turn + 5, "a turn")
      assert.isAtMost(many.rooms, few.rooms + 5, "a look for room")
    })
  )

  it.effect("come again one by one as those of a minute ago count no more", () =>
    Effect.gen(function* () {
      const request = newRequest({ ratePerMinute: 4 })
      assert.strictEqual(yield* takes(request, 6), 4)
      assert.deepInclude((yield* roomOf(request))[0], { taken: 4, held: 4 })
      yield* aMinuteSooner(request, "lane_turn <= 1")
      assert.strictEqual(yield* takes(request, 3), 1)
      yield* aMinuteSooner(request, "lane_turn <= 5")
      assert.deepInclude((yield* roomOf(request))[0], { taken: 0, held: 5 })
      assert.strictEqual(yield* takes(request, 6), 4)
    })
  )

  it.effect("are numbered on where those of long ago were cleared away", () =>
    Effect.gen(function* () {
      const request = newRequest({ ratePerMinute: 3, parallel: 100 })
      for (let minute = 0; minute < 12; minute++) {
        assert.strictEqual(yield* takes(request, 5), 3)
        yield* sql("UPDATE provider_turns SET taken_at = taken_at - 60000, held_until = 0 WHERE lane = ?", [
          laneOf(request)
        ])
      }
      const [left] = yield* Mariadb.use((database) =>
        database.query("test", (session) =>
          session.rows("SELECT COUNT(*) FROM provider_turns WHERE lane = ?", [laneOf(request)])
        )
      )
      assert.isBelow(Number(left?.[0]), 20)
    })
  )

  it.effect("of the release before, which takes them beside, count against rate and parallelism", () =>
    Effect.gen(function* () {
      const rated = newRequest({ ratePerMinute: 6 })
      assert.strictEqual(yield* takes(rated, 2), 2)
      yield* before(rated, 3)
      assert.strictEqual(yield* takes(rated, 3), 1)
      const full = yield* take(rated)
      assert.isAbove(full._tag === "Full" ? full.retryAfterMs : 0, 30_000)
      yield* aMinuteSooner(rated, "lane_turn IS NULL")
      assert.strictEqual(yield* takes(rated, 5), 3)
      const alone = newRequest({ ratePerMinute: 6 })
      yield* before(alone, 6)
      assert.strictEqual(yield* takes(alone, 2), 0)
      const held = newRequest({ parallel: 3 })
      yield* before(held, 2, 60_000)
      assert.strictEqual(yield* takes(held, 3), 1)
      // And it counts, as it always did, what is taken with a number.
      const [counted] = yield* Mariadb.use((database) =>
        database.query("test", (session) =>
          session.rows(
            `SELECT SUM(t.taken_at > ${nowSql} - 60000), SUM(t.held_until > ${nowSql}) FROM provider_turns t WHERE t.lane = ?`,
            [laneOf(held)]
          )
        )
      )
      assert.deepStrictEqual(counted?.map(Number), [3, 3])
    })
  )

  /** 9223372036854775807 and its like are texts: no number here is so large. */
  it.effect("that no replica has taken hold up nobody: what their numbers and moments say is nobody's", () =>
    Effect.gen(function* () {
      const plant = (request: TurnRequest, count: number, values: string) =>
        sql(
          `INSERT INTO provider_turns (lane, taken_at, held_until, lane_turn) SELECT ?, ${values} FROM seq_1_to_${count}`,
          [laneOf(request)]
        )
      const [least, most] = ["-9223372036854775808", "9223372036854775807"]
      const numbers = [most, least, "9007199254740993", "9007199254740991", String(2 ** 52), String(2 ** 52 - 2)]
      for (const number of numbers) {
        const request = newRequest({ ratePerMinute: 6, parallel: 100 })
        yield* takes(request, 2)
        yield* plant(request, 1, `${nowSql} - 59000, 0, ${number}`)
        const other = newRequest({ ratePerMinute: 6 })
        yield* take(other)
        const rooms = yield* Mariadb.use((database) =>
          database.query("test", (session) => roomsOf(session, [request.queue, other.queue]))
        )
        assert.deepInclude(
          rooms.find(({ queue }) => queue === other.queue),
          { taken: 1, held: 1 },
          number
        )
        // One number far ahead may let the lane begin its minute anew, once.
        const more = yield* takes(request, 20)
        assert.isTrue(more >= 3 && more <= 6, `${number}: ${more}`)
        assert.strictEqual((yield* take(request))._tag, "Full", number)
        // Once its minute is over, as if it had never been.
        yield* aMinuteSooner(request, "TRUE")
        yield* sql("UPDATE provider_turns SET held_until = 0 WHERE lane = ?", [laneOf(request)])
        assert.strictEqual(yield* takes(request, 8), 6, number)
      }
      for (const moment of [most, "8000000000000000"]) {
        const taken = newRequest({ ratePerMinute: 2 })
        yield* plant(taken, 3, `${moment}, 0, NULL`)
        yield* plant(taken, 3, `${moment}, 0, seq`)
        assert.strictEqual(yield* takes(taken, 4), 2, moment)
        const held = newRequest({ parallel: 3 })
        yield* plant(held, 3, `1, ${moment}, seq`)
        assert.strictEqual(yield* takes(held, 4), 3, moment)
        assert.deepInclude((yield* roomOf(held))[0], { held: 3 }, moment)
      }
    })
  )
})
