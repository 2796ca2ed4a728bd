// Verifies R-TRC-1, R-TRC-2, R-TRC-3, R-TRC-4.
/** Trace contexts as they are read and written; that nothing is paid for spans when they are off; and their bounds. */
import { readdirSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { Effect, Exit, Layer } from "effect"
import { assert, describe, it } from "vitest"
import { inTrace } from "../../../src/actors/tenant/Workspace.ts"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"
import { formatTraceparent, parseTraceparent, type Trace } from "../../../src/observability/Trace.ts"
import { type Begin, CurrentTrace, errorOf, layer, Tracing } from "../../../src/observability/Tracing.ts"
import { TracingConfig } from "../../../src/observability/TracingConfig.ts"
import { foreignness } from "../../../src/outbox/OwnEvent.ts"
import * as PublishSpans from "../../../src/outbox/PublishSpans.ts"
import * as RequestSpan from "../../../src/protocols/RequestSpan.ts"
import type { Mariadb } from "../../../src/store/maria/Mariadb.ts"
import type { Session } from "../../../src/store/maria/MariadbConnection.ts"
import { summaryOf, traced } from "../../../src/store/maria/TracedStatements.ts"
import { environment } from "../../support/bus.ts"
import { eventually } from "../../support/eventually.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { startCollector } from "../../support/standIns/collector.ts"
import { aMessage } from "../../support/storeFixtures.ts"

const root = resolve(import.meta.dirname, "../../..")
const one: Trace = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled: true }
const text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

describe("a traceparent (W3C Trace Context, 3.2)", () => {
  it("is read and written as it came; of its flags only `sampled` goes on", () => {
    assert.deepStrictEqual(parseTraceparent(text), one)
    assert.strictEqual(formatTraceparent(one), text)
    for (const [flags, sampled] of [
      ["00", false],
      ["01", true],
      ["fe", false],
      ["ff", true]
    ] as const) {
      const read = parseTraceparent(`${text.slice(0, -2)}${flags}`)
      assert.strictEqual(read?.sampled, sampled, flags)
      assert.strictEqual(formatTraceparent(read!), `${text.slice(0, -2)}${sampled ? "01" : "00"}`)
    }
  })

  it("of no trace, of no span, of another version or with something behind it is none", () => {
    for (const given of [
      null,
      "",
      text.replace(one.traceId, "0".repeat(32)),
      text.replace(one.spanId, "0".repeat(16)),
      text.replace("00-", "01-"),
      text.replace("00-", "ff-"),
      `${text}-more`,
      ` ${text.slice(1)}`,
      text.toUpperCase()
    ]) {
      assert.isNull(parseTraceparent(given), String(given))
    }
  })

  it("that was changed anywhere is another one of the same form, or none; never more than 55 characters, never an error", () => {
    const { random } = seededRandom("traceparents")
    const letters = "0123456789abcdefABCDEFg- \0é-"
    for (let round = 0; round < 20_000; round++) {
      const characters = text.split("")
      for (let changes = 0; changes < 1 + Math.floor(random() * 3); changes++) {
        const at = Math.floor(random() * (characters.length + 1))
        const letter = letters[Math.floor(random() * letters.length)]!
        characters.splice(at, Math.floor(random() * 3), ...(random() < 0.7 ? [letter] : []))
      }
      const given = characters.join("")
      const read = parseTraceparent(given)
      if (read === null) continue
      const written = formatTraceparent(read)
      assert.strictEqual(written.slice(0, 53), given.slice(0, 53))
      assert.match(written, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/u)
    }
  })
})

