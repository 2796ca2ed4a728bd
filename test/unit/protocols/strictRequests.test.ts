// Verifies R-BUS-11.
/**
 * Every object of every request refuses what it does not know.
 *
 * Each operation has samples that together hold every field its published schema names, so a field or
 * an object that is added without a sample is noticed here.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { operations } from "../../../src/protocols/OperationTable.ts"

const date = "2027-01-01T00:00:00.000Z"
const user = { level: "user", user_id: "u1" }
const page = { limit: 20, cursor: "c" }
const change = { expectedVersion: 1, reason: "r" }
const byId = { tokenId: "t", ...change }
const byValue = { appName: "app", token: "value" }
const provision = { endpointId: "e", token: "value", expiresDate: date, description: "d" }
const named = { service_name: "outlook", owner: user, seal_to: "X", min_ttl: "PT1M" }

const samples: Readonly<Record<string, ReadonlyArray<object>>> = {
  "application.register": [{ appName: "app" }],
  "application.list": [page],
  "application.remove": [{ appName: "app" }],
  "token.provision": [{ appName: "app", ...provision }],
  "token.provision-batch": [{ appName: "app", items: [provision] }],
  "token.get": [{ tokenId: "t" }],
  "token.list": [{ appName: "app", endpointId: "e", status: ["Active"], order: "ASC", ...page }],
  "token.transition": [
    { ...byId, targetStatus: "Revoked" },
    { ...byValue, targetStatus: "Revoked" }
  ],
  "token.suspend": [byId, byValue],
  "token.activate": [byId, byValue],
  "token.revoke": [byId, byValue],
  "token.transition-batch": [{ tokenIds: ["t"], targetStatus: "Revoked", reason: "r" }],
  "token.rotate": [{ tokenId: "t", overlap: "PT0S", token: "value" }],
  "token.delete": [{ tokenId: "t" }, { endpointId: "e" }],
  "token.validate": [{ ...byValue, dryRun: true }],
  "token.validate-batch": [{ items: [byValue] }],
  "credential.store": [
    {
      service_name: "outlook",
      type: "api_key",
      credentials: { api_key: "k" },
      scopes: ["s"],
      expires_at: date,
      owner: user,
      allowed_consumers: ["mail"],
      rotation: { every: "P1D" },
      metadata: { note: { deep: 1 } }
    }
  ],
  "credential.get": [named, { credential_id: "c" }],
  "credential.describe": [named, { credential_id: "c" }],
  "credential.list": [{ service_name: "outlook", is_active: true, expiring_within: "P1D", ...page }],
  "credential.rotate": [
    { credential_id: "c", credentials: { api_key: "k" }, expires_at: date, overlap: "PT0S", expected_version: 1 }
  ],
  "credential.update": [
    {
      credential_id: "c",
      allowed_consumers: ["mail"],
      scopes: ["s"],
      expires_at: date,
      metadata: { note: "n" },
      expected_version: 1
    }
  ],
  "credential.revoke": [{ credential_id: "c", reason: "r", expected_version: 1 }],
  "credential.history": [{ credential_id: "c" }],
  "credential.delete": [{ credential_id: "c", expected_version: 1 }],
  "service.list": [page],
  "service.enable": [{ service_name: "outlook" }],
  "service.disable": [{ service_name: "outlook", reason: "r" }],
  "audit.list": [{ entityId: "e", from: 1, to: date, ...page }],
  "audit.verify": [{ from: date, to: 2 }],
  "tenants.list": [page],
  "tenants.create": [{ tenantId: "t", name: "n" }],
  "tenants.remove": [{ tenantId: "t" }],
  "keys.list": [page],
  "keys.rotate": [{}],
  "keys.status": [{}],
  "keys.retire": [{ keyId: "k" }],
  health: [{}],
  ready: [{}],
  metrics: [{}],
  "config.show": [{}],
  drain: [{}]
}

/** The caller's own JSON, and a secret, whose fields are checked by its type. Nothing else is open. */
const open = new Set([
  "credential.store rotation",
  "credential.store metadata",
  "credential.store metadata.note",
  "credential.update metadata",
  "credential.store credentials",
  "credential.rotate credentials"
])

type Json = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null

/** Every object in a request, by its path, and that request with a field too many in it. */
const withUnknown = (value: unknown, path: string): ReadonlyArray<readonly [string, unknown]> => {
  if (Array.isArray(value)) {
    return value.flatMap((item, at) =>
      withUnknown(item, `${path}[${at}]`).map(([where, changed]) => [where, value.with(at, changed)] as const)
    )
  }
  if (!isObject(value)) return []
  const inner = Object.entries(value).flatMap(([key, field]) =>
    withUnknown(field, path === "" ? key : `${path}.${key}`).map(
      ([where, changed]) => [where, { ...value, [key]: changed }] as const
    )
  )
  return [[path, { ...value, unknown: "planted" }], ...inner]
}

const fieldsOf = (value: unknown, path = ""): ReadonlyArray<string> => {
  if (Array.isArray(value)) return value.flatMap((item) => fieldsOf(item, path))
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([key, field]) => [`${path}.${key}`, ...fieldsOf(field, `${path}.${key}`)])
}

/** The fields that a JSON schema names, at whatever depth. */
const namedIn = (schema: unknown, path = ""): ReadonlyArray<string> => {
  if (Array.isArray(schema)) return schema.flatMap((one) => namedIn(one, path))
  if (!isObject(schema)) return []
  const own = isObject(schema.properties) ? Object.entries(schema.properties) : []
  return [
    ...own.flatMap(([key, inner]) => [`${path}.${key}`, ...namedIn(inner, `${path}.${key}`)]),
    ...["items", "anyOf", "oneOf", "allOf"].flatMap((key) => namedIn(schema[key], path))
  ]
}

const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

describe("requests", () => {
  it("of every operation have samples", () => {
    assert.sameMembers(
      Object.keys(samples),
      operations.map(({ name }) => name)
    )
  })

  for (const operation of operations) {
    const ours = samples[operation.name] ?? []
    it(`of ${operation.name} have samples with every field that it knows, and they are taken`, () => {
      const { definitions, schema } = Schema.toJsonSchemaDocument(operation.request)
      assert.isEmpty(Object.keys(definitions))
      const shown = new Set(ours.flatMap((sample) => fieldsOf(sample)))
      assert.isEmpty(namedIn(schema).filter((field) => !shown.has(field)))
      for (const sample of ours) assert.isTrue(Result.isSuccess(operation.prepare(bytes(sample))))
    })

    it(`of ${operation.name} with an unknown field anywhere are refused, the field is named, its value is not`, () => {
      for (const [path, request] of ours.flatMap((sample) => withUnknown(sample, ""))) {
        const result = operation.prepare(bytes(request))
        if (open.has(`${operation.name} ${path}`)) assert.isTrue(Result.isSuccess(result), path)
        else {
          assert.isTrue(Result.isFailure(result), `taken in ${path || "the whole"}`)
          if (!Result.isFailure(result)) continue
          assert.strictEqual(result.failure.path, path === "" ? "unknown" : `${path}.unknown`)
          assert.strictEqual(result.failure.reason, "Expected no excess property")
          assert.notInclude(JSON.stringify(result.failure), "planted")
        }
      }
    })
  }
})
