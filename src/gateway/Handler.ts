/**
 * From a request to its answer: what is wrong is looked for in the order path, method, token, type, body; then the row.
 *
 * The bearer token is passed on as it came; that it is there, can be read and names a tenant's issuer is all that is
 * looked at here. Requests in hand are bounded; one more is answered 429. A bug is answered 500 and logged with its cause.
 *
 * Source: contract, section 9.
 */
import { Cause, Duration, Effect, Exit, Metric, Option } from "effect"
import { formatTraceparent, type Trace } from "../observability/Trace.ts"
import { Tracing } from "../observability/Tracing.ts"
import { Bus, type BusAnswer, type BusFailure, problemOf } from "./Bus.ts"
import { heldTo, preconditionFailed } from "./Conditions.ts"
import type { EventStream } from "./EventStream.ts"
import { type Exchange, hasBody, type Room, readBody, sendAnswer, sendProblem } from "./Exchange.ts"
import { GatewayConfig } from "./GatewayConfig.ts"
import { byCallersName, readFields, readQuery, requestOf, typeRefusal } from "./Parameters.ts"
import { internal, invalid, type Problem, problem, refusalOf } from "./Problem.ts"
import type { PublicRow } from "./PublicRow.ts"
import { type Bearer, bearerOf, passedOnRefusal, type RequestHeaders, readHeaders } from "./RequestHeaders.ts"
import { makeRouter } from "./Router.ts"
import type { Answered, Call, HttpAnswer, Row } from "./Row.ts"
import { rows } from "./Table.ts"
import { parseTarget, type Target } from "./Target.ts"
import type { TenantByIssuer } from "./TenantByIssuer.ts"
import { objectOf, usual } from "./usual.ts"

const answered = Metric.counter("cm_gateway_requests_total", {
  description: "HTTP requests answered, by row and status",
  incremental: true
})
const spent = Metric.counter("cm_gateway_request_seconds_total", {
  description: "Time from an HTTP request to its answer, summed, by row",
  incremental: true
})

/** `/api/v1/events`: answered for as long as the reader stays. */
export const eventsRow = { method: "GET", path: "/api/v1/events", stream: true } as const

type Any = Row | PublicRow | typeof eventsRow

export interface Parts {
  readonly publicRows: ReadonlyArray<PublicRow>
  readonly tenants: TenantByIssuer
  readonly events: EventStream
  readonly room: Room
  readonly isStopping: () => boolean
  /** Only the public rows: another port's. */
  readonly onlyPublic: boolean
}

const overall = (parts: ReadonlyArray<string>): string => (parts[0] === "api" ? "api" : "other")

