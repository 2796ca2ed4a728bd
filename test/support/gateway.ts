/**
 * The HTTP gateway as a process of its own, with nothing near it but a bus user, and a client that speaks HTTP to it.
 *
 * `gatewayWorld` is everything behind it: the shipped bus, a database, the service, and two tenants with a real issuer each.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { request as httpRequest } from "node:http"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import type { NatsConnection } from "@nats-io/transport-node"
import { watchOver } from "../../scripts/stack.mjs"
import { compileCache } from "./compileCache.ts"
import { eventually } from "./eventually.ts"
import { type FreshDatabase, freshDatabase } from "./freshDatabase.ts"
import { everyScope, type OidcIssuer, oidcIssuer } from "./oidcIssuer.ts"
import { type Service, startService } from "./service.ts"
import { type ShippedBus, startShippedBus } from "./shippedBus.ts"

const root = resolve(import.meta.dirname, "../..")

export interface GatewayProcess {
  readonly url: string
  readonly adminUrl: string | null
  readonly pid: number
  readonly output: () => string
  readonly process: ChildProcess
  readonly exited: Promise<number | NodeJS.Signals>
  readonly stop: () => Promise<number | NodeJS.Signals>
}

/** Nothing of the test's environment reaches it but the path and where compiled modules lie. */
export const startGateway = async (options: {
  readonly natsUrl: string
  readonly password: string
  readonly env?: Record<string, string>
}): Promise<GatewayProcess> => {
  const home = mkdtempSync(join(tmpdir(), "cm-gateway-"))
  const child = spawn(process.execPath, [join(root, "src/gatewayMain.ts")], {
    cwd: home,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: compileCache(),
      NATS_URL: options.natsUrl,
      NATS_USER: "gateway",
      NATS_PASSWORD: options.password,
      CM_GATEWAY_PORT: "0",
      ...options.env
    }
  })
  watchOver(child)
  let printed = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (printed += chunk.toString()))
  let ended = false
  const exited = new Promise<number | NodeJS.Signals>((done) =>
    // Not "exit": what it printed last has come by then.
    child.once("close", (code, signal) => {
      ended = true
      rmSync(home, { recursive: true, force: true })
      done(code ?? signal ?? 0)
    })
  )
  const line = await eventually(
    () => /^ready.*?(https?:\/\/\S+?)(?:, for operators on (\S+))?$/mu.exec(printed),
    (found) => found !== null || ended,
    { limitMs: 120_000, what: "the gateway's ready line" }
  )
  if (line === null) throw new Error(`the gateway ended while starting:\n${printed}`)
  return {
    url: line[1]!,
    adminUrl: line[2] ?? null,
    pid: child.pid!,
    process: child,
    output: () => printed,
    exited,
    stop: () => {
      child.kill("SIGTERM")
      return exited
    }
  }
}

export interface HttpAnswer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever came back
  readonly body: any
  readonly text: string
  readonly header: (name: string) => string | undefined
}

/** One request; a body that is no text is sent as JSON. */
export const http = (
  url: string,
  method: string,
  path: string,
  options: { readonly token?: string; readonly body?: unknown; readonly headers?: Record<string, string> } = {}
): Promise<HttpAnswer> =>
  new Promise((done, fail) => {
    const { body, headers = {}, token } = options
    const payload = body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body)
    const { hostname, port } = new URL(url)
    const request = httpRequest(
      {
        hostname,
        port,
        method,
        path,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(payload === undefined
            ? {}
            : { "content-type": "application/json", "content-length": String(Buffer.byteLength(payload)) }),
          ...headers
        }
      },
      (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("error", fail)
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8")
          const isJson = /json/u.test(response.headers["content-type"] ?? "")
          done({
            status: response.statusCode!,
            text,
            body: isJson ? JSON.parse(text) : text,
            header: (name) => response.headers[name.toLowerCase()] as string | undefined
          })
        })
      }
    )
    request.on("error", fail)
    request.end(payload)
  })

export interface GatewayWorld {
  readonly bus: ShippedBus
  readonly service: Service
  readonly gateway: GatewayProcess
  readonly acme: OidcIssuer
  readonly beta: OidcIssuer
  readonly admin: NatsConnection
  /** With every scope. */
  readonly token: string
  /** As acme's robot, with every scope unless another token is given. */
  readonly ask: (
    method: string,
    path: string,
    body?: unknown,
    options?: { readonly token?: string; readonly headers?: Record<string, string> }
  ) => Promise<HttpAnswer>
  readonly startAnother: (env?: Record<string, string>) => Promise<GatewayProcess>
  readonly stop: () => Promise<void>
}

export const gatewayWorld = async (options: {
  readonly databaseUrl: string
  readonly env?: Record<string, string>
  readonly serviceEnv?: Record<string, string>
}): Promise<GatewayWorld> => {
  const bus = await startShippedBus()
  const database: FreshDatabase = await freshDatabase(options.databaseUrl)
  const [acme, beta] = await Promise.all([oidcIssuer(), oidcIssuer()])
  const service = await startService({
    natsUrl: bus.url,
    databaseUrl: database.url,
    env: { NATS_USER: "service", NATS_PASSWORD: bus.passwords.service!, ...options.serviceEnv }
  })
  const operator = await bus.as("operator")
  for (const [tenantId, { audience, issuer }] of Object.entries({ acme, beta })) {
    const answer = await operator.request(
      "cm.admin.v1.tenants.create",
      JSON.stringify({ tenantId, issuer, audience }),
      {
        timeout: 75_000
      }
    )
    if (answer.headers?.get("Cm-Status") !== "201") throw new Error(answer.string())
  }
  await operator.close()
  const startAnother = (env: Record<string, string> = {}) =>
    startGateway({ natsUrl: bus.url, password: bus.passwords.gateway!, env })
  const gateway = await startAnother(options.env)
  const token = await acme.token(everyScope)
  const admin = await bus.as("admin")
  return {
    bus,
    service,
    gateway,
    acme,
    beta,
    admin,
    token,
    ask: (method, path, body, given = {}) => http(gateway.url, method, path, { token, body, ...given }),
    startAnother,
    stop: async () => {
      await admin.close()
      await gateway.stop()
      await service.stop()
      await Promise.all([acme.close(), beta.close(), bus.stop()])
      await database.drop()
    }
  }
}
