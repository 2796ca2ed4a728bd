// Verifies R-SEC-7, R-SEC-16, R-AUD-3, R-AUD-4, R-AUD-7, R-AUD-1, R-AUD-2.
/** P8 from outside: what happened is in the audit, and the audit cannot be edited unnoticed. Verifies: R-SEC-7. */
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import type { Connection } from "mariadb"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { genesisHash, linkHash } from "../../../src/store/AuditChain.ts"
import { auditColumns, auditRowOf } from "../../../src/store/maria/MariaAuditStore.ts"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { administrator } from "../../support/roleAccounts.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "aud"
let database: FreshDatabase
let service: Service
let started: Parameters<typeof startService>[0]
let client: Client
let sql: Connection
const checkpoints: Array<Record<string, unknown>> = []

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  started = {
    natsUrl: inject("natsUrl"),
    databaseUrl: database.url,
    instance,
    keyFile: join(mkdtempSync(join(tmpdir(), "cm-audit-keys-")), "keys.json"),
    env: { CM_AUDIT_CHECKPOINT_EVERY: "1 second", CM_AUDIT_REFUSAL_WINDOW: "5 seconds" }
  }
  service = await startService(started)
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  client.nc.subscribe(`${instance}.events.v1.*.audit.checkpoint`, {
    callback: (_, message) => void checkpoints.push(message.json())
  })
  await client.nc.flush()
  sql = await connectSql(database.url)
})
afterAll(async () => {
  await sql?.end()
  await client?.close()
  await service?.stop()
  await database?.drop()
})

/** How far the announced checkpoints reach is a matter of moments: `published` has tests of its own. */
const verify = async (tenant: string, range: object = {}) => {
  const { published: _, ...verdict } = (await client.ask(tenant, "audit.verify", range)).body
  return verdict
}
const rowsOf = async (tenant: string) => (await client.ask(tenant, "audit.list", { limit: 1000 })).body.content

/** A tenant with a chain of its own, of at least six rows. */
const newTenant = async (tenantId: string) => {
  await client.admin("tenants.create", { tenantId })
  for (const service_name of ["a", "b", "c", "d", "e"]) await client.ask(tenantId, "service.disable", { service_name })
  return tenantId
}
const change = (statement: string, ...values: ReadonlyArray<unknown>) => sql.query(statement, [...values])

