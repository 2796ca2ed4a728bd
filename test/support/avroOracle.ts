/**
 * What another implementation of Avro makes of bytes: the types of the library `avsc`, loaded anew, since they keep
 * a pool of bytes that one impossible length spoils for everything read after it.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { compileFunction } from "node:vm"
import type { Schema, Type } from "avsc"

export interface Oracle {
  /** The value with texts as bytes and longs as bigints, or null. */
  readonly read: (
    schema: Readonly<Record<string, unknown>>,
    bytes: Uint8Array
  ) => Readonly<Record<string, unknown>> | null
  readonly write: (schema: Readonly<Record<string, unknown>>, value: Readonly<Record<string, unknown>>) => Buffer | null
}

const require = createRequire(import.meta.url)

type Avsc = typeof import("avsc")
interface Types {
  readonly Type: Avsc["Type"]
  readonly builtins: Avsc["types"]
}

/** A file of the library, read once and run as often as it is asked for. */
const fileOf = (name: string) => {
  const text = readFileSync(require.resolve(`avsc/lib/${name}.js`), "utf8")
  const run = compileFunction(text, ["module", "require"])
  return (requireIn: (name: string) => unknown): unknown => {
    const module = { exports: {} as unknown }
    run(module, requireIn)
    return module.exports
  }
}
const [utils, types] = [fileOf("utils"), fileOf("types")]

/** Without the library's files and services, of which the test reads nothing and which take most of its loading. */
const fresh = (): Types => {
  const own = utils(require)
  return types((name) => (name === "./utils" ? own : require(name))) as Types
}

/** Texts as bytes, so that what is not UTF-8 can be told; the same on the wire. */
const textAsBytes = (type: unknown): unknown => {
  if (type === "string") return "bytes"
  if (Array.isArray(type)) return type.map(textAsBytes)
  if (typeof type !== "object" || type === null) return type
  return Object.fromEntries(
    Object.entries(type).map(([key, inner]) => [key, key === "type" || key === "items" ? textAsBytes(inner) : inner])
  )
}

export const makeOracle = (): Oracle => {
  const avsc = fresh()
  const long = avsc.builtins.LongType.__with({
    fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
    toBuffer: (value: bigint) => {
      const buffer = Buffer.alloc(8)
      buffer.writeBigInt64LE(value)
      return buffer
    },
    fromJSON: (value: number) => BigInt(value),
    toJSON: Number,
    isValid: (value: unknown) => typeof value === "bigint",
    compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0)
  })
  const types = new Map<unknown, Type>()
  const typeOf = (schema: Readonly<Record<string, unknown>>): Type => {
    const known = types.get(schema)
    if (known !== undefined) return known
    const fields = (schema.fields as ReadonlyArray<{ readonly name: string; readonly type: unknown }>).map((field) => ({
      name: field.name,
      type: textAsBytes(field.type)
    }))
    const type = avsc.Type.forSchema({ ...schema, fields } as unknown as Schema, {
      registry: { long },
      wrapUnions: false
    })
    types.set(schema, type)
    return type
  }
  const asBytes = (value: unknown): unknown => {
    if (typeof value === "string") return Buffer.from(value)
    return Array.isArray(value) ? value.map(asBytes) : value
  }
  return {
    read: (schema, bytes) => {
      try {
        return { ...(typeOf(schema).fromBuffer(Buffer.from(bytes)) as Record<string, unknown>) }
      } catch {
        return null
      }
    },
    write: (schema, value) => {
      const given = Object.entries(value).map(([field, item]) => [field, asBytes(item)])
      try {
        return typeOf(schema).toBuffer(Object.fromEntries(given))
      } catch {
        return null
      }
    }
  }
}

/** A value of ours as the oracle reads it. */
export const withTextsAsBytes = (value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(value).map(([field, item]) => [
      field,
      typeof item === "string"
        ? Buffer.from(item)
        : Array.isArray(item)
          ? item.map((one: string) => Buffer.from(one))
          : item
    ])
  )
