// Verifies R-REF-20, R-REF-21.
/**
 * P7 on real processes, short: three replicas that are killed, paused and cut off, a provider that loses and
 * spoils answers, people who interfere. No grant is lost that could be kept, and no secret is said
 * anywhere; `grantsMutant.test.ts` sees grants lost in a build without the claim. `SEED=…` repeats the choices; the long
 * run is `npm run grants`.
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream"
import { connect } from "@nats-io/transport-node"
import { createPool } from "mariadb"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { eventually } from "../support/eventually.ts"
import { freshDatabase } from "../support/freshDatabase.ts"
import { seededRandom } from "../support/seededRandom.ts"
import { holdsSecret, makeSecret } from "./grants/planted.ts"
import { run } from "./grants/run.ts"
import { searchEverywhere } from "./grants/search.ts"
import { type Ground, startGround } from "./World.ts"

let ground: Ground
beforeAll(async () => {
  ground = await startGround(1, ["--innodb-flush-log-at-trx-commit=2"])
})
afterAll(async () => {
  await ground?.stop()
})

describe("the search for secrets", () => {
  it("finds one wherever it got to, in each of its forms, and nothing where none is", async () => {
    const database = await freshDatabase(ground.databaseUrl)
    const { hostname, password, port, username } = new URL(database.url)
    const options = { host: hostname, port: Number(port), user: username, password, database: database.name }
    const pool = createPool({ ...options, connectionLimit: 2, connectTimeout: 30_000 })
    const nc = await connect({ servers: ground.natsUrl })
    try {
      const look = () => searchEverywhere(pool, database.name, ground.folder)
      const said = (kind: string) => `the token ${makeSecret(kind, kind.length % 2 === 0)} is not good`
      await pool.query(
        "CREATE TABLE notes (id INT, short VARCHAR(400), body JSON, bytes VARBINARY(400), large LONGBLOB)"
      )
      await pool.query("INSERT INTO notes VALUES (1, 'nothing', '{}', 'nothing', 'nothing')")
      const manager = await jetstreamManager(nc, { timeout: 60_000 })
      await manager.streams.add({ name: "SEARCHED", subjects: ["searched.>"], storage: "file" })
      await jetstream(nc, { timeout: 60_000 }).publish("searched.first", "nothing")
      assert.deepStrictEqual(await look(), [])

      const texts = [
        said("rt"),
        said("secret").slice(0, -12),
        ...["", "a", "ab"].map((before) => Buffer.from(`${before}${said("at")}`).toString("base64")),
        Buffer.from(said("id")).toString("hex"),
        encodeURIComponent(said("old"))
      ]
      for (const text of texts) {
        assert.isTrue(holdsSecret(text), text)
        for (const column of ["short", "body", "bytes", "large"]) {
          await pool.query(`UPDATE notes SET ${column} = ?`, [JSON.stringify({ text })])
          assert.deepStrictEqual(await look(), [`1 rows of notes, column ${column}`], text)
          await pool.query(`UPDATE notes SET ${column} = '{}'`)
        }
      }
      await jetstream(nc, { timeout: 60_000 }).publish("searched.second", said("rt"))
      await eventually(look, (found) => found.length === 1 && found[0]!.startsWith("the bus's file "), {
        limitMs: 180_000,
        everyMs: 200,
        what: "the secret on the bus being found"
      })
      // The runs after it search the same bus.
      await manager.streams.delete("SEARCHED")
      await eventually(look, (found) => found.length === 0, {
        limitMs: 180_000,
        everyMs: 200,
        what: "the bus being clean"
      })
    } finally {
      await nc.close()
      await pool.end()
      await database.drop()
    }
  })
})

describe("refreshes under trouble", () => {
  // It ends after so many refreshes, which take as long as the machine does.
  it("lose no grant that could be kept, and say no secret", { timeout: 1_500_000 }, async () => {
    const { random } = seededRandom("grants")
    const { diedByThemselves, losses, secrets, ...figures } = await run({
      ground,
      random,
      refreshes: 300,
      grants: 60,
      restMs: 4_000,
      limitMs: 900_000
    })
    console.log(JSON.stringify(figures))
    assert.deepStrictEqual([losses, secrets, diedByThemselves], [[], [], 0])
    assert.isAtLeast(figures.refreshes, 300)
    assert.isAbove(Object.values(figures.troubles).length, 0)
  })
})
