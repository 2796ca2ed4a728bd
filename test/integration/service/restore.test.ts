// Verifies R-REC-1, R-REC-2.
/** A backup that is put back: what ended after it has ended again before anything is answered. Real servers, real files. */
import { execFile } from "node:child_process"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import { jetstreamManager } from "@nats-io/jetstream"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "rst"
const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), "cm-restore-"))
const keyFile = join(folder, "keys.json")
const databases: Array<FreshDatabase> = []
const services: Array<Service> = []
let client: Client

const newDatabase = async () => {
  const made = await freshDatabase(inject("databaseUrl"))
  databases.push(made)
  return made
}
const start = async (database: FreshDatabase, keys: string, others: { readonly unready?: boolean } = {}) => {
  const env = { CM_AUDIT_CHECKPOINT_EVERY: "1 second" }
  const started = { natsUrl: inject("natsUrl"), databaseUrl: database.url, instance, keyFile: keys, env, ...others }
  const service = await startService(started)
  services.push(service)
  return service
}
const script = (name: string, args: ReadonlyArray<string>, env: Record<string, string>) =>
  run(process.execPath, [resolve(import.meta.dirname, `../../../scripts/${name}.mjs`), ...args], {
    env: { PATH: process.env.PATH ?? "", ...env }
  }).then(
    ({ stderr, stdout }) => ({ code: 0, said: stdout + stderr }),
    ({ code, stderr, stdout }: { code: number; stderr: string; stdout: string }) => ({ code, said: stdout + stderr })
  )
/** What the stream of events has of the tenant's audit, as anybody may keep it. */
const announcedCheckpoints = async () => {
  const manager = await jetstreamManager(client.nc, { timeout: 60_000 })
  const points: Array<Record<string, unknown>> = []
  let seq = 0
  while (true) {
    const wanted = { seq: seq + 1, next_by_subj: `${instance}.events.v1.demo.audit.checkpoint` }
    const found = await manager.streams.getMessage("RST_EVENTS", wanted as { seq: number })
    if (found === null) break
    points.push(found.json())
    seq = found.seq
  }
  return points
}
const statusOf = async (token: string) => (await client.validate("rst-app", token)).statusCode
const provision = async (endpointId: string) => {
  const { body } = await client.ask("demo", "token.provision", { appName: "rst-app", endpointId })
  return body as { readonly tokenId: string; readonly token: string }
}

beforeAll(async () => {
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
})
afterAll(async () => {
  await client?.close()
  for (const service of services) await service.stop()
  for (const database of databases) await database.drop()
  rmSync(folder, { recursive: true, force: true })
})

