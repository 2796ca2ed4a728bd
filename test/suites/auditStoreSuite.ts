/** What every `AuditStore` promises, over the rows that its `TenantStore` writes. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { genesisHash } from "../../src/store/AuditChain.ts"
import { AuditCuts } from "../../src/store/AuditCuts.ts"
import { type AuditCheckpoint, type AuditQuery, AuditStore } from "../../src/store/AuditStore.ts"
import { beginning, walk } from "../../src/store/AuditWalk.ts"
import { Outbox } from "../../src/store/Outbox.ts"
import { Sweeps } from "../../src/store/Sweeps.ts"
import { TenantStore } from "../../src/store/TenantStore.ts"
import { auditedBy } from "../support/auditedBy.ts"
import { changesOf, loadOf } from "../support/credentialRows.ts"
import { nextRevocation, transact } from "../support/storeFixtures.ts"

let tenants = 0
const everything: AuditQuery = { entityId: null, from: null, to: null, limit: 100, after: null }

/** A tenant whose chain is its creation and one row for each name. */
const tenantWith = (...entityIds: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const tenantId = `audited${++tenants}`
    const store = yield* TenantStore
    yield* store.createTenant(tenantId, null)
    const audit = entityIds.map((entityId, index) => ({
      ...auditedBy("bus"),
      action: "test.done",
      entityType: "test",
      entityId,
      diff: index % 2 === 0 ? { index, text: "ümläut" } : null
    }))
    yield* store.transact(tenantId, loadOf({}), () => ({ changes: changesOf({}, { audit }), result: null }))
    return tenantId
  })

