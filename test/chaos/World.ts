/**
 * Replicas as processes, over servers of the world's own, with a cable of its own from each replica to
 * each server. Everything on loopback, everything ended by its pid.
 *
 * `Ground` is the servers: one NATS server or three that form a cluster, and a MariaDB. `World` is an
 * instance of the service on them, with a database of its own; many worlds may follow on one ground.
 */
import { randomBytes } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { eventually } from "../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../support/freshDatabase.ts"
import { roleAccounts } from "../support/roleAccounts.ts"
import { freePort, type Server, startMariadb, startNats, temporaryFolder } from "../support/servers.ts"
import { type Service, startService } from "../support/service.ts"
import { type Cable, nameOfDatabase, startCable } from "./Cable.ts"

// ---- the servers ----------------------------------------------------------------

/** One server that can be ended and started again on its port and its data. */
export interface Restartable {
  readonly name: string
  readonly port: number
  readonly signal: (name: NodeJS.Signals) => void
  readonly kill: () => Promise<void>
  readonly start: () => Promise<void>
  readonly stop: () => Promise<void>
}

const restartable = async (name: string, start: (port: number) => Promise<Server>): Promise<Restartable> => {
  const port = await freePort()
  let server = await start(port)
  return {
    name,
    port,
    signal: (signal) => server.kill(signal),
    kill: async () => {
      server.kill("SIGKILL")
      await server.exited
    },
    start: async () => {
      if (server.hasEnded()) server = await start(port)
    },
    stop: async () => void (await server.stop())
  }
}

// No advertising: a replica knows its own cables only.
const clusterConfig = roleAccounts(
  "cluster { name: chaos, host: 127.0.0.1, port: $CM_TEST_CLUSTER_PORT, routes: $CM_TEST_ROUTES, no_advertise: true }"
)

const startBus = async (folder: string, count: 1 | 3): Promise<ReadonlyArray<Restartable>> => {
  if (count === 1) {
    const configFile = join(folder, "roles.conf")
    writeFileSync(configFile, roleAccounts())
    return [await restartable("nats", (port) => startNats({ dir: join(folder, "nats"), port, configFile }))]
  }
  const configFile = join(folder, "cluster.conf")
  writeFileSync(configFile, clusterConfig)
  const ports = [await freePort(), await freePort(), await freePort()]
  const routes = `[${ports.map((port) => `nats://127.0.0.1:${port}`).join(", ")}]`
  return Promise.all(
    ports.map((clusterPort, index) =>
      restartable(`nats-${index}`, (port) =>
        startNats({
          dir: join(folder, `nats-${index}`),
          name: `node-${index}`,
          port,
          configFile,
          env: { CM_TEST_CLUSTER_PORT: String(clusterPort), CM_TEST_ROUTES: routes }
        })
      )
    )
  )
}

export interface Ground {
  readonly bus: ReadonlyArray<Restartable>
  readonly maria: Restartable
  /** Of the servers themselves, past all cables. */
  readonly natsUrl: string
  readonly databaseUrl: string
  /** Where the servers keep what they keep. */
  readonly folder: string
  readonly stop: () => Promise<void>
}

/** `mariadbArgs`: further arguments of the database server. */
export const startGround = async (busServers: 1 | 3, mariadbArgs: ReadonlyArray<string> = []): Promise<Ground> => {
  const folder = temporaryFolder()
  const password = randomBytes(12).toString("hex")
  const [bus, maria] = await Promise.all([
    startBus(folder.path, busServers),
    restartable("mariadb", (port) =>
      startMariadb({ dir: join(folder.path, "mariadb"), port, password, mayCreateDatabases: true, args: mariadbArgs })
    )
  ])
  return {
    bus,
    maria,
    natsUrl: bus.map(({ port }) => `nats://127.0.0.1:${port}`).join(","),
    databaseUrl: `mariadb://cm:${password}@127.0.0.1:${maria.port}/cm`,
    folder: folder.path,
    stop: async () => {
      await Promise.all([...bus, maria].map((server) => server.stop()))
      folder.remove()
    }
  }
}

// ---- the replicas ---------------------------------------------------------------

export interface Replica {
  readonly name: string
  readonly pid: () => number
  readonly signal: (name: NodeJS.Signals) => void
  readonly kill: () => Promise<void>
  /** Starts it again, as often as it takes. */
  readonly start: () => Promise<void>
  /** Lets it stop in order, and starts it again. */
  readonly restart: () => Promise<void>
  /** To each server of the bus. */
  readonly busCables: ReadonlyArray<Cable>
  readonly databaseCable: Cable
  /** How often its process ended without being told to. */
  readonly deaths: () => number
  readonly output: () => string
  readonly stop: () => Promise<void>
}

export interface WorldOptions {
  readonly replicas: number
  /** Where the source lies; default: this checkout. */
  readonly cwd?: string
  readonly env?: Record<string, string>
  /** How long a replica may take until it answers. */
  readonly readyLimitMs?: number
}

