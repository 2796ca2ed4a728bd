/**
 * The HTTP/1.1 server: what it accepts, how long it waits, and how it stops.
 *
 * Parsing is strict, headers and requests have a size and a time, connections a number. What cannot be parsed is
 * answered in the form of every other error and the connection closed; where a request before it on the same connection
 * is still being answered, that answer is the last. A stop takes no more connections, answers what was accepted,
 * ends the readers of events, and then closes whatever is left.
 */
import { randomUUID } from "node:crypto"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Server as SecureServer } from "node:https"
import type { AddressInfo, Socket } from "node:net"
import { Data, Deferred, Duration, Effect, Latch } from "effect"
import { type Exchange, everyAnswer, sendProblem } from "./Exchange.ts"
import { GatewayConfig } from "./GatewayConfig.ts"
import type { Handle } from "./Handler.ts"
import { invalid, type Problem, problem, problemBody } from "./Problem.ts"
import { correlationIdIn, headerBytesMax } from "./RequestHeaders.ts"

export class ListenError extends Data.TaggedError("ListenError")<{ readonly problem: string }> {
  override get message(): string {
    return this.problem
  }
}

/** A little more than is allowed, so that what is refused can be answered with its correlation id. */
const parserBytesMax = headerBytesMax + 16_384
const checkEveryMs = 250
const keepAliveMs = 5_000
/** Beyond the time that an answer may take: a client that does not read it. */
const idleMs = 60_000

const problemOf = (error: NodeJS.ErrnoException): Problem => {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return problem("HEADERS_TOO_LARGE", `The headers are larger than ${headerBytesMax} bytes`)
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return problem("REQUEST_TIMEOUT", "The request did not come in time")
    default:
      return invalid("", "this is no HTTP request that is accepted here")
  }
}

/** An answer to what Node made no request of. */
const rawAnswer = (given: Problem): string => {
  const correlationId = randomUUID()
  const body = problemBody(given, correlationId)
  const headers = {
    ...everyAnswer(correlationId),
    "Content-Type": "application/problem+json",
    "Content-Length": String(Buffer.byteLength(body)),
    Connection: "close"
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${given.status} ${given.code}\r\n${lines.join("")}\r\n${body}`
}

export interface Listening {
  readonly server: Server | SecureServer
  readonly port: number
}

export interface Options {
  readonly host: string
  readonly port: number
  /** Null: without TLS. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | null
  readonly handle: Handle
  /** Completed when the stop begins. */
  readonly stopping: Deferred.Deferred<void>
}

export const listen = Effect.fnUntraced(function* ({ handle, host, port, stopping, tls }: Options) {
  const { bodyTimeout, busTimeout, connectionsMax, headersTimeout } = yield* GatewayConfig
  const context = yield* Effect.context<never>()
  const run = Effect.runForkWith(context)
  const current = new WeakMap<Socket, Set<Exchange>>()
  /** With TLS: those whose handshake is done. */
  const shaken = new WeakSet<Socket>()
  const idle = Latch.makeUnsafe(true)
  let inHand = 0

  const serve = (message: IncomingMessage, response: ServerResponse) => {
    const correlationId = correlationIdIn(message) ?? randomUUID()
    const exchange: Exchange = { message, response, correlationId, broken: null }
    const onSocket = current.get(message.socket) ?? new Set()
    current.set(message.socket, onSocket.add(exchange))
    inHand += 1
    Latch.closeUnsafe(idle)
    let open = true
    // Answered, or the client has gone: either way it is not in hand any more.
    const end = () => {
      if (!open) return
      open = false
      onSocket.delete(exchange)
      inHand -= 1
      if (inHand === 0) Latch.openUnsafe(idle)
    }
    response.once("close", end)
    response.on("error", () => {})
    message.on("error", () => {})
    run(handle(exchange))
  }

  const refuse = (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy()
    // Without a handshake nothing can be answered, and waiting for that to be read would keep the connection for ever.
    if (tls !== null && !shaken.has(socket)) return void socket.destroy()
    const given = problemOf(error)
    const before = Array.from(current.get(socket) ?? [])
    const last = before.at(-1)
    if (last === undefined) return void socket.end(rawAnswer(given), () => socket.destroySoon())
    if (last.broken !== null) {
      // It is this request's body that is wrong.
      last.response.shouldKeepAlive = false
      return last.broken(given)
    }
    // What was asked before is answered, and nothing after it.
    last.response.shouldKeepAlive = false
    last.response.once("close", () => socket.destroySoon())
    if (last.response.headersSent && !last.message.complete) socket.destroySoon()
  }

  const options = {
    maxHeaderSize: parserBytesMax,
    insecureHTTPParser: false,
    requireHostHeader: false,
    joinDuplicateHeaders: false,
    headersTimeout: Duration.toMillis(headersTimeout),
    requestTimeout: Math.max(Duration.toMillis(bodyTimeout), Duration.toMillis(headersTimeout)),
    connectionsCheckingInterval: checkEveryMs,
    keepAliveTimeout: keepAliveMs,
    noDelay: true
  }
  const open = Effect.callback<Server | SecureServer, ListenError>((resume) => {
    // Imported, they would cost the start of whoever has no such server as much as its whole source.
    const server =
      tls === null
        ? process.getBuiltinModule("node:http").createServer(options)
        : process.getBuiltinModule("node:https").createServer({
            ...options,
            ...tls,
            minVersion: "TLSv1.2",
            // Before it, no time for headers runs: whoever says nothing would keep its connection for two minutes.
            handshakeTimeout: options.headersTimeout
          })
    server.maxConnections = connectionsMax
    // No header is left out in silence: their bytes are bounded.
    server.maxHeadersCount = 0
    server.timeout = Duration.toMillis(busTimeout) + idleMs
    server.on("request", serve)
    server.on("checkContinue", serve)
    server.on("checkExpectation", (message: IncomingMessage, response: ServerResponse) => {
      const correlationId = correlationIdIn(message) ?? randomUUID()
      const given = problem("EXPECTATION_FAILED", "Nothing but 100-continue may be expected")
      sendProblem({ message, response, correlationId, broken: null }, given, true)
    })
    server.on("connect", (_message: IncomingMessage, socket: Socket) => {
      socket.end(rawAnswer(invalid("", "this is no proxy")), () => socket.destroySoon())
    })
    server.on("clientError", refuse)
    server.on("secureConnection", (socket: Socket) => void shaken.add(socket))
    server.once("error", (error: NodeJS.ErrnoException) => {
      resume(
        Effect.fail(new ListenError({ problem: `the gateway cannot listen on ${host} port ${port}: ${error.code}` }))
      )
    })
    server.listen(port, host, () => resume(Effect.succeed(server)))
  })
  const server = yield* Effect.acquireRelease(open, (opened) =>
    Effect.gen(function* () {
      yield* Deferred.succeed(stopping, undefined)
      opened.close()
      opened.closeIdleConnections()
      yield* idle.await.pipe(
        Effect.timeoutOrElse({
          duration: Duration.sum(busTimeout, Duration.seconds(1)),
          orElse: () =>
            Effect.logWarning("HTTP requests were left without an answer").pipe(Effect.annotateLogs({ inHand }))
        })
      )
      opened.closeAllConnections()
    })
  )
  return { server, port: (server.address() as AddressInfo).port } satisfies Listening
})
