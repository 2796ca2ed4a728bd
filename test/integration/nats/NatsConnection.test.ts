// Verifies R-BUS-30.
import { writeFileSync } from "node:fs"
import { type AddressInfo, createServer, connect as dial, type Server } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, References } from "effect"
import { inject } from "vitest"
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

/** Why the layer could not be built. */
const refusal = (variables: Record<string, string>) =>
  Layer.build(natsLayer(variables)).pipe(Effect.scoped, Effect.flip) as Effect.Effect<NatsStartError>

const folder = Effect.acquireRelease(Effect.sync(temporaryFolder), ({ remove }) => Effect.sync(remove))

const serverWith = Effect.fnUntraced(function* (settings: string, port?: number) {
  const { path } = yield* folder
  const configFile = `${path}/nats.conf`
  writeFileSync(configFile, `host: 127.0.0.1\nport: $CM_NATS_PORT\nserver_name: $CM_NATS_NAME\n${settings}\n`)
  const options = { dir: `${path}/nats`, configFile, env: { CM_NATS_STORE_DIR: `${path}/store` } }
  return yield* Effect.acquireRelease(
    Effect.promise(() => startNats(port === undefined ? options : { ...options, port })),
    (server) => Effect.promise(() => server.stop())
  )
})

const withJetStream = "max_payload: 8MB\njetstream { store_dir: $CM_NATS_STORE_DIR }"
const withUser = `${withJetStream}\nauthorization { users: [{ user: service, password: planted-secret-1 }] }`