describe("the audit", () => {
  it("does not announce a checkpoint that somebody wrote into the outbox", async () => {
    const tenant = await newTenant("planted")
    const { body: own } = await client.admin("audit.sign", { tenantId: tenant })
    // The head that was answered; the heads before it may have been signed in their turn.
    const signed = "SELECT COUNT(*) AS number FROM audit_checkpoints WHERE tenant_id = ? AND seq = ?"
    const [{ number }] = await change(signed, tenant, own.seq)
    assert.strictEqual(Number(number), 1)
    const before = checkpoints.length
    const said = {
      ...{ event_type: "audit.checkpoint", tenant_id: tenant, seq: 9, hash: own.hash, at: 1, key_id: own.key_id },
      ...{ public_key: own.public_key, signature: own.signature, timestamp: "2026-01-01T00:00:00.000Z" }
    }
    for (const payload of [said, { ...said, key_id: "else" }, { ...said, tenant_id: "all" }, {}]) {
      await change(
        `INSERT INTO outbox (tenant_id, event_id, stream, subject, entity_key, headers, payload, created_at)
         VALUES (?, UNHEX(REPLACE(UUID(), '-', '')), 0, ?, 'x', ?, ?, 1)`,
        ...[tenant, `${instance}.events.v1.${tenant}.audit.checkpoint`, '{"ce-type":"audit.checkpoint"}'],
        JSON.stringify(payload)
      )
    }
    const rows = () => change("SELECT COUNT(*) AS number FROM outbox WHERE tenant_id = ?", tenant)
    await eventually(rows, ([row]) => Number(row.number) === 0, { what: "the rows to leave the outbox" })
    const aside = (await client.admin("outbox.list", { limit: 100 })).body.content as ReadonlyArray<{
      readonly tenantId: string
      readonly reason: string
    }>
    assert.deepStrictEqual(
      aside.filter(({ tenantId }) => tenantId === tenant).map(({ reason }) => reason),
      Array.from({ length: 4 }, () => "forged checkpoint")
    )
    assert.strictEqual((await verify(tenant)).valid, true)
    assert.strictEqual((await client.admin("audit.sign", { tenantId: tenant })).status, 200)
    assert.notInclude(
      checkpoints.slice(before).map(({ seq, tenant_id }) => `${tenant_id} ${seq}`),
      `${tenant} 9`
    )
  })

  it("tells of tokens, applications and services, too, in one chain", async () => {
    const tenant = await newTenant("all")
    await client.ask(tenant, "application.register", { appName: "all-app" })
    const token = await client.ask(tenant, "token.provision", { appName: "all-app", endpointId: "e" })
    await client.ask(tenant, "token.revoke", { tokenId: token.body.tokenId })
    const actions = (await rowsOf(tenant)).map((row: { action: string }) => row.action)
    for (const action of [
      "tenant.created",
      "service.disabled",
      "application.registered",
      "token.provisioned",
      "token.revoked"
    ]) {
      assert.include(actions, action)
    }
    assert.deepStrictEqual(await verify(tenant), { valid: true, checked: actions.length })
  })

  it("says who did it, how that is known, and of which request", async () => {
    const tenant = await newTenant("who")
    const service_name = "outlook"
    const told = { "Correlation-ID": "the-request" }
    await client.ask(tenant, "service.disable", { service_name }, told)
    await client.ask(tenant, "credential.get.mail", { service_name }, told)
    const [first, ...others] = await rowsOf(tenant)
    assert.deepInclude(first, { action: "tenant.created", actor: `ADMIN/${administrator}`, by: "import" })
    const admin = { actor: `ADMIN/${administrator}`, by: "import", account: "ADMIN", user: administrator }
    assert.deepInclude(others.at(-2), { action: "service.disabled", correlationId: "the-request", ...admin })
    assert.deepInclude(others.at(-1), { actor: "mail", by: "subject", user: "mail", correlationId: "the-request" })
  })

  it("holds after a request that names no Unicode text or an id that no column holds", async () => {
    const tenant = await newTenant("lossy")
    for (const credential_id of ["\ud800", "a\udfff", "x".repeat(257)]) {
      await client.ask(tenant, "credential.get.mail", { credential_id })
      assert.isTrue((await verify(tenant)).valid, credential_id)
    }
  })

  it("has repeated refusals in one row with their number", async () => {
    const tenant = await newTenant("refused")
    const stored = await client.ask(tenant, "credential.store", {
      service_name: "x",
      type: "api_key",
      credentials: { api_key: "k" }
    })
    const credential_id = stored.body.credential_id
    const asked = 20
    await Promise.all(
      Array.from({ length: asked }, () => client.ask(tenant, "credential.get.mallory", { credential_id }))
    )
    interface Refused {
      readonly action: string
      readonly actor: string
      readonly diff: { readonly reason: string; readonly count?: number }
    }
    const refused = async (): Promise<ReadonlyArray<Refused>> =>
      (await rowsOf(tenant)).filter((row: Refused) => row.action === "credential.refused")
    const told = (rows: ReadonlyArray<Refused>) => rows.reduce((sum, { diff }) => sum + (diff.count ?? 1), 0)
    // On a slow machine the requests may spread over more than one window.
    const found = await eventually(refused, (rows) => told(rows) === asked, { what: "the rows with their numbers" })
    assert.isBelow(found.length, asked / 2)
    assert.isTrue(found.every(({ actor, diff }) => actor === "mallory" && diff.reason === "ConsumerNotAllowed"))
  })

  it("is not filled by a consumer that makes up ids; the number is exact", async () => {
    const tenant = await newTenant("filled")
    const asked = 1_500
    const refused = async (): Promise<ReadonlyArray<{ readonly diff: { readonly count?: number } }>> =>
      (await rowsOf(tenant)).filter((row: { action: string }) => row.action === "credential.refused")
    for (let n = 0; n < asked; n += 100) {
      const made = Array.from({ length: 100 }, (_, k) => ({ credential_id: `0190${n + k}` }))
      await Promise.all(made.map((name) => client.ask(tenant, "credential.get.mallory", name)))
    }
    const told = (rows: ReadonlyArray<{ readonly diff: { readonly count?: number } }>) =>
      rows.reduce((sum, { diff }) => sum + (diff.count ?? 1), 0)
    const rows = await eventually(refused, (found) => told(found) === asked, { what: "all of them to be told" })
    assert.isBelow(rows.length, asked / 5)
  })

  it("pages and finds by entity and by time", async () => {
    const tenant = await newTenant("paged")
    const all = await rowsOf(tenant)
    const first = await client.ask(tenant, "audit.list", { limit: 2 })
    assert.deepStrictEqual(first.body.content, all.slice(0, 2))
    const second = await client.ask(tenant, "audit.list", { limit: 1000, cursor: first.body.nextCursor })
    assert.deepStrictEqual(second.body.content, all.slice(2))
    const ofOne = await client.ask(tenant, "audit.list", { entityId: "c" })
    assert.lengthOf(ofOne.body.content, 1)
    assert.deepStrictEqual((await client.ask(tenant, "audit.list", { from: 3, to: 4 })).body.content, all.slice(2, 4))
    assert.deepStrictEqual((await client.ask(tenant, "audit.list", { from: all[0].at })).body.content, all)
    assert.deepStrictEqual(await verify(tenant, { from: 3, to: 5 }), { valid: true, checked: 3 })
  })
})

