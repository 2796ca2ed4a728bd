// Verifies R-GWY-5, R-GWY-8.
/** The gateway as a process: what it needs, how it stops, its certificate, and the same inside the service. */
import { execFileSync, spawn } from "node:child_process"
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs"
import { request as httpsRequest } from "node:https"
import { connect as dial } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TLSSocket } from "node:tls"
import { headers as natsHeaders } from "@nats-io/transport-node"
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { eventually } from "../../support/eventually.ts"
import { freshDatabase } from "../../support/freshDatabase.ts"
import { http, startGateway } from "../../support/gateway.ts"
import { freePort } from "../../support/servers.ts"
import { startService } from "../../support/service.ts"
import { type ShippedBus, startShippedBus } from "../../support/shippedBus.ts"

let bus: ShippedBus
let folder: string
const token = ["e30", Buffer.from('{"iss":"https://acme.example"}').toString("base64url"), "eA"].join(".")
const start = (env: Record<string, string> = {}) =>
  startGateway({ natsUrl: bus.url, password: bus.passwords.gateway!, env })

beforeAll(async () => {
  bus = await startShippedBus()
  folder = mkdtempSync(join(tmpdir(), "cm-gateway-tls-"))
})
afterAll(async () => {
  await bus?.stop()
  rmSync(folder, { recursive: true, force: true })
})

it("it needs a bus user and nothing else: no database, no key file, nothing open but its sockets", async () => {
  const gateway = await start()
  const open = readdirSync(`/proc/${gateway.pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${gateway.pid}/fd/${fd}`)]
    } catch {
      return []
    }
  })
  assert.deepStrictEqual(
    open.filter((target) => /^\/(?!dev\/|proc\/)/u.test(target)),
    []
  )
  assert.strictEqual((await http(gateway.url, "GET", "/health")).status, 200)
  assert.strictEqual(await gateway.stop(), 0)
  assert.match(gateway.output(), /^ready.*http:\/\/127\.0\.0\.1:\d+/mu)
})

it("a stop answers what was accepted, takes nothing more, and ends with 0", async () => {
  const service = await bus.as("service")
  let letGo: (() => void) | null = null
  const answering =
    (body: object) =>
    (_error: Error | null, message: { respond: (body: string, options: object) => void; subject: string }) => {
      const sent = natsHeaders()
      sent.set("Cm-Status", "200")
      const answer = () => message.respond(JSON.stringify(body), { headers: sent })
      if (message.subject.startsWith("cm.v1.")) letGo = answer
      else answer()
    }
  service.subscribe("cm.gateway.v1.resolve", { callback: answering({ tenantId: "acme" }) as never })
  service.subscribe("cm.v1.>", { callback: answering({ content: [] }) as never })
  await service.flush()
  const gateway = await start()
  const accepted = http(gateway.url, "GET", "/api/v1/applications", { token })
  await eventually(
    () => letGo,
    (is) => is !== null,
    { what: "a request in hand" }
  )
  const exited = gateway.stop()
  await eventually(
    () =>
      http(gateway.url, "GET", "/health").then(
        () => true,
        () => false
      ),
    (is) => !is,
    {
      what: "no connection being taken"
    }
  )
  letGo!()
  const answer = await accepted
  assert.deepStrictEqual([answer.status, answer.body, answer.header("connection")], [200, { content: [] }, "close"])
  assert.strictEqual(await exited, 0)
  await service.close()
})

it("compose.yaml's look at its health says whether it lives, also when the bus is away", async () => {
  const compose = readFileSync(join(import.meta.dirname, "../../../compose.yaml"), "utf8")
  const script = /^ {2}gateway:[\s\S]*?healthcheck:[\s\S]*?-e\s+- "([^\n]+)"$/mu.exec(compose)?.[1]
  assert.isDefined(script)
  const looks = (url: string) =>
    new Promise<number>((done) => {
      const asked = script!.replace("http://127.0.0.1:8080", url)
      assert.notStrictEqual(asked, script)
      spawn(process.execPath, ["-e", asked], { stdio: "ignore" }).once("exit", (code) => done(code ?? -1))
    })
  const own = await startShippedBus()
  const gateway = await startGateway({ natsUrl: own.url, password: own.passwords.gateway! })
  /** It gives up after a second and a half, in which a busy machine has not begun; the next look comes soon. */
  const saysUp = () =>
    eventually(
      () => looks(gateway.url),
      (code) => code === 0,
      { what: "the look at its health" }
    )
  await saysUp()
  await own.stop()
  await eventually(
    () => http(gateway.url, "GET", "/health"),
    ({ body }) => body.bus === "away",
    { limitMs: 120_000, what: "the bus being away" }
  )
  await saysUp()
  assert.strictEqual(await gateway.stop(), 0)
  assert.strictEqual(await looks(gateway.url), 1)
})