describe("off, nothing is paid", () => {
  const off = { begin: null }
  it("the database is the same object, and a request, an event and a row make no span and no copy", () => {
    const database = {} as Mariadb["Service"]
    assert.strictEqual(traced(off, database), database)
    const spans = Effect.runSync(RequestSpan.make)
    assert.isNull(spans.begin({ name: "token.list", always: false }, one))
    const work = Effect.succeed(1)
    assert.strictEqual(spans.within(work, null), work)
    const entry = aMessage()
    assert.strictEqual(inTrace(entry, undefined), entry)
    assert.isNull(PublishSpans.make(off)([{ headers: { traceparent: text }, stream: "events" }]))
  })

  it("it is off unless a collector is named, and the hot path of validation knows nothing of it either way", async () => {
    const config = TracingConfig.layer.pipe(Layer.provide(environment({})))
    const given = layer("test").pipe(Layer.provide([config, Layer.succeed(Replica, replicaOf("cm", "one"))]))
    const { begin } = await Effect.runPromise(Effect.map(Tracing, (is) => is).pipe(Effect.provide(given)))
    assert.isNull(begin)
    const validation = join(root, "src/actors/validation")
    const hot = [
      ...readdirSync(validation).map((name) => join(validation, name)),
      join(root, "src/protocols/EcapValidation.ts"),
      join(root, "src/schema/EcapFrame.ts"),
      join(root, "src/schema/EcapReply.ts")
    ].filter((file) => file.endsWith(".ts"))
    assert.isAbove(hot.length, 5)
    for (const file of hot) assert.notMatch(readFileSync(file, "utf8"), /observability\/Trac|traceparent/u, file)
  })
})

describe("on", () => {
  const within = async <A>(env: Record<string, string>, use: (begin: Begin) => Promise<A>): Promise<A> => {
    const config = TracingConfig.layer.pipe(Layer.provide(environment(env)))
    const given = layer("test").pipe(Layer.provide([config, Layer.succeed(Replica, replicaOf("cm", "one"))]))
    return Effect.runPromise(
      Effect.flatMap(Tracing, ({ begin }) => Effect.promise(() => use(begin!))).pipe(
        Effect.provide(given),
        Effect.provide(environment({}))
      )
    )
  }
  const span = { name: "work", kind: "internal" } as const

  it("no more spans in a second than the setting says; what hangs below one that was dropped hangs below its parent", async () => {
    const collector = await startCollector()
    await within({ CM_OTLP_URL: collector.url, CM_TRACE_SPANS_MAX: "3" }, async (begin) => {
      const traces = Array.from({ length: 2_000 }, () => {
        const made = begin({ ...span, parent: one })
        made.end(null)
        return made.trace
      })
      assert.isBelow(traces.filter(({ spanId }) => spanId !== one.spanId).length, 50)
      assert.deepStrictEqual(traces.at(-1), one)
    })
    assert.isAbove(collector.spans().length, 0)
    assert.isBelow(collector.spans().length, 50)
    await collector.close()
  })

  it("of the traces that begin here the share that is asked for is sent; a caller's word counts whatever it is", async () => {
    const collector = await startCollector()
    await within({ CM_OTLP_URL: `${collector.url}/`, CM_TRACE_PERCENT: "0" }, async (begin) => {
      const unseen = begin({ ...span, parent: null })
      assert.isFalse(unseen.trace.sampled)
      assert.match(formatTraceparent(unseen.trace), /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/u)
      begin({ ...span, parent: { ...one, sampled: false } }).end(null)
      begin({ ...span, parent: one, also: [{ ...one, spanId: "00f067aa0ba902b7" }] }).end("SomethingFailed")
    })
    await eventually(collector.spans, ({ length }) => length > 0, { what: "the last of them, at the end" })
    const [sent, ...more] = collector.spans()
    assert.deepStrictEqual(more, [])
    assert.deepInclude(sent, { traceId: one.traceId, parentSpanId: one.spanId, failed: true })
    assert.deepStrictEqual(sent!.attributes, { "error.type": "SomethingFailed" })
    assert.strictEqual(sent!.links[0]!.spanId, "00f067aa0ba902b7")
    assert.notInclude(collector.bytes(), "    at ")
    await collector.close()
  })

  it("an address with a password, without TLS on another machine, or that is none stops the start in words", async () => {
    for (const [url, why] of [
      ["http://user:planted@127.0.0.1:4318", /CM_OTLP_URL holds a user/u],
      ["http://collector.example:4318", /CM_OTLP_URL has no TLS/u],
      ["http://127.0.0.1:4318?key=planted", /CM_OTLP_URL holds a query/u],
      ["http://", /CM_OTLP_URL/u]
    ] as const) {
      const exit = await Effect.runPromiseExit(
        Effect.provide(Effect.void, TracingConfig.layer.pipe(Layer.provide(environment({ CM_OTLP_URL: url }))))
      )
      assert.isTrue(Exit.isFailure(exit))
      assert.match(String(exit), why)
      assert.notInclude(String(exit), "planted")
    }
  })
})

