/**
 * What a management subject means.
 *
 * `{instance}.v1.{tenant}.<noun>.<verb>`, `{instance}.admin.v1.<name>` and `{instance}.gateway.v1.<name>`. Clients can publish the
 * literal tokens `*`, `>` and `a*b`, so the tenant token is checked before anything else is read.
 * A credential's consumer is one more token after `credential.get`.
 */
import { tenantIdPattern } from "../domain/Names.ts"

export type Subject =
  | {
      readonly family: "tenant"
      readonly tenantId: string
      /** `token.provision`. */
      readonly name: string
      /** The token after noun and verb, for operations that take one. */
      readonly extra: string | null
    }
  | { readonly family: "admin" | "gateway"; readonly name: string }
  | { readonly family: "invalidTenant" }
  | { readonly family: "unknown" }

const extraPattern = /^[A-Za-z0-9_-]{1,64}$/u

/** The subjects that the management family listens to. */
export const managementSubjects = (instance: string): ReadonlyArray<string> => [
  `${instance}.v1.>`,
  `${instance}.admin.v1.>`,
  `${instance}.gateway.v1.>`
]

export const parseSubject = (instance: string, subject: string): Subject => {
  const tokens = subject.slice(instance.length + 1).split(".")
  if (tokens[0] === "admin" || tokens[0] === "gateway") return { family: tokens[0], name: tokens.slice(2).join(".") }
  const [, tenantId, noun, verb, extra, ...rest] = tokens
  if (tenantId === undefined || !tenantIdPattern.test(tenantId)) return { family: "invalidTenant" }
  if (noun === undefined || verb === undefined || rest.length > 0) return { family: "unknown" }
  if (extra !== undefined && !extraPattern.test(extra)) return { family: "unknown" }
  return { family: "tenant", tenantId, name: `${noun}.${verb}`, extra: extra ?? null }
}

// ---- platform protocols, 3/ISM ----------------------------------------------

export const serviceSubject = (instance: string, protocol: string, type: string): string =>
  `kaa.v1.service.${instance}.${protocol}.${type}`

/** `originator` may be `*`; `tail` is `endpoint.lifecycle.unregistered` and so on. */
export const eventSubject = (originator: string, tail: string): string => `kaa.v1.events.${originator}.${tail}`
