/**
 * A client of the service that knows the contract and nothing else. It never imports from `src`.
 *
 * Given a user, it speaks over one NATS connection: JSON requests of the management family, Avro
 * requests of 16/ECAP. Without one it is on a bus of `roleAccounts`, and each request goes out from the
 * account that may make it: an administrator's, a consumer's for `credential.get.<consumer>`, the
 * service's own for a validation. `nc` is within the service's account then.
 */
import { connect, headers, type NatsConnection } from "@nats-io/transport-node"
import * as ecap from "./ecap.ts"
import { administrator, consumers } from "./roleAccounts.ts"

export interface Answer {
  /** `Cm-Status`. */
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever came back
  readonly body: any
  readonly code: string | undefined
  readonly header: (name: string) => string
}

export interface Client {
  readonly nc: NatsConnection
  /** Of the administrator; with a user given, the same. */
  readonly administrator: NatsConnection
  readonly instance: string
  /** `{instance}.v1.{tenant}.{operation}`. */
  readonly ask: (tenant: string, operation: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>
  /** `{instance}.admin.v1.{operation}`. */
  readonly admin: (operation: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>
  readonly validate: (appName: string, token: string, options?: Partial<ecap.Validated>) => Promise<ecap.Validated>
  readonly transition: (
    appName: string,
    token: string,
    targetStatus: string,
    correlationId?: string
  ) => Promise<{ readonly correlationId: string; readonly statusCode: number; readonly reasonPhrase: string | null }>
  readonly close: () => Promise<void>
}

/** Longer than the service lets any of them wait here. */
const requestTimeoutMs = 75_000

export const connectClient = async (options: {
  readonly natsUrl: string
  readonly instance?: string
  readonly user?: string
  readonly password?: string
  readonly inboxPrefix?: string
  /** How long a request waits for its answer. */
  readonly timeoutMs?: number
}): Promise<Client> => {
  const { instance = "cm", natsUrl, timeoutMs = requestTimeoutMs } = options
  const dial = (who: { readonly user?: string; readonly pass?: string }) =>
    connect({
      servers: natsUrl,
      noAsyncTraces: true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      ...who,
      ...(options.inboxPrefix === undefined ? {} : { inboxPrefix: options.inboxPrefix })
    })
  const nc = await dial(options.user === undefined ? {} : { user: options.user, pass: options.password ?? "" })
  const others = new Map<string, Promise<NatsConnection>>()
  /** The connection of a user of `roleAccounts`, made when it is first needed. */
  const as = (user: string): Promise<NatsConnection> => {
    if (options.user !== undefined) return Promise.resolve(nc)
    const connection = others.get(user) ?? dial({ user, pass: user })
    others.set(user, connection)
    return connection
  }
  const consumerIn = (subject: string): string => {
    const last = /\.credential\.get\.([^.]+)$/u.exec(subject)?.[1]
    return consumers.find((name) => name === last) ?? administrator
  }
  const send = async (subject: string, body: unknown, given: Record<string, string>): Promise<Answer> => {
    const sent = headers()
    for (const [name, value] of Object.entries(given)) sent.set(name, value)
    const payload = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body)
    const message = await (await as(consumerIn(subject))).request(subject, payload, {
      timeout: timeoutMs,
      headers: sent
    })
    const text = message.string()
    const received = message.headers
    const contentIsJson = text.startsWith("{")
    const parsed = contentIsJson ? JSON.parse(text) : text
    return {
      status: Number(received?.get("Cm-Status")),
      body: parsed,
      code: parsed?.error?.code,
      header: (name) => received?.get(name) ?? ""
    }
  }
  return {
    nc,
    administrator: await as(administrator),
    instance,
    ask: (tenant, operation, body = {}, given = {}) => send(`${instance}.v1.${tenant}.${operation}`, body, given),
    admin: (operation, body = {}, given = {}) => send(`${instance}.admin.v1.${operation}`, body, given),
    validate: async (appName, token, given = {}) => {
      const request = { correlationId: "test", timestamp: 1_700_000_000_000, timeout: 0, appName, token, ...given }
      const reply = await nc.request(
        `kaa.v1.service.${instance}.ecap.ep-token-request`,
        ecap.ValidationRequest.toBuffer(request),
        { timeout: timeoutMs }
      )
      return ecap.ValidationResponse.fromBuffer(Buffer.from(reply.data)) as ecap.Validated
    },
    transition: async (appName, token, targetStatus, correlationId = "test") => {
      const request = { correlationId, timestamp: 1_700_000_000_000, timeout: 0, appName, token, targetStatus }
      const reply = await (await as(administrator)).request(
        `kaa.v1.service.${instance}.ecap.ep-token-status-transition-request`,
        ecap.TransitionRequest.toBuffer(request),
        { timeout: timeoutMs }
      )
      return ecap.TransitionResponse.fromBuffer(Buffer.from(reply.data)) as {
        readonly correlationId: string
        readonly statusCode: number
        readonly reasonPhrase: string | null
      }
    },
    close: async () => {
      for (const other of others.values()) await (await other).close()
      await nc.close()
    }
  }
}
