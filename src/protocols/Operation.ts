/**
 * One management operation: everything that is known of it, in one value.
 *
 * The table of these is what requests are dispatched by, what `$SRV.INFO` lists and what the
 * AsyncAPI document is made from. Adding an operation is adding an entry to a noun's table.
 *
 * A handler gets a checked request and answers with an Effect; it decodes nothing and knows no
 * subject. What services it needs shows in its type.
 */
import { Effect, Result, type Schema } from "effect"
import type { Place } from "../access/Decision.ts"
import type { Family } from "../access/Scopes.ts"
import type { Caller } from "../actors/tenant/Tenants.ts"
import type { InvalidRequest } from "../domain/errors.ts"
import * as Pieces from "../observability/Pieces.ts"
import { decodeRequest } from "../schema/Json.ts"
import { PayloadTooLarge } from "./ProtocolError.ts"
import type { Code, ManagementError } from "./Status.ts"

export interface Asked {
  /** Empty in the admin family, and where a request of the gateway is about none. */
  readonly tenantId: string
  readonly caller: Caller
  /** The token after noun and verb (`credential.get.mail`), else null. */
  readonly extra: string | null
  /** Of a list, the names that the caller may see; null for all. */
  readonly among: ReadonlyArray<string> | null
  /** Bytes that the answer's body may have. */
  readonly answerBytesMax: number
}

/** An answer: its status and its body. A text body is sent as it is, anything else as JSON. */
export interface Reply {
  readonly statusCode: number
  readonly body: unknown
}

export interface Operation<out R = unknown> {
  readonly family: Family
  /** `token.provision`, `health`. */
  readonly name: string
  readonly about: string
  readonly request: Schema.Constraint
  readonly answer: Schema.Constraint | "text"
  /** The statuses of success, most usual first. */
  readonly statuses: ReadonlyArray<number>
  /** Codes that are this operation's own, beside those any operation can answer. */
  readonly errors: ReadonlyArray<Code>
  /** Answered whatever the load: it is not counted against the requests in flight. */
  readonly always: boolean
  /** It ends a right, so places are kept for it when everything else is refused. */
  readonly takesAway: boolean
  /** It validates tokens, which no limit of management is for: it has places of its own. */
  readonly validates: boolean
  /** Whether one more token may follow noun and verb. */
  readonly takesExtra: boolean
  /** What a payload asks for, checked. */
  readonly decode: (payload: Uint8Array) => Result.Result<unknown, InvalidRequest>
  /** What its payload may have at most, where that is less than for every operation. A larger one is not even parsed. */
  readonly bytesMax: number | null
  /** Decodes a payload; what it gives is the handler, waiting to be told who asks. */
  readonly prepare: (payload: Uint8Array) => Result.Result<Prepared<R>, InvalidRequest>
}

/** A request that is checked. */
export interface Prepared<R> {
  /** The tenant that the payload names: in the gateway's family, where the subject names none. */
  readonly tenantId: string | null
  readonly handle: (asked: Asked) => Effect.Effect<Reply, ManagementError, R>
  /** What each item of it touches, for who may not touch everything; null for what is not there. */
  readonly places: (tenantId: string) => Effect.Effect<ReadonlyArray<Place | null>, ManagementError, R>
}

/** `token.revoke`, `credential.delete`, `application.remove`: told by the verb, so that none is forgotten. */
const endingVerb = /\.(?:revoke|revoke-all|suspend|transition|transition-batch|delete|remove|disable|rotate)$/u

const validatingVerb = /^token\.validate(?:-batch)?$/u

/**
 * Describes an operation. `handle` gives the body, answered with the first of `statuses`, or a
 * whole `Reply` made by `reply`.
 */
export const operation = <
  S extends Schema.ConstraintDecoder<unknown>,
  A extends Schema.Constraint,
  R,
  T = S["Type"]
