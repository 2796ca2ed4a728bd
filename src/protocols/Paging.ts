/**
 * Pages that fit into a message.
 *
 * A page with all that was asked for may be larger than the server lets a message be. It is then
 * asked for again, shorter; the cursor goes on from where the shorter one ends.
 */
import { Effect, Result } from "effect"
import { InvalidCursor } from "../domain/errors.ts"
import type { Page } from "../domain/Page.ts"
import { decodeCursor, encodeCursor } from "../schema/Cursor.ts"
import { encodeBody } from "./Operation.ts"
import type { PayloadTooLarge } from "./ProtocolError.ts"

export interface PageAnswer<A> {
  readonly content: ReadonlyArray<A>
  readonly nextCursor?: string
}

/** A cursor belongs to the list, its tenant, its filter and its order; of another one it is refused. */
export const answerPage = Effect.fnUntraced(function* <A, B, E, R>(options: {
  /** The operation. */
  readonly list: string
  /** Tenant, filter, order: whatever else makes it this list and no other. JSON. */
  readonly of: ReadonlyArray<unknown>
  /** What a place in this list looks like. The store is asked for no other. */
  readonly place: RegExp
  readonly cursor: string | undefined
  readonly limit: number
  readonly bytesMax: number
  readonly fetch: (limit: number, after: string | null) => Effect.Effect<Page<A>, E, R>
  readonly encode: (item: A) => B
}): Generator<Effect.Effect<unknown, E | InvalidCursor | PayloadTooLarge, R>, PageAnswer<B>, never> {
  const list = JSON.stringify([options.list, ...options.of])
  const after = options.cursor === undefined ? null : decodeCursor(list, options.cursor)
  const isPlace = after !== null && options.place.test(after)
  if (options.cursor !== undefined && !isPlace) return yield* new InvalidCursor({})
  let limit = options.limit
  while (true) {
    const page = yield* options.fetch(limit, after)
    const answer = {
      content: page.content.map(options.encode),
      ...(page.next === null ? {} : { nextCursor: encodeCursor(list, page.next) })
    }
    const fits = encodeBody(answer, options.bytesMax)
    if (Result.isSuccess(fits)) return answer
    if (page.content.length <= 1) return yield* fits.failure
    limit = Math.floor(page.content.length / 2)
  }
})
