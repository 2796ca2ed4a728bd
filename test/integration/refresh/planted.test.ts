// Verifies R-REF-29.
/**
 * Somebody who writes to MariaDB plants thousands of due credentials: rows whose tag is of another row, in the queue of a
 * real grant and before it, in queues of their own, and some of which nothing is refreshed. The real grant is refreshed all
 * the same; each planted row is looked at once, rests for an hour, and the log is not filled.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { eventually } from "../../support/eventually.ts"
import { connectSql } from "../../support/freshDatabase.ts"
import { endsFamilies, refreshServers } from "../../support/refreshServers.ts"
import type { Service } from "../../support/service.ts"

const servers = refreshServers("rfp")
const { store } = servers
let service: Service

beforeAll(async () => {
  await servers.open({ natsUrl: inject("natsUrl"), databaseUrl: inject("databaseUrl") }, 60_000)
  await servers.standProvider("rotating", endsFamilies)
  service = await servers.start()
  await servers.putProvider("rotating")
})
afterAll(() => servers.close())

const inQueue = 3_000
const ofOwnQueue = 1_500
const ofNothing = 1_500
/** Until the real grant is due, and as long as work that is due may take to begin (contract 10.3). */
const limitMs = 5_000 + 20_000

describe("thousands of planted credentials that are due", () => {
  it("hold up no real grant, are looked at once, and are few lines of the log", async () => {
    const provider = servers.provider("rotating")
    const model = await store("rotating")
    const sql = await connectSql(servers.database().url)
    const rows = async (query: string): Promise<number> => Number(Object.values((await sql.query(query))[0])[0])
    const columns = `tenant_id, type, owner_key, state, version, secret_version, scopes, allowed_consumers, metadata,
      rotation, noticed_ms, created_at, updated_at, created_by, updated_by, mac`
    // Without an end of their own, so that no notice of one is due, which meets them as well.
    const plant = (from: number, count: number, refresh: string, queue: string) =>
      sql.query(
        `INSERT INTO credentials (credential_id, service_name, ${columns}, refresh, refresh_due_at, refresh_provider,
            refresh_queue, refresh_urgency)
          SELECT UNHEX(LPAD(HEX(seq), 32, '0')), CONCAT('planted', seq), ${columns}, ${refresh}, seq, refresh_provider,
            ${queue}, 0
          FROM credentials, seq_${from}_to_${from + count - 1} WHERE credential_id = ?`,
        [Buffer.from(model.id.replaceAll("-", ""), "hex")]
      )
    // Due 5 s after it was stored: behind all that is planted meanwhile.
    const real = await store("rotating", 10_000)
    await plant(1, inQueue, "refresh", "refresh_queue")
    await plant(10_000, ofOwnQueue, "refresh", "UNHEX(MD5(seq))")
    await plant(20_000, ofNothing, "NULL", "NULL")
    const plantedAt = Date.now()
    await eventually(
      () => provider.exchanges(),
      (count) => count === 1,
      { limitMs, what: "the real grant's exchange" }
    )
    await eventually(
      async () => (await servers.shown(real.id)).refresh,
      ({ last_refreshed_at: at }) => typeof at === "string",
      { what: "the answer is settled" }
    )
    await servers.assertLive("rotating", real)
    const planted = inQueue + ofOwnQueue + ofNothing
    const resting = () =>
      rows(`SELECT COUNT(*) FROM credentials WHERE service_name LIKE 'planted%'
        AND refresh_due_at > UNIX_TIMESTAMP() * 1000 + 3000000`)
    await eventually(resting, (count) => count === planted, { limitMs: 120_000, what: "all that was planted rests" })
    const seconds = (Date.now() - plantedAt) / 1_000
    const lines = service
      .output()
      .split("\n")
      .filter((line) => line.includes("the row of a credential was changed outside of the service"))
    assert.isAtLeast(lines.length, 1)
    assert.isAtMost(lines.length, seconds + 10)
    const told = lines.reduce((sum, line) => sum + 1 + Number(/"unsaid":(\d+)/u.exec(line)?.[1] ?? 0), 0)
    assert.isAtMost(told, planted, "each was met once")
    await sql.end()
  })
})
