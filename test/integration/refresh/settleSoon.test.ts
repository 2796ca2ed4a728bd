// Verifies R-REF-26.
/**
 * MariaDB goes away between a provider's answer being stored and its settling, and comes back. Claims last for minutes
 * here and nobody asks for the credential meanwhile, so what is settled all the same was tried again.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { eventually } from "../../support/eventually.ts"
import { connectSql } from "../../support/freshDatabase.ts"
import { endsFamilies, refreshServers } from "../../support/refreshServers.ts"
import type { Passing } from "../../support/statementGate.ts"

const servers = refreshServers("rfd")

beforeAll(async () => {
  await servers.open({ natsUrl: inject("natsUrl"), databaseUrl: inject("databaseUrl") })
  await servers.standProvider("rotating", endsFamilies)
  await servers.start({
    databaseUrl: servers.gatedUrl(),
    env: { CM_DB_TIMEOUT: "3 seconds", CM_REFRESH_CLAIM: "5 minutes", CM_REFRESH_DOUBT: "10 minutes" }
  })
  await servers.putProvider("rotating")
})
afterAll(() => servers.close())

/** Nothing else takes a version's row away. */
const settles = ({ text }: Passing): boolean => text.includes("DELETE FROM credential_versions")

describe("an answer that is stored, and a database that is away when it is to be settled", () => {
  it("is settled soon after the database is back: the new version is there, and the provider was asked once", async () => {
    const grant = await servers.store("rotating")
    const sql = await connectSql(servers.database().url)
    const id = Buffer.from(grant.id.replaceAll("-", ""), "hex")
    // 6 is an answer.
    const answers = async (): Promise<number> =>
      Number(
        (
          await sql.query("SELECT COUNT(*) AS n FROM credential_versions WHERE credential_id = ? AND state = 6", [id])
        )[0].n
      )
    const isGone = servers.gate().leaveAt(settles)
    const asked = servers.rotate(grant.id)
    await isGone
    assert.strictEqual(await answers(), 1)
    const answer = await asked
    assert.strictEqual(answer.status, 503, JSON.stringify(answer.body))
    assert.deepStrictEqual([await answers(), servers.provider("rotating").exchanges()], [1, 1])

    servers.gate().comeBack()
    const shown = await eventually(
      () => servers.shown(grant.id),
      (one) => one?.refresh.state === "fresh",
      { limitMs: 120_000, what: "the settling" }
    )
    assert.deepStrictEqual([shown.version, shown.refresh.attempts, shown.refresh.last_error ?? null], [2, 0, null])
    assert.strictEqual(await answers(), 0)
    await sql.end()
    await servers.assertLive("rotating", grant)
    const provider = servers.provider("rotating")
    assert.deepStrictEqual([provider.exchanges(), provider.misuses()], [1, 0])
    // Nothing was left behind that would hold up the next one.
    const next = await servers.rotate(grant.id)
    assert.strictEqual(next.status, 200, JSON.stringify(next.body))
    await servers.assertLive("rotating", grant)
  })
})
