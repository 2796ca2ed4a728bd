// Verifies R-AUD-7.
/** What an export says when the service, for which a stand-in answers here, gives less than it signed, or goes away. */
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { connect, headers, type Msg, type NatsConnection } from "@nats-io/transport-node"
import { afterAll, afterEach, assert, beforeAll, it } from "vitest"
import { type Server, startNats } from "../support/servers.ts"

const script = resolve(import.meta.dirname, "../../scripts/audit-export.mjs")
const folder = mkdtempSync(join(tmpdir(), "cm-export-"))
const file = join(folder, "out.jsonl")
const ok = headers()
ok.set("Cm-Status", "200")
let server: Server
let nc: NatsConnection

beforeAll(async () => {
  server = await startNats({ dir: join(folder, "nats") })
  nc = await connect({ servers: server.url })
})
afterEach(() => rmSync(file, { force: true }))
afterAll(async () => {
  await nc?.close()
  await server?.stop()
  rmSync(folder, { recursive: true })
})

const answers = (operation: string, answerOf: (asked: { readonly cursor?: string }) => object) => {
  const callback = (error: Error | null, message: Msg) => {
    if (error === null) message.respond(JSON.stringify(answerOf(message.json())), { headers: ok })
  }
  return nc.subscribe(`cm.admin.v1.${operation}`, { callback })
}
const rows = (...numbers: ReadonlyArray<number>) => numbers.map((seq) => ({ seq, action: "planted" }))
const exported = (port = server.port) =>
  new Promise<{ readonly code: unknown; readonly out: string; readonly err: string }>((done) =>
    execFile(
      process.execPath,
      [script, file, "--tenant=demo"],
      { env: { PATH: process.env.PATH, NATS_URL: `nats://127.0.0.1:${port}` } },
      (error, out, err) => done({ code: error?.code ?? 0, out, err })
    )
  )
const written = () =>
  readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line))

it("an export that lacks a row up to the signed head is not signed, and does not end well", async () => {
  const sign = answers("audit.sign", () => ({ seq: 5, signature: "s", public_key: "k" }))
  const list = answers("audit.list", ({ cursor }) =>
    cursor === undefined ? { content: rows(1, 2), nextCursor: "on" } : { content: rows(3, 4) }
  )
  const { code, err, out } = await exported()
  assert.deepStrictEqual({ code, err }, { code: 1, err: "" })
  assert.deepInclude(JSON.parse(out), { from: 1, to: 4, signed: false })
  assert.deepStrictEqual(written(), rows(1, 2, 3, 4))
  for (const one of [sign, list]) one.unsubscribe()
})

it("an export whose service goes away keeps what it has, says so in one line, and goes on behind it", async () => {
  const sign = answers("audit.sign", () => ({ seq: 3, signature: "s", public_key: "k" }))
  const list = answers("audit.list", () => {
    list.unsubscribe()
    return { content: rows(1, 2), nextCursor: "on" }
  })
  const cut = await exported()
  assert.deepInclude(cut, { code: 2, out: "" })
  assert.match(cut.err, /^audit\.list was not answered: [^\n]+\n$/u)
  assert.deepStrictEqual(written(), rows(1, 2))
  const again = answers("audit.list", () => ({ content: rows(3) }))
  const { code, out } = await exported()
  assert.strictEqual(code, 0)
  assert.deepInclude(JSON.parse(out), { from: 3, to: 3, signed: true })
  assert.deepStrictEqual(written(), [...rows(1, 2, 3), { seq: 3, signature: "s", public_key: "k" }])
  for (const one of [sign, again]) one.unsubscribe()
})

it("a bus that is not there is one line", async () => {
  const { code, err, out } = await exported(1)
  assert.deepStrictEqual({ code, out }, { code: 2, out: "" })
  assert.match(err, /^the bus was not reached: [^\n]+\n$/u)
})
