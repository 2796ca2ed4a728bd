/** All protocols on a paper bus with scripted tenants: what a test asks, and what comes back. */
import { ConfigProvider, Context, Duration, Effect, Exit, Layer, Logger, References, Scope } from "effect"
import { TestClock } from "effect/testing"
import { AccessConfig } from "../../src/access/AccessConfig.ts"
import { Limits } from "../../src/actors/tenant/Limits.ts"
import { KnownTenants } from "../../src/actors/validation/KnownTenants.ts"
import type { Validator } from "../../src/actors/validation/Validator.ts"
import { defaultLimits, type TenantLimits } from "../../src/domain/TenantLimits.ts"
import { Readiness } from "../../src/observability/Health.ts"
import { Replica, replicaOf } from "../../src/observability/Replica.ts"
import { Shutdown } from "../../src/observability/Shutdown.ts"
import { Access } from "../../src/protocols/Access.ts"
import { BusConfig } from "../../src/protocols/BusConfig.ts"
import * as Protocols from "../../src/protocols/Protocols.ts"
import { ProtocolsConfig, type ProtocolsConfigShape } from "../../src/protocols/ProtocolsConfig.ts"
import { eventually } from "./eventually.ts"
import { paperBus, type Sent } from "./paperBus.ts"
import * as paperEvents from "./paperEvents.ts"
import { paperInbox } from "./paperInbox.ts"
import { scriptedTenants, scriptedValidator } from "./scriptedTenants.ts"

export const someConfig: ProtocolsConfigShape = {
  requestBytesMax: 65_536,
  requestsInFlightMax: 64,
  eventsWaitingMax: 64,
  inboxWorkers: 4,
  drainTimeout: Duration.seconds(5)
}

/** A list: sent so many times. */
export type SentHeaders = Readonly<Record<string, string | ReadonlyArray<string>>>

/** What the server says of a caller in another account. */
export const requestInfo = (acc: string, user?: string): string =>
  JSON.stringify({ acc, ...(user === undefined ? {} : { user, name: "a test" }), rtt: 1 })

export interface Answered {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into whatever came back
  readonly body: any
  readonly text: string
  readonly header: (name: string) => string
}

const read = (sent: Sent): Answered => {
  const text = new TextDecoder().decode(sent.data)
  return {
    status: Number(sent.headers?.get("Cm-Status")),
    body: text.startsWith("{") ? JSON.parse(text) : text,
    text,
    header: (name) => sent.headers?.get(name) ?? ""
  }
}

export const protocolWorld = async (
  options: {
    readonly config?: Partial<ProtocolsConfigShape>
    readonly maxPayload?: number
    /** What `Config` reads; without it, nothing is set. */
    readonly environment?: Record<string, string>
    readonly access?: Layer.Layer<Access, never, BusConfig>
    readonly limits?: Partial<TenantLimits>
    readonly validator?: Parameters<typeof scriptedValidator>[0]
    /** In place of `validator`: one that answers when it likes. */
    readonly answerUnsafe?: Validator["Service"]["answerUnsafe"]
    readonly drained?: () => Promise<void>
    /** Whose application it is; null: not known. */
    readonly tenantOf?: (appName: string) => string | null
    /** Time stands still until `pass`. */
    readonly standsStill?: boolean
  } = {}
) => {
  const bus = paperBus(options.maxPayload === undefined ? {} : { maxPayload: options.maxPayload })
  const inbox = paperInbox()
  const tenants = scriptedTenants()
  const logged: Array<string> = []
  const collect = Logger.make(({ cause, fiber, message }) => {
    const about = JSON.stringify(fiber.getRef(References.CurrentLogAnnotations))
    logged.push(`${JSON.stringify(message)} ${cause.reasons.map((reason) => reason._tag).join(" ")} ${about}`)
  })
  const parts = Layer.mergeAll(
    bus.layer,
    inbox.layer,
    tenants.layer,
    Layer.succeed(KnownTenants, { find: () => Effect.succeed(undefined), require: () => Effect.void }),
    scriptedValidator(
      options.validator ?? (() => ({ bytes: new Uint8Array(), statusCode: 200 })),
      options.drained,
      options.tenantOf,
      options.answerUnsafe
    ),
    Layer.succeed(Replica, replicaOf("cm", "one")),
    Layer.succeed(ProtocolsConfig, { ...someConfig, ...options.config }),
    (options.access ?? Access.layerBus).pipe(Layer.provideMerge(BusConfig.layerShipped)),
    AccessConfig.layer,
    Layer.succeed(Limits, { get: () => ({ ...defaultLimits, ...options.limits }), setUnsafe: () => {} }),
    paperEvents.layer,
    Readiness.layer,
    Shutdown.layer,
    ConfigProvider.layer(ConfigProvider.fromEnvRecord(options.environment ?? {})),
    Logger.layer([collect])
  )
  const scope = Scope.makeUnsafe()
  const layer = Layer.provideMerge(Protocols.layer, parts)
  const context = await Effect.runPromise(
    Layer.buildWithScope(
      options.standsStill === true ? Layer.provideMerge(layer, TestClock.layer({ warningDelay: "1 hour" })) : layer,
      scope
    )
  )
  let asked = 0

  /** Publishes as `admin` of the account ADMIN would, as it arrives through its import, and waits for the one answer. */
  const ask = async (subject: string, body: unknown = {}, headers?: SentHeaders): Promise<Answered> => {
    const reply = `_R_.client.${asked++}`
    const payload = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body)
    bus.publish(subject, payload, {
      reply,
      headers: { "Nats-Request-Info": requestInfo("ADMIN", "admin"), ...headers }
    })
    const answers = await eventually(
      () => bus.sent.filter((sent) => sent.subject === reply),
      ({ length }) => length > 0,
      { everyMs: 1, what: `an answer on ${subject}` }
    )
    if (answers.length !== 1 || answers[0] === undefined) throw new Error(`${answers.length} answers on ${subject}`)
    return read(answers[0])
  }
  return {
    bus,
    inbox,
    tenants,
    logged,
    readiness: Context.get(context, Readiness),
    shutdown: Context.get(context, Shutdown),
    ask,
    /** In tenant `demo`. */
    tenant: (operation: string, body?: unknown, headers?: SentHeaders) => ask(`cm.v1.demo.${operation}`, body, headers),
    admin: (operation: string, body?: unknown) => ask(`cm.admin.v1.${operation}`, body),
    /** Only where time stands still. */
    pass: (time: Duration.Input) => Effect.runPromise(Effect.provide(TestClock.adjust(time), context)),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
export type ProtocolWorld = Awaited<ReturnType<typeof protocolWorld>>
