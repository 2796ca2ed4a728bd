// Verifies R-RUN-5.
/** The service says that it is ready when its operation `ready` says so, and not before. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { connect } from "@nats-io/transport-node"
import { afterAll, assert, beforeAll, it, vi } from "vitest"
import { eventually } from "../../support/eventually.ts"
import { type Server, startMariadb, startNats, temporaryFolder } from "../../support/servers.ts"
import { type Service, startService } from "../../support/service.ts"

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const folder = temporaryFolder()
const configFile = join(folder.path, "bus.conf")
const readyFile = join(folder.path, "ready.json")

/** A bus on which nobody may write a lease, or everybody. */
const writeBus = (deny: string): void =>
  writeFileSync(
    configFile,
    `host: "127.0.0.1"
port: $CM_NATS_PORT
server_name: $CM_NATS_NAME
max_payload: 8MB
jetstream { store_dir: $CM_NATS_STORE_DIR }
accounts {
  CM {
    jetstream: enabled
    users: [{ user: all, password: all, permissions: { publish: { allow: ">", deny: [${deny}] } } }]
    exports: [{ service: "cm.admin.v1.>", accounts: [OPERATOR] }]
  }
  OPERATOR {
    users: [{ user: operator, password: operator }]
    imports: [{ service: { account: CM, subject: "cm.admin.v1.>" }, share: true }]
  }
}
`
  )

const toldReady = (): string | undefined => (existsSync(readyFile) ? readFileSync(readyFile, "utf8") : undefined)

let nats: Server
let mariadb: Server
let service: Service | undefined
beforeAll(async () => {
  writeBus(`"$KV.CM_LEASES.>"`)
  nats = await startNats({ dir: join(folder.path, "nats"), configFile, name: "ready-test" })
  mariadb = await startMariadb({ dir: join(folder.path, "mariadb") })
})
afterAll(async () => {
  service?.kill()
  await Promise.all([nats.stop(), mariadb.stop()])
  folder.remove()
})

it("a replica that cannot get its lease answers 503, tells nobody that it is ready, and says why in its log", async () => {
  const started = await startService({
    natsUrl: nats.url,
    databaseUrl: mariadb.url,
    env: { NATS_USER: "all", NATS_PASSWORD: "all", CM_READY_FILE: readyFile },
    unready: true
  })
  service = started
  const connection = await connect({ servers: nats.url, user: "operator", pass: "operator" })
  const ready = async () => {
    // May fail: nobody answers yet; the status is then no number.
    const answer = await connection.request("cm.admin.v1.ready", "{}", { timeout: 60_000 }).catch(() => undefined)
    return { status: Number(answer?.headers?.get("Cm-Status")), body: answer?.string() ?? "" }
  }
  await eventually(started.output, (said) => said.includes("not ready yet: lease: "), {
    limitMs: 120_000,
    what: "the service to say what it waits for"
  })
  assert.strictEqual((await ready()).status, 503)
  assert.include((await ready()).body, "lease")
  assert.isUndefined(toldReady())
  assert.notInclude(started.output(), '"msg":"ready"')

  writeBus("")
  nats.kill("SIGHUP")
  const told = await eventually(toldReady, (text) => text !== undefined, { what: "the service to be ready" })
  assert.strictEqual(JSON.parse(told!).pid, started.pid)
  assert.strictEqual((await ready()).status, 200)
  await connection.close()
  assert.strictEqual(await started.stop(), 0)
  assert.isUndefined(toldReady())
})