describe("a tenant that takes the name of one that was removed", () => {
  it("sees its own rows and none of the other's, in a chain that goes on and is verified whole", async () => {
    const tenant = await newTenant("taken")
    const former = await rowsOf(tenant)
    assert.strictEqual((await client.admin("tenants.remove", { tenantId: tenant })).status, 200)
    assert.strictEqual((await client.ask(tenant, "audit.list")).code, "TENANT_NOT_FOUND")
    assert.strictEqual((await client.ask(tenant, "audit.verify")).code, "TENANT_NOT_FOUND")
    await eventually(
      () => client.admin("tenants.create", { tenantId: tenant }),
      ({ status }) => status === 201,
      { limitMs: 120_000, what: "the name to be free" }
    )
    await client.ask(tenant, "service.disable", { service_name: "mine" })
    const own = await rowsOf(tenant)
    assert.deepStrictEqual(
      own.map(({ action }: { action: string }) => action),
      ["tenant.created", "service.disabled"]
    )
    assert.isAbove(own[0].seq, former.at(-1).seq)
    for (const range of [{}, { from: 1 }, { from: former[0].at }]) {
      assert.deepStrictEqual((await client.ask(tenant, "audit.list", { ...range, limit: 1000 })).body.content, own)
      assert.deepStrictEqual(await verify(tenant, range), { valid: true, checked: own[1].seq })
    }
    assert.deepStrictEqual(await verify(tenant, { from: own[0].seq }), { valid: true, checked: 2 })
    assert.deepStrictEqual((await client.ask(tenant, "audit.list", { entityId: "a" })).body.content, [])
  })
})

