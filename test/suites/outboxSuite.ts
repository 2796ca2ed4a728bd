/** What every `Outbox` promises. Run it against each layer that claims to be one. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { Outbox } from "../../src/store/Outbox.ts"
import { TenantStore } from "../../src/store/TenantStore.ts"
import { eventually } from "../support/eventually.ts"
import { aMessage, aName, aTenant, nextRevocation, transact } from "../support/storeFixtures.ts"

/** Every test here sees the rows of the others; it looks at its own tenants only. */
const unsentOf = (...tenantIds: ReadonlyArray<string>) =>
  Effect.map(
    Outbox.use((outbox) => outbox.unsent(10_000)),
    (rows) => rows.filter((row) => tenantIds.includes(row.tenantId))
  )

const ttlMs = 60_000

const takeTerm = Effect.gen(function* () {
  const outbox = yield* Outbox
  yield* outbox.releaseTerm("one")
  yield* outbox.releaseTerm("two")
  const term = yield* outbox.claimTerm("one", ttlMs)
  assert.isNumber(term)
  return term ?? 0
})

const revoke = (tenantId: string, messages: ReadonlyArray<Parameters<typeof aMessage>[0]>) =>
  transact(tenantId, {}, (loaded) => ({
    revocation: nextRevocation(tenantId, loaded),
    outbox: messages.map((message) => aMessage({ afterRevocation: true, ...message }))
  })).pipe(Effect.map((loaded) => loaded.revocationSeq + 1))

