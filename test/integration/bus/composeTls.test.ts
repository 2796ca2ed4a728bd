// Verifies R-SEC-31, R-SEC-32.
/**
 * What compose.yaml describes, on its own files: a cluster of three whose clients and routes are TLS, MariaDB that takes
 * nothing else, and a replica of the service on both. Nothing says CM_INSECURE_TRANSPORT.
 */
import { copyFileSync, readFileSync, renameSync, writeFileSync } from "node:fs"
import { createConnection as dial } from "node:net"
import { join } from "node:path"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import { afterAll, assert, beforeAll, it } from "vitest"
import { makeAuthority, makeCertificate } from "../../../scripts/lib/certificates.mjs"
import { type ComposedServer, composed, composeServices, type NatsName, natsNames } from "../../support/composeFile.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql } from "../../support/freshDatabase.ts"
import { type Server, temporaryFolder } from "../../support/servers.ts"
import { type Service, startService } from "../../support/service.ts"

const folder = temporaryFolder()
const servers = new Map<NatsName, ComposedServer>()
const connections: Array<NatsConnection> = []
let system: Awaited<ReturnType<typeof composed>>
let mariadb: Server
let service: Service
const strangers: Array<ComposedServer> = []

const ca = () => join(system.tls, "client/ca.pem")
const urls = () => Array.from(servers.values(), ({ port }) => `tls://127.0.0.1:${port}`)
const as = async (user: string, authority = ca()) => {
  const options = { user, pass: system.passwords[user]!, inboxPrefix: `_INBOX.${user}`, maxReconnectAttempts: -1 }
  const nc = await connect({ servers: urls(), ...options, reconnectTimeWait: 100, tls: { caFile: authority } })
  connections.push(nc)
  return nc
}
const ask = async (nc: NatsConnection, subject: string, body: unknown = {}) => {
  const message = await nc.request(subject, JSON.stringify(body), { timeout: 60_000 })
  // biome-ignore lint/suspicious/noExplicitAny: whatever came back
  return { status: message.headers?.get("Cm-Status"), body: message.json() as any }
}
interface Monitored {
  readonly connections?: ReadonlyArray<{
    readonly authorized_user?: string
    readonly tls_version?: string
    readonly name?: string
  }>
  readonly routes?: ReadonlyArray<{ readonly remote_name?: string }>
}
const monitored = async (server: ComposedServer, path: string) =>
  (await (await fetch(`${server.monitor}/${path}`)).json()) as Monitored
const routesOf = async (server: ComposedServer) => {
  const { routes = [] } = await monitored(server, "routez")
  return Array.from(new Set(routes.map(({ remote_name }) => remote_name))).toSorted()
}
const others = (name: string) => natsNames.filter((other) => other !== name)
const routed = () =>
  Promise.all(
    Array.from(servers, ([name, server]) =>
      eventually(
        () => routesOf(server),
        (found) => found.join() === others(name).join(),
        {
          limitMs: 120_000,
          what: `routes of ${name}`
        }
      )
    )
  )
const logOf = (server: ComposedServer) => readFileSync(server.logFile, "utf8")

beforeAll(async () => {
  system = await composed(folder.path)
  const started = natsNames.map(async (name) => servers.set(name, await system.start(name)))
  ;[mariadb] = await Promise.all([system.startDatabase(), ...started])
  await routed()
  const env = system.environmentOf("service-one")
  const { CM_KEY_FILE: _1, CM_READY_FILE: _2, ...rest } = env
  service = await startService({ natsUrl: env.NATS_URL!, databaseUrl: env.DATABASE_URL!, instance: "cm", env: rest })
}, 300_000)
afterAll(async () => {
  await Promise.all(connections.map((connection) => connection.close()))
  await service?.stop()
  await Promise.all([...servers.values(), ...strangers, mariadb].map((server) => server?.stop()))
  folder.remove()
})

const issued = { token: "", tokenId: "" }

