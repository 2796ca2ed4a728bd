/**
 * The published description of everything on the bus, made from the operation table and the
 * message definitions: AsyncAPI 3.0.
 *
 * `docs/asyncapi.yaml` is this document; `scripts/asyncapi.mjs` writes it and a test compares them.
 */
import { Schema } from "effect"
import { ErrorBody } from "../schema/AdminJson.ts"
import * as Ecap from "../schema/Ecap.ts"
import { type EventDescription, events } from "../schema/EventJson.ts"
import { idempotencyKeyPattern } from "../schema/Field.ts"
import { clientMessages } from "./ClientMessages.ts"
import { serviceVersion } from "./Micro.ts"
import type { Operation } from "./Operation.ts"
import { endpointName } from "./OperationEndpoints.ts"
import { type Described, platformEvents } from "./PlatformMessages.ts"
import { correlationIdPattern } from "./RequestHeaders.ts"
import { type Code, codes } from "./Status.ts"

type Json = Readonly<Record<string, unknown>>

/** Codes that any operation can answer. */
const always: ReadonlyArray<Code> = [
  "INVALID_REQUEST",
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "PAYLOAD_TOO_LARGE",
  "TOO_MANY_REQUESTS",
  "INTERNAL",
  "UNAVAILABLE"
]
const ofTenants: ReadonlyArray<Code> = ["INVALID_TENANT", "TENANT_NOT_FOUND"]

/** Unknown fields of a request are refused, so its objects are closed; answers may gain fields. */
const close = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(close)
  if (typeof schema !== "object" || schema === null) return schema
  const closed = Object.fromEntries(Object.entries(schema).map(([key, inner]) => [key, close(inner)]))
  return "properties" in closed && closed.additionalProperties === true
    ? { ...closed, additionalProperties: false }
    : closed
}

const jsonSchema = (schema: Schema.Constraint, closed: boolean): Json => {
  const { definitions, schema: root } = Schema.toJsonSchemaDocument(schema)
  const whole = Object.keys(definitions).length === 0 ? root : { ...root, $defs: definitions }
  return (closed ? close(whole) : whole) as Json
}

const requestHeaders: Json = {
  type: "object",
  properties: {
    "Correlation-ID": {
      type: "string",
      pattern: `${correlationIdPattern.source}|^$`,
      description: "Echoed; made up when missing or empty"
    },
    "Idempotency-Key": {
      type: "string",
      pattern: idempotencyKeyPattern.source,
      description: "Within 24 hours the same request gives the first answer again"
    },
    Authorization: { type: "string", description: "Bearer token, where one is asked for" },
    traceparent: {
      type: "string",
      description: "W3C trace context; one that is not of its form, or stands twice, is none"
    }
  }
}
const answerHeaders: Json = {
  type: "object",
  properties: {
    "Correlation-ID": { type: "string" },
    "Cm-Status": { type: "string", description: "The HTTP-style status" },
    "Nats-Service-Error-Code": { type: "string", description: "The status, on errors" },
    "Nats-Service-Error": { type: "string", description: "CODE: reason, on errors" }
  },
  required: ["Correlation-ID", "Cm-Status"]
}
const instance: Json = { default: "cm", description: "Service instance name, CM_INSTANCE_NAME" }
const tenant: Json = { description: "Tenant id, ^[A-Za-z0-9_-]{1,64}$" }
const replyAddress: Json = {
  location: "$message.header#/replyTo",
  description: "An inbox (_INBOX., _R_.) or a replica subject (kaa.v1.replica.)"
}

const described = (entries: ReadonlyArray<readonly [string, Json]>): Json => Object.fromEntries(entries)

// ---- management -------------------------------------------------------------

const channelOf = (operation: Operation): Json => ({
  address:
    operation.family === "tenant"
      ? `{instance}.v1.{tenant}.${operation.name}`
      : `{instance}.${operation.family}.v1.${operation.name}`,
  parameters: operation.family === "tenant" ? { instance, tenant } : { instance },
  messages: {
    request: {
      contentType: "application/json",
      headers: { $ref: "#/components/schemas/requestHeaders" },
      payload: jsonSchema(operation.request, true)
    }
  }
})

const replyChannelOf = ({ answer, statuses }: Operation): Json => ({
  address: null,
  messages: {
    answer: {
      contentType: answer === "text" ? "text/plain" : "application/json",
      headers: { $ref: "#/components/schemas/answerHeaders" },
      description: `Cm-Status ${statuses.join(" or ")}`,
      payload: answer === "text" ? { type: "string" } : jsonSchema(answer, false)
    },
    error: { $ref: "#/components/messages/error" }
  }
})

const errorsOf = (operation: Operation): ReadonlyArray<string> =>
  Array.from(new Set([...(operation.family === "tenant" ? ofTenants : []), ...operation.errors, ...always]))
    .toSorted((a, b) => codes[a] - codes[b])
    .map((code) => `${codes[code]} ${code}`)

const operationOf = (operation: Operation): Json => {
  const name = endpointName(operation)
  return {
    action: "receive",
    summary: operation.about,
    channel: { $ref: `#/channels/${name}` },
    messages: [{ $ref: `#/channels/${name}/messages/request` }],
    reply: {
      address: replyAddress,
      channel: { $ref: `#/channels/${name}-answer` },
      messages: [
        { $ref: `#/channels/${name}-answer/messages/answer` },
        { $ref: `#/channels/${name}-answer/messages/error` }
      ]
    },
    "x-errors": errorsOf(operation)
  }
}

