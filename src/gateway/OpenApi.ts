/**
 * The gateway's OpenAPI 3.1 document, made from its table and from the schemas of the bus's operations: what a body may
 * hold here is what the operation behind it takes, so the two cannot differ.
 *
 * Bodies are closed, as unknown fields are refused; answers may gain fields.
 */
import { Schema } from "effect"
import { events } from "../schema/EventJson.ts"
import { idempotencyKeyPattern } from "../schema/Field.ts"
import { described } from "./CredentialRows.ts"
import { problemType } from "./Problem.ts"
import { printable } from "./RequestHeaders.ts"
import { type Parameter, partNames, type Row } from "./Row.ts"
import { rows } from "./Table.ts"

export type Json = Readonly<Record<string, unknown>>

export const version = "0.1.0"

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

/** Definitions are written out where they are used: a reference into a schema's own `$defs` has no meaning in a document. */
const inlined = (schema: unknown, definitions: Json): unknown => {
  if (Array.isArray(schema)) return schema.map((one) => inlined(one, definitions))
  if (!isObject(schema)) return schema
  const name = typeof schema.$ref === "string" ? schema.$ref.split("/").at(-1)! : undefined
  if (name !== undefined) return inlined(definitions[name], definitions)
  return Object.fromEntries(Object.entries(schema).map(([key, one]) => [key, inlined(one, definitions)]))
}

export const jsonSchema = (schema: Schema.Constraint): Json => {
  const { definitions, schema: root } = Schema.toJsonSchemaDocument(schema)
  return inlined(root, definitions as Json) as Json
}

const propertiesOf = (schema: Schema.Constraint): Json => {
  const { properties } = jsonSchema(schema)
  return isObject(properties) ? properties : {}
}

const bodyOf = (row: Row): Json | undefined => {
  if (row.body === undefined) return undefined
  const { example, fields, required } = row.body
  const known = propertiesOf(row.request)
  const properties = Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, known[field] ?? known[name] ?? { type: "string" }])
  )
  const schema = {
    type: "object",
    properties,
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false
  }
  return { required: required.length > 0, content: { "application/json": { schema, example } } }
}

const types: Readonly<Record<Parameter["kind"], Json>> = {
  text: { type: "string" },
  integer: { type: "integer" },
  boolean: { type: "boolean" },
  list: { type: "array" },
  bound: { type: "string" }
}

const parameterOf = ({ about, byDefault, kind, maximum, minimum, name, values }: Parameter): Json => {
  const one = values === undefined ? { type: "string" } : { type: "string", enum: values }
  const schema = {
    ...(kind === "list" ? { ...types.list, items: one } : values === undefined ? types[kind] : one),
    ...(minimum === undefined ? {} : { minimum }),
    ...(maximum === undefined ? {} : { maximum }),
    ...(byDefault === undefined ? {} : { default: byDefault })
  }
  return { name, in: "query", description: about, schema, ...(kind === "list" ? { style: "form", explode: true } : {}) }
}

const header = (name: string, description: string, pattern?: RegExp): Json => ({
  name,
  in: "header",
  description,
  schema: { type: "string", ...(pattern === undefined ? {} : { pattern: pattern.source }) }
})
const correlation = header("Correlation-ID", "Echoed; made up when missing", printable)
const trace = header("traceparent", "W3C trace context; one that is not of its form, or stands twice, is none")
const idempotency = header(
  "Idempotency-Key",
  "Within 24 hours the same request gives the first answer again",
  idempotencyKeyPattern
)

const tenant = header("Cm-Tenant", "With a token of the platform's own issuer: the tenant that it is for")

const headersOf = (row: Row): ReadonlyArray<Json> => [
  correlation,
  trace,
  tenant,
  ...(row.method === "GET" ? [] : [idempotency]),
  ...(row.version === undefined ? [] : [header("If-Match", 'The version that it must have, `"3"`; else 412')]),
  ...(row.method === "GET" && row.statuses.includes(304)
    ? [header("If-None-Match", "ETags that are known; 304 then")]
    : [])
]

const partOf = (row: Row, name: string): Json => {
  const field = row.parts?.[name] ?? name
  const known = propertiesOf(row.request)[field]
  return { name, in: "path", required: true, schema: known ?? { type: "string" } }
}

const answerOf = (row: Row): Json => {
  if (row.answer === null) return {}
  const own = jsonSchema(row.answer)
  const schema = row.operation === "credential.get" ? { anyOf: [jsonSchema(described.answer), own] } : own
  return { content: { "application/json": { schema } } }
}