/** Short, so that a run sees many lapses; the relations are those of the defaults. */
export const leaseMs = 1_000
export const tenants = ["demo", "acme"] as const

const settings = (busServers: number): Record<string, string> => ({
  CM_LEASE: `${leaseMs} millis`,
  CM_LEASES_AGE: "20 seconds",
  CM_BARRIER_TIMEOUT: "10 seconds",
  CM_OUTBOX_TERM_TTL: "2 seconds",
  CM_SWEEP_INTERVAL: "500 millis",
  CM_SWEEP_CLAIM_TTL: "2 seconds",
  CM_DEV_TENANTS: tenants.join(","),
  CM_STREAM_REPLICAS: String(busServers === 3 ? 3 : 1),
  CM_EVENTS_BYTES_MAX: "268435456",
  CM_REVOCATIONS_BYTES_MAX: "268435456"
})

export interface World {
  readonly ground: Ground
  readonly instance: string
  readonly replicas: ReadonlyArray<Replica>
  readonly database: FreshDatabase
  readonly stop: () => Promise<void>
}

const startTries = 5

const startReplica = async (
  name: string,
  ground: Ground,
  database: FreshDatabase,
  shared: { readonly instance: string; readonly keyFile: string; readonly options: WorldOptions }
): Promise<Replica> => {
  const busCables = await Promise.all(ground.bus.map(({ port }) => startCable(() => port)))
  const databaseCable = await startCable(() => ground.maria.port, nameOfDatabase)
  const databaseUrl = new URL(database.url)
  databaseUrl.port = String(databaseCable.port)
  let deaths = 0
  let printed = ""

  const launch = async (): Promise<Service> => {
    for (let attempt = 1; ; attempt++) {
      try {
        const service = await startService({
          natsUrl: busCables.map(({ port }) => `nats://127.0.0.1:${port}`).join(","),
          databaseUrl: databaseUrl.href,
          instance: shared.instance,
          replica: name,
          keyFile: shared.keyFile,
          asShipped: true,
          env: { ...settings(ground.bus.length), ...shared.options.env },
          ...(shared.options.readyLimitMs === undefined ? {} : { readyLimitMs: shared.options.readyLimitMs }),
          ...(shared.options.cwd === undefined ? {} : { cwd: shared.options.cwd })
        })
        return service
      } catch (error) {
        if (attempt === startTries) throw error
      }
    }
  }

  let isWanted = true
  const watch = (service: Service): Service => {
    // Never fails.
    void service.exited.then(() => {
      printed += service.output()
      if (isWanted) deaths++
    })
    return service
  }
  let service = watch(await launch())
  // Whoever ends this process ends its replicas; the servers have a watchdog of their own.
  const endWithUs = () => service.kill("SIGKILL")
  process.once("exit", endWithUs)
  return {
    name,
    pid: () => service.pid,
    signal: (signal) => service.kill(signal),
    kill: async () => {
      isWanted = false
      service.kill("SIGKILL")
      await service.exited
    },
    start: async () => {
      service = watch(await launch())
      isWanted = true
    },
    restart: async () => {
      isWanted = false
      await service.stop()
      service = watch(await launch())
      isWanted = true
    },
    busCables,
    databaseCable,
    deaths: () => deaths,
    output: () => printed + service.output(),
    stop: async () => {
      isWanted = false
      service.kill("SIGCONT")
      const ended = service.stop()
      // A mutant may not end as it should.
      await Promise.race([ended, pause(10_000).then(() => service.kill("SIGKILL"))])
      await ended
      process.off("exit", endWithUs)
      await Promise.all([...busCables, databaseCable].map((cable) => cable.close()))
    }
  }
}

export const startWorld = async (ground: Ground, options: WorldOptions): Promise<World> => {
  const database = await freshDatabase(ground.databaseUrl)
  const folder = temporaryFolder()
  const instance = `c${randomBytes(4).toString("hex")}`
  const shared = { instance, keyFile: join(folder.path, "keys.json"), options }
  const names = ["one", "two", "three", "four"].slice(0, options.replicas)
  // The first one makes the keys that the others need.
  const first = await startReplica(names[0]!, ground, database, shared)
  const others = await Promise.all(names.slice(1).map((name) => startReplica(name, ground, database, shared)))
  return {
    ground,
    instance,
    replicas: [first, ...others],
    database,
    stop: async () => {
      await Promise.all([first, ...others].map((replica) => replica.stop()))
      await database.drop()
      folder.remove()
    }
  }
}

/** Waits until a number of replicas hold their lease, as they say in their log. */
export const allHold = (world: World): Promise<unknown> =>
  eventually(
    () => world.replicas.filter(({ output }) => output().includes("lease held")).length,
    (holding) => holding === world.replicas.length,
    { limitMs: 180_000, what: "every replica holding a lease" }
  )
