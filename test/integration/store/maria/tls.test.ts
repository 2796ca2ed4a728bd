// Verifies R-SEC-31.
/** A connection to MariaDB over TLS ends as one without: given up, cut off or refused, it is an error of whoever asked. */
import { createServer, type Socket, connect as tcp } from "node:net"
import { Duration, Redacted } from "effect"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { makeStackCertificates, mariadbTlsArguments } from "../../../../scripts/lib/certificates.mjs"
import { openConnection } from "../../../../src/store/maria/MariadbConnection.ts"
import type { StoreSettings } from "../../../../src/store/maria/StoreConfig.ts"
import { type Server, startMariadb, temporaryFolder } from "../../../support/servers.ts"

const folder = temporaryFolder()
let server: Server
let ca = ""

beforeAll(async () => {
  const made = makeStackCertificates(`${folder.path}/tls`, ["localhost", "127.0.0.1"])
  ca = made.ca
  server = await startMariadb({ dir: `${folder.path}/mariadb`, args: mariadbTlsArguments(made.mariadb) })
}, 300_000)
afterAll(async () => {
  await server?.stop()
  folder.remove()
})

const settings = (port = server.port): StoreSettings =>
  ({
    databaseUrl: Redacted.make(`${server.url.replace(`:${server.port}`, `:${port}`)}?ssl=true`),
    databaseCa: ca,
    connectTimeout: Duration.seconds(10),
    lockWaitTimeout: Duration.seconds(5)
  }) as unknown as StoreSettings
const open = (port?: number, signal = new AbortController().signal) =>
  openConnection(settings(port), { statementTimeoutMs: 5_000 }, signal)

/** Passes bytes on until it is told to cut. */
const startRelay = async () => {
  const sockets: Array<Socket> = []
  const state = { bytes: 0, onBytes: (_: number): void => undefined }
  const relay = createServer((near) => {
    const far = tcp(server.port, "127.0.0.1")
    sockets.push(near, far)
    for (const socket of [near, far]) socket.on("error", () => undefined)
    near.on("data", (chunk) => far.write(chunk))
    far.on("data", (chunk) => {
      near.write(chunk)
      state.bytes += chunk.length
      state.onBytes(state.bytes)
    })
    far.on("close", () => near.destroy())
    near.on("close", () => far.destroy())
  })
  await new Promise<void>((done) => relay.listen(0, "127.0.0.1", done))
  const address = relay.address()
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    state,
    cut: () => {
      for (const socket of sockets) socket.resetAndDestroy()
    },
    stop: () => new Promise((done) => relay.close(done))
  }
}

describe("a connection over TLS", () => {
  it("answers, and given up ends what waits with an error and nothing else", async () => {
    const connection = await open()
    const [row] = await connection.rows(
      "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_version'"
    )
    assert.match(String(row?.[0]), /^TLSv1\.[23]$/u)
    const waiting = connection.rows("SELECT SLEEP(30)").then(
      () => "answered",
      () => "failed"
    )
    connection.giveUp()
    assert.strictEqual(await waiting, "failed")
    assert.isFalse(connection.isValid())
    // One that nothing waits for.
    ;(await open()).giveUp()
    ;(await open()).giveUp()
    await (await open()).end()
  })

  it("is compared to the host that was asked for, and to no other name", async () => {
    const folderOf = `${folder.path}/elsewhere`
    const names = { right: ["127.0.0.1"], wrong: ["localhost", "elsewhere"] }
    const outcomes: Record<string, string> = {}
    for (const [name, given] of Object.entries(names)) {
      const made = makeStackCertificates(`${folderOf}-${name}`, given)
      const other = await startMariadb({ dir: `${folderOf}-${name}/data`, args: mariadbTlsArguments(made.mariadb) })
      const of = { ...settings(), databaseUrl: Redacted.make(`${other.url}?ssl=true`), databaseCa: made.ca }
      outcomes[name] = await openConnection(of, { statementTimeoutMs: 5_000 }, new AbortController().signal).then(
        async (connection) => {
          await connection.end()
          return "opened"
        },
        (error: Error) => error.message
      )
      await other.stop()
    }
    assert.strictEqual(outcomes.right, "opened")
    assert.match(outcomes.wrong ?? "", /altnames/u)
  }, 300_000)

  it("that is cut off on its way is an error, established and in each part of its beginning", async () => {
    const relay = await startRelay()
    const connection = await open(relay.port)
    const waiting = connection.rows("SELECT SLEEP(30)").then(
      () => "answered",
      () => "failed"
    )
    const whole = relay.state.bytes
    relay.cut()
    assert.strictEqual(await waiting, "failed")
    for (const part of [1, Math.floor(whole / 4), Math.floor(whole / 2), Math.floor((whole * 3) / 5)]) {
      relay.state.bytes = 0
      relay.state.onBytes = (bytes) => {
        if (bytes >= part) relay.cut()
      }
      const outcome = await open(relay.port).then(
        () => "opened",
        () => "failed"
      )
      assert.strictEqual(outcome, "failed", `after ${part} of ${whole} bytes`)
    }
    await relay.stop()
  })

  it("that is given up in the middle of its beginning is an error", async () => {
    const relay = await startRelay()
    for (const part of [1, 500, 1_500]) {
      const controller = new AbortController()
      relay.state.bytes = 0
      relay.state.onBytes = (bytes) => {
        if (bytes >= part) controller.abort()
      }
      const outcome = await open(relay.port, controller.signal).then(
        (connection) => (connection.isValid() ? "opened" : "failed"),
        () => "failed"
      )
      assert.strictEqual(outcome, "failed", `after ${part} bytes`)
    }
    await relay.stop()
  })
})
