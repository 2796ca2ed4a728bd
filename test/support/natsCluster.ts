/** Three NATS servers that find each other, without users unless they are given, for tests of what a cluster does differently. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { freePort, type Server, startNats, temporaryFolder } from "./servers.ts"

const withoutUsers = `
host: 127.0.0.1
port: $CM_NATS_PORT
server_name: $CM_NATS_NAME
max_payload: 8MB
jetstream { store_dir: $CM_NATS_STORE_DIR }
`
const routesText = `
cluster { name: test, host: 127.0.0.1, port: $CM_TEST_CLUSTER_PORT, routes: $CM_TEST_ROUTES }
`

export interface NatsCluster {
  readonly servers: ReadonlyArray<Server>
  /** All of them, for a client. */
  readonly url: string
  readonly stop: () => Promise<void>
}

/** @param options.config what each server is configured with beside its routes, such as the shipped file; `env` is for it */
export const startNatsCluster = async (
  options: { readonly config?: string; readonly env?: Readonly<Record<string, string>> } = {}
): Promise<NatsCluster> => {
  const folder = temporaryFolder()
  const configFile = join(folder.path, "nats.conf")
  writeFileSync(configFile, `${options.config ?? withoutUsers}${routesText}`)
  const ports = [await freePort(), await freePort(), await freePort()]
  const routes = `[${ports.map((port) => `nats://127.0.0.1:${port}`).join(", ")}]`
  const servers = await Promise.all(
    ports.map((port, index) =>
      startNats({
        dir: join(folder.path, String(index)),
        name: `node-${index + 1}`,
        configFile,
        env: { ...options.env, CM_TEST_CLUSTER_PORT: String(port), CM_TEST_ROUTES: routes }
      })
    )
  )
  return {
    servers,
    url: servers.map(({ url }) => url).join(","),
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()))
      folder.remove()
    }
  }
}