const answerHeaders = (row: Row, status: number): Json => {
  const text = { schema: { type: "string" } }
  return {
    "Correlation-ID": text,
    ...(status === 201 && row.location !== undefined ? { Location: text } : {}),
    ...(row.tagged === true || row.statuses.includes(304) ? { ETag: text } : {})
  }
}

const problems: Json = { $ref: "#/components/responses/problem" }
const statusOfErrors: ReadonlyArray<string> = ["400", "401", "403", "404", "409", "429", "500", "503"]

const responsesOf = (row: Row): Json => ({
  ...Object.fromEntries(
    row.statuses.map((status) => [
      String(status),
      {
        description: status === 304 ? "It is as it was" : row.about,
        headers: answerHeaders(row, status),
        ...(status === 304 ? {} : answerOf(row))
      }
    ])
  ),
  ...Object.fromEntries(statusOfErrors.map((status) => [status, problems])),
  ...(row.version === undefined ? {} : { 412: problems }),
  ...(row.body === undefined ? {} : { 413: problems, 415: problems })
})

/** `get-api-v1-credentials-credential_id-history`, without what all have. */
const operationId = ({ method, path }: Pick<Row, "method" | "path">): string =>
  `${method.toLowerCase()}${path.replace("/api/v1", "").replaceAll(/[{}]/gu, "").replaceAll(/[/.]+/gu, "-")}`

const operationOf = (row: Row): Json => {
  const body = bodyOf(row)
  return {
    operationId: operationId(row),
    tags: [row.tag],
    summary: row.about,
    parameters: [
      ...partNames(row.path).map((name) => partOf(row, name)),
      ...(row.query ?? []).map(parameterOf),
      ...headersOf(row)
    ],
    ...(body === undefined ? {} : { requestBody: body }),
    responses: responsesOf(row),
    "x-bus-operation": row.operation,
    ...(row.errors.length === 0 ? {} : { "x-codes": row.errors })
  }
}

const eventsOperation: Json = {
  operationId: "get-events",
  tags: ["events"],
  summary: "The tenant's events as Server-Sent Events, from now on or from where the reader stopped.",
  parameters: [correlation, tenant, header("Last-Event-ID", "The id after which to go on; 410 when it is gone")],
  responses: {
    200: {
      description: `A stream; \`event\` is one of ${events.map(({ type }) => type).join(", ")}`,
      content: { "text/event-stream": { schema: { type: "string" } } }
    },
    ...Object.fromEntries(["401", "403", "410", "429", "503"].map((status) => [status, problems]))
  }
}

const open = (summary: string, type: string, unavailable = false): Json => ({
  get: {
    operationId: `get-${summary
      .split(" ")[0]!
      .toLowerCase()
      .replaceAll(/[^a-z]/gu, "")}`,
    tags: ["operation"],
    summary,
    security: [],
    responses: {
      200: {
        description: summary,
        content: { [type]: { schema: type.endsWith("json") ? { type: "object" } : { type: "string" } } }
      },
      ...(unavailable ? { 503: problems } : {})
    }
  }
})

const problemSchema: Json = {
  type: "object",
  description: "RFC 9457",
  properties: {
    type: { type: "string", examples: [problemType("TOKEN_NOT_FOUND")] },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    code: { type: "string", description: "Stable; docs/failure-modes.md explains each" },
    correlationId: { type: "string" },
    details: { type: "object", additionalProperties: true }
  },
  required: ["type", "title", "status", "detail", "code", "correlationId"]
}

/** The whole document, as a plain object. */
export const openApi = (): Json => {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const row of rows) {
    const path = paths[row.path] ?? {}
    paths[row.path] = path
    path[row.method.toLowerCase()] = operationOf(row)
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "credential-management",
      version,
      description: "Endpoint tokens and third-party credentials over HTTP. Unknown parameters and fields are refused.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" }
    },
    security: [{ bearer: [] }],
    paths: {
      ...paths,
      "/api/v1/events": { get: eventsOperation },
      "/health": open("Health of the gateway", "application/json"),
      "/ready": open("Ready: the gateway and the service behind it", "application/json", true),
      "/metrics": open("Metrics of the gateway in Prometheus' text format", "text/plain"),
      "/openapi.json": open("OpenAPI: this document", "application/json"),
      "/docs": open("Docs: a page to read and try it", "text/html")
    },
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT", description: "Of the tenant's issuer" }
      },
      schemas: { problem: problemSchema },
      responses: {
        problem: {
          description: "What is wrong",
          headers: { "Correlation-ID": { schema: { type: "string" } } },
          content: { "application/problem+json": { schema: { $ref: "#/components/schemas/problem" } } }
        }
      }
    }
  }
}
