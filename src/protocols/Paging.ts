/**
 * Pages that fit into a message, read in pieces.
 *
 * A page with all that was asked for may be larger than the server lets a message be: it ends before, and the
 * cursor goes on from there. It is read a piece at a time, and a piece is written as all that is long is (`Pieces`), so
 * that a long one keeps nobody from the processor, nor a connection to the database, for as long as it takes.
 */
import { Effect } from "effect"
import { InvalidCursor } from "../domain/errors.ts"
import type { Page } from "../domain/Page.ts"
import * as Pieces from "../observability/Pieces.ts"
import { decodeCursor, encodeCursor } from "../schema/Cursor.ts"
import { encodedBefore } from "./Operation.ts"
import { PayloadTooLarge } from "./ProtocolError.ts"

/** Rows of one piece. */
export const pieceMax = 200
/** What stands around the content of a page without a cursor, and with one. */
const around = (nextCursor: string | undefined): readonly [string, string] => [
  '{"content":[',
  nextCursor === undefined ? "]}" : `],"nextCursor":${JSON.stringify(nextCursor)}}`
]

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
  /** Read at once: each reading is recorded. */
  readonly isWhole?: boolean
  readonly fetch: (limit: number, after: string | null) => Effect.Effect<Page<A>, E, R>
  readonly encode: (item: A) => B
}): Generator<Effect.Effect<unknown, E | InvalidCursor | PayloadTooLarge, R>, PageAnswer<B>, never> {
  const list = JSON.stringify([options.list, ...options.of])
  const after = options.cursor === undefined ? null : decodeCursor(list, options.cursor)
  const isPlace = after !== null && options.place.test(after)
  if (options.cursor !== undefined && !isPlace) return yield* new InvalidCursor({})
  const content: Array<B> = []
  const texts: Array<string> = []
  let [bytes, from, next] = [0, after, after]
  /** Gets smaller until a piece fits. */
  let most = options.isWhole === true ? options.limit : pieceMax
  while (true) {
    const wanted = Math.min(most, options.limit - content.length)
    const page = yield* options.fetch(wanted, from)
    const written = yield* Pieces.run(
      page.content.length,
      Pieces.map(page.content, (row) => {
        const item = options.encode(row)
        return { item, text: JSON.stringify(item) }
      })
    )
    const piece = written.map(({ item }) => item)
    const text = written.map(({ text }) => text).join(",")
    next = page.next
    const cursor = next === null ? undefined : encodeCursor(list, next)
    const [head, tail] = around(cursor)
    const more = Buffer.byteLength(text) + (content.length === 0 ? 0 : 1)
    if (bytes + more + head.length + Buffer.byteLength(tail) > options.bytesMax) {
      if (content.length > 0) {
        next = from
        break
      }
      if (piece.length <= 1) return yield* new PayloadTooLarge({ part: "answer", bytesMax: options.bytesMax })
      most = Math.floor(piece.length / 2)
      continue
    }
    content.push(...piece)
    if (piece.length > 0) texts.push(text)
    bytes += more
    // One that is shorter than was asked for has looked at as much as one request may.
    if (next === null || piece.length < wanted || options.isWhole === true || content.length >= options.limit) break
    from = next
  }
  const answer = { content, ...(next === null ? {} : { nextCursor: encodeCursor(list, next) }) }
  const [head, tail] = around(answer.nextCursor)
  return encodedBefore(answer, `${head}${texts.join(",")}${tail}`)
})
