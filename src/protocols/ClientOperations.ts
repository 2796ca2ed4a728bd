/** `{instance}.v1.{tenant}.client-credential.*`. States and answers are those of tokens. */
import { Effect, Redacted, Result } from "effect"
import { tenantSystem } from "../access/Grants.ts"
import { clientReadScopes } from "../access/Scopes.ts"
import { Clients } from "../actors/clients/Clients.ts"
import type { Caller } from "../actors/tenant/Tenants.ts"
import { type ClientCredentialKind, clientCredentialKinds } from "../domain/ClientCredential.ts"
import { ScopeMissing } from "../domain/errors.ts"
import { entityIdPattern } from "../domain/Names.ts"
import type { TokenStatus } from "../domain/Token.ts"
import * as Json from "../schema/ClientJson.ts"
import { Deleted } from "../schema/Field.ts"
import { operation } from "./Operation.ts"
import { answerPage } from "./Paging.ts"

const changeErrors = ["CREDENTIAL_NOT_FOUND", "TRANSITION_NOT_ALLOWED", "VERSION_CONFLICT", "NOT_YET_IN_FORCE"] as const

const changeOne = Effect.fnUntraced(function* (
  tenantId: string,
  request: typeof Json.ChangeClient.Type,
  target: TokenStatus,
  caller: Caller
) {
  const clients = yield* Clients
  const transition = { target, expectedVersion: request.expectedVersion ?? null, reason: request.reason ?? null }
  return Json.encodeClient(yield* clients.transition(tenantId, request.credentialId, transition, caller))
})

/** Of which kind it is; null when the tenant has none of that id. */
const touched = Effect.fnUntraced(function* ({ credentialId }: { readonly credentialId: string }, tenantId: string) {
  const clients = yield* Clients
  const kind = yield* clients.kindOf(tenantId, credentialId)
  return [kind === undefined ? null : { kind }]
})

/** Which kind is listed; null: both. Who asks for one that it may not read is told so, where an empty list would lie. */
const kindOf = (
  asked: ClientCredentialKind | null,
  among: ReadonlyArray<string> | null
): Result.Result<ClientCredentialKind | null, ScopeMissing> => {
  const seen = clientCredentialKinds.filter((kind) => among === null || among.includes(kind))
  if (asked === null && seen.length > 0) return Result.succeed(seen.length === 1 ? seen[0]! : null)
  if (asked !== null && seen.includes(asked)) return Result.succeed(asked)
  return Result.fail(new ScopeMissing({ scope: clientReadScopes[asked ?? "basic"], resource: tenantSystem }))
}

/** `suspend`, `activate`, `revoke`: a transition whose target is the verb's. */
const shorthand = (verb: string, target: TokenStatus) =>
  operation({
    family: "tenant",
    name: `client-credential.${verb}`,
    about: `A transition to ${target}.`,
    request: Json.ChangeClient,
    answer: Json.ClientRecord,
    errors: changeErrors,
    touches: touched,
    handle: (request, { caller, tenantId }) => changeOne(tenantId, request, target, caller)
  })

export const clientOperations = [
  operation({
    family: "tenant",
    name: "client-credential.create-basic",
    about: "A username and password of a client. A password that is not given is generated and answered here only.",
    request: Json.CreateBasic,
    answer: Json.NewBasicClient,
    statuses: [201],
    errors: ["CREDENTIAL_EXISTS", "LIMIT_REACHED"],
    handle: Effect.fnUntraced(function* (
      { clientId = null, description = null, password, username },
      { caller, tenantId }
    ) {
      const clients = yield* Clients
      const given = password === undefined ? null : Redacted.make(password)
      const made = yield* clients.createBasic(tenantId, { username, password: given, clientId, description }, caller)
      return { ...Json.encodeClient(made.record), ...(made.password === null ? {} : { password: made.password }) }
    })
  }),
  operation({
    family: "tenant",
    name: "client-credential.create-certificate",
    about: "The certificate of a client, by issuer and serial number as they are given. Who asks verifies it first.",
    request: Json.CreateCertificate,
    answer: Json.ClientRecord,
    statuses: [201],
    errors: ["CREDENTIAL_EXISTS", "LIMIT_REACHED"],
    handle: Effect.fnUntraced(function* ({ clientId = null, issuer, serialNumber }, { caller, tenantId }) {
      const clients = yield* Clients
      const made = yield* clients.createCertificate(tenantId, { issuer, serialNumber, clientId }, caller)
      return Json.encodeClient(made.record)
    })
  }),
  operation({
    family: "tenant",
    name: "client-credential.get",
    about: "A client credential's record, without its password.",
    request: Json.GetClient,
    answer: Json.ClientRecord,
    errors: ["CREDENTIAL_NOT_FOUND", "NOT_YET_IN_FORCE"],
    touches: touched,
    handle: Effect.fnUntraced(function* ({ credentialId }, { tenantId }) {
      const clients = yield* Clients
      return Json.encodeClient(yield* clients.get(tenantId, credentialId))
    })
  }),
  operation({
    family: "tenant",
    name: "client-credential.list",
    about: "Client credentials by client and status, newest first. A page may be shorter than its limit.",
    request: Json.ListClients,
    answer: Json.ClientPage,
    errors: ["INVALID_CURSOR", "NOT_YET_IN_FORCE"],
    touches: ({ kind }) => Effect.succeed(kind === undefined ? [] : [{ kind }]),
    handle: Effect.fnUntraced(function* (
      { clientId = null, cursor, kind: asked, limit, status: statuses = [] },
      { among, answerBytesMax, tenantId }
    ) {
      const clients = yield* Clients
      const kind = yield* Effect.fromResult(kindOf(asked ?? null, among))
      return yield* answerPage({
        list: "client-credential.list",
        of: [tenantId, clientId, Array.from(new Set(statuses)).toSorted(), kind],
        place: entityIdPattern,
        cursor,
        limit,
        bytesMax: answerBytesMax,
        fetch: (limit, after) => clients.list(tenantId, { clientId, statuses, kind, limit, after }),
        encode: Json.encodeClient
      })
    })
  }),
  operation({
    family: "tenant",
    name: "client-credential.transition",
    about: "Changes the status; what takes a right away is answered when it is in force everywhere.",
    request: Json.TransitionClient,
    answer: Json.ClientRecord,
    errors: changeErrors,
    touches: touched,
    handle: ({ targetStatus, ...request }, { caller, tenantId }) => changeOne(tenantId, request, targetStatus, caller)
  }),
  shorthand("suspend", "Suspended"),
  shorthand("activate", "Active"),
  shorthand("revoke", "Revoked"),
  operation({
    family: "tenant",
    name: "client-credential.delete",
    about: "Deletes a client credential; its username, or issuer and serial number, are free then.",
    request: Json.DeleteClient,
    answer: Deleted,
    errors: ["CREDENTIAL_NOT_FOUND", "VERSION_CONFLICT", "NOT_YET_IN_FORCE"],
    touches: touched,
    handle: Effect.fnUntraced(function* ({ credentialId, expectedVersion = null }, { caller, tenantId }) {
      const clients = yield* Clients
      return yield* clients.delete(tenantId, { credentialId, expectedVersion }, caller)
    })
  })
]