describe("tampering", () => {
  let tenants = 0
  const broken = async (
    tamper: (tenant: string) => Promise<unknown>,
    prepare?: (tenant: string) => Promise<unknown>
  ) => {
    const tenant = await newTenant(`tampered${++tenants}`)
    await prepare?.(tenant)
    assert.isTrue((await verify(tenant)).valid)
    await tamper(tenant)
    const verdict = await verify(tenant)
    assert.isFalse(verdict.valid)
    return verdict.firstBroken.seq
  }
  /** Rows as a database administrator moves them about; numbers that are taken are stepped over. */
  const renumber = (tenant: string, from: number, to: number) =>
    change("UPDATE audit SET seq = ? WHERE tenant_id = ? AND seq = ?", to, tenant, from)

  it("with an edited row is found at that row", async () => {
    assert.strictEqual(
      await broken((t) => change("UPDATE audit SET actor = 'x' WHERE tenant_id = ? AND seq = 4", t)),
      4
    )
    assert.strictEqual(
      await broken((t) => change("UPDATE audit SET at = at + 1 WHERE tenant_id = ? AND seq = 2", t)),
      2
    )
    assert.strictEqual(
      await broken((t) => change("UPDATE audit SET diff = '{}' WHERE tenant_id = ? AND seq = 3", t)),
      3
    )
  })
  it("with a deleted row is found at the gap, the last one included", async () => {
    assert.strictEqual(await broken((t) => change("DELETE FROM audit WHERE tenant_id = ? AND seq = 3", t)), 3)
    assert.strictEqual(await broken((t) => change("DELETE FROM audit WHERE tenant_id = ? AND seq = 6", t)), 6)
    assert.strictEqual(await broken((t) => change("DELETE FROM audit WHERE tenant_id = ?", t)), 1)
  })
  it("with exchanged rows is found at the first of them", async () => {
    const swap = async (t: string) => {
      await renumber(t, 3, 1_000)
      await renumber(t, 4, 3)
      await renumber(t, 1_000, 4)
    }
    assert.strictEqual(await broken(swap), 3)
  })
  it("with a row put in between is found there", async () => {
    const insert = async (t: string) => {
      for (const seq of [6, 5, 4]) await renumber(t, seq, seq + 1)
      await change(
        `INSERT INTO audit (tenant_id, seq, at, actor, action, entity_type, entity_id, diff, prev_hash, hash)
          SELECT tenant_id, 4, at, actor, action, entity_type, entity_id, diff, prev_hash, hash FROM audit
          WHERE tenant_id = ? AND seq = 3`,
        t
      )
    }
    assert.strictEqual(await broken(insert), 4)
  })
  it("with a tail that is cut off, counters corrected, is found by the signed checkpoint", async () => {
    const cut = async (t: string) => {
      await change("DELETE FROM audit WHERE tenant_id = ? AND seq > 4", t)
      await change(
        `UPDATE tenant_counters SET audit_seq = 4,
          audit_hash = (SELECT hash FROM audit WHERE tenant_id = ? AND seq = 4) WHERE tenant_id = ?`,
        t,
        t
      )
    }
    const signed = (tenant: string) =>
      eventually(
        () => checkpoints,
        (all) => all.some((one) => one.tenant_id === tenant && Number(one.seq) >= 6),
        { what: "the checkpoint's event" }
      )
    assert.strictEqual(await broken(cut, signed), 5)
    const forge = (t: string) => change("UPDATE audit_checkpoints SET hash = REPEAT('x', 32) WHERE tenant_id = ?", t)
    assert.isAbove(await broken(forge, signed), 0)
  })
})

describe("a forgery by somebody who writes the database as they like, and has no key", () => {
  const announcedOf = (tenant: string) => checkpoints.filter((one) => one.tenant_id === tenant)
  const signed = (tenant: string, seq: number) =>
    eventually(
      () => announcedOf(tenant),
      (all) => all.some((one) => Number(one.seq) >= seq),
      { what: `a checkpoint of ${tenant} up to ${seq}` }
    )
  /** Rows after `kept` dropped, others hashed anew from the first on, counters that fit, checkpoints deleted. */
  const forge = async (tenant: string, kept: number) => {
    await change("DELETE FROM audit WHERE tenant_id = ? AND seq > ?", tenant, kept)
    const rows: ReadonlyArray<ReadonlyArray<string | number | Buffer | null>> = await sql.query(
      {
        sql: `SELECT ${auditColumns} FROM audit WHERE tenant_id = ? ORDER BY seq`,
        rowsAsArray: true,
        bigIntAsNumber: true
      },
      [tenant]
    )
    let prevHash = genesisHash(tenant)
    for (const found of rows) {
      const row = { ...auditRowOf(found), actor: "mallory", prevHash }
      const { hash: _, ...rest } = row
      const { seq } = rest
      const hash = linkHash(rest)
      await change(
        "UPDATE audit SET actor = 'mallory', prev_hash = UNHEX(?), hash = UNHEX(?) WHERE tenant_id = ? AND seq = ?",
        ...[prevHash, hash, tenant, seq]
      )
      prevHash = hash
    }
    await change(
      "UPDATE tenant_counters SET audit_seq = ?, audit_hash = UNHEX(?) WHERE tenant_id = ?",
      ...[kept, prevHash, tenant]
    )
    await change("DELETE FROM audit_checkpoints WHERE tenant_id = ?", tenant)
  }

  it("is found and never signed, however often the service looks, is started again, and rows are added", async () => {
    const tenant = await newTenant("forged")
    const honest = await newTenant("honest")
    await signed(tenant, 6)
    await forge(tenant, 4)
    const found = async () => {
      const verdict = (await client.ask(tenant, "audit.verify")).body
      assert.deepInclude(verdict, { valid: false })
      assert.isAtLeast(verdict.published.seq, 6)
    }
    await found()
    const before = announcedOf(tenant).length
    await client.ask(honest, "service.disable", { service_name: "x" })
    await signed(honest, 7)
    await service.stop()
    service = await startService(started)
    await found()
    // More rows than were ever signed: the head is past it, and is still not reached from it.
    for (const service_name of ["v", "w", "x", "y", "z"]) await client.ask(tenant, "service.disable", { service_name })
    await client.ask(honest, "service.disable", { service_name: "y" })
    await signed(honest, 8)
    await found()
    assert.lengthOf(announcedOf(tenant), before)
    assert.isEmpty(await sql.query("SELECT seq FROM audit_checkpoints WHERE tenant_id = ?", [tenant]))
    const metrics = (await client.admin("metrics")).body as string
    assert.match(metrics, /cm_audit_broken\{[^}]*tenant="forged"[^}]*\} 1/u)
    assert.isTrue((await verify(honest)).valid)
  })
})

