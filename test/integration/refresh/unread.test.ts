// Verifies R-REF-27.
/**
 * Somebody who writes to MariaDB plants a row in the place of a provider's answer: its credential is in doubt and
 * nothing is asked of the provider for it, others are refreshed meanwhile, and a person who connects anew ends it. At a
 * provider of which an exchange spends nothing it is told, and nothing else.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { eventually } from "../../support/eventually.ts"
import { connectSql } from "../../support/freshDatabase.ts"
import { endsFamilies, refreshServers } from "../../support/refreshServers.ts"
import type { Service } from "../../support/service.ts"

const servers = refreshServers("rfu")
const { ask, rotate, store } = servers
let service: Service
const told: Array<string> = []

beforeAll(async () => {
  await servers.open({ natsUrl: inject("natsUrl"), databaseUrl: inject("databaseUrl") }, 60_000)
  await servers.standProvider("rotating", endsFamilies)
  await servers.standProvider("keeping", { refreshTokens: "keep", reuse: "refuse", graceMs: 0 })
  service = await servers.start()
  const { nc } = servers.client()
  for (const type of ["refresh_in_doubt", "recovered"]) {
    nc.subscribe(`rfu.events.v1.demo.credential.${type}`, {
      callback: (_, message) => void told.push(`${type} ${message.json<{ credential_id: string }>().credential_id}`)
    })
  }
  await nc.flush()
  for (const name of ["rotating", "keeping"]) await servers.putProvider(name)
})
afterAll(() => servers.close())

/** In the place of the term that comes next, with what is sealed for another one: 6 is an answer. */
const plant = async (id: string, sealed = "sealed"): Promise<void> => {
  const sql = await connectSql(servers.database().url)
  const columns = "tenant_id, key_id, fingerprints, expires_at, valid_until, reason, created_at, created_by"
  const inserted = await sql.query(
    `INSERT INTO credential_versions (credential_id, version, state, sealed, ${columns})
      SELECT credential_id, 1000000001, 6, ${sealed}, ${columns} FROM credential_versions
      WHERE credential_id = ? AND version = 1`,
    [Buffer.from(id.replaceAll("-", ""), "hex")]
  )
  assert.strictEqual(inserted.affectedRows, 1)
  await sql.end()
}
const toldOf = (id: string) => told.filter((one) => one.endsWith(id)).map((one) => one.split(" ")[0])

describe("a row in the place of an answer that cannot be opened", () => {
  it("puts its own credential in doubt, and is told; a person who connects anew goes on", async () => {
    const provider = servers.provider("rotating")
    const [planted, other] = [await store("rotating"), await store("rotating")]
    await plant(planted.id)
    const refused = await rotate(planted.id)
    assert.strictEqual(refused.code, "REFRESH_IN_DOUBT", JSON.stringify(refused.body))
    assert.strictEqual(provider.exchanges(), 0)
    assert.strictEqual((await servers.shown(planted.id)).refresh.state, "in_doubt")
    await eventually(
      () => told,
      (all) => all.length > 0,
      { limitMs: 120_000, what: "the event" }
    )
    assert.deepStrictEqual(told, [`refresh_in_doubt ${planted.id}`])
    assert.include(
      service.output(),
      "a provider's answer that is stored cannot be opened, and its credential is refreshed no"
    )
    // Readers keep what lives.
    assert.strictEqual((await ask("credential.get.mail", { credential_id: planted.id })).status, 200)

    assert.strictEqual((await rotate(other.id)).status, 200)
    assert.strictEqual(provider.exchanges(), 1)

    const { credentials, family } = provider.connect()
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    const anew = await rotate(planted.id, { credentials, expires_at: expiresAt })
    assert.strictEqual(anew.status, 200, JSON.stringify(anew.body))
    const refreshed = await rotate(planted.id)
    assert.strictEqual(refreshed.status, 200, JSON.stringify(refreshed.body))
    await servers.assertLive("rotating", { id: planted.id, family })
    assert.deepStrictEqual([provider.exchanges(), provider.misuses()], [2, 0])
  })

  it("is told, and its credential refreshed all the same, where an exchange spends nothing", async () => {
    const provider = servers.provider("keeping")
    const planted = await store("keeping")
    const counted = async () =>
      /cm_rows_changed_total\{[^}]*kind="credential"[^}]*\} (\d+)/u.exec(
        (await servers.client().admin("metrics")).body
      )?.[1]
    const before = Number((await counted()) ?? 0)
    await plant(planted.id)
    const refreshed = await rotate(planted.id)
    assert.strictEqual(refreshed.status, 200, JSON.stringify(refreshed.body))
    assert.strictEqual(provider.exchanges(), 1)
    assert.strictEqual((await servers.shown(planted.id)).refresh.state, "fresh")
    await servers.assertLive("keeping", planted)
    await eventually(
      () => toldOf(planted.id),
      (all) => all.length > 1,
      { limitMs: 120_000, what: "the events" }
    )
    assert.deepStrictEqual(toldOf(planted.id), ["refresh_in_doubt", "recovered"])
    assert.include(service.output(), "a provider's answer that is stored cannot be opened, and was put aside")
    assert.strictEqual(Number(await counted()), before + 1)
    // Once: it stands in nobody's way any more.
    assert.strictEqual((await rotate(planted.id)).status, 200)
    assert.strictEqual(provider.exchanges(), 2)
    assert.strictEqual(Number(await counted()), before + 1)
    assert.deepStrictEqual(toldOf(planted.id), ["refresh_in_doubt", "recovered"])
  })

  it("is told as well when it is longer than any answer, and is not read for that", async () => {
    const provider = servers.provider("keeping")
    const planted = await store("keeping")
    const before = provider.exchanges()
    await plant(planted.id, "REPEAT('x', 12000000)")
    const refreshed = await rotate(planted.id)
    assert.strictEqual(refreshed.status, 200, JSON.stringify(refreshed.body))
    assert.strictEqual(provider.exchanges(), before + 1)
    await eventually(
      () => toldOf(planted.id),
      (all) => all.length > 1,
      { limitMs: 120_000, what: "the events" }
    )
    assert.deepStrictEqual(toldOf(planted.id), ["refresh_in_doubt", "recovered"])
  })
})