describe("a backup", () => {
  it("put back into an empty database revives nothing that ended after it, and the audit tells", async () => {
    const first = await newDatabase()
    const one = await start(first, keyFile)
    await client.ask("demo", "application.register", { appName: "rst-app" })
    const names = ["revoked", "deleted", "rotated", "suspended", "resumed", "kept"] as const
    const tokens = new Map<string, Awaited<ReturnType<typeof provision>>>()
    for (const name of names) tokens.set(name, await provision(name))
    const of = (name: (typeof names)[number]) => tokens.get(name)!
    const credential = await client.ask("demo", "credential.store", {
      ...{ service_name: "x", type: "api_key", credentials: { api_key: "planted" }, allowed_consumers: ["mail"] }
    })
    const username = "rst-user"
    const basic = await client.ask("demo", "client-credential.create-basic", { username })
    assert.strictEqual(basic.status, 201, JSON.stringify(basic.code))
    await client.admin("tenants.create", { tenantId: "rst-gone" })
    // One that is used for the first time after the backup.
    const used = names.filter((name) => name !== "suspended")
    for (const name of used) assert.strictEqual(await statusOf(of(name).token), 200, name)

    const backup = join(folder, "backup")
    const env = { DATABASE_URL: first.url, CM_KEY_FILE: keyFile }
    const made = await script("backup", [backup], env)
    assert.strictEqual(made.code, 0, made.said)
    assert.strictEqual(statSync(join(backup, "database.sql")).mode & 0o777, 0o600)
    assert.notInclude(readFileSync(join(backup, "database.sql"), "utf8"), "planted")

    // What ends, and what is made, after the backup.
    assert.strictEqual(await statusOf(of("suspended").token), 200)
    await client.ask("demo", "token.revoke", { tokenId: of("revoked").tokenId })
    await client.ask("demo", "token.delete", { tokenId: of("deleted").tokenId })
    await client.ask("demo", "token.rotate", { tokenId: of("rotated").tokenId, overlap: "PT0S" })
    for (const name of ["suspended", "resumed"] as const) {
      await client.ask("demo", "token.suspend", { tokenId: of(name).tokenId })
    }
    await client.ask("demo", "token.activate", { tokenId: of("resumed").tokenId })
    await client.ask("demo", "credential.revoke", { credential_id: credential.body.credential_id })
    await client.ask("demo", "client-credential.revoke", { credentialId: basic.body.credentialId })
    // Made after it as well: there is nothing of it to end.
    const brief = await client.ask("demo", "client-credential.create-basic", { username: "rst-brief" })
    await client.ask("demo", "client-credential.revoke", { credentialId: brief.body.credentialId })
    assert.strictEqual((await client.admin("tenants.remove", { tenantId: "rst-gone" })).status, 200)
    const later = await provision("later")
    assert.strictEqual(await statusOf(later.token), 200)
    await eventually(
      () => client.admin("outbox.list", { limit: 1 }),
      ({ body }) => JSON.stringify(body).length > 0,
      { what: "the outbox" }
    )
    const connection = await connectSql(first.url)
    const waiting = async () => Number((await connection.query("SELECT COUNT(*) AS n FROM outbox"))[0].n)
    await eventually(waiting, (count) => count === 0, { what: "all to be announced", limitMs: 120_000 })
    await connection.end()
    // Signed and announced, after the backup: what a restored audit cannot have.
    const published = async () => (await client.ask("demo", "audit.verify", {})).body
    const { seq: signedSeq } = (await client.admin("audit.sign", { tenantId: "demo" })).body
    await eventually(published, (verdict) => verdict.published?.seq >= signedSeq, { what: "the head to be announced" })
    await one.stop()

    const second = await newDatabase()
    const restoredKeys = join(folder, "restored-keys.json")
    const to = { DATABASE_URL: second.url, CM_KEY_FILE: restoredKeys }
    const restored = await script("restore", [backup], to)
    assert.strictEqual(restored.code, 0, restored.said)
    assert.isTrue(existsSync(restoredKeys))
    // Nothing that is there is written over.
    assert.match((await script("restore", [backup], to)).said, /not empty/u)

    const two = await start(second, restoredKeys)
    const statuses = Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await statusOf(of(name).token)] as const))
    )
    assert.deepStrictEqual(
      Object.fromEntries(Object.entries(statuses).map(([name, status]) => [name, status === 200])),
      { revoked: false, deleted: false, rotated: false, suspended: false, resumed: true, kept: true }
    )
    // It is of another history: neither the database nor a cache knows it.
    assert.notStrictEqual(await statusOf(later.token), 200)
    const got = await client.ask("demo", "credential.get.mail", { credential_id: credential.body.credential_id })
    assert.notStrictEqual(got.status, 200)
    const client1 = await client.ask("demo", "client-credential.get", { credentialId: basic.body.credentialId })
    assert.strictEqual(client1.body.status, "Suspended")
    assert.strictEqual((await client.ask("rst-gone", "token.list", { limit: 1 })).code, "TENANT_NOT_FOUND")
    const { content } = (await client.admin("audit.list", { tenantId: "global", entityId: "backup" })).body
    assert.lengthOf(content, 1)
    assert.deepInclude(content[0], { action: "recovery.replayed", actor: "recovery", by: "service" })
    assert.deepInclude(content[0].diff, { suspended: 1, credentials: 1, clients: 1, tenants: 1, gap_accepted: false })

    // The audit lacks rows that were signed, says so, and goes on to say so until somebody accepts it by name.
    const verify = async () => (await client.ask("demo", "audit.verify", {})).body
    const before = await verify()
    assert.isFalse(before.valid)
    assert.isAtLeast(before.lost.seq, signedSeq)
    const accept = (lost: unknown, reason = "the backup of before") =>
      client.admin("audit.accept", { tenantId: "demo", lost, reason })
    assert.strictEqual((await accept({ ...before.lost, hash: "0".repeat(64) })).status, 400)
    assert.isFalse((await verify()).valid)
    const accepted = await accept(before.lost)
    assert.strictEqual(accepted.status, 200, JSON.stringify(accepted.body))
    const told = { lost: before.lost, by: "ADMIN/tester", reason: "the backup of before" }
    const after = await verify()
    assert.isTrue(after.valid, JSON.stringify(after))
    assert.deepInclude(after.accepted[0], told)
    assert.deepStrictEqual((await accept(before.lost, "again")).body, accepted.body)
    // Signed on, and announced; the same is said without the service, of an export and of the events.
    const rows = async () => (await client.admin("audit.list", { tenantId: "demo", limit: 1000 })).body.content
    const signedOn = await client.admin("audit.sign", { tenantId: "demo" })
    assert.strictEqual(signedOn.status, 200, JSON.stringify(signedOn.body))
    const isAnnounced = (announced: ReadonlyArray<Record<string, unknown>>) =>
      announced.some(({ seq }) => Number(seq) >= signedOn.body.seq)
    await eventually(announcedCheckpoints, isAnnounced, { what: "the head to be announced" })
    const exported = join(folder, "export.jsonl")
    const points = join(folder, "points.jsonl")
    const lines = (values: ReadonlyArray<unknown>) => values.map((value) => `${JSON.stringify(value)}\n`).join("")
    writeFileSync(exported, lines(await rows()))
    writeFileSync(points, lines(await announcedCheckpoints()))
    const args = [exported, "--tenant", "demo", "--checkpoints", points, `--public-key=${accepted.body.public_key}`]
    const offline = await script("audit-verify", args, {})
    assert.strictEqual(offline.code, 0, offline.said)
    assert.deepInclude(JSON.parse(offline.said).accepted[0], told)
    writeFileSync(points, lines((await announcedCheckpoints()).filter((point) => point.accepted === undefined)))
    const rowsOnly = (await rows()).filter(({ action }: { action: string }) => action !== "audit.accepted")
    writeFileSync(exported, lines(rowsOnly.slice(0, -1)))
    assert.strictEqual((await script("audit-verify", args, {})).code, 1)
    // Once.
    await two.stop()
    await start(second, restoredKeys)
    const again = (await client.admin("audit.list", { tenantId: "global", entityId: "backup" })).body.content
    assert.lengthOf(again, 1)
  }, 300_000)

  it("that was changed, or another key file, is refused; nor does anything start where the stream does not reach back", async () => {
    const backup = join(folder, "backup")
    const third = await newDatabase()
    const other = join(folder, "other.json")
    writeFileSync(other, "{}")
    assert.match(
      (await script("restore", [backup], { DATABASE_URL: third.url, CM_KEY_FILE: other })).said,
      /another key file/u
    )
    const to = { DATABASE_URL: third.url, CM_KEY_FILE: join(folder, "third.json") }
    assert.strictEqual((await script("restore", [backup], to)).code, 0)
    const sql = readFileSync(join(backup, "database.sql"), "utf8")
    writeFileSync(join(backup, "database.sql"), sql.replace("INSERT", "insert"))
    const fourth = { ...to, DATABASE_URL: (await newDatabase()).url }
    assert.match((await script("restore", [backup], fourth)).said, /not what was backed up/u)

    // Another instance has streams of its own, in which nothing of this is.
    const env = { natsUrl: inject("natsUrl"), databaseUrl: third.url, keyFile: to.CM_KEY_FILE }
    const lost = await startService({ ...env, instance: "rstlost", unready: true })
    assert.strictEqual(await lost.exited, 1)
    assert.match(lost.output(), /does not reach back to it/u)
    assert.strictEqual((await script("replay-revocations", ["--accept-gap"], to)).code, 0)
    services.push(await startService({ ...env, instance: "rstlost" }))
  }, 300_000)
})