it("the service runs on it: provision, validate, revoke, three copies, all of it in TLS", async () => {
  for (const { environment } of Object.values(composeServices)) {
    assert.notProperty(environment ?? {}, "CM_INSECURE_TRANSPORT")
    assert.notMatch(JSON.stringify(environment ?? {}), /"nats:\/\//u)
  }
  const [admin, comms, operator] = [await as("admin"), await as("comms"), await as("operator")]
  assert.strictEqual((await ask(admin, "cm.v1.demo.application.register", { appName: "meters" })).status, "201")
  const provision = async () =>
    (await ask(admin, "cm.v1.demo.token.provision", { appName: "meters", endpointId: "e1" })).body
  const { token, tokenId } = await provision()
  const validate = (value: string) => ask(comms, "cm.v1.demo.token.validate", { appName: "meters", token: value })
  assert.strictEqual((await validate(token)).body.statusCode, 200)
  assert.strictEqual((await ask(admin, "cm.v1.demo.token.revoke", { tokenId })).status, "200")
  assert.notStrictEqual((await validate(token)).body.statusCode, 200)
  Object.assign(issued, await provision())
  assert.strictEqual((await validate(issued.token)).body.statusCode, 200)

  const info = await ask(operator, "$JS.API.STREAM.INFO.CM_EVENTS", "")
  assert.strictEqual(info.body.config.num_replicas, 3)
  assert.lengthOf(info.body.cluster.replicas, 2)
  const shown = await ask(operator, "cm.admin.v1.config.show")
  const { settings } = shown.body as { settings: ReadonlyArray<{ name: string; value: unknown }> }
  assert.deepInclude(
    settings.find(({ name }) => name === "CM_INSECURE_TRANSPORT"),
    { value: null }
  )
  assert.notInclude(service.output(), "CM_INSECURE_TRANSPORT")
  for (const server of servers.values()) {
    const { connections: found = [] } = await monitored(server, "connz?auth=1")
    for (const { authorized_user, tls_version } of found) assert.match(tls_version ?? "", /^1\.[23]$/u, authorized_user)
  }
}, 300_000)

it("takes nothing in clear: not a client, not the database's", async () => {
  const { port } = servers.get("nats-1")!
  const heard = await new Promise<string>((done) => {
    const socket = dial({ host: "127.0.0.1", port })
    let text = ""
    socket.on("error", () => undefined)
    socket.on("data", (chunk) => {
      if (text === "") socket.write(`CONNECT {"user":"comms","pass":"${system.passwords.comms}"}\r\nPING\r\n`)
      text += chunk.toString("latin1")
    })
    socket.on("close", () => done(text))
  })
  assert.match(heard, /"tls_required":true/u)
  assert.notInclude(heard, "PONG")
  const { DATABASE_URL = "" } = system.environmentOf("service-one")
  const refused = await connectSql(DATABASE_URL.replace("?ssl=true", "")).then(
    async (connection) => {
      await connection.end()
      return null
    },
    (error: Error) => error.message
  )
  // It says no more than that; with TLS the same user and password are good, as the service shows.
  assert.match(refused ?? "", /Access denied|secure transport/u)
})

it("a server without the routes' password is no route, nor one with another authority's certificate", async () => {
  const authority = makeAuthority(join(folder.path, "stranger"), "stranger")
  const own = makeCertificate({
    folder: join(folder.path, "stranger"),
    authority,
    name: "nats",
    names: ["localhost", "127.0.0.1"]
  })
  const { CM_NATS_ROUTES: routes } = system.environmentOf("nats-1")
  const cases = [
    {
      name: "guesser",
      over: { CM_NATS_ROUTES: routes!.replaceAll("proutesecret", "pguessed") },
      said: /authorization violation|authentication/iu
    },
    {
      name: "foreigner",
      over: { CM_NATS_TLS_CERT: own.certificate, CM_NATS_TLS_KEY: own.key, CM_NATS_TLS_CA: authority.certificate },
      said: /TLS (?:route )?handshake error/iu
    }
  ]
  for (const { name, over, said } of cases) {
    const stranger = await system.start("nats-1", over, name)
    strangers.push(stranger)
    await eventually(
      () => Promise.resolve(logOf(stranger)),
      (text) => said.test(text),
      { limitMs: 120_000, what: `${name} being refused` }
    )
    assert.deepStrictEqual(await routesOf(stranger), [])
    await routed()
    await stranger.stop()
  }
}, 300_000)

it("certificates and their authority are exchanged while it runs, and nothing is answered wrongly meanwhile", async () => {
  const comms = await as("comms")
  const sql = await connectSql({
    ...{ host: "127.0.0.1", port: mariadb.port, user: "cm", password: "pdatabasesecret", database: "cm" },
    ssl: { ca: readFileSync(ca()) }
  })
  let [asked, going] = [0, true]
  const wrong: Array<unknown> = []
  const load = (async () => {
    while (going) {
      const answer = await ask(comms, "cm.v1.demo.token.validate", { appName: "meters", token: issued.token }).catch(
        (error: Error) => error
      )
      asked += 1
      if (answer instanceof Error || answer.body.statusCode !== 200) wrong.push(answer)
    }
  })()

  const next = makeAuthority(join(folder.path, "next"), "next")
  const both = `${readFileSync(ca(), "utf8")}${readFileSync(next.certificate, "utf8")}`
  const write = (file: string, text: string) => {
    writeFileSync(`${file}.new`, text, { mode: 0o644 })
    renameSync(`${file}.new`, file)
  }
  const trust = (text: string) => {
    for (const who of ["nats", "mariadb", "client"]) write(join(system.tls, who, "ca.pem"), text)
  }
  const reloaded = (server: ComposedServer) => logOf(server).split("Reloaded server configuration").length
  const reload = async () => {
    for (const server of servers.values()) {
      const before = reloaded(server)
      server.kill("SIGHUP")
      await eventually(
        () => Promise.resolve(reloaded(server)),
        (count) => count > before,
        { limitMs: 120_000, what: "a reload" }
      )
    }
    await sql.query("FLUSH SSL")
  }
  try {
    trust(both)
    await reload()
    for (const who of ["nats", "mariadb"]) {
      const made = makeCertificate({
        folder: join(folder.path, "next"),
        authority: next,
        name: who,
        names: ["localhost", "127.0.0.1"]
      })
      for (const [from, to] of [
        [made.certificate, "cert.pem"],
        [made.key, "key.pem"]
      ] as const) {
        copyFileSync(from, join(system.tls, who, `${to}.new`))
        renameSync(join(system.tls, who, `${to}.new`), join(system.tls, who, to))
      }
    }
    await reload()
    trust(readFileSync(next.certificate, "utf8"))
    await reload()
    const after = asked
    await eventually(
      () => Promise.resolve(asked),
      (count) => count > after + 20,
      { limitMs: 120_000, what: "validations to go on" }
    )
  } finally {
    going = false
    await load
  }
  assert.deepStrictEqual(wrong.slice(0, 3), [])
  await sql.end()

  // Who comes now meets the new ones only; routes and the service's own connections are made anew server by server.
  await (await as("comms", next.certificate)).close()
  for (const name of natsNames) {
    await servers.get(name)!.stop()
    servers.set(name, await system.start(name))
    await routed()
  }
  const again = await as("comms", next.certificate)
  const verdict = () =>
    ask(again, "cm.v1.demo.token.validate", { appName: "meters", token: issued.token }).then(
      ({ body }) => body.statusCode as number,
      () => 0
    )
  await eventually(verdict, (status) => status === 200, { limitMs: 120_000, what: "a validation over new connections" })
  const admin = await as("admin", next.certificate)
  const revoke = () =>
    ask(admin, "cm.v1.demo.token.revoke", { tokenId: issued.tokenId }).then(
      ({ status }) => status,
      () => ""
    )
  await eventually(revoke, (status) => status === "200", { limitMs: 120_000, what: "a revocation" })
  assert.notStrictEqual(await verdict(), 200)
}, 300_000)
