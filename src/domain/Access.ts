/**
 * Who may read a secret, as pure functions: promise P5.
 *
 * A consumer is identified by how it reached us, never by what it says in a payload: by the last
 * token of the subject (bus permissions decide who may publish it), by the account of a service
 * import (the server writes it), or by a verified bearer token. Each way has a name space of its
 * own in `allowed_consumers` (`mail`, `account:ACME`, `bearer:…`), so that one cannot pass for
 * another. Nobody is allowed who is not named.
 *
 * `resolve` says which credential a request means, `decideRead` whether it may be handed out. The
 * consumer is checked before anything about the state is said.
 */
import { Data } from "effect"
import { type Credential, isGlobal, ownerKey, shownState, type TenantService } from "./Credential.ts"

export type Consumer =
  | { readonly by: "subject"; readonly name: string }
  | { readonly by: "import"; readonly account: string }
  | { readonly by: "bearer"; readonly subject: string }
  | { readonly by: "nothing" }

/** What `allowed_consumers` may hold. */
export const consumerNamePattern = /^(?:[A-Za-z0-9_-]{1,64}|account:[A-Za-z0-9_.-]{1,128}|bearer:[\x21-\x7e]{1,256})$/u

/** A consumer's name in `allowed_consumers`, or null for one that nothing identifies. */
export const consumerName = (consumer: Consumer): string | null => {
  switch (consumer.by) {
    case "subject":
      return consumer.name
    case "import":
      return `account:${consumer.account}`
    case "bearer":
      return `bearer:${consumer.subject}`
    case "nothing":
      return null
  }
}

/** Most specific first: the user's, the tenant's, the global one. */
const rank = (credential: Credential): number => (isGlobal(credential) ? 2 : ownerKey(credential.owner) === "" ? 1 : 0)

/**
 * Which of the found credentials a request by service name means: of those in force the most
 * specific one; when none is in force, the newest of the most specific owner (its answer is 410).
 */
export const resolve = (found: ReadonlyArray<Credential>, now: number): Credential | undefined => {
  const inForce = found.filter((credential) => shownState(credential, now) === "active")
  const candidates = inForce.length > 0 ? inForce : found
  return candidates.toSorted((a, b) => rank(a) - rank(b) || (a.credentialId < b.credentialId ? 1 : -1))[0]
}

export type ReadDecision = Data.TaggedEnum<{
  Allowed: {}
  ConsumerNotAllowed: {}
  ServiceInactive: { readonly serviceName: string }
  Revoked: {}
  Expired: {}
}>
export const ReadDecision = Data.taggedEnum<ReadDecision>()

/**
 * Whether the secret may be handed out. `services` are the rows of that service name of the asking
 * tenant and of the credential's own tenant, where there are any.
 */
export const decideRead = (options: {
  readonly credential: Credential
  readonly consumer: Consumer
  readonly services: ReadonlyArray<TenantService>
  readonly now: number
}): ReadDecision => {
  const { consumer, credential, now, services } = options
  const name = consumerName(consumer)
  if (name === null || !credential.allowedConsumers.includes(name)) return ReadDecision.ConsumerNotAllowed()
  const { serviceName } = credential
  if (services.some((service) => service.serviceName === serviceName && !service.isActive)) {
    return ReadDecision.ServiceInactive({ serviceName })
  }
  switch (shownState(credential, now)) {
    case "active":
      return ReadDecision.Allowed()
    case "revoked":
      return ReadDecision.Revoked()
    case "expired":
      return ReadDecision.Expired()
  }
}