describe("the tools of a backup", () => {
  const modeOf = (file: string) => statSync(file).mode & 0o777
  const marksOf = async (database: FreshDatabase) => {
    const connection = await connectSql(database.url)
    const rows = await connection.query("SELECT backup_at, accept_gap, replayed_at FROM restore_mark")
    await connection.end()
    return rows.map((row: Record<string, unknown>) => [
      Number(row.backup_at),
      row.accept_gap,
      row.replayed_at === null ? "to be replayed" : "replayed"
    ])
  }

  it("write over no backup, take keys only where they may, and leave both to their owner alone", async () => {
    const keys = join(folder, "lax-keys.json")
    writeFileSync(keys, "{}", { mode: 0o644 })
    const env = { DATABASE_URL: (await newDatabase()).url, CM_KEY_FILE: keys }
    const [whole, bare] = [join(folder, "whole"), join(folder, "bare")]
    assert.strictEqual((await script("backup", [whole], env)).code, 0)
    assert.strictEqual(modeOf(join(whole, "keys.json")), 0o600)
    const manifest = join(whole, "backup.json")
    const before = readFileSync(manifest, "utf8")
    assert.match((await script("backup", [whole], env)).said, /holds a backup already/u)
    assert.strictEqual(readFileSync(manifest, "utf8"), before)
    assert.strictEqual((await script("backup", [bare, "--without-keys"], env)).code, 0)
    assert.isFalse(existsSync(join(bare, "keys.json")))

    // As it comes from where modes are not kept.
    chmodSync(join(whole, "keys.json"), 0o644)
    const second = await newDatabase()
    const to = { DATABASE_URL: second.url, CM_KEY_FILE: join(folder, "back-keys.json") }
    writeFileSync(manifest, before.replace('"version": 1', '"version": 2'))
    assert.match((await script("restore", [whole], to)).said, /of another version/u)
    writeFileSync(manifest, before)
    assert.strictEqual((await script("restore", [whole], to)).code, 0)
    assert.strictEqual(modeOf(to.CM_KEY_FILE), 0o600)
    assert.deepStrictEqual(await marksOf(second), [[JSON.parse(before).at, 0, "to be replayed"]])
  })

  it("mark since when, and nothing more of what is carried out again already", async () => {
    const database = await newDatabase()
    const mark = (...args: ReadonlyArray<string>) =>
      script("replay-revocations", args, { DATABASE_URL: database.url, CM_KEY_FILE: keyFile })
    assert.match((await mark("--since", "yesterday")).said, /--since takes a moment/u)
    const since = "2026-01-31T12:00:00Z"
    assert.strictEqual((await mark("--since", since)).code, 0)
    assert.strictEqual((await mark("--accept-gap")).code, 0)
    assert.deepStrictEqual(await marksOf(database), [[Date.parse(since), 1, "to be replayed"]])
    const connection = await connectSql(database.url)
    await connection.query("UPDATE restore_mark SET replayed_at = 1")
    await connection.end()
    assert.match((await mark("--accept-gap")).said, /nothing is marked/u)
    assert.deepStrictEqual(await marksOf(database), [[Date.parse(since), 1, "replayed"]])
  })
})