// ---- platform protocols -----------------------------------------------------

const avro = (message: Described): Json => ({
  contentType: "avro/binary",
  payload: { schemaFormat: "application/vnd.apache.avro;version=1.9.0", schema: message.schema }
})

interface PlatformRequest {
  readonly name: string
  readonly address: string
  readonly request: Described
  readonly answer: Described
}
const platformRequests: ReadonlyArray<PlatformRequest> = [
  {
    name: "ecap-ep-token",
    address: "kaa.v1.service.{instance}.ecap.ep-token-request",
    request: Ecap.EndpointTokenValidationRequest,
    answer: Ecap.EndpointTokenValidationResponse
  },
  {
    name: "ecap-ep-token-status-transition",
    address: "kaa.v1.service.{instance}.ecap.ep-token-status-transition-request",
    request: Ecap.EndpointTokenStatusTransitionRequest,
    answer: Ecap.EndpointTokenStatusTransitionResponse
  }
]

const clientRequests: ReadonlyArray<PlatformRequest> = clientMessages.map(({ answer, protocol, request, type }) => ({
  name: `${protocol}-${type.replace(/-request$/u, "")}`,
  address: `kaa.v1.service.{instance}.${protocol}.${type}`,
  request,
  answer
}))

const parametersOf = (address: string): Json => ({
  ...(address.includes("{instance}") ? { instance } : {}),
  ...(address.includes("{originator}") ? { originator: { description: "Service instance that published it" } } : {})
})

const requestChannels = ({ address, answer, name, request }: PlatformRequest) =>
  [
    [name, { address, parameters: parametersOf(address), messages: { request: avro(request) } }],
    [`${name}-answer`, { address: null, messages: { answer: avro(answer) } }]
  ] as const

const requestOperation = ({ name }: PlatformRequest): Json => ({
  action: "receive",
  channel: { $ref: `#/channels/${name}` },
  messages: [{ $ref: `#/channels/${name}/messages/request` }],
  reply: {
    address: replyAddress,
    channel: { $ref: `#/channels/${name}-answer` },
    messages: [{ $ref: `#/channels/${name}-answer/messages/answer` }]
  }
})

// ---- JSON events --------------------------------------------------------------

const eventHeaders: Json = {
  type: "object",
  properties: {
    "Nats-Msg-Id": { type: "string", description: "The event's id, for recognizing it again" },
    "ce-specversion": { type: "string", enum: ["1.0"] },
    "ce-id": { type: "string" },
    "ce-source": { type: "string", description: "/{instance}/{tenant}" },
    "ce-type": { type: "string" },
    "ce-subject": { type: "string", description: "Id of the entity" },
    "ce-time": { type: "string", format: "date-time" },
    "ce-datacontenttype": { type: "string", enum: ["application/json"] },
    "ce-entityversion": { type: "string", description: "Version of the entity: what is older can be dropped" },
    traceparent: { type: "string", description: "The trace in which it came about, when it was in one" }
  }
}

const eventName = ({ type }: EventDescription): string => `event-${type.replaceAll(".", "-")}`

const eventChannel = ({ schema, type }: EventDescription): Json => ({
  address: `{instance}.events.v1.{tenant}.${type}`,
  parameters: { instance, tenant: { description: "Tenant id" } },
  messages: {
    event: {
      contentType: "application/json",
      headers: { $ref: "#/components/schemas/eventHeaders" },
      payload: jsonSchema(schema, false)
    }
  }
})

const eventOperation = (event: EventDescription): Json => ({
  action: "send",
  summary: event.about,
  channel: { $ref: `#/channels/${eventName(event)}` }
})

/** The whole document, as a plain object. */
export const asyncApi = (operations: ReadonlyArray<Operation>): Json => ({
  asyncapi: "3.0.0",
  info: {
    title: "credential-management",
    version: serviceVersion,
    description:
      "Endpoint tokens and third-party credentials over NATS. An empty JSON payload is {}. A request without an acceptable reply subject is not carried out. Codes are explained in failure-modes.md.",
    license: { name: "Apache-2.0" }
  },
  defaultContentType: "application/json",
  channels: described([
    ...operations.flatMap((operation) => [
      [endpointName(operation), channelOf(operation)] as const,
      [`${endpointName(operation)}-answer`, replyChannelOf(operation)] as const
    ]),
    ...[...platformRequests, ...clientRequests].flatMap(requestChannels),
    ...platformEvents.map(
      ({ address, message, name }) =>
        [name, { address, parameters: parametersOf(address), messages: { event: avro(message) } }] as const
    ),
    ...events.map((event) => [eventName(event), eventChannel(event)] as const)
  ]),
  operations: described([
    ...operations.map((operation) => [endpointName(operation), operationOf(operation)] as const),
    ...[...platformRequests, ...clientRequests].map((request) => [request.name, requestOperation(request)] as const),
    ...platformEvents.map(
      ({ about, action, name }) => [name, { action, summary: about, channel: { $ref: `#/channels/${name}` } }] as const
    ),
    ...events.map((event) => [eventName(event), eventOperation(event)] as const)
  ]),
  components: {
    schemas: { requestHeaders, answerHeaders, eventHeaders },
    messages: {
      error: {
        contentType: "application/json",
        headers: { $ref: "#/components/schemas/answerHeaders" },
        payload: jsonSchema(ErrorBody, false)
      }
    }
  }
})
