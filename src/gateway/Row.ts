/**
 * One row of the gateway's table: a method and a path, the operation of the bus behind them, and how a request and
 * its answer are mapped onto it.
 *
 * What requests are routed by, checked against and described with in OpenAPI is this one value. A row without
 * `carryOut` is one request to the bus; with it, whatever that does.
 */
import type { Effect, Schema } from "effect"
import type { Problem } from "./Problem.ts"

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE"

export interface Parameter {
  readonly name: string
  /** The operation's field; the name when it is the same, null when it is not passed on. */
  readonly field?: string | null
  readonly kind: "text" | "integer" | "boolean" | "list" | "bound"
  readonly about: string
  readonly minimum?: number
  readonly maximum?: number
  readonly byDefault?: string | number
  readonly values?: ReadonlyArray<string>
}

/** What travels in the body: the operation's fields by the names that they have here. */
export interface Body {
  readonly fields: Readonly<Record<string, string>>
  /** Schema of a field that is not the operation's as it is. */
  readonly required: ReadonlyArray<string>
  readonly example: unknown
}

export interface Answered {
  readonly status: number
  /** JSON. */
  readonly text: string
}

export interface HttpAnswer {
  readonly status: number
  readonly body: string | null
  readonly headers: Readonly<Record<string, string>>
}

/** A request that is checked, and the way to the bus. */
export interface Call {
  readonly tenantId: string
  readonly row: Row
  /** Parts of the path by name. */
  readonly path: Readonly<Record<string, string>>
  /** Parameters by name; what was not given is not there. */
  readonly query: Readonly<Record<string, unknown>>
  /** What the operation is asked: fields of path, query and body, and the version that If-Match names. */
  readonly request: Readonly<Record<string, unknown>>
  /** For who only reads: what changes something is asked with the version in `request`. */
  readonly ifMatch: string | null
  readonly ifNoneMatch: string | null
  /** Asks the row's operation, with the caller's idempotency key. */
  readonly carryOut: (request: Readonly<Record<string, unknown>>) => Effect.Effect<Answered, Problem>
  /** Asks another one, which only reads. */
  readonly look: (operation: string, request: Readonly<Record<string, unknown>>) => Effect.Effect<Answered, Problem>
}

export interface Row {
  readonly method: Method
  /** `/api/v1/endpoints/{endpointId}/tokens`. */
  readonly path: string
  readonly tag: string
  readonly about: string
  readonly operation: string
  readonly request: Schema.Constraint
  /** Null: no body. */
  readonly answer: Schema.Constraint | null
  /** The statuses of success, most usual first. */
  readonly statuses: ReadonlyArray<number>
  /** Fields of the operation by part of the path; the same name where it is not said. A null is not passed on. */
  readonly parts?: Readonly<Record<string, string | null>>
  readonly query?: ReadonlyArray<Parameter>
  readonly body?: Body
  /** Fields that are the same for every request. */
  readonly fixed?: Readonly<Record<string, unknown>>
  /** The operation's field that `If-Match` fills. */
  readonly version?: string
  /** `ETag` is the version of what is answered. */
  readonly tagged?: true
  /** Where what was made is found: parts of the path and fields of the answer. */
  readonly location?: string
  /** Codes beside those that every row has. */
  readonly errors: ReadonlyArray<string>
  readonly carryOut?: (call: Call) => Effect.Effect<HttpAnswer, Problem>
}

/** The parts of a path in braces. */
export const partNames = (path: string): ReadonlyArray<string> =>
  Array.from(path.matchAll(/\{([A-Za-z_]+)\}/gu), ([, name]) => name!)