export const make = Effect.fnUntraced(function* (parts: Parts) {
  const bus = yield* Bus
  const { requestsMax } = yield* GatewayConfig
  const { begin } = yield* Tracing
  const all: ReadonlyArray<Any> = parts.onlyPublic ? parts.publicRows : [...parts.publicRows, ...rows, eventsRow]
  const route = makeRouter(all)
  let inHand = 0

  /** The request of a span of its own when there are spans; the caller's trace goes on in either case. */
  const askTraced = (
    operation: string,
    trace: Trace | null,
    ask: (traceparent: string | null) => Effect.Effect<BusAnswer, BusFailure>
  ): Effect.Effect<BusAnswer, BusFailure> => {
    if (begin === null || trace === null) return ask(trace === null ? null : formatTraceparent(trace))
    const attributes = { "messaging.system": "nats", "messaging.operation.name": "request", "cm.operation": operation }
    const span = begin({ name: `request ${operation}`, kind: "client", parent: trace, attributes })
    return Effect.onExit(ask(formatTraceparent(span.trace)), (exit) =>
      Effect.sync(() =>
        Exit.isSuccess(exit)
          ? span.end(null, { "cm.status": exit.value.status })
          : span.end(Option.getOrNull(Cause.findErrorOption(exit.cause))?.reason ?? "interrupted")
      )
    )
  }

  /** One request to the tenant's operation: a refusal of the service is one here. */
  const askBus = Effect.fnUntraced(function* (
    tenantId: string,
    bearer: Bearer,
    operation: string,
    request: Readonly<Record<string, unknown>>,
    trace: Trace | null,
    headers: Readonly<Record<string, string | null>>
  ): Effect.fn.Return<Answered, Problem> {
    const subject = `${bus.instance}.v1.${tenantId}.${operation}`
    const sent = { Authorization: bearer.header, ...headers }
    const { data, status } = yield* askTraced(operation, trace, (traceparent) =>
      bus.ask(subject, JSON.stringify(request), { ...sent, traceparent })
    ).pipe(Effect.mapError(problemOf))
    const text = Buffer.from(data).toString("utf8")
    if (status >= 200 && status < 300) return { status, text }
    const refused = refusalOf(yield* objectOf(text)) ?? internal()
    if (
      refused.code === "TENANT_NOT_FOUND" ||
      (refused.status === 401 && /issuer/u.test(String(refused.details.reason)))
    ) {
      parts.tenants.forget(bearer.issuer)
    }
    return yield* Effect.fail(refused)
  })

  const bodyOf = Effect.fnUntraced(function* (
    exchange: Exchange,
    row: Pick<Row, "body">,
    headers: RequestHeaders,
    done: (giveBack: () => void) => void
  ) {
    if (!hasBody(exchange.message)) return {}
    if (row.body === undefined) return yield* Effect.fail(invalid("", "this request has no body"))
    const refused = typeRefusal(headers.get("content-type"), headers.get("content-encoding"))
    if (refused !== null) return yield* Effect.fail(refused)
    return yield* Effect.fromResult(readFields(row, yield* readBody(exchange, parts.room, done)))
  })

  const ofTenant = Effect.fnUntraced(function* (
    exchange: Exchange,
    row: Row,
    path: Readonly<Record<string, string>>,
    target: Target,
    headers: RequestHeaders,
    trace: Trace | null,
    giveBacks: Array<() => void>
  ): Effect.fn.Return<HttpAnswer, Problem> {
    const bearer = yield* Effect.fromResult(bearerOf(headers))
    const tenantId = yield* parts.tenants.find(bearer.issuer, headers.get("cm-tenant"))
    const body = yield* bodyOf(exchange, row, headers, (giveBack) => giveBacks.push(giveBack))
    const query = yield* Effect.fromResult(readQuery(row, target.query))
    const ifMatch = headers.get("if-match")
    const ifNoneMatch = headers.get("if-none-match")
    const version = yield* Effect.fromResult(heldTo(row, ifMatch, ifNoneMatch))
    const request = requestOf(row, path, query, body)
    const passedOn = { "Correlation-ID": exchange.correlationId }
    const idempotent = { ...passedOn, "Idempotency-Key": headers.get("idempotency-key") }
    const call: Call = {
      tenantId,
      row,
      path,
      query,
      request: version === null ? request : { ...request, [row.version!]: version },
      ifMatch,
      ifNoneMatch,
      carryOut: (asked) =>
        askBus(tenantId, bearer, row.operation, asked, trace, idempotent).pipe(
          Effect.mapError((why) =>
            version !== null && why.code === "VERSION_CONFLICT"
              ? preconditionFailed(why.details)
              : byCallersName(row, why)
          )
        ),
      look: (operation, asked) => askBus(tenantId, bearer, operation, asked, trace, passedOn)
    }
    return yield* (row.carryOut ?? usual)(call)
  })

  const full = () =>
    problem("TOO_MANY_REQUESTS", "Too many requests at once, try again later", {
      details: { limit: "requests in flight" }
    })

  const bounded = <A>(work: Effect.Effect<A, Problem>): Effect.Effect<A, Problem> =>
    Effect.suspend(() => {
      if (inHand >= requestsMax) return Effect.fail(full())
      inHand += 1
      return Effect.ensuring(
        work,
        Effect.sync(() => {
          inHand -= 1
        })
      )
    })

  /** The span of the whole request; without spans what the caller sent. */
  const spanned = (
    { method, path }: Row,
    parent: Trace | null,
    work: (trace: Trace | null) => Effect.Effect<HttpAnswer, Problem>
  ): Effect.Effect<HttpAnswer, Problem> => {
    if (begin === null) return work(parent)
    const attributes = { "http.request.method": method, "http.route": path }
    const span = begin({ name: `${method} ${path}`, kind: "server", parent, attributes })
    return Effect.onExit(work(span.trace), (exit) =>
      Effect.sync(() => {
        const failed = Exit.isSuccess(exit) ? null : problemFrom(exit.cause)
        const status = Exit.isSuccess(exit) ? exit.value.status : (failed?.status ?? 500)
        // What the client did wrong is no error of a server's span.
        span.end(status >= 500 ? (failed?.code ?? "bug") : null, { "http.response.status_code": status })
      })
    )
  }

  /** The answer; null when there is none to send: the events went out as they came. */
  const answerOf = Effect.fnUntraced(function* (
    exchange: Exchange,
    giveBacks: Array<() => void>,
    say: (row: string) => void
  ): Effect.fn.Return<HttpAnswer | null, Problem> {
    const headers = yield* Effect.fromResult(readHeaders(exchange.message))
    const target = yield* Effect.fromResult(parseTarget(exchange.message.url ?? ""))
    const routed = route(exchange.message.method ?? "", target.parts)
    if (!routed.found) {
      say(overall(target.parts))
      if (routed.allow.length === 0) return yield* Effect.fail(problem("NOT_FOUND", "No such path"))
      const allow = routed.allow.join(", ")
      return yield* Effect.fail(problem("METHOD_NOT_ALLOWED", `The path has ${allow}`, { headers: { Allow: allow } }))
    }
    const { path, row } = routed
    say(`${row.method} ${row.path}`)
    if ("serve" in row) return yield* row.serve
    const refused = passedOnRefusal(headers)
    if (refused !== null) return yield* Effect.fail(refused)
    if ("stream" in row) {
      const bearer = yield* Effect.fromResult(bearerOf(headers))
      const tenantId = yield* bounded(parts.tenants.find(bearer.issuer, headers.get("cm-tenant")))
      if (hasBody(exchange.message)) return yield* Effect.fail(invalid("", "this request has no body"))
      yield* Effect.fromResult(readQuery({}, target.query))
      yield* parts.events.serve(exchange, { tenantId, bearer, after: headers.get("last-event-id") })
      return null
    }
    return yield* spanned(row, headers.trace, (trace) =>
      bounded(ofTenant(exchange, row, path, target, headers, trace, giveBacks))
    )
  })

  const problemFrom = (cause: Cause.Cause<Problem>): Problem =>
    Cause.hasDies(cause)
      ? internal()
      : Option.getOrElse(Cause.findErrorOption(cause), () => problem("UNAVAILABLE", "The gateway is stopping"))

  /** Never fails: whatever comes of it is sent. */
  return (exchange: Exchange): Effect.Effect<void> => {
    const giveBacks: Array<() => void> = []
    let said = "other"
    const answer = answerOf(exchange, giveBacks, (row) => {
      said = row
    })
    return Effect.timed(Effect.exit(answer)).pipe(
      Effect.tap(([, exit]) =>
        Exit.isFailure(exit) && Cause.hasDies(exit.cause)
          ? Effect.logError("an HTTP request met a bug", exit.cause).pipe(
              Effect.annotateLogs({ correlationId: exchange.correlationId, row: said })
            )
          : Effect.void
      ),
      Effect.flatMap(([duration, exit]) => {
        for (const giveBack of giveBacks) giveBack()
        const closes = parts.isStopping()
        let status = 200
        if (Exit.isFailure(exit)) {
          const given = problemFrom(exit.cause)
          status = given.status
          sendProblem(exchange, given, closes || given.status === 408)
        } else if (exit.value !== null) {
          status = exit.value.status
          sendAnswer(exchange, exit.value, closes)
        }
        return Effect.andThen(
          Metric.update(Metric.withAttributes(answered, { row: said, status: String(status) }), 1),
          Metric.update(Metric.withAttributes(spent, { row: said }), Duration.toSeconds(duration))
        )
      })
    )
  }
})
export type Handle = Effect.Success<ReturnType<typeof make>>
