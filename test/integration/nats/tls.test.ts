/**
 * `tls://` means TLS: what a listener, or somebody in the server's place, would try.
 *
 * Verifies: R-SEC-31.
 */
import { copyFileSync, writeFileSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { makeAuthority, makeCertificate } from "../../../scripts/lib/certificates.mjs"
import { Nats } from "../../../src/nats/Nats.ts"
import { NatsConfig } from "../../../src/nats/NatsConfig.ts"
import * as NatsConnection from "../../../src/nats/NatsConnection.ts"
import type { NatsStartError } from "../../../src/nats/NatsError.ts"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"
import { environment } from "../../support/bus.ts"
import { eventually } from "../../support/eventually.ts"
import { freePort, startNats, temporaryFolder } from "../../support/servers.ts"

const natsLayer = (variables: Record<string, string>) =>
  Layer.fresh(
    NatsConnection.layer.pipe(
      Layer.provide([
        Layer.succeed(Replica, replicaOf("cm", "one")),
        NatsConfig.layer.pipe(Layer.provide(environment(variables)))
      ])
    )
  )
const refusal = (variables: Record<string, string>) =>
  Layer.build(natsLayer({ CM_NATS_CONNECT_LIMIT: "5 seconds", ...variables })).pipe(
    Effect.scoped,
    Effect.flip
  ) as Effect.Effect<NatsStartError>

const user = { NATS_USER: "service", NATS_PASSWORD: "planted-password" }
const folder = Effect.acquireRelease(Effect.sync(temporaryFolder), ({ remove }) => Effect.sync(remove))

/** A server on fixed files `server.pem`, `server-key.pem` and `trusted.pem` of the folder. */
const serverIn = Effect.fnUntraced(function* (path: string, port: number) {
  const configFile = `${path}/nats.conf`
  writeFileSync(
    configFile,
    `host: 127.0.0.1\nport: $CM_NATS_PORT\nserver_name: $CM_NATS_NAME\nmax_payload: 8MB\njetstream { store_dir: $CM_NATS_STORE_DIR }
    authorization { users: [{ user: service, password: planted-password }] }
    tls { cert_file: "${path}/server.pem", key_file: "${path}/server-key.pem", ca_file: "${path}/trusted.pem", verify: true }\n`
  )
  const options = { dir: `${path}/nats`, configFile, port, env: { CM_NATS_STORE_DIR: `${path}/store` } }
  return yield* Effect.promise(() => startNats(options))
})
const stopping = (server: { readonly stop: () => Promise<unknown> }) => Effect.promise(() => server.stop())
const use = (path: string, issued: { readonly certificate: string; readonly key: string }) => {
  copyFileSync(issued.certificate, `${path}/server.pem`)
  copyFileSync(issued.key, `${path}/server-key.pem`)
}

/** What a client says to a server without TLS that pretends to be one of NATS. */
const plainServer = Effect.acquireRelease(
  Effect.promise(
    () =>
      new Promise<{ readonly port: number; readonly heard: () => string; readonly server: Server }>((resolve) => {
        let heard = ""
        const sockets: Array<Socket> = []
        const server = createServer((socket) => {
          sockets.push(socket)
          socket.on("error", () => undefined)
          socket.on("data", (bytes) => {
            heard += bytes.toString("latin1")
          })
          socket.write('INFO {"server_id":"X","version":"2.15.2","proto":1,"max_payload":8388608,"headers":true}\r\n')
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resolve({
            port: typeof address === "object" && address !== null ? address.port : 0,
            heard: () => heard,
            server
          })
        })
      })
  ),
  ({ server }) => Effect.sync(() => server.close())
)

describe("TLS to the bus", () => {
  it.live("a server without TLS behind tls:// hears no password", () =>
    Effect.gen(function* () {
      const { heard, port } = yield* plainServer
      const error = yield* refusal({ ...user, NATS_URL: `tls://127.0.0.1:${port}` })
      assert.strictEqual(error.message, "NATS server has no TLS, and NATS_URL says tls://")
      assert.notInclude(heard(), "planted-password")
      assert.notInclude(heard(), "CONNECT")
    })
  )

  it.live("takes a certificate of the authority for that name, and no other; each refusal says what to look at", () =>
    Effect.gen(function* () {
      const { path } = yield* folder
      const [authority, stranger] = [makeAuthority(`${path}/a`), makeAuthority(`${path}/b`, "stranger")]
      const issue = (name: string, names: ReadonlyArray<string>, days = 10, by = authority) =>
        makeCertificate({ folder: `${path}/a`, authority: by, name, names, days })
      const client = issue("client", ["client"])
      const port = yield* Effect.promise(freePort)
      const given = {
        ...user,
        NATS_URL: `tls://127.0.0.1:${port}`,
        NATS_CA: authority.certificate,
        NATS_CERT: client.certificate,
        NATS_KEY: client.key
      }
      copyFileSync(authority.certificate, `${path}/trusted.pem`)
      const cases = [
        { issued: issue("good", ["127.0.0.1"]), problem: null },
        { issued: issue("elsewhere", ["nats.example"]), problem: "ERR_TLS_CERT_ALTNAME_INVALID" },
        { issued: issue("elsewhere2", ["nats.example"]), problem: null, over: { NATS_SERVER_NAME: "nats.example" } },
        { issued: issue("old", ["127.0.0.1"], -1), problem: "CERT_HAS_EXPIRED" },
        { issued: issue("foreign", ["127.0.0.1"], 10, stranger), problem: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" }
      ]
      for (const { issued, over = {}, problem } of cases) {
        use(path, issued)
        yield* Effect.acquireUseRelease(
          serverIn(path, port),
          () =>
            problem === null
              ? Effect.scoped(Effect.asVoid(Layer.build(natsLayer({ ...given, ...over }))))
              : Effect.map(refusal({ ...given, ...over }), ({ message }) => assert.include(message, problem)),
          stopping
        )
      }
    })
  )

  it.live("uses exchanged files from the next connection on, without a restart", () =>
    Effect.gen(function* () {
      const { path } = yield* folder
      const [first, second] = [makeAuthority(`${path}/a`), makeAuthority(`${path}/b`, "next")]
      const names = ["127.0.0.1"]
      const own = { certificate: `${path}/own.pem`, key: `${path}/own-key.pem`, ca: `${path}/ca.pem` }
      const exchange = (authority: typeof first, name: string) => {
        const client = makeCertificate({ folder: path, authority, name: `${name}-client`, names: ["client"] })
        use(path, makeCertificate({ folder: path, authority, name: `${name}-server`, names }))
        copyFileSync(client.certificate, own.certificate)
        copyFileSync(client.key, own.key)
        copyFileSync(authority.certificate, own.ca)
        copyFileSync(authority.certificate, `${path}/trusted.pem`)
      }
      exchange(first, "first")
      const port = yield* Effect.promise(freePort)
      const server = yield* serverIn(path, port)
      const given = { ...user, NATS_URL: `tls://127.0.0.1:${port}`, NATS_CA: own.ca }
      const files = { NATS_CERT: own.certificate, NATS_KEY: own.key }
      yield* Effect.gen(function* () {
        const { control } = yield* Nats
        yield* Effect.promise(() => control.flush())
        yield* stopping(server)
        exchange(second, "second")
        const again = yield* serverIn(path, port)
        yield* Effect.promise(() =>
          eventually(
            () =>
              control.flush().then(
                () => true,
                () => false
              ),
            (is) => is,
            { what: "the connection is back" }
          )
        )
        yield* stopping(again)
      }).pipe(Effect.provide(natsLayer({ ...given, ...files })))
    })
  )

  it.effect("in clear only on this machine, or where an operator says so", () =>
    Effect.gen(function* () {
      const start = (variables: Record<string, string>) =>
        Layer.build(NatsConfig.layer.pipe(Layer.provide(environment(variables)))).pipe(
          Effect.scoped,
          Effect.match({ onSuccess: () => "taken", onFailure: (error) => String(error.cause) })
        )
      assert.include(yield* start({ NATS_URL: "nats://bus.example:4222" }), "CM_INSECURE_TRANSPORT=true")
      assert.include(yield* start({ NATS_URL: "nats://127.0.0.1:1,nats://10.0.0.1:2" }), "CM_INSECURE_TRANSPORT=true")
      assert.include(yield* start({ NATS_URL: "tls://a.example,nats://b.example" }), "others without it")
      assert.include(yield* start({ NATS_URL: "tls://a.example", NATS_CERT: "c.pem" }), "go together")
      for (const url of ["tls://a.example:4222", "nats://localhost:4222", "nats://127.0.0.2:1,nats://[::1]:2"]) {
        assert.strictEqual(yield* start({ NATS_URL: url }), "taken")
      }
      const insecure = { NATS_URL: "nats://bus.example:4222", CM_INSECURE_TRANSPORT: "true" }
      assert.strictEqual(yield* start(insecure), "taken")
    })
  )
})