export const outboxSuite = (name: string, stores: Layer.Layer<TenantStore | Outbox, unknown>) =>
  layer(stores, { excludeTestServices: true })(`Outbox (${name})`, (it) => {
    it.effect("gives messages back as they were written, oldest first", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const { tenantId } = yield* aTenant
        const messages = [
          aMessage({ headers: { "ce-späß": "ü\n" }, payload: new Uint8Array(70_000).fill(7) }),
          aMessage({ stream: "revocations", entityKey: "app/endpoint", payload: new Uint8Array(0) }),
          aMessage()
        ]
        yield* transact(tenantId, {}, () => ({ outbox: messages.slice(0, 2) }))
        yield* transact(tenantId, {}, () => ({ outbox: messages.slice(2) }))
        const rows = yield* unsentOf(tenantId)
        assert.deepStrictEqual(
          rows.map(({ createdAt: _1, held: _2, id: _3, tenantId: _4, ...message }) => message),
          messages.map(({ afterRevocation: _, ...message }) => message)
        )
        assert.isTrue(rows.every((row) => !row.held && row.createdAt > 0))
        const ids = rows.map((row) => row.id)
        assert.deepStrictEqual(
          ids,
          ids.toSorted((a, b) => a - b)
        )
        assert.strictEqual((yield* outbox.unsent(1)).length, 1)
      })
    )

    it.effect("holds a message until its own revocation is in force, and nobody else's", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const one = yield* aTenant
        const other = yield* aTenant
        yield* transact(one.tenantId, {}, () => ({ outbox: [aMessage({ subject: "before" })] }))
        const seq = yield* revoke(one.tenantId, [{ subject: "held" }, { subject: "held too" }])
        yield* transact(one.tenantId, {}, () => ({ outbox: [aMessage({ subject: "after" })] }))
        yield* transact(other.tenantId, {}, () => ({ outbox: [aMessage({ subject: "other" })] }))

        // Nothing behind the held one is given out: it must not leave before it.
        const held = yield* unsentOf(one.tenantId, other.tenantId)
        assert.deepStrictEqual(
          held.map((row) => [row.subject, row.held]),
          [
            ["before", false],
            ["held", true],
            ["other", false]
          ]
        )
        assert.deepStrictEqual(yield* outbox.pendingOf(one.tenantId), { oldest: seq, newest: seq })
        assert.strictEqual(yield* outbox.pendingOf(other.tenantId), null)

        yield* outbox.markInForce([{ tenantId: one.tenantId, seq }])
        yield* outbox.markInForce([{ tenantId: one.tenantId, seq }])
        assert.strictEqual(yield* outbox.pendingOf(one.tenantId), null)
        assert.deepStrictEqual(
          (yield* unsentOf(one.tenantId)).map((row) => [row.subject, row.held]),
          ["before", "held", "held too", "after"].map((subject) => [subject, false])
        )
      })
    )

    it.effect("goes on to a later revocation when the earlier is in force, and not the other way", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const { tenantId } = yield* aTenant
        const first = yield* revoke(tenantId, [{ subject: "first" }])
        const second = yield* revoke(tenantId, [{ subject: "second" }])
        assert.deepStrictEqual(yield* outbox.pendingOf(tenantId), { oldest: first, newest: second })
        yield* outbox.markInForce([{ tenantId, seq: second }])
        assert.deepStrictEqual(
          (yield* unsentOf(tenantId)).map((row) => row.subject),
          ["first"]
        )
        assert.deepStrictEqual(yield* outbox.pendingOf(tenantId), { oldest: first, newest: first })
        yield* outbox.markInForce([{ tenantId, seq: first }])
        assert.deepStrictEqual(
          (yield* unsentOf(tenantId)).map((row) => row.subject),
          ["first", "second"]
        )
      })
    )

    it.effect("does not let one tenant's held messages fill the answer", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const one = yield* aTenant
        const other = yield* aTenant
        const seq = yield* revoke(
          one.tenantId,
          Array.from({ length: 200 }, () => ({}))
        )
        yield* transact(other.tenantId, {}, () => ({ outbox: [aMessage({ subject: "behind" })] }))
        const everybodys = (yield* outbox.unsent(10_000)).length
        assert.isTrue((yield* outbox.unsent(everybodys)).some((row) => row.subject === "behind"))
        assert.strictEqual((yield* unsentOf(one.tenantId)).length, 1)
        yield* outbox.markInForce([{ tenantId: one.tenantId, seq }])
        assert.strictEqual((yield* unsentOf(one.tenantId)).length, 200)
      })
    )

    it.effect("gives out what stands before, between and behind the held messages of many tenants", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const [one, two, three] = [yield* aTenant, yield* aTenant, yield* aTenant]
        yield* transact(one.tenantId, {}, () => ({ outbox: [aMessage({ subject: "before" })] }))
        for (const { tenantId } of [one, two, three]) {
          const held = Array.from({ length: 40 }, () => ({ subject: "held" }))
          yield* revoke(tenantId, held)
          yield* transact(tenantId, {}, () => ({ outbox: held.map(() => aMessage({ subject: "hidden" })) }))
        }
        const other = yield* aTenant
        yield* transact(other.tenantId, {}, () => ({ outbox: [aMessage({ subject: "behind" }), aMessage()] }))
        const all = yield* unsentOf(one.tenantId, two.tenantId, three.tenantId, other.tenantId)
        const everybodys = yield* outbox.unsent(10_000)
        // Small pages, each of which a tenant fills with what it may not have told.
        const behind = all.findIndex(({ subject }) => subject === "behind")
        const limit = everybodys.findIndex(({ id }) => id === all[behind]!.id) + 1
        const some = yield* outbox.unsent(limit)
        assert.deepStrictEqual(some, everybodys.slice(0, limit))
        assert.deepStrictEqual(
          all.map(({ held, subject, tenantId }) => [tenantId, subject, held]).slice(0, behind + 1),
          [
            [one.tenantId, "before", false],
            [one.tenantId, "held", true],
            [two.tenantId, "held", true],
            [three.tenantId, "held", true],
            [other.tenantId, "behind", false]
          ]
        )
      })
    )

    it.effect("lists pending revocations that are old enough, with what they revoke", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const { tenantId } = yield* aTenant
        const seq = yield* revoke(tenantId, [])
        const mine = (minAgeMs: number) =>
          Effect.map(outbox.pendingRevocations({ minAgeMs, limit: 10_000 }), (all) =>
            all.filter((pending) => pending.tenantId === tenantId)
          )
        const [pending] = yield* mine(0)
        assert.deepStrictEqual({ seq: pending?.seq, targets: pending?.targets }, { seq, targets: [{ kind: "tenant" }] })
        assert.deepStrictEqual(yield* mine(3_600_000), [])
        assert.strictEqual((yield* outbox.pendingRevocations({ minAgeMs: 0, limit: 1 })).length, 1)
        yield* outbox.markInForce([{ tenantId, seq }])
        assert.deepStrictEqual(yield* mine(0), [])
      })
    )

    it.effect("gives the term to one replica at a time", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const term = yield* takeTerm
        assert.strictEqual(yield* outbox.claimTerm("two", ttlMs), null)
        assert.strictEqual(yield* outbox.claimTerm("one", ttlMs), term)
        yield* outbox.releaseTerm("two")
        assert.strictEqual(yield* outbox.claimTerm("two", ttlMs), null, "releasing another's term did something")
        yield* outbox.releaseTerm("one")
        assert.strictEqual(yield* outbox.claimTerm("two", ttlMs), term + 1)
        assert.strictEqual(yield* outbox.claimTerm("one", ttlMs), null)
      })
    )

    it.effect("gives a stale term to whoever asks, under the next number", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const term = yield* takeTerm
        assert.strictEqual(yield* outbox.claimTerm("one", 30), term)
        const next = yield* Effect.promise(() =>
          eventually(
            () => Effect.runPromise(outbox.claimTerm("two", ttlMs)),
            (claimed) => claimed !== null,
            { what: "the takeover" }
          )
        )
        assert.strictEqual(next, term + 1)
      })
    )

    it.effect("lets an older term change nothing", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const { tenantId } = yield* aTenant
        const stream = aName("stream")
        yield* transact(tenantId, {}, () => ({ outbox: [aMessage(), aMessage()] }))
        const old = yield* takeTerm
        yield* outbox.savePosition(old, stream, 7)
        yield* outbox.releaseTerm("one")
        const term = (yield* outbox.claimTerm("two", ttlMs)) ?? 0
        const ids = (yield* unsentOf(tenantId)).map((row) => row.id)
        const lost = yield* outbox.markSent(old, ids).pipe(Effect.flip)
        assert.strictEqual(lost._tag, "TermLost")
        assert.strictEqual((yield* outbox.savePosition(old, stream, 9).pipe(Effect.flip))._tag, "TermLost")
        assert.strictEqual((yield* unsentOf(tenantId)).length, 2)
        assert.strictEqual(yield* outbox.position(stream), 7)

        yield* outbox.markSent(term, ids.slice(0, 1))
        yield* outbox.markSent(term, ids.slice(0, 1))
        yield* outbox.savePosition(term, stream, 11)
        assert.deepStrictEqual(
          (yield* unsentOf(tenantId)).map((row) => row.id),
          ids.slice(1)
        )
        assert.strictEqual(yield* outbox.position(stream), 11)
        assert.strictEqual(yield* outbox.position(aName("stream")), null)
      })
    )

    it.effect("sets rows aside under the newest term, with the word of it, for an operator to decide", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const { tenantId } = yield* aTenant
        const store = yield* TenantStore
        yield* store.createTenant("global", null)
        const messages = [aMessage(), aMessage({ stream: "revocations", subject: "x", payload: new Uint8Array(7) })]
        yield* transact(tenantId, {}, () => ({ outbox: [...messages, aMessage()] }))
        const old = yield* takeTerm
        yield* outbox.releaseTerm("one")
        const term = (yield* outbox.claimTerm("two", ttlMs)) ?? 0
        const rows = yield* unsentOf(tenantId)
        const gone = rows.slice(0, 2).map(({ id }) => ({ id, reason: `reason of ${id}` }))
        const told = aMessage({ subject: "told" })
        assert.strictEqual((yield* outbox.setAside(old, gone, [told]).pipe(Effect.flip))._tag, "TermLost")
        assert.strictEqual((yield* unsentOf(tenantId)).length, 3)

        yield* outbox.setAside(term, gone, [told])
        yield* outbox.setAside(term, gone, [])
        assert.deepStrictEqual(
          (yield* unsentOf(tenantId)).map(({ id }) => id),
          [rows[2]!.id]
        )
        const word = (yield* unsentOf("global")).filter(({ subject }) => subject === "told")
        assert.deepStrictEqual(
          word.map(({ eventId, held }) => [eventId, held]),
          [[told.eventId, false]]
        )
        assert.isAtLeast((yield* outbox.depth).aside, 2)
        const page = (limit: number, after: string | null) => outbox.aside({ limit, after })
        const first = yield* page(1, String(rows[0]!.id - 1))
        const second = yield* page(1, first.next)
        assert.deepStrictEqual(
          [...first.content, ...second.content].map(({ asideAt, ...row }) => [row, asideAt >= row.createdAt]),
          rows.slice(0, 2).map(({ createdAt, entityKey, eventId, id, payload, stream, subject }) => [
            {
              id,
              tenantId,
              eventId,
              stream,
              subject,
              entityKey,
              bytes: payload.length,
              reason: `reason of ${id}`,
              createdAt
            },
            true
          ])
        )

        const [one, two] = [rows[0]!.id, rows[1]!.id]
        const loaded = yield* transact("global", { aside: [one, two, 1e12] }, () => ({
          asideEnded: [
            { id: one, action: "retry" },
            { id: two, action: "drop" }
          ]
        }))
        assert.sameMembers(Array.from(loaded.aside?.keys() ?? []), [one, two])
        const after = yield* unsentOf(tenantId)
        assert.deepStrictEqual(
          after.map(({ createdAt, eventId }) => [eventId, createdAt]),
          [rows[2]!, rows[0]!].map(({ createdAt, eventId }) => [eventId, createdAt])
        )
        assert.deepStrictEqual(after[1]?.payload, rows[0]!.payload)
        assert.deepStrictEqual(
          (yield* page(1_000, null)).content.filter((row) => row.tenantId === tenantId),
          []
        )
        assert.strictEqual((yield* transact("global", { aside: [one] }, () => ({}))).aside?.size, 0)
      })
    )

    it.effect("marks any number of messages at once", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const { tenantId } = yield* aTenant
        const term = yield* takeTerm
        yield* transact(tenantId, {}, () => ({ outbox: Array.from({ length: 700 }, () => aMessage()) }))
        yield* outbox.markSent(
          term,
          (yield* unsentOf(tenantId)).map((row) => row.id)
        )
        yield* outbox.markSent(term, [])
        assert.deepStrictEqual(yield* unsentOf(tenantId), [])
      })
    )

    it.effect("marks what it is told to and nothing that stands between", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const { tenantId } = yield* aTenant
        const term = yield* takeTerm
        yield* transact(tenantId, {}, () => ({ outbox: Array.from({ length: 120 }, () => aMessage()) }))
        const ids = (yield* unsentOf(tenantId)).map((row) => row.id)
        const kept = new Set([0, 12, 13, 40, 43, 47, 100, 119].map((at) => ids[at]!))
        const marked = ids.filter((id) => !kept.has(id))
        yield* outbox.markSent(term, [...marked.toReversed(), ...marked.slice(0, 20)])
        assert.deepStrictEqual(
          (yield* unsentOf(tenantId)).map((row) => row.id),
          Array.from(kept)
        )
      })
    )

    it.effect("says how much waits and for how long", () =>
      Effect.gen(function* () {
        const outbox = yield* Outbox
        const term = yield* takeTerm
        for (const pending of yield* outbox.pendingRevocations({ minAgeMs: 0, limit: 10_000 })) {
          yield* outbox.markInForce([pending])
        }
        yield* outbox.markSent(
          term,
          (yield* outbox.unsent(10_000)).map((row) => row.id)
        )
        const { now, ...none } = yield* outbox.depth
        assert.deepStrictEqual(none, { rows: 0, aside: 0, oldestAgeMs: 0 })
        const { tenantId } = yield* aTenant
        yield* transact(tenantId, {}, () => ({ outbox: [aMessage(), aMessage()] }))
        const depth = yield* outbox.depth
        assert.strictEqual(depth.rows, 2)
        assert.isBelow(depth.oldestAgeMs, 60_000)
        const [oldest] = yield* outbox.unsent(1)
        assert.strictEqual(depth.oldestAgeMs, depth.now - oldest!.createdAt)
        assert.isAtLeast(depth.now, now)
      })
    )
  })
