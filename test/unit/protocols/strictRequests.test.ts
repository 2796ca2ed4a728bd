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
import { sampleKeyOf, samples } from "../../support/requestSamples.ts"

/** The caller's own JSON, and a secret, whose fields are checked by its type. Nothing else is open. */
const open = new Set([
  "credential.store rotation",
  "credential.store metadata",
  "credential.store metadata.note",
  "credential.update metadata",
  "credential.store credentials",
  "credential.rotate credentials",
  "credential.reconnect credentials",
  "credential.update rotation",
  "provider.put token_params",
  "provider.put client_key"
])

/** Its names are the caller's, and what stands under each is closed. */
const isNamed = (name: string, path: string) => name === "provider.put" && path === "params"

/** What is wrong with an item of a batch is that item's outcome: `batches.test.ts`. */
const isOfItem = (name: string, path: string) => name.endsWith("-batch") && path.startsWith("items[")

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
    assert.sameMembers(Object.keys(samples), operations.map(sampleKeyOf))
  })

  for (const operation of operations) {
    const ours = samples[sampleKeyOf(operation)] ?? []
    it(`of ${sampleKeyOf(operation)} have samples with every field that it knows, and they are taken`, () => {
      const { definitions, schema } = Schema.toJsonSchemaDocument(operation.request)
      assert.isEmpty(Object.keys(definitions))
      const shown = new Set(ours.flatMap((sample) => fieldsOf(sample)))
      assert.isEmpty(namedIn(schema).filter((field) => !shown.has(field)))
      for (const sample of ours) assert.isTrue(Result.isSuccess(operation.prepare(bytes(sample))))
    })

    it(`of ${sampleKeyOf(operation)} with an unknown field anywhere are refused, the field is named, its value is not`, () => {
      for (const [path, request] of ours.flatMap((sample) => withUnknown(sample, ""))) {
        const result = operation.prepare(bytes(request))
        if (isNamed(operation.name, path)) assert.isTrue(Result.isFailure(result), path)
        else if (open.has(`${operation.name} ${path}`) || isOfItem(operation.name, path))
          assert.isTrue(Result.isSuccess(result), path)
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
