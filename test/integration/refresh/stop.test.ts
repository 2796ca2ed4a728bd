// Verifies R-REF-25.
/**
 * A replica is stopped in order when it has just taken many that are due: what is under way ends, nothing begins that
 * nobody waits for, nothing stays claimed, and who had asked is answered.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { eventually } from "../../support/eventually.ts"
import { connectSql } from "../../support/freshDatabase.ts"
import { endsFamilies, refreshServers } from "../../support/refreshServers.ts"
import type { HostileProvider } from "../../support/standIns/provider.ts"

const many = 60
/** Those that had had their last look may have been on their way to the provider. */
const onTheirWay = 3
const servers = refreshServers("rfs")
const { ask, store } = servers
let crowded: HostileProvider
let slow: HostileProvider

beforeAll(async () => {
  await servers.open({ natsUrl: inject("natsUrl"), databaseUrl: inject("databaseUrl") })
  crowded = await servers.standProvider("crowded", endsFamilies)
  slow = await servers.standProvider("slow", endsFamilies)
})
afterAll(() => servers.close())

const held = (provider: HostileProvider, wanted: number) =>
  eventually(
    () => provider.heldCount(),
    (count) => count === wanted,
    { limitMs: 120_000, what: `${wanted} exchanges under way` }
  )

describe("a replica that is stopped in order", () => {
  it("begins nothing of what is due, ends what is under way, and leaves no claim", async () => {
    const env = {
      // Whatever has come to be due meanwhile is taken at one look; what is held until then is not given up.
      CM_REFRESH_INTERVAL: "10 seconds",
      CM_REFRESH_CLAIM: "5 minutes",
      CM_REFRESH_DOUBT: "10 minutes"
    }
    const service = await servers.start({ env })
    await servers.putProvider("crowded", { parallel: 1_000 })
    await servers.putProvider("slow", { parallel: 4 })
    const waited = await store("slow")
    const first = await store("crowded", 10_000)
    await eventually(
      () => crowded.exchanges(),
      (exchanges) => exchanges === 1,
      { limitMs: 120_000, everyMs: 10, what: "a look" }
    )
    slow.next("held")
    crowded.next("held")
    const crowd = await Promise.all(Array.from({ length: many }, () => store("crowded", 10_000)))
    const due = [first, ...crowd]
    // The stop lasts until this one is answered.
    const asked = servers.rotate(waited.id)
    await held(slow, 1)
    await held(crowded, 1)
    const stopped = service.stop()
    await eventually(
      () => service.output().includes("stopping"),
      (is) => is,
      { limitMs: 120_000, what: "the stop being begun" }
    )
    const begun = crowded.exchanges()
    assert.isBelow(begun + onTheirWay, many, "some of those that were taken have not begun")
    crowded.release()
    const sql = await connectSql(servers.database().url)
    const count = async (where: string): Promise<number> =>
      Number((await sql.query(`SELECT COUNT(*) AS n FROM credentials WHERE ${where}`))[0].n)
    await eventually(
      async () => ({
        settled: await count("refresh_provider = 'crowded' AND secret_version > 1"),
        exchanges: crowded.exchanges()
      }),
      ({ exchanges, settled }) => settled === exchanges,
      { limitMs: 120_000, what: "what was under way being settled" }
    )
    slow.release()
    // Who waits does so for a while; what was waited for is seen below.
    assert.include([200, 503], (await asked).status)
    assert.strictEqual(await stopped, 0)
    assert.isAtMost(crowded.exchanges(), begun + onTheirWay, "exchanges that began after the stop was begun")
    assert.strictEqual(await count("JSON_VALUE(refresh, '$.grant.claim.term') IS NOT NULL"), 0, "claims")
    await sql.end()

    const next = await servers.start({ env: { ...env, CM_REFRESH_INTERVAL: "100 millis" } })
    const kept = [...due.map((one) => ({ ...one, provider: crowded })), { ...waited, provider: slow }]
    for (const { family, id, provider } of kept) {
      const got = await eventually(
        () => ask("credential.get.mail", { credential_id: id, min_ttl: "PT1M" }),
        ({ status }) => status === 200,
        { limitMs: 120_000, what: "the secret" }
      )
      assert.isTrue(provider.isLive(family, got.body.credentials.refresh_token))
    }
    assert.deepStrictEqual([crowded.misuses(), slow.misuses(), slow.exchanges()], [0, 0, 1])
    await next.stop()
  }, 600_000)
})
