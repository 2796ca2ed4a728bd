/** The cluster of compose.yaml, on its own files: three servers find each other and keep three copies. */
import { copyFileSync } from "node:fs"
import { join } from "node:path"
import { jetstreamManager } from "@nats-io/jetstream"
import { connect } from "@nats-io/transport-node"
import { afterAll, assert, it } from "vitest"
import { busEnvironment, newPasswords } from "../../scripts/stack.mjs"
import { eventually } from "../support/eventually.ts"
import { freePort, type Server, startNats, temporaryFolder } from "../support/servers.ts"

const root = join(import.meta.dirname, "../..")
const folder = temporaryFolder()
const servers: Array<Server> = []

afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()))
  folder.remove()
})

it("three servers on compose/nats-cluster.conf keep a stream of the service in three copies", async () => {
  copyFileSync(join(root, "nats.conf"), join(folder.path, "nats.conf"))
  copyFileSync(join(root, "compose/nats-cluster.conf"), join(folder.path, "nats-cluster.conf"))
  const passwords = newPasswords()
  const clusterPorts = [await freePort(), await freePort(), await freePort()]
  const routes = `[${clusterPorts.map((port) => `nats://127.0.0.1:${port}`).join(", ")}]`
  servers.push(
    ...(await Promise.all(
      clusterPorts.map((clusterPort, index) =>
        startNats({
          dir: join(folder.path, String(index)),
          name: `nats-${index + 1}`,
          configFile: join(folder.path, "nats-cluster.conf"),
          env: { ...busEnvironment(passwords), CM_NATS_CLUSTER_PORT: String(clusterPort), CM_NATS_ROUTES: routes }
        })
      )
    ))
  )
  const service = await connect({
    servers: servers.map(({ url }) => url),
    user: "service",
    pass: passwords.service!,
    inboxPrefix: "_INBOX.service"
  })
  const manager = await eventually(
    () => jetstreamManager(service),
    () => true,
    { limitMs: 30_000, what: "JetStream" }
  )
  const info = await eventually(
    () => manager.streams.add({ name: "CM_EVENTS", subjects: ["cm.events.v1.>"], num_replicas: 3 }),
    (stream) => stream.cluster?.leader !== undefined,
    { limitMs: 30_000, everyMs: 200, what: "a stream with a leader" }
  )
  assert.strictEqual(info.config.num_replicas, 3)
  assert.strictEqual(info.cluster?.replicas?.length, 2)
  await service.close()
})
