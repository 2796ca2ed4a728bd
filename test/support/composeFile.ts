/**
 * The system that compose.yaml describes, on this machine and without containers: its files where its volumes put
 * them, its variables and arguments as they stand there, but for hosts, ports and folders, which are the test's own.
 */
import { copyFileSync, mkdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { Yaml } from "effect/encoding"
import { makeStackCertificates } from "../../scripts/lib/certificates.mjs"
import { busUsers } from "../../scripts/stack.mjs"
import { freePort, type Server, startMariadb, startNats } from "./servers.ts"

const root = join(import.meta.dirname, "../..")

interface ComposeService {
  readonly command?: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
  readonly volumes: ReadonlyArray<string>
}
export const composeServices = (
  Yaml.parse(readFileSync(join(root, "compose.yaml"), "utf8")) as unknown as {
    readonly services: Readonly<Record<string, ComposeService>>
  }
).services

export const natsNames = ["nats-1", "nats-2", "nats-3"] as const
export type NatsName = (typeof natsNames)[number]

export interface ComposedServer extends Server {
  /** Where it says how it is, in clear. */
  readonly monitor: string
  readonly logFile: string
}

export const composed = async (folder: string) => {
  const tls = join(folder, "compose/tls")
  makeStackCertificates(tls, ["localhost", "127.0.0.1", ...natsNames, "mariadb"])
  const passwords = Object.fromEntries(busUsers.map((user) => [user, `p${user}secret`]))
  const routePassword = "proutesecret"
  const databasePassword = "pdatabasesecret"
  const secrets: Readonly<Record<string, string>> = {
    ...Object.fromEntries(busUsers.map((user) => [`CM_BUS_${user.toUpperCase()}`, passwords[user]!])),
    CM_NATS_ROUTE_PASSWORD: routePassword,
    CM_DATABASE_PASSWORD: databasePassword
  }
  const ports = new Map<string, number>()
  for (const name of natsNames) {
    ports.set(`${name}:4222`, await freePort())
    ports.set(`${name}:6222`, await freePort())
  }
  /** A value with secrets put in, and every host that is known by now on this machine. */
  const filledIn = (text: string): string => {
    const filled = String(text).replace(/\$\{([A-Z_]+)[^}]*\}/gu, (_, name: string) => secrets[name] ?? "")
    return Array.from(ports).reduce((before, [host, port]) => before.replaceAll(host, `127.0.0.1:${port}`), filled)
  }
  /** A path of a container, on this machine; the files that compose.yaml mounts are there. */
  const within = (service: string, path: string) => {
    for (const volume of composeServices[service]!.volumes) {
      const [source = "", target = ""] = volume.split(":")
      if (path !== target && !path.startsWith(`${target}/`)) continue
      if (source.startsWith("./compose/tls/")) return join(folder, source, path.slice(target.length))
      if (!source.startsWith("./")) continue
      const copy = join(folder, service, target)
      mkdirSync(dirname(copy), { recursive: true })
      copyFileSync(join(root, source), copy)
      return copy
    }
    throw new Error(`compose.yaml mounts nothing at ${path} of ${service}`)
  }
  const onThisMachine = (service: string, text: string): string =>
    filledIn(text).replace(/(?<=^|=)\/tls\/[a-z.]+/u, (path) => within(service, path))

  const startOf = async (name: NatsName, over: Readonly<Record<string, string>> = {}, as: string = name) => {
    const { command = [], environment } = composeServices[name]!
    const [, config = ""] = command
    for (const volume of composeServices[name]!.volumes) {
      const target = volume.split(":")[1]!
      if (target.startsWith("/etc/nats/")) within(name, target)
    }
    const monitorPort = await freePort()
    const values = Object.entries(environment).map(([key, value]) => [key, onThisMachine(name, value)] as const)
    const dir = join(folder, as, "run")
    const server = await startNats({
      dir,
      name: as,
      configFile: within(name, config),
      env: {
        ...Object.fromEntries(values),
        CM_NATS_HOST: "127.0.0.1",
        CM_NATS_CLUSTER_PORT: String(as === name ? ports.get(`${name}:6222`) : await freePort()),
        CM_NATS_MONITOR: `127.0.0.1:${monitorPort}`,
        ...over
      },
      ...(as === name ? { port: ports.get(`${name}:4222`)! } : {})
    })
    return { ...server, monitor: `http://127.0.0.1:${monitorPort}` } satisfies ComposedServer
  }

  const database = async () => {
    const { command = [] } = composeServices.mariadb!
    const args = command.map((argument) => onThisMachine("mariadb", argument))
    const server = await startMariadb({
      dir: join(folder, "mariadb"),
      password: databasePassword,
      mayCreateDatabases: true,
      args
    })
    ports.set("mariadb:3306", server.port)
    return server
  }
  return {
    tls,
    passwords,
    start: startOf,
    startDatabase: database,
    /** What a replica of the service has in its environment. */
    environmentOf: (service: string): Record<string, string> =>
      Object.fromEntries(
        Object.entries(composeServices[service]!.environment).map(([name, value]) => [
          name,
          onThisMachine(service, value)
        ])
      )
  }
}
