/** What measures stand on: servers of their own, services, and tokens to ask for. */
import { setTimeout as pause } from "node:timers/promises"
import { type Client, connectClient } from "../../test/support/client.ts"
import * as ecap from "../../test/support/ecap.ts"
import { eventually } from "../../test/support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../test/support/freshDatabase.ts"
import { type Pair, startPair } from "../../test/support/servers.ts"
import { type Service, startService } from "../../test/support/service.ts"
import { processorSeconds } from "./report.ts"

export const appName = "c5r5udp04t2n6tdie500"
const common = { correlationId: "br7si8mg10l7an82que0", timestamp: 1_700_000_000_000, timeout: 0 }
export const validationSubject = (instance: string) => `kaa.v1.service.${instance}.ecap.ep-token-request`
/** The length of the answer that a good token gets. */
export const validationBytes = ecap.ValidationResponse.toBuffer({
  ...common,
  tokenId: crypto.randomUUID(),
  endpointId: crypto.randomUUID(),
  statusCode: 200,
  reasonPhrase: null
}).length

export const validationRequest = (token: string, app = appName): string =>
  ecap.ValidationRequest.toBuffer({ ...common, appName: app, token }).toString("base64")

export const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64")

export interface Ground {
  readonly pair: Pair
  readonly natsUrl: string
  /** A service with a database of its own, or on one that is given. */
  readonly service: (instance: string, options?: ServiceOptions) => Promise<Placed>
  /** Stopped with the ground, last in, first out. */
  readonly onStop: (stop: () => Promise<unknown>) => void
  readonly stop: () => Promise<void>
}

interface ServiceOptions {
  readonly env?: Record<string, string>
  readonly beside?: Placed
  readonly replica?: string
}

export interface Placed {
  readonly service: Service
  readonly database: FreshDatabase
  readonly instance: string
  readonly client: Client
}

/** The bounds that keep callers apart are not what is measured, nor is what a busy machine times out. */
const withoutBounds = {
  CM_TENANT_REQUESTS_IN_FLIGHT: "4096",
  CM_BARRIER_TIMEOUT: "30 seconds",
  CM_DB_CONNECT_TIMEOUT: "10 seconds",
  CM_DB_TIMEOUT: "30 seconds",
  CM_MISS_TIMEOUT: "10 seconds",
  CM_NATS_DIAL_TIMEOUT: "3 seconds",
  CM_REQUEST_TIMEOUT: "2 minutes"
}

export const startGround = async (): Promise<Ground> => {
  const pair = await startPair()
  const stops: Array<() => Promise<unknown>> = [pair.stop]
  const running = new Set<Service>()
  // Whoever ends the benchmark ends what it started.
  const killAll = () => {
    for (const { kill } of running) kill()
  }
  process.once("exit", killAll)
  const natsUrl = pair.nats.url
  return {
    pair,
    natsUrl,
    onStop: (stop) => stops.push(stop),
    service: async (instance, { beside, env = {}, replica = "one" } = {}) => {
      const database = beside?.database ?? (await freshDatabase(pair.mariadb.url))
      const service = await startService({
        asShipped: true,
        natsUrl,
        databaseUrl: database.url,
        instance,
        replica,
        env: { ...withoutBounds, ...env },
        ...(beside === undefined ? {} : { keyFile: beside.service.keyFile })
      })
      running.add(service)
      stops.push(async () => {
        await service.stop()
        running.delete(service)
      })
      const client = beside?.client ?? (await connectClient({ natsUrl, instance, timeoutMs: 120_000 }))
      if (beside === undefined) stops.push(client.close)
      return { service, database, instance, client }
    },
    stop: async () => {
      for (const stop of stops.toReversed()) await stop()
      process.off("exit", killAll)
    }
  }
}

export interface MadeToken {
  readonly token: string
  readonly tokenId: string
}

const batchMax = 1_000

/** Asks, and throws where the answer is no success. */
export const must = async (client: Client, tenant: string, operation: string, body: unknown) => {
  const answer = await client.ask(tenant, operation, body)
  if (answer.status >= 300) throw new Error(`${operation}: ${answer.status} ${answer.code}`)
  return answer.body
}

export const registered = (client: Client, tenant: string, app = appName) =>
  must(client, tenant, "application.register", { appName: app })

/** Tokens of an application that is registered, each for an endpoint of its own. */
export const provision = async (
  client: Client,
  count: number,
  { app = appName, tenant = "demo" } = {}
): Promise<ReadonlyArray<MadeToken>> => {
  const made: Array<MadeToken> = []
  while (made.length < count) {
    const items = Array.from({ length: Math.min(batchMax, count - made.length) }, () => ({
      endpointId: crypto.randomUUID()
    }))
    const { results } = await must(client, tenant, "token.provision-batch", { appName: app, items })
    made.push(...results)
  }
  return made
}

/** Waits until a process does next to nothing: what provisioning and first uses left to do is done. */
export const quiet = (pid: number, limitMs = 60_000): Promise<unknown> => {
  const look = async () => {
    const before = processorSeconds(pid)
    await pause(500)
    return processorSeconds(pid) - before
  }
  return eventually(look, (seconds) => !(seconds > 0.05), { limitMs, what: "a quiet process" })
}
