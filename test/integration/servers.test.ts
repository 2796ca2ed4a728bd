/** The ground of all other suites: servers that answer, databases of one's own, waits that tell what they saw. */
import { connect } from "@nats-io/transport-node"
import { assert, expect, inject, it } from "vitest"
import { eventually } from "../support/eventually.ts"
import { connectSql, freshDatabase } from "../support/freshDatabase.ts"

it("the shared NATS server answers and has JetStream", async () => {
  const connection = await connect({ servers: inject("natsUrl") })
  assert.isTrue(connection.info?.jetstream)
  await connection.close()
})

it("a fresh database is there until it is dropped", async () => {
  const database = await freshDatabase(inject("databaseUrl"))
  const connection = await connectSql(database.url)
  const names = async () => (await connection.query("SHOW DATABASES")).map((row: { Database: string }) => row.Database)
  assert.include(await names(), database.name)
  await database.drop()
  assert.notInclude(await names(), database.name)
  await connection.end()
})

it("a wait without success says what was last seen", async () => {
  await expect(
    eventually(
      () => "seen",
      () => false,
      { limitMs: 50 }
    )
  ).rejects.toThrow("last seen: 'seen'")
})
