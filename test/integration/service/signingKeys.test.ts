/**
 * The keys that sign the audit and that make fingerprints are rotated while two replicas work (Verifies: R-SEC-47, R-AUD-11).
 *
 * What was signed before stays verifiable, by the service and without it; a repetition is known under the key that it
 * came under; whoever kills the service in the middle finds all of it or nothing.
 */
import { execFile } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { temporaryFolder } from "../../support/servers.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "signkeys"
const folder = temporaryFolder()
const verifier = resolve(import.meta.dirname, "../../../scripts/audit-verify.mjs")
const env = { CM_KEYS_RELOAD: "200 millis", CM_KEYS_ACTIVATION: "1 second", CM_KEYS_MOVE_EVERY: "200 millis" }
let database: FreshDatabase
let client: Client
const services: Array<Service> = []

const start = async (replica: string) => {
  const shared = services[0] === undefined ? {} : { keyFile: services[0].keyFile }
  const options = { natsUrl: inject("natsUrl"), databaseUrl: database.url, instance, replica, env, ...shared }
  services.push(await startService(options))
}

interface Key {
  readonly keyId: string
  readonly purpose: string
  readonly state: string
}
const activeKey = async (purpose: string): Promise<string> => {
  const { content } = (await client.admin("keys.list")).body as { readonly content: ReadonlyArray<Key> }
  const active = content.filter((key) => key.purpose === purpose && key.state === "active")
  assert.lengthOf(active, 1)
  return active[0]!.keyId
}
const rotate = async (purpose: string): Promise<string> => {
  const before = await activeKey(purpose)
  const { body, status } = await client.admin("keys.rotate", { purpose, force: true })
  assert.strictEqual(status, 200, JSON.stringify(body))
  const after = await activeKey(purpose)
  assert.notStrictEqual(after, before)
  return after
}
const sign = async (): Promise<{ readonly key_id: string; readonly public_key: string; readonly seq: number }> => {
  // A replica that gets too little of a busy machine says 503.
  const { body, status } = await eventually(
    () => client.admin("audit.sign", { tenantId: "demo" }),
    (answer) => answer.status !== 503,
    { what: "an answer that is not 503" }
  )
  assert.strictEqual(status, 200, JSON.stringify(body))
  return body
}
const store = (n: number, headers: Record<string, string> = {}, value = `value-${n}`) =>
  client.ask(
    "demo",
    "credential.store",
    { service_name: `s${n}`, type: "api_key", credentials: { api_key: value }, allowed_consumers: ["mail"] },
    headers
  )
const isValid = async (): Promise<void> => {
  const { body } = await client.ask("demo", "audit.verify")
  assert.isTrue(body.valid, JSON.stringify(body))
}

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  await start("one")
  await start("two")
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
}, 300_000)
afterAll(async () => {
  await client?.close()
  for (const service of services) await service.stop()
  await database?.drop()
  folder.remove()
})

describe("the key that signs the audit", () => {
  const signed: Array<Awaited<ReturnType<typeof sign>>> = []

  it("is rotated twice; each replica signs with the new one, and the audit is valid throughout", async () => {
    await store(0)
    signed.push(await sign())
    for (const n of [1, 2]) {
      const keyId = await rotate("audit-signing")
      await store(n)
      // Asked often enough that either replica answers: by all of them, it is the new key.
      const signing = async () => {
        const ids: Array<string> = []
        for (let asked = 0; asked < 32; asked++) ids.push((await sign()).key_id)
        return ids
      }
      const isNew = (ids: ReadonlyArray<string>) => ids.every((id) => id === keyId)
      await eventually(signing, isNew, { limitMs: 120_000, what: "each replica signing with the new key" })
      for (let asked = 0; asked < 8; asked++) {
        await store(10 * n + asked)
        const one = await sign()
        assert.strictEqual(one.key_id, keyId)
        signed.push(one)
        await isValid()
      }
    }
    assert.lengthOf(Array.from(new Set(signed.map(({ key_id }) => key_id))), 3)
  }, 300_000)

  it("of an export, whoever knows the first public key or the last one verifies all that was signed, offline", async () => {
    const rows = (await client.ask("demo", "audit.list", { limit: 1_000 })).body.content
    const [exported, points] = [join(folder.path, "export.jsonl"), join(folder.path, "points.jsonl")]
    const lines = (values: ReadonlyArray<unknown>) => values.map((value) => `${JSON.stringify(value)}\n`).join("")
    writeFileSync(exported, lines(rows))
    writeFileSync(points, lines(signed))
    const verify = (publicKey: string) =>
      promisify(execFile)(process.execPath, [
        ...[verifier, exported, "--tenant", "demo", "--checkpoints", points, `--public-key=${publicKey}`]
      ]).then(
        ({ stdout }) => ({ code: 0, said: stdout }),
        (error: { readonly code: number; readonly stdout: string }) => ({ code: error.code, said: error.stdout })
      )
    for (const known of [signed[0]!, signed.at(-1)!]) {
      const { code, said } = await verify(known.public_key)
      assert.strictEqual(code, 0, said)
    }
    const { public_key: foreign } = { public_key: Buffer.alloc(32, 7).toString("base64url") }
    assert.notStrictEqual((await verify(foreign)).code, 0)
  })

  it("the service knows all of it again after a restart", async () => {
    for (const service of services.splice(1)) await service.stop()
    services[0]!.kill("SIGKILL")
    await services[0]!.exited
    await start("three")
    await isValid()
    await store(99)
    assert.strictEqual((await sign()).key_id, signed.at(-1)!.key_id)
    await isValid()
  }, 300_000)
})

describe("the key that makes fingerprints", () => {
  it("is rotated; a repetition gets the first answer, another body under the same key is refused, a read the same secret", async () => {
    const headers = { "Idempotency-Key": "before-the-rotation" }
    // A replica that gets too little of a busy machine for a second says 503 to whoever has an idempotency key.
    const answered = (...asked: Parameters<typeof store>) =>
      eventually(
        () => store(...asked),
        ({ status }) => status !== 503,
        { limitMs: 120_000, what: "an answer that is not 503" }
      )
    const first = await answered(500, headers)
    assert.strictEqual(first.status, 201)
    await rotate("fingerprint")
    const again = await answered(500, headers)
    assert.deepStrictEqual([again.status, again.body], [201, first.body])
    const other = await answered(500, headers, "another")
    assert.strictEqual(other.status, 422, JSON.stringify(other.body))
    const read = await client.ask("demo", "credential.get.mail", { credential_id: first.body.credential_id })
    assert.strictEqual(read.body.credentials.api_key, "value-500")
    const later = { "Idempotency-Key": "after-the-rotation" }
    const made = await answered(501, later)
    assert.strictEqual(made.status, 201)
    assert.deepStrictEqual((await answered(501, later)).body, made.body)
  }, 300_000)
})
