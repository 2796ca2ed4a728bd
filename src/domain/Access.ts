/**
 * Who may read a secret, as pure functions: promise P5.
 *
 * A consumer is identified by how it reached us, never by what it says in a payload: by the last
 * token of the subject (bus permissions decide who may publish it), by the account and user of a
 * service import (the server writes them), or by a verified bearer token. Each way has a name space of
 * its own in `allowed_consumers` (`mail`, `account:ACME`, `account:ACME/anna`, `bearer:acme/8f3…`), so
 * that one cannot pass for another. Nobody is allowed who is not named.
 *
 * `resolve` says which credential a request means, `decideRead` whether it may be handed out. The
 * consumer is checked before anything about the state is said.
 */
import { Data } from "effect"
import { type Credential, isGlobal, ownerKey, shownState, type TenantService } from "./Credential.ts"

export type Consumer =
  | { readonly by: "subject"; readonly name: string }
  /** The user is null where the import does not name it. */
  | { readonly by: "import"; readonly account: string; readonly user: string | null }
  /** `bearer:<tenant>/<subject>`: two issuers may call different people the same. */
  | { readonly by: "bearer"; readonly principal: string }
  | { readonly by: "nothing" }

/** What `allowed_consumers` may hold. */
export const consumerNamePattern =
  /^(?:[A-Za-z0-9_-]{1,64}|account:[A-Za-z0-9_.-]{1,64}(?:\/[A-Za-z0-9_.@-]{1,128})?|bearer:[A-Za-z0-9_-]{1,64}\/[\x21-\x7e]{1,255})$/u

/** The names by which a consumer may be allowed; none for one that nothing identifies. */
export const consumerNames = (consumer: Consumer): ReadonlyArray<string> => {
  switch (consumer.by) {
    case "subject":
      return [consumer.name]
    case "import": {
      const account = `account:${consumer.account}`
      return consumer.user === null ? [account] : [account, `${account}/${consumer.user}`]
    }
    case "bearer":
      return [consumer.principal]
    case "nothing":
      return []
  }
}

/** The account that an allowed name is about, or null. */
export const consumerAccountOf = (name: string): string | null => /^account:([^/]+)(?:\/.*)?$/u.exec(name)?.[1] ?? null

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
  if (!consumerNames(consumer).some((name) => credential.allowedConsumers.includes(name))) {
    return ReadDecision.ConsumerNotAllowed()
  }
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