describe("the offline verifier", () => {
  const run = promisify(execFile)
  const script = resolve(import.meta.dirname, "../../../scripts/audit-verify.mjs")
  const verifyFile = async (rows: ReadonlyArray<unknown>, ...more: ReadonlyArray<string>) => {
    const folder = mkdtempSync(join(tmpdir(), "cm-audit-"))
    const file = join(folder, "export.jsonl")
    writeFileSync(file, rows.map((row) => JSON.stringify(row)).join("\n"))
    const points = join(folder, "checkpoints.jsonl")
    writeFileSync(points, checkpoints.map((point) => JSON.stringify(point)).join("\n"))
    const args = [script, file, ...more.map((word) => (word === "CHECKPOINTS" ? points : word))]
    return run(process.execPath, args)
      .then(({ stdout }) => ({ code: 0, stdout }))
      .catch((error: { code: number; stdout: string }) => ({ code: error.code, stdout: error.stdout }))
      .finally(() => rmSync(folder, { recursive: true }))
  }

  it("needs an export and nothing else, and names the first broken row", async () => {
    const tenant = await newTenant("offline")
    const rows = await rowsOf(tenant)
    const good = await verifyFile(rows, "--tenant", tenant)
    assert.deepStrictEqual(
      [good.code, JSON.parse(good.stdout).valid, JSON.parse(good.stdout).checked],
      [0, true, rows.length]
    )
    const edited = rows.map((row: { seq: number }) => (row.seq === 4 ? { ...row, actor: "x" } : row))
    const bad = await verifyFile(edited, "--tenant", tenant)
    assert.deepStrictEqual([bad.code, JSON.parse(bad.stdout).firstBroken.seq], [1, 4])
    assert.strictEqual(
      JSON.parse((await verifyFile(rows.toSpliced(1, 1), "--tenant", tenant)).stdout).firstBroken.seq,
      2
    )
    const whole = await verifyFile([{ content: rows }], "--tenant", tenant)
    assert.strictEqual(whole.code, 0)
  })

  it("takes an export, which goes on where it was cut off, and whose end is signed; of a removed tenant, too", async () => {
    const tenant = await newTenant("exported")
    const folder = mkdtempSync(join(tmpdir(), "cm-export-"))
    const file = join(folder, "export.jsonl")
    const exporter = resolve(import.meta.dirname, "../../../scripts/audit-export.mjs")
    const operator = { NATS_USER: administrator, NATS_PASSWORD: administrator }
    const env = { PATH: process.env.PATH, NATS_URL: inject("natsUrl"), CM_INSTANCE_NAME: instance, ...operator }
    const exportIt = async () =>
      JSON.parse((await run(process.execPath, [exporter, file, "--tenant", tenant, "--page", "2"], { env })).stdout)
    const verifyIt = (key: string) =>
      run(process.execPath, [script, file, "--tenant", tenant, `--public-key=${key}`]).then(
        ({ stdout }) => JSON.parse(stdout),
        ({ stdout }: { stdout: string }) => JSON.parse(stdout)
      )
    const first = await exportIt()
    assert.deepInclude(first, { tenant, from: 1, signed: true })
    assert.deepInclude(await verifyIt(first.publicKey), { valid: true, checked: first.to })
    const lines = readFileSync(file, "utf8").trimEnd().split("\n")
    // As a crash in the middle of a line leaves it.
    writeFileSync(file, `${lines.slice(0, 3).join("\n")}\n${lines[3]!.slice(0, 40)}`)
    assert.strictEqual((await client.admin("tenants.remove", { tenantId: tenant })).status, 200)
    const second = await exportIt()
    assert.deepInclude(second, { from: 4, signed: true })
    const last = await exportIt()
    assert.isAbove(last.to, first.to)
    assert.deepInclude(await verifyIt(first.publicKey), { valid: true, checked: last.to })
    assert.deepInclude(await verifyIt(Buffer.alloc(32, 7).toString("base64url")), { valid: false })
    // A row taken out of its end contradicts what was signed.
    const whole = readFileSync(file, "utf8").trimEnd().split("\n")
    const without = whole.filter((line) => JSON.parse(line).signature !== undefined || JSON.parse(line).seq !== last.to)
    writeFileSync(file, without.join("\n"))
    assert.deepInclude(await verifyIt(first.publicKey), { valid: false })
    rmSync(folder, { recursive: true })
  })

  it("takes an export that begins at a stub, and finds one that nobody signed or that lacks more", async () => {
    const tenant = await newTenant("shortened")
    await eventually(
      () => checkpoints.find((one) => one.tenant_id === tenant && Number(one.seq) >= 6),
      (found) => found !== undefined,
      { what: "the checkpoint" }
    )
    const cut = await eventually(
      () => client.admin("audit.cut", { tenantId: tenant, before: 1_000 }),
      ({ body, status }) => status === 200 && body.count > 0,
      { what: "the cut" }
    )
    const { last, public_key: key } = cut.body.stub
    assert.isAtLeast(last, 6)
    await client.ask(tenant, "service.disable", { service_name: "z" })
    assert.deepInclude(await verify(tenant), { valid: true })
    const rows = await rowsOf(tenant)
    assert.deepInclude(rows[0], { seq: last + 1, prevHash: cut.body.stub.hash })
    const own = rows.find(({ action }: { action: string }) => action === "audit.cut")
    const options = ["--tenant", tenant, `--public-key=${key}`]
    const good = await verifyFile(rows, ...options)
    assert.strictEqual(good.code, 0, good.stdout)
    assert.deepInclude(JSON.parse(good.stdout).cut, { seq: last })
    assert.strictEqual((await verifyFile([cut.body, ...rows], ...options)).code, 0)
    // Signed by another key, or for another tenant; and rows that went though no stub says so.
    const other = options.with(-1, `--public-key=${Buffer.alloc(32, 7).toString("base64url")}`)
    assert.match((await verifyFile(rows, ...other)).stdout, /the stub of a cut is not good/u)
    const forged = { ...cut.body, stub: { ...cut.body.stub, last: last + 1 } }
    assert.match((await verifyFile([forged, ...rows.slice(1)], ...options)).stdout, /the stub of a cut is not good/u)
    assert.match((await verifyFile([cut.body, ...rows.slice(1)], ...options)).stdout, /the row is missing/u)
    // By hand in the database: more rows gone, then a stub that says so.
    await change("DELETE FROM audit WHERE tenant_id = ? AND seq = ?", tenant, last + 1)
    assert.deepInclude((await verify(tenant)).firstBroken, { seq: last + 1 })
    await change(
      "UPDATE audit_stubs SET last_seq = ?, hash = ? WHERE tenant_id = ?",
      last + 1,
      Buffer.from(own.hash, "hex"),
      tenant
    )
    assert.match((await verify(tenant)).firstBroken.reason, /stub/u)
  })

  it("sees a cut-off tail by the checkpoints that were announced, and a checkpoint of another key", async () => {
    const tenant = await newTenant("offline2")
    const point = await eventually(
      () => checkpoints.find((one) => one.tenant_id === tenant && Number(one.seq) >= 6),
      (found) => found !== undefined,
      { what: "the checkpoint" }
    )
    const rows = await rowsOf(tenant)
    const options = ["--tenant", tenant, "--checkpoints", "CHECKPOINTS", `--public-key=${point?.public_key}`]
    assert.strictEqual((await verifyFile(rows, ...options)).code, 0)
    const cut = await verifyFile(rows.slice(0, 4), ...options)
    assert.deepStrictEqual([cut.code, JSON.parse(cut.stdout).firstBroken.seq], [1, 5])
    const other = options.with(-1, `--public-key=${Buffer.alloc(32, 7).toString("base64url")}`)
    assert.strictEqual((await verifyFile(rows, ...other)).code, 1)
  })
})
