// Verifies R-REF-23.
/** A transaction costs no round trip for leaving the mode of single statements, while a connection is there that is in its own. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { inject } from "vitest"
import { fromSession, Mariadb } from "../../../../src/store/maria/Mariadb.ts"
import type { Session } from "../../../../src/store/maria/MariadbConnection.ts"
import { layerMariaStores } from "../../../support/storeLayers.ts"

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
