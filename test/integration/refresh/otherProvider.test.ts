// Verifies R-REF-28.
/**
 * Another provider is named for a credential: what the former one gave is never sent to it, not to be refreshed and not
 * to be revoked, stays kept, and is used where the former one is named again.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { eventually } from "../../support/eventually.ts"
import { endsFamilies, refreshServers } from "../../support/refreshServers.ts"

const servers = refreshServers("rfo")
const { ask, provider, rotate, store } = servers

beforeAll(async () => {
  await servers.open({ natsUrl: inject("natsUrl"), databaseUrl: inject("databaseUrl") }, 60_000)
  for (const name of ["former", "other"]) await servers.standProvider(name, endsFamilies)
  await servers.start()
  for (const name of ["former", "other"]) await servers.putProvider(name, { revoke_url: provider(name).revokeUrl })
})
afterAll(() => servers.close())

const name = async (id: string, provider: string) => {
  const answer = await ask("credential.update", { credential_id: id, rotation: { provider } })
  assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
}
const storeOther = async (id: string) => {
  const { credentials } = provider("other").connect()
  const stored = await rotate(id, { credentials, expires_at: new Date(Date.now() + 3_600_000).toISOString() })
  assert.strictEqual(stored.status, 200, JSON.stringify(stored.body))
  return credentials
}

describe("a grant of the provider that was named before", () => {
  it("is kept from the one that is named now, and used where its own is named again", async () => {
    const one = await store("former")
    assert.strictEqual((await rotate(one.id)).status, 200)
    const kept = provider("former").newestOf(one.family)
    await name(one.id, "other")
    await storeOther(one.id)
    provider("other").next("consent_revoked")
    for (const look of ["refused", "again", "and again"]) {
      const answer = await rotate(one.id)
      assert.strictEqual(answer.code, "RECONNECT_NEEDED", `${look}: ${JSON.stringify(answer.body)}`)
    }
    assert.strictEqual(provider("other").exchanges(), 1)
    for (const token of provider("former").secrets()) assert.isFalse(provider("other").received(token))
    assert.isTrue(provider("former").isLive(one.family, kept))
    await name(one.id, "former")
    assert.strictEqual((await rotate(one.id)).status, 200)
    assert.isTrue(provider("former").received(kept))
    assert.strictEqual(provider("former").misuses(), 0)
    await servers.assertLive("former", one)
  })

  it("is not sent to the one that is named now to be revoked, though its answer came last", async () => {
    const one = await store("former")
    provider("former").next("held")
    const asking = rotate(one.id)
    await eventually(provider("former").heldCount, (count) => count === 1)
    await name(one.id, "other")
    const credentials = await storeOther(one.id)
    const revoke = async () =>
      (await ask("credential.revoke", { credential_id: one.id, at_provider: true })).body.details.at_provider as string
    assert.strictEqual(await revoke(), "failed", "an answer may come yet")
    provider("former").release()
    await asking
    await eventually(revoke, (said) => said === "revoked")
    assert.isTrue(provider("other").received(credentials.refresh_token))
    for (const token of provider("former").secrets()) assert.isFalse(provider("other").received(token))
  })
})