it("what went wrong is told by its tag, never by its text", () => {
  assert.isNull(errorOf(Exit.void))
  assert.strictEqual(errorOf(Exit.fail({ _tag: "Planted", message: "secret" })), "Planted")
  assert.strictEqual(errorOf(Exit.fail(new Error("secret"))), "error")
  assert.strictEqual(errorOf(Exit.die(new Error("secret"))), "bug")
  assert.strictEqual(errorOf(Exit.interrupt()), "interrupted")
})

it("a statement is told by its verb and its table", () => {
  for (const [sql, summary] of [
    ["SELECT a, b FROM tokens WHERE x = ?", "SELECT tokens"],
    ["INSERT IGNORE INTO outbox_aside\n (id) SELECT id FROM outbox", "INSERT outbox_aside"],
    ["UPDATE relay_term SET a = 'planted'", "UPDATE relay_term"],
    ["DELETE FROM outbox WHERE id IN (?)", "DELETE outbox"],
    ["COMMIT", "statement"]
  ] as const) {
    assert.strictEqual(summaryOf(sql), summary)
  }
})

it("a group's transaction stands in the fiber's trace and its statements below it; in nobody's trace nothing is wrapped", async () => {
  const began: Array<{ readonly name: string; readonly parent: string | undefined; readonly also: number }> = []
  const begin: Begin = ({ also = [], name, parent }) => {
    began.push({ name, parent: parent?.spanId, also: also.length })
    return { trace: { ...one, spanId: `span of ${name}` }, end: () => {} }
  }
  const session = { rows: async () => [], run: async () => 1, batch: async () => 1, command: async () => {} }
  const given: Array<unknown> = []
  const database = {
    query: (_operation: string, body: (of: typeof session) => Promise<unknown>) =>
      Effect.promise(() => {
        const run = body(session)
        return run
      }),
    lookup: () => Promise.resolve(),
    transaction: (_operation: string, body: (of: typeof session) => Effect.Effect<unknown>) =>
      Effect.suspend(() => body(session))
  } as unknown as Mariadb["Service"]
  const wrapped = traced({ begin }, database)
  const ask = wrapped.query("A.read", async (of) => {
    given.push(of)
    return of.rows("SELECT a FROM tokens")
  })
  await Effect.runPromise(ask)
  assert.deepStrictEqual([began, given[0]], [[], session])
  await Effect.runPromise(Effect.provideService(ask, CurrentTrace, { parent: one, also: [one] }))
  assert.deepStrictEqual(began, [
    { name: "A.read", parent: one.spanId, also: 1 },
    { name: "SELECT tokens", parent: "span of A.read", also: 0 }
  ])
})

it("a row whose traceparent is none is no event of this service", () => {
  const row = (traceparent: string) => {
    const headers = { "ce-type": "token.provisioned", traceparent }
    const subject = "cm.events.v1.acme.token.provisioned"
    return { ...aMessage({ headers, subject }), id: 1, tenantId: "acme", createdAt: 0, held: false }
  }
  assert.isNull(foreignness("cm", row(text)))
  assert.strictEqual(foreignness("cm", row("planted")), "foreign header")
  assert.strictEqual(foreignness("cm", row(`${text}x`)), "foreign header")
})

it("a statement that failed is told as failed, and the operation that it failed for by the tag of its error", async () => {
  const ends: Array<readonly [string, string | null]> = []
  const begin: Begin = ({ name }) => ({
    trace: { ...one, spanId: `span of ${name}` },
    end: (error) => void ends.push([name, error])
  })
  const session: Session = {
    rows: async () => [],
    run: async () => {
      throw new Error("secret")
    },
    batch: async () => 0,
    command: async () => undefined
  }
  const database = {
    query: (_: string, body: (given: Session) => Promise<unknown>) =>
      Effect.tryPromise({ try: () => body(session), catch: () => ({ _tag: "Planted" }) })
  } as unknown as Mariadb["Service"]
  const { query } = traced({ begin }, database)
  const asked = query("Test.ask", async (given) => {
    await given.rows("SELECT a FROM tokens")
    return given.run("UPDATE tokens SET a = 1")
  })
  await Effect.runPromiseExit(Effect.provideService(asked, CurrentTrace, { parent: one, also: [] }))
  assert.deepStrictEqual(ends, [
    ["SELECT tokens", null],
    ["UPDATE tokens", "failed"],
    ["Test.ask", "Planted"]
  ])
})