>(options: {
  readonly family: Family
  readonly name: string
  readonly about: string
  readonly request: S
  /** How a payload is read when the request is a batch, whose items are judged one by one, or its texts get a verdict. */
  readonly decode?: (payload: Uint8Array) => Result.Result<T, InvalidRequest>
  readonly answer: A | "text"
  readonly statuses?: ReadonlyArray<number>
  readonly errors?: ReadonlyArray<Code>
  readonly always?: boolean
  readonly takesExtra?: boolean
  readonly bytesMax?: number
  /** In the gateway's family: the tenant that a request is about. */
  readonly tenantOf?: (request: NoInfer<T>) => string
  /** For operations on endpoints, applications or client credentials; without it a request touches the tenant. */
  readonly touches?: (
    request: NoInfer<T>,
    tenantId: string
  ) => Effect.Effect<ReadonlyArray<Place | null>, ManagementError, R>
  readonly handle: (
    request: NoInfer<T>,
    asked: Asked
  ) => Effect.Effect<A["Type"] | Replied<A["Type"]> | JsonBytes, ManagementError, R>
}): Operation<R> => {
  const statuses = options.statuses ?? [200]
  const decode =
    options.decode ?? (decodeRequest(options.request) as (payload: Uint8Array) => Result.Result<T, InvalidRequest>)
  const usual = statuses[0] ?? 200
  return {
    family: options.family,
    name: options.name,
    about: options.about,
    request: options.request,
    answer: options.answer,
    statuses,
    errors: options.errors ?? [],
    always: options.always ?? false,
    takesAway: endingVerb.test(options.name),
    validates: validatingVerb.test(options.name),
    takesExtra: options.takesExtra ?? false,
    bytesMax: options.bytesMax ?? null,
    decode,
    prepare: (payload) =>
      Result.map(
        decode(payload),
        (request): Prepared<R> => ({
          tenantId: options.tenantOf?.(request) ?? null,
          places: (tenantId) => options.touches?.(request, tenantId) ?? Effect.succeed([]),
          handle: (asked) =>
            Effect.map(options.handle(request, asked), (answer) =>
              answer instanceof Replied ? answer : { statusCode: usual, body: answer }
            )
        })
      )
  }
}

/** An answer with another status than the usual one. */
export class Replied<A> implements Reply {
  readonly statusCode: number
  readonly body: A
  constructor(statusCode: number, body: A) {
    this.statusCode = statusCode
    this.body = body
  }
}

/** An answer that is there already as what is sent of it: JSON of what the operation answers. */
export class JsonBytes {
  readonly bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

/** Answers whose JSON is there already. */
const encoded = new WeakMap<object, string>()

/** The same answer, to be sent as `json`, which is what it is in JSON. It must not change any more. */
export const encodedBefore = <A extends object>(answer: A, json: string): A => {
  encoded.set(answer, json)
  return answer
}

/** The answer to a batch, an item's outcome after the other; the thread is left to others meanwhile. */
export const answerOfItems = <A, B>(
  items: ReadonlyArray<A>,
  of: (item: A) => B,
  pieceMax = Pieces.pieceMax
): Effect.Effect<{ readonly results: ReadonlyArray<B> }> => {
  const texts: Array<string> = []
  const written = Pieces.map(items, (item) => {
    const result = of(item)
    texts.push(JSON.stringify(result))
    return result
  })
  return Effect.map(Pieces.run(items.length, written, pieceMax), (results) =>
    encodedBefore({ results }, `{"results":[${texts.join(",")}]}`)
  )
}

const textOf = (body: unknown): string => {
  if (typeof body === "string") return body
  return (typeof body === "object" && body !== null ? encoded.get(body) : undefined) ?? JSON.stringify(body)
}

/** The body's bytes, or the refusal of an answer that does not fit into a message. */
export const encodeBody = (body: unknown, bytesMax: number): Result.Result<Uint8Array, PayloadTooLarge> => {
  const bytes = body instanceof JsonBytes ? body.bytes : Buffer.from(textOf(body), "utf8")
  return bytes.length <= bytesMax
    ? Result.succeed(bytes)
    : Result.fail(new PayloadTooLarge({ part: "answer", bytesMax }))
}