const certificate = (name: string) => {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)]
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-days",
      "1",
      "-subj",
      `/CN=${name}`,
      "-keyout",
      key,
      "-out",
      cert
    ],
    { stdio: "ignore" }
  )
  return { cert, key }
}
const served = (url: string): Promise<string> =>
  new Promise((done, fail) => {
    const request = httpsRequest(`${url}/health`, { rejectUnauthorized: false, agent: false }, (response) => {
      const name = (response.socket as TLSSocket).getPeerCertificate().subject.CN
      response.resume().on("end", () => done(String(name)))
    })
    request.on("error", fail).end()
  })

it("its certificate is read again when it changes, and one that is none changes nothing", async () => {
  const [first, second] = [certificate("first"), certificate("second")]
  const [cert, key] = [join(folder, "now.crt"), join(folder, "now.key")]
  copyFileSync(first.cert, cert)
  copyFileSync(first.key, key)
  const gateway = await start({ CM_GATEWAY_TLS_CERT: cert, CM_GATEWAY_TLS_KEY: key })
  assert.match(gateway.url, /^https:/u)
  assert.strictEqual(await served(gateway.url), "first")
  // Of two: the certificate is new and the key is not.
  copyFileSync(second.cert, cert)
  await eventually(gateway.output, (text) => text.includes("the old one stays"), {
    limitMs: 120_000,
    what: "a warning"
  })
  assert.strictEqual(await served(gateway.url), "first")
  copyFileSync(second.key, key)
  await eventually(
    () => served(gateway.url),
    (name) => name === "second",
    { limitMs: 120_000, what: "the new certificate" }
  )
  // The one of before, which was kept for a while, is a new one then.
  copyFileSync(first.cert, cert)
  copyFileSync(first.key, key)
  await eventually(
    () => served(gateway.url),
    (name) => name === "first",
    { limitMs: 120_000, what: "the certificate of before" }
  )
  assert.strictEqual(await gateway.stop(), 0)
})

it("who connects to its TLS port and says nothing is let go in the time that headers have", async () => {
  const { cert, key } = certificate("quiet")
  const gateway = await start({
    CM_GATEWAY_TLS_CERT: cert,
    CM_GATEWAY_TLS_KEY: key,
    CM_GATEWAY_HEADERS_TIMEOUT: "1 second"
  })
  const socket = dial(Number(new URL(gateway.url).port), "127.0.0.1")
  socket.on("error", () => {})
  let ended = false
  socket.on("close", () => {
    ended = true
  })
  await eventually(
    () => ended,
    (is) => is,
    { limitMs: 120_000, what: "the end of a connection that says nothing" }
  )
  // Whoever speaks HTTP there, or no TLS that is known, is let go at once.
  for (const bytes of ["GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x00\x05nonsense", "\0\0\0\0"]) {
    const stranger = dial(Number(new URL(gateway.url).port), "127.0.0.1")
    const gone = new Promise<void>((done) => stranger.once("close", () => done()))
    stranger.on("error", () => {})
    stranger.resume().write(bytes)
    await gone
  }
  assert.strictEqual(await served(gateway.url), "quiet")
  assert.strictEqual(await gateway.stop(), 0)
})

it("inside the service it is another user of the bus, and off unless it is asked for", async () => {
  const database = await freshDatabase(inject("databaseUrl"))
  const port = await freePort()
  const service = await startService({
    natsUrl: bus.url,
    databaseUrl: database.url,
    env: {
      NATS_USER: "service",
      NATS_PASSWORD: bus.passwords.service!,
      CM_GATEWAY: "on",
      CM_GATEWAY_PORT: String(port),
      CM_GATEWAY_NATS_PASSWORD: bus.passwords.gateway!
    }
  })
  const url = `http://127.0.0.1:${port}`
  await eventually(
    () =>
      http(url, "GET", "/ready").then(
        ({ status }) => status,
        () => 0
      ),
    (status) => status === 200,
    {
      limitMs: 120_000,
      what: "the gateway inside the service"
    }
  )
  // The service answers it as it answers the gateway's account: nothing without a bearer token, and no tenant's issuer yet.
  assert.strictEqual((await http(url, "GET", "/api/v1/applications")).body.details.reason, "missing")
  assert.strictEqual((await http(url, "GET", "/api/v1/applications", { token })).body.details.reason, "issuer")
  assert.strictEqual(await service.stop(), 0)
  await database.drop()
})