describe("NatsConnection", () => {
  it.live("opens two connections that share an inbox prefix of their own", () =>
    Effect.gen(function* () {
      const { control, inboxPrefix, requests } = yield* Nats
      assert.notStrictEqual(control.info?.client_id, requests.info?.client_id)
      assert.match(inboxPrefix, /^_INBOX\.[A-Za-z0-9_-]{10,}$/u)
      const replies: Array<string> = []
      const subscription = control.subscribe("who-answers", {
        callback: (_error, msg) => {
          replies.push(msg.reply ?? "")
          msg.respond("yes")
        }
      })
      yield* Effect.promise(() => control.flush())
      yield* Effect.promise(() => requests.request("who-answers", "", { timeout: 60_000 }))
      subscription.unsubscribe()
      assert.isTrue(replies[0]?.startsWith(`${inboxPrefix}.`))
    }).pipe(Effect.provide(natsLayer({ NATS_URL: inject("natsUrl") })))
  )

  it.live("uses the user's inbox prefix, and says in one line that the user was refused, without the password", () =>
    Effect.gen(function* () {
      const { url } = yield* serverWith(withUser)
      const user = { NATS_URL: url, NATS_USER: "service" }
      const { inboxPrefix } = yield* Nats.pipe(
        Effect.provide(natsLayer({ ...user, NATS_PASSWORD: "planted-secret-1" }), { local: true })
      )
      assert.strictEqual(inboxPrefix, "_INBOX.service")
      const refused = yield* refusal({ ...user, NATS_PASSWORD: "planted-secret-2" })
      assert.strictEqual(refused.reason, "refused")
      assert.include(refused.message, "NATS_PASSWORD")
      assert.notInclude(JSON.stringify(refused) + refused.message, "planted-secret")
    }).pipe(Effect.scoped)
  )

  it.live("refuses a server without JetStream and one with small messages", () =>
    Effect.gen(function* () {
      const plain = yield* serverWith("max_payload: 8MB")
      assert.strictEqual((yield* refusal({ NATS_URL: plain.url })).reason, "no-jetstream")
      const small = yield* serverWith("jetstream { store_dir: $CM_NATS_STORE_DIR }")
      assert.strictEqual((yield* refusal({ NATS_URL: small.url })).reason, "payload-too-small")
    }).pipe(Effect.scoped)
  )

  it.live("gives up after its limit when no server is there, naming the setting", () =>
    Effect.gen(function* () {
      // Nobody ever listens there.
      const error = yield* refusal({ NATS_URL: "nats://127.0.0.1:1", CM_NATS_CONNECT_LIMIT: "1 second" })
      assert.strictEqual(error.reason, "unreachable")
      assert.include(error.message, "NATS_URL")
    })
  )

  it.live("waits for a server that comes later, and is back after the server was killed and came again", () =>
    Effect.gen(function* () {
      const port = yield* Effect.promise(() => freePort())
      const building = yield* Effect.forkScoped(Layer.build(natsLayer({ NATS_URL: `nats://127.0.0.1:${port}` })))
      const server = yield* serverWith(withJetStream, port)
      const context = yield* Fiber.join(building)
      const { control, requests } = yield* Nats.pipe(Effect.provide(context))
      server.kill("SIGKILL")
      yield* Effect.promise(() => server.exited)
      yield* serverWith(withJetStream, port)
      for (const connection of [control, requests]) {
        yield* Effect.promise(() =>
          eventually(
            () => connection.rtt(),
            (milliseconds) => milliseconds >= 0,
            { limitMs: 120_000, what: "the connection" }
          )
        )
      }
    }).pipe(Effect.scoped)
  )

  it.live("asks again where the server had no time to ask who it is", () =>
    Effect.gen(function* () {
      const server = yield* serverWith(withUser)
      let late = 2
      const door = yield* Effect.acquireRelease(
        Effect.promise(
          () =>
            new Promise<Server>((resolve) => {
              const made = createServer((client) => {
                client.on("error", () => undefined)
                if (late-- > 0) {
                  const info = { server_id: "X", version: "2.15.2", proto: 1, max_payload: 8_388_608, headers: true }
                  client.write(`INFO ${JSON.stringify({ ...info, auth_required: true })}\r\n`)
                  return void client.once("data", () => client.end("-ERR 'Authentication Timeout'\r\n"))
                }
                const upstream = dial({ host: "127.0.0.1", port: server.port })
                upstream.on("error", () => undefined)
                client.pipe(upstream).pipe(client)
              }).listen(0, "127.0.0.1", () => resolve(made))
            })
        ),
        (made) => Effect.sync(() => made.close())
      )
      const { port } = door.address() as AddressInfo
      const user = { NATS_USER: "service", NATS_PASSWORD: "planted-secret-1" }
      yield* Effect.scoped(Layer.build(natsLayer({ NATS_URL: `nats://127.0.0.1:${port}`, ...user })))
      assert.isBelow(late, 0)
    }).pipe(Effect.scoped)
  )

  it.live(
    "says once a second at most that the server refuses what a caller makes it publish, and how often it did not",
    () =>
      Effect.gen(function* () {
        const permissions = 'permissions { publish: { deny: ["_INBOX.other.>"] } }'
        const { url } = yield* serverWith(withUser.replace("planted-secret-1 }", `planted-secret-1, ${permissions} }`))
        const said: Array<number> = []
        const logger = Logger.make<unknown, void>(({ fiber, message }) => {
          if (!String(message).startsWith("bus error")) return
          const { unsaid = 0 } = fiber.getRef(References.CurrentLogAnnotations) as { readonly unsaid?: number }
          said.push(1 + unsaid)
        })
        const layer = natsLayer({ NATS_URL: url, NATS_USER: "service", NATS_PASSWORD: "planted-secret-1" })
        const { validation } = yield* Nats.pipe(
          Effect.provide(yield* Layer.build(layer).pipe(Effect.provide(Logger.layer([logger]))))
        )
        const count = 2_000
        const sum = () => said.reduce((all, one) => all + one, 0)
        for (let sent = 0; sent < count; sent++) validation.publish(`_INBOX.other.${sent}`, "")
        yield* Effect.promise(() => validation.flush())
        const lines = said.length
        // Those that were not said are told with the next one.
        yield* Effect.promise(() =>
          eventually(
            () => {
              validation.publish("_INBOX.other.again", "")
              return validation.flush().then(sum)
            },
            (all) => all >= count,
            { limitMs: 120_000, what: "what was not said" }
          )
        )
        assert.isBelow(lines, 50)
      }).pipe(Effect.scoped)
  )

  it.live("drains both connections when it is released", () =>
    Effect.gen(function* () {
      const both = yield* Effect.scoped(
        Effect.map(Layer.build(natsLayer({ NATS_URL: inject("natsUrl") })), (context) => context)
      ).pipe(Effect.flatMap((context) => Nats.pipe(Effect.provide(context))))
      assert.isTrue(both.control.isClosed())
      assert.isTrue(both.requests.isClosed())
    })
  )
})
