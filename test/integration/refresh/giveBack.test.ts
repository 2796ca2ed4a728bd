// Verifies R-REF-10, R-REF-22.
/**
 * A replica claims a grant and cannot begin: MariaDB does not answer its last look. Claims last for minutes
 * here, so whoever refreshes all the same was given the claim back. (They last for seconds where a replica dies with one.)
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { eventually } from "../../support/eventually.ts"
import { endsFamilies, refreshServers } from "../../support/refreshServers.ts"
import type { Service } from "../../support/service.ts"
import type { Passing } from "../../support/statementGate.ts"

const servers = refreshServers("rfg")
const { rotate, store } = servers
const env = { CM_DB_TIMEOUT: "3 seconds", CM_REFRESH_CLAIM: "5 minutes", CM_REFRESH_DOUBT: "10 minutes" }
let service: Service

beforeAll(async () => {
  await servers.open({ natsUrl: inject("natsUrl"), databaseUrl: inject("databaseUrl") }, 25_000)
  await servers.standProvider("rotating", endsFamilies)
  service = await servers.start({ env, databaseUrl: servers.gatedUrl() })
  await servers.putProvider("rotating")
})
afterAll(() => servers.close())

const claims = ({ text }: Passing): boolean => text.includes("UPDATE credentials") && text.includes('"claim":{')

/** The first look at a credential's versions behind the writing of a claim. */
const lastLook = () => {
  let isClaimed = false
  return (passing: Passing): boolean => {
    isClaimed ||= claims(passing)
    return isClaimed && passing.text.startsWith("SELECT") && passing.text.includes("ORDER BY version")
  }
}

/** A refresh that is claimed and does not begin. */
const hinder = async (id: string) => {
  const isStopped = servers.gate().stopAt(lastLook(), "before")
  const answer = await rotate(id)
  await isStopped
  assert.strictEqual(answer.status, 503, JSON.stringify(answer.body))
}

describe("a claim whose exchange could not begin", () => {
  it("is given back, and the next request has the grant at once", async () => {
    const grant = await store("rotating")
    await hinder(grant.id)
    const answer = await rotate(grant.id)
    assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
    await servers.assertLive("rotating", grant)
  })

  it("is given back, and another replica has the grant at once", async () => {
    const grant = await store("rotating")
    await hinder(grant.id)
    await service.stop()
    service = await servers.start({ env, replica: "two" })
    const answer = await rotate(grant.id)
    assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
    await servers.assertLive("rotating", grant)
  })

  it("is given back, and had again by itself, where a dead replica's left a doubt", async () => {
    await service.stop()
    const short = { ...env, CM_REFRESH_CLAIM: "2 seconds", CM_REFRESH_DOUBT: "3 seconds" }
    const shortOnes = { env: { ...short, CM_REFRESH_INTERVAL: "100 millis" }, databaseUrl: servers.gatedUrl() }
    const dies = await servers.start({ ...shortOnes, replica: "three" })
    const before = servers.provider("rotating").exchanges()
    const grant = await store("rotating")
    const claimed = servers
      .gate()
      .stopAt(({ commits, transaction }) => commits && transaction.includes('"claim":{'), "answered")
    // May fail: its answer may never come.
    void rotate(grant.id).catch(() => undefined)
    await claimed
    dies.kill()
    await dies.exited
    const hindered = servers.gate().stopAt(lastLook(), "before")
    service = await servers.start({ ...shortOnes, replica: "four" })
    await hindered
    assert.strictEqual((await servers.shown(grant.id)).refresh.state, "in_doubt")
    // Its usual time is an hour away, and nobody asks.
    await eventually(
      () => servers.shown(grant.id),
      (one) => one?.refresh.state === "fresh",
      { limitMs: 120_000, what: "the end of the doubt" }
    )
    await servers.assertLive("rotating", grant)
    const provider = servers.provider("rotating")
    assert.deepStrictEqual([provider.exchanges() - before, provider.misuses()], [1, 0])
  })
})