export const auditStoreSuite = (
  name: string,
  stores: Layer.Layer<TenantStore | AuditStore | AuditCuts | Outbox | Sweeps, unknown>
) =>
  layer(stores, { excludeTestServices: true })(`AuditStore (${name})`, (it) => {
    it.effect("gives the rows of one tenant in order, as a chain that holds and ends at the head", () =>
      Effect.gen(function* () {
        const tenantId = yield* tenantWith("a", "b", "c")
        yield* tenantWith("foreign")
        const store = yield* AuditStore
        const { content, next } = yield* store.list(tenantId, everything)
        assert.deepStrictEqual(
          content.map((row) => [row.seq, row.entityId]),
          [
            [1, tenantId],
            [2, "a"],
            [3, "b"],
            [4, "c"]
          ]
        )
        assert.isNull(next)
        const walked = walk(beginning(tenantId), content, new Map())
        assert.isNull(walked.broken)
        assert.deepStrictEqual(yield* store.head(tenantId), walked.place)
        assert.deepStrictEqual(yield* store.head("nobody"), { seq: 0, hash: genesisHash("nobody") })
      })
    )

    it.effect("says who did it, how that was known, and of which request", () =>
      Effect.gen(function* () {
        const tenantId = yield* tenantWith()
        const known = { by: "bearer" as const, account: "GATEWAY", user: "gateway", client: "console" }
        const row = { actor: "bearer:acme/ä", known, correlationId: "request-7" }
        const act = { action: "test.done", entityType: "test", entityId: "e", diff: null }
        yield* transact(tenantId, {}, () => ({ audit: [{ ...row, ...act }] }))
        const [, stored] = (yield* (yield* AuditStore).list(tenantId, everything)).content
        assert.deepInclude(stored, { ...known, actor: "bearer:acme/ä", correlationId: "request-7", version: 2 })
      })
    )

    it.effect("gives back every text as it was hashed: no Unicode, too long, or hard to keep", () =>
      Effect.gen(function* () {
        const tenantId = yield* tenantWith()
        const texts = [
          ...[
            "\ud800",
            "a\udfffb",
            "\udc00\ud800",
            "\ufffd",
            "😀\ud83d",
            "\u0000",
            "\ufeff",
            "\ufffe",
            "a ",
            " a",
            "\u0301e"
          ],
          ...["x".repeat(10_000), "😀".repeat(300), `${"x".repeat(255)}😀`, "ä".repeat(257), "\\", "'", "%_", "\n\r"]
        ]
        const audit = texts.map((text) => ({
          actor: text,
          known: { by: "bearer" as const, account: text, user: text, client: text },
          correlationId: text,
          action: "test.done",
          entityType: "test",
          entityId: text,
          diff: { [text]: text }
        }))
        yield* transact(tenantId, {}, () => ({ audit }))
        const store = yield* AuditStore
        const { content } = yield* store.list(tenantId, everything)
        assert.lengthOf(content, texts.length + 1)
        assert.isNull(walk(beginning(tenantId), content, new Map()).broken)
        for (const row of content)
          assert.isTrue([row.actor, row.entityId, row.diff ?? ""].every((t) => t.isWellFormed()))
      })
    )

    it.effect("pages, and finds by entity, by number and by time", () =>
      Effect.gen(function* () {
        const tenantId = yield* tenantWith("a", "b", "a")
        const store = yield* AuditStore
        const seqs = (query: Partial<AuditQuery>) =>
          Effect.map(store.list(tenantId, { ...everything, ...query }), ({ content, next }) => [
            content.map((row) => row.seq),
            next
          ])
        assert.deepStrictEqual(yield* seqs({ limit: 3 }), [[1, 2, 3], "3"])
        assert.deepStrictEqual(yield* seqs({ limit: 3, after: "3" }), [[4], null])
        assert.deepStrictEqual(yield* seqs({ entityId: "a" }), [[2, 4], null])
        assert.deepStrictEqual(yield* seqs({ from: { seq: 2 }, to: { seq: 3 } }), [[2, 3], null])
        const [first] = (yield* store.list(tenantId, everything)).content
        assert.deepStrictEqual(yield* seqs({ to: { at: (first?.at ?? 0) - 1 } }), [[], null])
        assert.deepStrictEqual(yield* seqs({ from: { at: first?.at ?? 0 } }), [[1, 2, 3, 4], null])
      })
    )

    it.effect("knows where the rows of the present tenant begin, in a chain that goes on from a former one's", () =>
      Effect.gen(function* () {
        const tenantId = yield* tenantWith("a", "b")
        const [store, tenantStore] = [yield* AuditStore, yield* TenantStore]
        const [outbox, sweeps] = [yield* Outbox, yield* Sweeps]
        assert.strictEqual(yield* store.beginning(tenantId), 1)
        assert.strictEqual(yield* store.beginning("nobody"), 1)
        yield* transact(tenantId, {}, (loaded) => ({
          tenantRemoved: true,
          revocation: nextRevocation(tenantId, loaded)
        }))
        yield* outbox.markInForce([{ tenantId, seq: 1 }])
        yield* sweeps.purgeRemoved
        assert.strictEqual(yield* tenantStore.createTenant(tenantId, null), "created")
        assert.strictEqual(yield* store.beginning(tenantId), 4)
        const { content } = yield* store.list(tenantId, everything)
        assert.deepStrictEqual(
          content.map(({ action, seq }) => [seq, action]),
          [
            [1, "tenant.created"],
            [2, "test.done"],
            [3, "test.done"],
            [4, "tenant.created"]
          ]
        )
        assert.isNull(walk(beginning(tenantId), content, new Map()).broken)
      })
    )

    it.effect("keeps the newest stub of a cut, erases what it is told to, oldest first, and knows what is left", () =>
      Effect.gen(function* () {
        const tenantId = yield* tenantWith("a", "b", "c")
        const [store, cuts] = [yield* AuditStore, yield* AuditCuts]
        const rows = (yield* store.list(tenantId, everything)).content
        const stub = {
          ...{ tenantId, first: 1, last: 3, hash: rows[2]!.hash, count: 3, by: "bearer:acme/ä", at: 7 },
          ...{ keyId: "01900000-0000-7000-8000-00000000bbbb", signature: new Uint8Array(64).fill(3) }
        }
        assert.isNull(yield* cuts.stub(tenantId))
        yield* cuts.save(stub)
        assert.deepStrictEqual(yield* cuts.stub(tenantId), stub)
        yield* cuts.save({ ...stub, last: 2 })
        assert.deepStrictEqual(yield* cuts.stub(tenantId), stub)
        assert.include(yield* cuts.unfinished("", 1_000), tenantId)
        assert.strictEqual((yield* cuts.unfinished(`${tenantId.slice(0, -1)}`, 1))[0], tenantId)
        assert.notInclude(yield* cuts.unfinished(tenantId, 1_000), tenantId)
        assert.strictEqual(yield* cuts.erase(tenantId, 3, 2), 2)
        assert.deepStrictEqual((yield* store.list(tenantId, everything)).content, rows.slice(2))
        assert.strictEqual(yield* cuts.erase(tenantId, 3, 2), 1)
        assert.strictEqual(yield* cuts.erase(tenantId, 3, 2), 0)
        assert.notInclude(yield* cuts.unfinished("", 1_000), tenantId)
        const next = { ...stub, first: 4, last: 4, hash: rows[3]!.hash, count: 1 }
        yield* cuts.save(next)
        assert.deepStrictEqual(yield* cuts.stub(tenantId), next)
        // The head stays what it was, and the chain goes on from it.
        assert.strictEqual((yield* store.head(tenantId)).seq, 4)
      })
    )

    it.effect("knows the audits of tenants that are gone, once nothing was added for a while", () =>
      Effect.gen(function* () {
        const tenantId = yield* tenantWith("a")
        const [outbox, sweeps, cuts] = [yield* Outbox, yield* Sweeps, yield* AuditCuts]
        assert.notInclude(yield* cuts.abandoned(0, "", 1_000), tenantId)
        yield* transact(tenantId, {}, (loaded) => ({
          tenantRemoved: true,
          revocation: nextRevocation(tenantId, loaded)
        }))
        yield* outbox.markInForce([{ tenantId, seq: 1 }])
        yield* sweeps.purgeRemoved
        assert.include(yield* cuts.abandoned(0, "", 1_000), tenantId)
        assert.notInclude(yield* cuts.abandoned(3_600_000, "", 1_000), tenantId)
        assert.notInclude(yield* cuts.abandoned(0, tenantId, 1_000), tenantId)
        yield* cuts.erase(tenantId, 1_000, 1_000)
        assert.notInclude(yield* cuts.abandoned(0, "", 1_000), tenantId)
      })
    )

    it.effect(
      "forgets the checkpoints that an accepted loss gives up, of that tenant alone, and keeps none of the loss itself",
      () =>
        Effect.gen(function* () {
          const [tenantId, other] = [yield* tenantWith("a", "b", "c"), yield* tenantWith("d")]
          const [store, tenantStore] = [yield* AuditStore, yield* TenantStore]
          const keyId = "01900000-0000-7000-8000-00000000bbbb"
          const { content } = yield* store.list(tenantId, everything)
          const pointOf = (seq: number, number: number) => ({
            ...{ tenantId, seq, hash: content[0]!.hash, at: 4, keyId, signature: new Uint8Array(64), number },
            previous: null
          })
          const sign = (of: string, auditCheckpoints: ReadonlyArray<AuditCheckpoint>) =>
            tenantStore.transact(of, loadOf({}), () => ({ changes: changesOf({}, { auditCheckpoints }), result: null }))
          yield* sign(tenantId, [pointOf(1, 1), pointOf(2, 2), pointOf(4, 3)])
          yield* sign(other, [{ ...pointOf(2, 1), tenantId: other }])
          const lost = { seq: 4, hash: content[0]!.hash }
          const previous = { seq: 1, hash: content[0]!.hash }
          yield* sign(tenantId, [{ ...pointOf(3, 4), previous, accepted: { lost, by: "eve", reason: "r" } }])
          assert.deepStrictEqual(
            (yield* store.checkpoints(tenantId, 1, 10)).map(({ seq }) => seq),
            [1]
          )
          assert.lengthOf(yield* store.checkpoints(other, 1, 10), 1)
          // Their places are taken anew.
          yield* sign(tenantId, [pointOf(4, 5)])
          assert.deepInclude(yield* store.newestCheckpoint(tenantId), { seq: 4, number: 5 })
          const created = yield* store.list(tenantId, { ...everything, action: "tenant.created" })
          assert.lengthOf(created.content, 1)
          assert.lengthOf((yield* store.list(tenantId, { ...everything, entityId: "b", action: "other" })).content, 0)
        })
    )

    it.effect("keeps a checkpoint as it was signed, once, and knows whose head has moved since", () =>
      Effect.gen(function* () {
        const tenantId = yield* tenantWith("a")
        const [store, tenantStore] = [yield* AuditStore, yield* TenantStore]
        const headOf = Effect.map(store.heads("", 1_000), (heads) => heads.find((one) => one.tenantId === tenantId))
        assert.deepStrictEqual(yield* headOf, { tenantId, ...(yield* store.head(tenantId)), signedSeq: 0 })
        assert.isNull(yield* store.newestCheckpoint(tenantId))
        const { hash, seq } = yield* store.head(tenantId)
        const keyId = "01900000-0000-7000-8000-00000000bbbb"
        const first = {
          tenantId,
          seq: 1,
          hash,
          at: 4,
          keyId,
          signature: new Uint8Array(64),
          number: null,
          previous: null
        }
        const previous = { seq: 1, hash }
        const checkpoint = { ...first, seq, at: 5, signature: new Uint8Array(64).fill(7), number: 2, previous }
        const auditCheckpoints = [first, checkpoint]
        const sign = tenantStore.transact(tenantId, loadOf({}), () => ({
          changes: changesOf({}, { auditCheckpoints }),
          result: null
        }))
        yield* sign
        yield* sign
        assert.deepStrictEqual(yield* store.checkpoints(tenantId, 1, 10), [first, checkpoint])
        assert.deepStrictEqual(yield* store.checkpoints(tenantId, 2, 10), [checkpoint])
        assert.deepStrictEqual(yield* store.newestCheckpoint(tenantId), checkpoint)
        assert.deepStrictEqual(yield* store.checkpoints(tenantId, seq + 1, 10), [])
        assert.deepInclude(yield* headOf, { seq, hash, signedSeq: seq })
        const audit = [{ ...auditedBy("bus"), action: "x", entityType: "y", entityId: "z", diff: null }]
        yield* tenantStore.transact(tenantId, loadOf({}), () => ({ changes: changesOf({}, { audit }), result: null }))
        assert.deepInclude(yield* headOf, { seq: seq + 1, signedSeq: seq })
        const [one, ...others] = yield* store.heads("", 1_000)
        assert.deepStrictEqual(yield* store.heads(one!.tenantId, 1), others.slice(0, 1))
      })
    )
  })
