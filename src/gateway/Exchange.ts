/**
 * One HTTP request and its answer, as Node has them: reads the body once and within its bounds, answers once.
 *
 * Every answer has the headers that every answer has. What of a body nobody wanted is read and thrown away by Node,
 * for as long as a request may take; so a client that is still sending hears the answer.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { Effect } from "effect"
import { type Problem, problem, problemBody, problemHeaders } from "./Problem.ts"

export const bodyBytesMax = 4 * 1_048_576

/** Bytes of bodies that may be held at once, all requests together. */
export interface Room {
  readonly take: (bytes: number) => boolean
  readonly giveBack: (bytes: number) => void
}

export const makeRoom = (bytesMax: number): Room => {
  let taken = 0
  return {
    take: (bytes) => {
      if (taken + bytes > bytesMax) return false
      taken += bytes
      return true
    },
    giveBack: (bytes) => {
      taken -= bytes
    }
  }
}

export interface Exchange {
  readonly message: IncomingMessage
  readonly response: ServerResponse
  readonly correlationId: string
  /** The connection's reading failed: the body will not come. */
  broken: ((why: Problem) => void) | null
}

export const everyAnswer = (correlationId: string): Readonly<Record<string, string>> => ({
  "Correlation-ID": correlationId,
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff"
})

export const tooLarge = (): Problem =>
  problem("PAYLOAD_TOO_LARGE", `The request is larger than ${bodyBytesMax} bytes`, {
    details: { part: "request", bytesMax: bodyBytesMax }
  })
const noRoom = (): Problem =>
  problem("TOO_MANY_REQUESTS", "Too many large requests at once, try again later", { details: { limit: "bodies" } })
const cutShort = (): Problem => problem("INVALID_REQUEST", "The request ended before its body did")

/** Whether a body is announced. */
export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0

/** The whole body. Its room is given back by `done`, when nobody needs it any more. */
export const readBody = (exchange: Exchange, room: Room, done: (giveBack: () => void) => void) =>
  Effect.callback<Buffer, Problem>((resume) => {
    const { message, response } = exchange
    if (Number(message.headers["content-length"] ?? 0) > bodyBytesMax) return resume(Effect.fail(tooLarge()))
    const chunks: Array<Buffer> = []
    let bytes = 0
    done(() => room.giveBack(bytes))
    const end = (outcome: Effect.Effect<Buffer, Problem>) => {
      message.off("data", take)
      message.off("end", whole)
      message.off("close", cut)
      message.off("error", cut)
      exchange.broken = null
      resume(outcome)
    }
    const take = (chunk: Buffer) => {
      if (bytes + chunk.length > bodyBytesMax) return end(Effect.fail(tooLarge()))
      if (!room.take(chunk.length)) return end(Effect.fail(noRoom()))
      bytes += chunk.length
      chunks.push(chunk)
    }
    const whole = () => end(Effect.succeed(Buffer.concat(chunks)))
    const cut = () => end(Effect.fail(cutShort()))
    exchange.broken = (why) => end(Effect.fail(why))
    message.on("data", take).on("end", whole).on("close", cut).on("error", cut)
    if (message.headers.expect !== undefined) response.writeContinue()
  })

export const sendAnswer = (
  exchange: Exchange,
  answer: {
    readonly status: number
    readonly body: string | null
    readonly headers: Readonly<Record<string, string>>
  },
  closes: boolean
): void => {
  const { correlationId, message, response } = exchange
  if (response.headersSent || response.destroyed) return
  const { body, headers, status } = answer
  response.writeHead(status, {
    ...everyAnswer(correlationId),
    ...(body === null ? {} : { "Content-Type": "application/json", "Content-Length": String(Buffer.byteLength(body)) }),
    ...headers,
    ...(closes ? { Connection: "close" } : {})
  })
  response.end(body ?? undefined)
  if (!message.complete) message.resume()
}

export const sendProblem = (exchange: Exchange, given: Problem, closes: boolean): void =>
  sendAnswer(
    exchange,
    {
      status: given.status,
      body: problemBody(given, exchange.correlationId),
      headers: { "Content-Type": "application/problem+json", ...problemHeaders(given) }
    },
    closes
  )
