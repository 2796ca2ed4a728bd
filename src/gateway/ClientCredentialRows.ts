/**
 * The rows of client credentials: Kaa's paths for the two kinds, over the one noun that the bus has for them.
 *
 * Kaa's list is a bare array, and its items have `id` and `state`; ours stand beside them. A credential of the other
 * kind than the path's is not found.
 */
import { Effect, Schema } from "effect"
import {
  ClientRecord,
  CreateBasic,
  CreateCertificate,
  DeleteClient,
  GetClient,
  ListClients,
  NewBasicClient,
  TransitionClient
} from "../schema/ClientJson.ts"
import * as Field from "../schema/Field.ts"
import { internal, type Problem, problem } from "./Problem.ts"
import type { Answered, Call, HttpAnswer, Row } from "./Row.ts"
import { tokenStates } from "./States.ts"
import { type Json, objectOf, usual } from "./usual.ts"

/** Kaa's `id` and `state` beside ours. */
const kaa = { id: Schema.String, state: Field.TokenStatus }
const Client = Schema.Struct({ ...ClientRecord.fields, ...kaa })
const NewBasic = Schema.Struct({ ...NewBasicClient.fields, ...kaa })

const pagesMax = 128

/** As Kaa's clients read it: `id` and `state` beside ours. */
const asKaa = (record: Json): Json => ({ ...record, id: record.credentialId, state: record.status })

const answered = (call: Call): Effect.Effect<HttpAnswer, Problem> =>
  usual({
    ...call,
    carryOut: (request) =>
      Effect.flatMap(call.carryOut(request), ({ status, text }) =>
        Effect.map(objectOf(text), (record): Answered => ({ status, text: JSON.stringify(asKaa(record)) }))
      )
  })

type Kind = "basic" | "certificate"

/** All of the kind: there is no page in Kaa's answer. */
const listAll = (kind: Kind) =>
  Effect.fnUntraced(function* (call: Call): Effect.fn.Return<HttpAnswer, Problem> {
    const all: Array<Json> = []
    let cursor: string | undefined
    for (let pages = 0; pages < pagesMax; pages++) {
      const page = yield* call.carryOut({ ...call.request, limit: 1_000, ...(cursor === undefined ? {} : { cursor }) })
      const { content, nextCursor } = yield* objectOf(page.text)
      if (!Array.isArray(content)) return yield* Effect.fail(internal())
      for (const record of content as ReadonlyArray<Json>) if (record.kind === kind) all.push(asKaa(record))
      if (typeof nextCursor !== "string") return { status: 200, body: JSON.stringify(all), headers: {} }
      cursor = nextCursor
    }
    return yield* Effect.fail(
      problem("PAYLOAD_TOO_LARGE", "There are more than fit into one answer: ask by clientId or status")
    )
  })

/** What the operation finds out for itself stays its own: what may not be looked at, and what is gone. */
const ofThisKind = (kind: Kind) =>
  Effect.fnUntraced(function* (call: Call): Effect.fn.Return<HttpAnswer, Problem> {
    const looked = yield* call.look("client-credential.get", { credentialId: call.path.credentialId }).pipe(
      Effect.flatMap(({ text }) => objectOf(text)),
      Effect.catchIf(
        ({ code, status }) => (status === 403 || status === 404) && code !== "OPERATION_NOT_FOUND",
        () => Effect.succeed(null)
      )
    )
    if (looked !== null && looked.kind !== kind) {
      return yield* Effect.fail(problem("CREDENTIAL_NOT_FOUND", "Credential not found"))
    }
    return yield* call.row.answer === null ? usual(call) : answered(call)
  })

const rowsOf = (kind: Kind): ReadonlyArray<Row> => {
  const list = kind === "basic" ? "/api/v1/basic-credentials" : "/api/v1/x509-credentials"
  const one = `${list}/{credentialId}`
  const tag = list.slice("/api/v1/".length)
  return [
    {
      method: "GET",
      path: list,
      tag,
      about: "All of them, as a bare array.",
      operation: "client-credential.list",
      request: ListClients,
      fixed: { kind },
      answer: Schema.Array(Client),
      statuses: [200],
      query: [
        { name: "clientId", kind: "text", about: "Only of this client" },
        {
          name: "status",
          kind: "list",
          about: "Only of these statuses; may be given several times",
          values: tokenStates
        }
      ],
      errors: [],
      carryOut: listAll(kind)
    },
    {
      method: "POST",
      path: list,
      tag,
      about:
        kind === "basic"
          ? "Makes a user name with a password; a password that was not given is in this answer and in no other."
          : "Makes a certificate known, by its issuer and serial number.",
      operation: kind === "basic" ? "client-credential.create-basic" : "client-credential.create-certificate",
      request: kind === "basic" ? CreateBasic : CreateCertificate,
      answer: kind === "basic" ? NewBasic : Client,
      statuses: [201],
      body:
        kind === "basic"
          ? {
              fields: { username: "username", password: "password", clientId: "clientId", description: "description" },
              required: ["username"],
              example: { username: "UserA" }
            }
          : {
              fields: { issuer: "issuer", serialNumber: "serialNumber", clientId: "clientId" },
              required: ["issuer", "serialNumber"],
              example: { issuer: "CN=Example CA", serialNumber: "4711" }
            },
      location: one,
      errors: ["CREDENTIAL_EXISTS", "LIMIT_REACHED"],
      carryOut: answered
    },
    {
      method: "GET",
      path: one,
      tag,
      about: "One of them.",
      operation: "client-credential.get",
      request: GetClient,
      answer: Client,
      statuses: [200, 304],
      tagged: true,
      errors: ["CREDENTIAL_NOT_FOUND"],
      carryOut: ofThisKind(kind)
    },
    {
      method: "PATCH",
      path: one,
      tag,
      about: "Suspends, activates or revokes it; answered once that is in force everywhere.",
      operation: "client-credential.transition",
      request: TransitionClient,
      answer: Client,
      statuses: [200],
      body: {
        fields: { status: "targetStatus", reason: "reason" },
        required: ["status"],
        example: { status: "Revoked", reason: "lost" }
      },
      version: "expectedVersion",
      tagged: true,
      errors: ["CREDENTIAL_NOT_FOUND", "TRANSITION_NOT_ALLOWED", "NOT_YET_IN_FORCE"],
      carryOut: ofThisKind(kind)
    },
    {
      method: "DELETE",
      path: one,
      tag,
      about: "Deletes it.",
      operation: "client-credential.delete",
      request: DeleteClient,
      answer: null,
      statuses: [204],
      version: "expectedVersion",
      errors: ["CREDENTIAL_NOT_FOUND", "NOT_YET_IN_FORCE"],
      carryOut: ofThisKind(kind)
    }
  ]
}

export const clientCredentialRows: ReadonlyArray<Row> = [...rowsOf("basic"), ...rowsOf("certificate")]
