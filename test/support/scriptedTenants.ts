/**
 * `Tenants`, `Credentials`, `Audit` and `Keys` that do what a test says and remember what they were asked.
 *
 * They have no behaviour of their own: a method that the test gave no answer for is a bug of the test.
 */
import { Effect, Layer } from "effect"
import { Audit } from "../../src/actors/audit/Audit.ts"
import { ClientChecks } from "../../src/actors/clients/ClientChecks.ts"
import { Clients } from "../../src/actors/clients/Clients.ts"
import { Credentials } from "../../src/actors/credentials/Credentials.ts"
import { Providers } from "../../src/actors/credentials/Providers.ts"
import { Rotators } from "../../src/actors/credentials/Rotators.ts"
import { Keys } from "../../src/actors/keys/Keys.ts"
import { BlockedEvents } from "../../src/actors/tenant/BlockedEvents.ts"
import { Tenants, type TokenRecord, type ValidationAnswer, type Verdicts } from "../../src/actors/tenant/Tenants.ts"
import { Validator } from "../../src/actors/validation/Validator.ts"
import { VerdictsWriter } from "../../src/schema/VerdictsJson.ts"

/** What is asked of the audit has its noun before it here: `auditList`. */
type AuditMethods = { readonly [M in keyof Audit["Service"] as `audit${Capitalize<M>}`]: Audit["Service"][M] }
/** Of client credentials the same: `clientsCreateBasic`, `checksPasswordUnsafe`. */
type ClientMethods = {
  readonly [M in keyof Clients["Service"] as `clients${Capitalize<M>}`]: Clients["Service"][M]
} & {
  readonly [M in keyof ClientChecks["Service"] as `checks${Capitalize<M>}`]: ClientChecks["Service"][M]
}
type Service = Tenants["Service"] &
  Credentials["Service"] &
  Keys["Service"] &
  BlockedEvents["Service"] &
  AuditMethods &
  ClientMethods
export type Method = Exclude<keyof Service, "census">

export interface ScriptedTenants {
  readonly calls: Array<{ readonly method: string; readonly args: ReadonlyArray<unknown> }>
  /** The answers, by method; set them at any time. */
  readonly script: { -readonly [M in Method]?: Service[M] }
  readonly layer: Layer.Layer<
    Tenants | Credentials | Clients | ClientChecks | Audit | Keys | BlockedEvents | Providers | Rotators
  >
}

export const scriptedTenants = (): ScriptedTenants => {
  const calls: ScriptedTenants["calls"] = []
  const script: ScriptedTenants["script"] = {}
  const census = Effect.succeed({ actors: 1, waiting: 2, hotTokens: 3 })
  const service = new Proxy({} as Service, {
    get: (_, method: string) => {
      if (method === "census") return census
      return (...args: ReadonlyArray<unknown>) => {
        calls.push({ method, args })
        const answer = script[method as Method] as ((...given: ReadonlyArray<unknown>) => unknown) | undefined
        return answer === undefined ? Effect.die(new Error(`${method} is not scripted`)) : answer(...args)
      }
    }
  })
  /** Its methods, with the noun before them. `tell` has no script: what becomes of rows is tested over stores. */
  const named = <A extends object>(noun: string): A =>
    new Proxy({} as A, {
      get: (_, method: string) =>
        method === "tell"
          ? (...args: ReadonlyArray<unknown>) => Effect.sync(() => void calls.push({ method: `${noun}Tell`, args }))
          : method === "circuitsOf"
            ? () => Effect.succeed([])
            : Reflect.get(service, `${noun}${method[0]!.toUpperCase()}${method.slice(1)}`)
    })
  return {
    calls,
    script,
    layer: Layer.mergeAll(
      Layer.succeed(Tenants, service),
      Layer.succeed(Credentials, service),
      Layer.succeed(Audit, named<Audit["Service"]>("audit")),
      Layer.succeed(Clients, named<Clients["Service"]>("clients")),
      Layer.succeed(ClientChecks, named<ClientChecks["Service"]>("checks")),
      Layer.succeed(Keys, service),
      Layer.succeed(BlockedEvents, service),
      Layer.succeed(Providers, named<Providers["Service"]>("provider")),
      Layer.succeed(Rotators, named<Rotators["Service"]>("rotator"))
    )
  }
}

/** A validator that answers each request with `answer`, at once, and has answered all when `drained` says so. */
export const scriptedValidator = (
  answer: (request: Uint8Array) => { bytes: Uint8Array; statusCode: number },
  drained: () => Promise<void> = () => Promise.resolve(),
  tenantOf: (appName: string) => string | null = () => null,
  answerUnsafe: Validator["Service"]["answerUnsafe"] = (request, respond) => {
    const { bytes, statusCode } = answer(request)
    respond(bytes, statusCode)
  }
) =>
  Layer.succeed(Validator, {
    answerUnsafe,
    validateUnsafe: (_tenantId, _appName, _token, _dryRun, done) => done(verdict(200)),
    writeUnsafe: () => false,
    tenantOfUnsafe: tenantOf,
    drained,
    inFlight: () => 0
  })

export const verdict = (statusCode: ValidationAnswer["statusCode"]): ValidationAnswer => ({
  statusCode,
  reasonPhrase: null,
  tokenId: null,
  endpointId: null,
  status: null
})

/** The verdicts of a batch, none of which was written. */
export const toldVerdicts = (...others: ReadonlyArray<ValidationAnswer>): Verdicts => {
  const written = new VerdictsWriter(others.length)
  for (const _ of others) written.leave()
  return { written, others }
}

export const someTokenId = "01939f2c-7a1b-7c3d-8e4f-0123456789ab"

/** 2026-11-24T10:20:30.123Z. */
export const someTime = Date.UTC(2026, 10, 24, 10, 20, 30, 123)

export const someToken = (fields: Partial<TokenRecord> = {}): TokenRecord => ({
  tokenId: someTokenId,
  appName: "app",
  endpointId: "endpoint",
  status: "Inactive",
  version: 1,
  tokenHint: "89",
  createdAt: someTime,
  updatedAt: someTime,
  activatedAt: null,
  lastUsedAt: null,
  expiresAt: null,
  description: null,
  createdBy: "bus",
  updatedBy: "bus",
  ...fields
})
