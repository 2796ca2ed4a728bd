// Verifies R-REF-23.
/** A transaction costs no round trip for leaving the mode of single statements, while a connection is there that is in its own. */
import { it as alone, assert, layer } from "@effect/vitest"
import { Cause, Effect } from "effect"
import { inject } from "vitest"
import { makePool } from "../../../../src/store/maria/ConnectionPool.ts"
import { DatabaseFailure } from "../../../../src/store/maria/DatabaseFailure.ts"
import { fromSession, Mariadb } from "../../../../src/store/maria/Mariadb.ts"
import type { Session } from "../../../../src/store/maria/MariadbConnection.ts"
import { layerMariaStores, settingsOf as storeSettings } from "../../../support/storeLayers.ts"

/** How often the session of this connection has set a variable, autocommit among them. */
const settingsOf = async (session: Session): Promise<number> =>
  Number((await session.rows("SHOW SESSION STATUS LIKE 'Com_set_option'"))[0]?.[1])
const sleep = (session: Session) => session.rows("SELECT SLEEP(0.3)")

layer(layerMariaStores(inject("databaseUrl"), { connections: 2 }), { excludeTestServices: true, timeout: 60_000 })(
  "single statements and transactions in turns",
  (it) => {
    it.effect("have a connection each, and change none", () =>
      Effect.gen(function* () {
        const database = yield* Mariadb
        const one = <A>(body: (session: Session) => Promise<A>) => database.query("test", body)
        const all = <A>(body: (session: Session) => Promise<A>) =>
          database.transaction("test", (session) =>
            Effect.map(
              fromSession(() => body(session)),
              (value) => ({ value, wrote: false })
            )
          )
        // Both at once, so that there are two connections.
        yield* Effect.all([one(sleep), all(sleep)], { concurrency: 2 })
        const seen = Effect.all([one(settingsOf), all(settingsOf)])
        const before = yield* seen
        for (let count = 0; count < 20; count++) yield* seen
        assert.deepStrictEqual(yield* seen, before)
      })
    )
  }
)

alone.effect("a connection is used again only when everything that its use ended with leaves it as it was", () =>
  Effect.gen(function* () {
    const pool = makePool(storeSettings(inject("databaseUrl")), 1)
    yield* Effect.addFinalizer(() => pool.close)
    const failure = (fatal: boolean) =>
      Cause.fail(new DatabaseFailure({ errno: 1, code: "C", constraint: null, fatal }))
    const [clean, broken] = [failure(false), failure(true)]
    const number = pool.use("each", (connection) =>
      fromSession(async () => (await connection.rows("SELECT CONNECTION_ID()"))[0]?.[0])
    )
    const isSameAfter = (cause: Cause.Cause<DatabaseFailure>) =>
      Effect.gen(function* () {
        const before = yield* number
        yield* Effect.exit(pool.use("each", () => Effect.failCause(cause)))
        return (yield* number) === before
      })
    assert.isTrue(yield* isSameAfter(clean))
    assert.isTrue(yield* isSameAfter(Cause.combine(clean, clean)))
    const unsure = [broken, Cause.interrupt(1), Cause.die(new Error("planted"))]
    for (const cause of unsure) {
      assert.isFalse(yield* isSameAfter(cause))
      assert.isFalse(yield* isSameAfter(Cause.combine(clean, cause)))
      assert.isFalse(yield* isSameAfter(Cause.combine(cause, clean)))
    }
  })
)
