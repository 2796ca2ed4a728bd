/** What every `RefreshStore` promises. Each test has tenants and lanes of its own. */
import { randomBytes } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Clock, Effect, type Layer, Schedule } from "effect"
import { answerVersionBase, type Credential, isAnswer } from "../../src/domain/Credential.ts"
import { newRefresh, type Refresh } from "../../src/domain/Refresh.ts"
import { newRotating } from "../../src/domain/Rotating.ts"
import type { RotatorEntry } from "../../src/domain/Rotator.ts"
import {
  type DuePlace,
  RefreshStore,
  type Route,
  type Sifted,
  type Turn,
  type TurnRequest,
  type TurnResult
} from "../../src/store/RefreshStore.ts"
import { TenantStore } from "../../src/store/TenantStore.ts"
import { changesOf, credentialRow, loadOf, nextId, versionRow } from "../support/credentialRows.ts"

let tenants = 0
const newTenant = Effect.gen(function* () {
  const tenantId = `rt${++tenants}`
  yield* TenantStore.use((store) => store.createTenant(tenantId, null))
  return tenantId
})
const write = (tenantId: string, changes: Parameters<typeof changesOf>[0], ids: ReadonlyArray<string> = []) =>
  TenantStore.use((store) =>
    store.transact(tenantId, loadOf({ ids }), () => ({ changes: changesOf(changes), result: undefined }))
  )
const refreshed = (over: Partial<Refresh> = {}): Refresh => ({
  ...newRefresh({
    provider: "acme",
    lane: "ab".repeat(16),
    version: 1,
    grant: "g",
    nextRefreshAt: null,
    grantExpiresAt: null
  }),
  // A queue of its own, unless the test says which.
  queue: newKey(),
  ...over
})
const newKey = () => randomBytes(16).toString("hex")
/** A route of its own, as a client at a provider's address has it. */
const newRoute = (): Route => ({ lane: newKey(), circuit: newKey(), queue: newKey(), provider: `t/${newKey()}` })
const turnAt = (route: Route, over: Partial<TurnRequest> = {}) =>
  RefreshStore.use((store) =>
    store.takeTurn({ ...route, ratePerMinute: 1_000, parallel: 100, holdMs: 60_000, passes: false, ...over })
  )
const ended = (turn: Turn, route: Route, result: TurnResult, chance = 0) =>
  RefreshStore.use((store) => store.endTurn(turn._tag === "Taken" ? turn.turnId : 0, route, result, chance))
/** A turn that ends so; what it changed. */
const exchanged = (route: Route, result: TurnResult, over: Partial<TurnRequest> = {}, chance = 0) =>
  Effect.flatMap(turnAt(route, over), (turn) => ended(turn, route, result, chance))
/** A chance beyond all chances, by which a circuit is open for no time: it is half open at once. */
const noTime = 5
const picked = (limit: number, of: ReadonlyArray<Credential>) =>
  Effect.map(
    RefreshStore.use((store) => store.pick(limit)),
    ({ refs }) => refs.map(({ credentialId }) => credentialId).filter((id) => of.some((one) => one.credentialId === id))
  )

/** A credential of that route, due now. */
const dueAt = ({ lane, queue }: Route) =>
  Effect.gen(function* () {
    const tenantId = yield* newTenant
    const refreshDueAt = (yield* Clock.currentTimeMillis) - 1_000
    const due = credentialRow({ tenantId, serviceName: "s", refresh: refreshed({ lane, queue }), refreshDueAt })
    yield* write(tenantId, { inserted: [due] })
    return due
  })

/** An attempt whose turn ended before it was made longer says nothing: it is made again with twice the time. */
const inTime = <A, E, R>(attempt: (holdMs: number) => Effect.Effect<A | undefined, E, R>) =>
  Effect.gen(function* () {
    for (let holdMs = 1_500; holdMs <= 48_000; holdMs *= 2) {
      const done = yield* attempt(holdMs)
      if (done !== undefined) return done
    }
    return assert.fail("no turn was made longer while it was held")
  })

/** `passes` lets time go by where it is the test's; else it goes by itself. */
export const refreshStoreSuite = (
  name: string,
  stores: Layer.Layer<TenantStore | RefreshStore, unknown>,
  passes?: (ms: number) => Effect.Effect<void>
) =>
  layer(stores, { excludeTestServices: passes === undefined })(`RefreshStore (${name})`, (it) => {
    /** Time goes by until a turn of another lane is over, which was taken with these and then ends. */
    const over = (short: Route, given: Partial<TurnRequest> & { readonly holdMs: number }) =>
      Effect.gen(function* () {
        if (passes !== undefined) yield* passes(given.holdMs)
        yield* Effect.repeat(turnAt(short, given), {
          until: ({ _tag }) => _tag === "Taken",
          schedule: Schedule.spaced("50 millis")
        })
      })

    it.effect("gives out what is due once, what is nearest to its final end first", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const now = yield* Clock.currentTimeMillis
        const of = (dueIn: number | null, finalIn: number | null, serviceName: string) =>
          credentialRow({
            tenantId,
            serviceName,
            refresh: refreshed({ grantExpiresAt: finalIn === null ? null : now + finalIn }),
            refreshDueAt: dueIn === null ? null : now + dueIn
          })
        const [long, soon, later, final, never] = [
          of(-60_000, null, "a"),
          of(-1_000, null, "b"),
          of(60_000, 1_000, "c"),
          of(-2_000, 3_600_000, "d"),
          of(null, null, "e")
        ]
        yield* write(tenantId, { inserted: [long, soon, later, final, never] })
        const all = [long, soon, later, final, never]
        assert.deepStrictEqual(yield* picked(2, all), [final.credentialId, long.credentialId])
        assert.deepStrictEqual(yield* picked(100, all), [soon.credentialId])
        assert.deepStrictEqual(yield* picked(100, all), [])
      })
    )

    it.effect("gives each of those that are due to one of those who ask at once", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const now = yield* Clock.currentTimeMillis
        const inserted = Array.from({ length: 40 }, (_, index) =>
          credentialRow({ tenantId, serviceName: `s${index}`, refresh: refreshed(), refreshDueAt: now - 1_000 })
        )
        yield* write(tenantId, { inserted })
        const given = (yield* Effect.all(
          Array.from({ length: 4 }, () => picked(20, inserted)),
          { concurrency: 4 }
        )).flat()
        const rest = yield* picked(100, inserted)
        assert.strictEqual(new Set([...given, ...rest]).size, 40)
        assert.strictEqual(given.length + rest.length, 40)
      })
    )

    it.effect("keeps an answer in the place of what is none, and leaves what became of one", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const place = answerVersionBase + 3
        const refresh = refreshed()
        const spare = { version: place, term: 3, byHand: false, grant: "g", spent: false, refused: false }
        const holds = { ...refresh, holding: { ...refresh.holding, spares: [spare] } }
        const sealed = new Uint8Array([9, 9])
        const other = { state: "spare" as const, sealed: new Uint8Array([1]), reason: "superseded" }
        const wiped = { state: "superseded" as const, sealed: null, keyId: null }
        const cases = [
          { over: other, keeps: true, credential: { refresh } },
          { over: wiped, keeps: true, credential: { refresh } },
          { over: other, keeps: false, credential: { refresh: holds } },
          { over: other, keeps: false, credential: { formerRefresh: holds } },
          { over: { ...other, sealed }, keeps: false, credential: { refresh } }
        ]
        for (const [index, { over, keeps, credential: of }] of cases.entries()) {
          const credential = credentialRow({ tenantId, serviceName: `s${index}`, ...of })
          const answer = { ...versionRow(credential), version: place, state: "answer" as const, sealed }
          const there = { ...answer, ...over }
          yield* write(tenantId, { inserted: [credential], versions: [there] })
          assert.isTrue(yield* RefreshStore.use((store) => store.putAnswer(tenantId, answer)))
          const standing = yield* RefreshStore.use((store) => store.standing(tenantId, credential.credentialId))
          assert.deepStrictEqual(standing?.versions, [keeps ? answer : there], `case ${index}`)
        }
      })
    )

    it.effect("keeps an answer, once, until a transaction deletes it, and none of what was revoked", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const store = yield* RefreshStore
        const credential = credentialRow({ tenantId, refresh: refreshed() })
        const revoked = credentialRow({ tenantId, state: "revoked" })
        const version = versionRow(credential)
        yield* write(tenantId, { inserted: [credential, revoked], versions: [version] })
        const answer = { ...version, version: answerVersionBase + 3, state: "answer" as const }
        assert.isTrue(yield* store.putAnswer(tenantId, answer))
        assert.isTrue(yield* store.putAnswer(tenantId, { ...answer, sealed: new Uint8Array([9]) }))
        assert.isFalse(yield* store.putAnswer(tenantId, { ...answer, credentialId: revoked.credentialId }))
        assert.isFalse(yield* store.putAnswer("another", { ...answer, version: answerVersionBase + 4 }))
        // One that is still to be revoked at its provider takes what may hold another grant.
        const refresh = { ...credential.refresh!, atProvider: "pending" as const }
        yield* write(tenantId, { updated: [{ ...revoked, refresh }] }, [revoked.credentialId])
        assert.isTrue(yield* store.putAnswer(tenantId, { ...answer, credentialId: revoked.credentialId }))
        const done = { ...refresh, atProvider: "revoked" as const }
        yield* write(tenantId, { updated: [{ ...revoked, refresh: done }] }, [revoked.credentialId])
        const late = { ...answer, credentialId: revoked.credentialId, version: answerVersionBase + 5 }
        assert.isFalse(yield* store.putAnswer(tenantId, late))
        const standing = yield* store.standing(tenantId, credential.credentialId)
        assert.deepStrictEqual(standing?.versions.filter(isAnswer), [answer])
        assert.deepStrictEqual(standing?.credential.refresh, credential.refresh)
        assert.isTrue(standing?.serviceActive)
        assert.strictEqual(yield* store.standing("another", credential.credentialId), undefined)
        yield* write(tenantId, { versionsDeleted: [answer] }, [credential.credentialId])
        const after = yield* store.standing(tenantId, credential.credentialId)
        assert.deepStrictEqual(after?.versions, [version])
      })
    )

    it.effect("keeps what was known of grants whose rotation was taken away, and gives nothing of it out", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const store = yield* RefreshStore
        const now = yield* Clock.currentTimeMillis
        const before = credentialRow({ tenantId, refresh: refreshed(), refreshDueAt: now - 1_000 })
        yield* write(tenantId, { inserted: [before] })
        const { refresh, refreshDueAt: _, ...rest } = before
        const formerRefresh = { ...refresh!, grant: { ...refresh!.grant, term: 7 } }
        yield* write(tenantId, { updated: [{ ...rest, formerRefresh }] }, [before.credentialId])
        assert.deepStrictEqual(yield* picked(100, [before]), [])
        const standing = yield* store.standing(tenantId, before.credentialId)
        assert.deepStrictEqual(standing?.credential.formerRefresh, formerRefresh)
        assert.isUndefined(standing?.credential.refresh)
        yield* write(tenantId, { updated: [{ ...before, refreshDueAt: null }] }, [before.credentialId])
        const again = yield* store.standing(tenantId, before.credentialId)
        assert.isUndefined(again?.credential.formerRefresh)
        assert.deepStrictEqual(again?.credential.refresh, refresh)
      })
    )

    it.effect("counts turns of a lane in a minute and at a time, and those of no other", () =>
      Effect.gen(function* () {
        const route = newRoute()
        const take = (ratePerMinute: number, parallel: number) => turnAt(route, { ratePerMinute, parallel })
        const turns = yield* Effect.all(
          Array.from({ length: 6 }, () => take(100, 2)),
          { concurrency: 6 }
        )
        const taken = turns.filter((turn) => turn._tag === "Taken")
        assert.lengthOf(taken, 2)
        assert.strictEqual((yield* turnAt(newRoute(), { ratePerMinute: 100, parallel: 2 }))._tag, "Taken")
        yield* ended(taken[0]!, route, { _tag: "ok" })
        assert.strictEqual((yield* take(100, 2))._tag, "Taken")
        yield* ended(taken[1]!, route, { _tag: "ok" })
        const full = yield* take(3, 2)
        assert.strictEqual(full._tag, "Full")
        assert.isAbove(full._tag === "Full" ? full.retryAfterMs : 0, 1_000)
      })
    )

    it.effect("gives as many turns of a lane in a minute as its rate, however many ask at once and how each ends", () =>
      Effect.gen(function* () {
        const route = newRoute()
        const take = (ratePerMinute: number) => turnAt(route, { ratePerMinute, parallel: 100 })
        const counted = (turns: ReadonlyArray<Turn>) => turns.filter(({ _tag }) => _tag === "Taken").length
        const ask = (ratePerMinute: number, times: number) =>
          Effect.all(
            Array.from({ length: times }, () => take(ratePerMinute)),
            { concurrency: times }
          )
        const begun = performance.now()
        const first = yield* ask(5, 12)
        assert.strictEqual(counted(first), 5)
        for (const turn of first) if (turn._tag === "Taken") yield* ended(turn, route, { _tag: "none" })
        const full = yield* take(5)
        assert(full._tag === "Full")
        // Until the first of them is a minute ago, by whole milliseconds of another clock.
        assert.isAtLeast(full.retryAfterMs, 59_000 - (performance.now() - begun))
        assert.isAtMost(full.retryAfterMs, 60_000)
        // By another rule the same turns count.
        assert.strictEqual(counted(yield* ask(20, 25)), 15)
        assert.strictEqual(counted(yield* ask(3, 2)), 0)
        assert.strictEqual(counted(yield* ask(21, 3)), 1)
      })
    )

    it.effect("makes a turn longer while it is held, and not once it is over", () =>
      Effect.gen(function* () {
        const store = yield* RefreshStore
        const [route, short] = [newRoute(), newRoute()]
        // One of another lane ends as this one would have.
        const { ends, given, turn } = yield* inTime((holdMs) =>
          Effect.gen(function* () {
            const given = { parallel: 1, holdMs }
            const turn = yield* turnAt(route, given)
            assert(turn._tag === "Taken")
            assert.isFalse(yield* store.keepTurn(turn.turnId, newRoute(), 60_000), "of another lane")
            const isKept = yield* store.keepTurn(turn.turnId, route, 60_000)
            if (!isKept) return undefined
            const ends = yield* turnAt(short, given)
            assert(ends._tag === "Taken")
            return { ends, given, turn }
          })
        )
        yield* over(short, given)
        assert.isFalse(yield* store.keepTurn(ends.turnId, short, 60_000))
        assert.strictEqual((yield* turnAt(route, given))._tag, "Full")
        yield* ended(turn, route, { _tag: "none" })
        assert.isFalse(yield* store.keepTurn(turn.turnId, route, 60_000), "given back")
        assert.strictEqual((yield* turnAt(route, given))._tag, "Taken")
      })
    )

    it.effect("picks no more of a queue than its rate and parallelism leave, and nothing of one that is closed", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const now = yield* Clock.currentTimeMillis
        const [narrow, limited, wide] = [newRoute(), newRoute(), newRoute()]
        yield* turnAt(narrow, { parallel: 3 })
        yield* exchanged(limited, { _tag: "limited", retryAfterMs: 30_000 })
        yield* exchanged(wide, { _tag: "ok" })
        const of = ({ lane, queue }: Route, index: number) =>
          credentialRow({
            tenantId,
            serviceName: `s${index}`,
            refresh: refreshed({ lane, queue, grantExpiresAt: now + 1_000_000 - index }),
            refreshDueAt: now - 1_000
          })
        // The backlog of the closed one has waited longest.
        const blocked = Array.from({ length: 30 }, (_, index) => ({ ...of(limited, index), refreshDueAt: now - 9_000 }))
        const few = Array.from({ length: 5 }, (_, index) => of(narrow, 100 + index))
        const many = Array.from({ length: 20 }, (_, index) => of(wide, 200 + index))
        const all = [...blocked, ...few, ...many]
        yield* write(tenantId, { inserted: all })
        const first = yield* picked(8, all)
        const queueOf = new Map(all.map(({ credentialId, refresh }) => [credentialId, refresh!.queue]))
        assert.strictEqual(first.filter((id) => queueOf.get(id) === limited.queue).length, 0)
        // Two of its three are left, and each queue gives one in turn.
        assert.strictEqual(first.filter((id) => queueOf.get(id) === narrow.queue).length, 2)
        assert.lengthOf(first, 8)
        // Nearest to their end first.
        const nearest = many.toReversed().map(({ credentialId }) => credentialId)
        assert.deepStrictEqual(
          first.filter((id) => queueOf.get(id) === wide.queue),
          nearest.slice(0, 6)
        )
      })
    )

    it.effect("picks no more of a tenant than its share of what is free, and what is another one's beside it", () =>
      Effect.gen(function* () {
        const store = yield* RefreshStore
        const now = yield* Clock.currentTimeMillis
        const of = (tenantId: string, count: number, endsIn: number) =>
          Effect.gen(function* () {
            const rows = Array.from({ length: count }, (_, index) =>
              credentialRow({
                tenantId,
                serviceName: `s${index}`,
                refresh: refreshed({ grantExpiresAt: now + endsIn }),
                refreshDueAt: now - 1_000
              })
            )
            yield* write(tenantId, { inserted: rows })
            return rows
          })
        // What others have left.
        yield* store.pick(1_000)
        const [slow, other] = [yield* newTenant, yield* newTenant]
        const many = yield* of(slow, 12, -9_000_000)
        const one = yield* of(other, 1, 9_000_000_000)
        const given = Effect.fnUntraced(function* (limit: number, underWay: ReadonlyMap<string, number>) {
          const { more, refs } = yield* store.pick(limit, underWay)
          return { more, slow: refs.filter(({ tenantId }) => tenantId === slow).length, refs }
        })
        const first = yield* given(8, new Map())
        assert.deepStrictEqual([first.slow, first.more], [6, true])
        const second = yield* given(2, new Map([[slow, 6]]))
        assert.strictEqual(second.slow, 0)
        assert.isTrue(second.more)
        const seen = [...first.refs, ...second.refs].map(({ credentialId }) => credentialId)
        assert.includeMembers(
          seen,
          one.map(({ credentialId }) => credentialId)
        )
        assert.lengthOf(yield* picked(100, many), 6)
        for (const rows of [many, one]) {
          const ids = rows.map(({ credentialId }) => credentialId)
          yield* write(rows[0]!.tenantId, { updated: rows.map((row) => ({ ...row, refreshDueAt: null })) }, ids)
        }
      })
    )

    it.effect("gives out again what was put back, and does not move what was decided since", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const store = yield* RefreshStore
        const now = yield* Clock.currentTimeMillis
        const [one, other] = ["a", "b"].map((serviceName) =>
          credentialRow({ tenantId, serviceName, refresh: refreshed(), refreshDueAt: now - 1_000 })
        ) as [Credential, Credential]
        yield* write(tenantId, { inserted: [one, other] })
        assert.lengthOf(yield* picked(10, [one, other]), 2)
        const decided = { ...other, refreshDueAt: now + 3_600_000 }
        yield* write(tenantId, { updated: [decided] }, [other.credentialId])
        for (const { credentialId } of [one, other]) yield* store.putBack(credentialId, 0)
        assert.deepStrictEqual(yield* picked(10, [one, other]), [one.credentialId])
      })
    )

    it.effect(
      "lets rest of what nothing can be done, and neither what was decided since nor another version of it",
      () =>
        Effect.gen(function* () {
          const tenantId = yield* newTenant
          const store = yield* RefreshStore
          const now = yield* Clock.currentTimeMillis
          const names = ["rests", "for ever", "unread", "decided", "changed", "not looked at"]
          const rows = names.map((serviceName) =>
            credentialRow({ tenantId, serviceName, refresh: refreshed(), refreshDueAt: now - 1_000 })
          )
          const [rests, forEver, unread, decided, changed, idle] = rows as [
            ...[Credential, Credential, Credential],
            ...[Credential, Credential, Credential]
          ]
          yield* write(tenantId, { inserted: rows })
          assert.lengthOf(yield* picked(5, rows.slice(0, 5)), 5)
          const at = now + 3_600_000
          yield* write(tenantId, { updated: [{ ...decided, refreshDueAt: at }] }, [decided.credentialId])
          yield* write(tenantId, { updated: [{ ...changed, version: 2, refreshDueAt: now }] }, [changed.credentialId])
          const dueAt = ({ credentialId }: Credential) =>
            Effect.map(store.standing(tenantId, credentialId), (standing) => standing?.credential.refreshDueAt)
          for (const one of [rests, decided, changed, idle]) yield* store.rest(one.credentialId, 1, 900_000)
          yield* store.rest(forEver.credentialId, 1, null)
          yield* store.rest(unread.credentialId, null, 900_000)
          for (const one of [rests, unread, idle]) assert.approximately((yield* dueAt(one)) ?? 0, now + 900_000, 60_000)
          assert.isNull(yield* dueAt(forEver))
          assert.deepStrictEqual([yield* dueAt(decided), yield* dueAt(changed)], [at, now])
          assert.deepStrictEqual(yield* picked(10, rows), [changed.credentialId])
          // Nothing else of a row is written.
          const { refreshDueAt: _, ...before } = rests
          const { refreshDueAt: __, ...after } = (yield* store.standing(tenantId, rests.credentialId))!.credential
          assert.deepStrictEqual(after, before)
        })
    )

    it.effect("sifts what is due, page by page: what does not hold rests, and nothing else is moved", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const store = yield* RefreshStore
        const now = yield* Clock.currentTimeMillis
        // All of one moment, so that a page ends between two of them.
        const rows = Array.from({ length: 7 }, (_, index) =>
          credentialRow({ tenantId, serviceName: `s${index}`, refresh: refreshed(), refreshDueAt: now - 5_000 })
        )
        const later = credentialRow({
          tenantId,
          serviceName: "later",
          refresh: refreshed(),
          refreshDueAt: now + 60_000
        })
        yield* write(tenantId, { inserted: [...rows, later] })
        const isWrong = ({ credentialId }: Credential) =>
          credentialId === later.credentialId || rows.findIndex((one) => one.credentialId === credentialId) % 2 === 1
        const seen: Array<ReadonlyArray<string>> = []
        let after: DuePlace | null = null
        do {
          const sifted: Sifted = yield* store.sift({
            after,
            limit: 3,
            holds: (one) => one.tenantId !== tenantId || !isWrong(one),
            forMs: 900_000
          })
          seen.push(sifted.changed.map(({ credentialId }) => credentialId))
          after = sifted.next
        } while (after !== null)
        assert.deepStrictEqual(
          seen.flat(),
          rows.filter(isWrong).map(({ credentialId }) => credentialId)
        )
        for (const one of rows) {
          const { refreshDueAt, ...found } = (yield* store.standing(tenantId, one.credentialId))!.credential
          const { refreshDueAt: before, ...others } = one
          assert.deepStrictEqual(found, others)
          if (!isWrong(one)) assert.strictEqual(refreshDueAt, before)
          else assert.approximately(refreshDueAt ?? 0, now + 900_000, 60_000)
        }
        const { credential } = (yield* store.standing(tenantId, later.credentialId))!
        assert.strictEqual(credential.refreshDueAt, later.refreshDueAt)
        yield* store.pick(100)
      })
    )

    it.effect("opens a provider's circuit after failures in a row, for all of its clients, and lets one try", () =>
      Effect.gen(function* () {
        const [first, other] = [newRoute(), newRoute()]
        const second = { ...newRoute(), circuit: first.circuit, provider: first.provider }
        const changes: Array<unknown> = []
        for (let count = 0; count < 4; count++) changes.push(...(yield* exchanged(first, { _tag: "provider" })))
        // Who answers once begins anew.
        changes.push(...(yield* exchanged(second, { _tag: "ok" })))
        for (let count = 0; count < 4; count++) changes.push(...(yield* exchanged(first, { _tag: "provider" })))
        assert.deepStrictEqual(changes, [])
        assert.deepStrictEqual(yield* exchanged(second, { _tag: "provider" }), [
          { of: "provider", to: "open", forMs: 5_000 }
        ])
        for (const route of [first, second]) {
          const turn = yield* turnAt(route)
          assert.deepInclude(turn, { _tag: "Open", of: "provider" })
        }
        assert.strictEqual((yield* turnAt(other))._tag, "Taken")
        const views = yield* RefreshStore.use((store) => store.circuits(first.provider))
        assert.deepStrictEqual(
          views.map(({ of, state }) => [of, state]),
          [["provider", "open"]]
        )
        const due = yield* dueAt(first)
        assert.deepStrictEqual(yield* picked(1_000, [due]), [])
        // Whoever passes, and is answered, closes it for all.
        const turn = yield* turnAt(second, { passes: true })
        assert.strictEqual(turn._tag, "Taken")
        assert.deepStrictEqual(yield* ended(turn, second, { _tag: "ok" }), [{ of: "provider", to: "closed", forMs: 0 }])
        assert.strictEqual((yield* turnAt(first))._tag, "Taken")
        assert.deepStrictEqual(yield* picked(1_000, [due]), [due.credentialId])
        assert.deepStrictEqual(yield* RefreshStore.use((store) => store.circuits(first.provider)), [])
      })
    )

    it.effect("lets another one try a half open circuit when who tried asked nobody, and only then", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        for (const of of ["provider", "client"] as const) {
          const first = newRoute()
          const failures = of === "provider" ? 5 : 3
          for (let count = 0; count < failures; count++) yield* exchanged(first, { _tag: of }, {}, noTime)
          const views = yield* RefreshStore.use((store) => store.circuits(first.provider))
          assert.deepStrictEqual(
            views.map(({ of, state }) => [of, state]),
            [[of, "half_open"]]
          )
          const due = credentialRow({
            tenantId,
            serviceName: of,
            refresh: refreshed({ lane: first.lane, queue: first.queue }),
            refreshDueAt: yield* Clock.currentTimeMillis
          })
          yield* write(tenantId, { inserted: [due] })
          const probe = yield* turnAt(first)
          assert.strictEqual(probe._tag, "Taken")
          assert.deepInclude(yield* turnAt(first), { _tag: "Open", of })
          assert.deepStrictEqual(yield* picked(1_000, [due]), [])
          // Who passes tries beside it, for no other, and ends its own try alone.
          yield* exchanged(first, { _tag: "none" }, { passes: true, holdMs: 61_000 })
          assert.deepInclude(yield* turnAt(first), { _tag: "Open", of })
          assert.deepStrictEqual(yield* ended(probe, first, { _tag: "none" }), [])
          assert.deepStrictEqual(yield* picked(1_000, [due]), [due.credentialId])
          const next = yield* turnAt(first)
          assert.strictEqual(next._tag, "Taken")
          assert.deepInclude(yield* turnAt(first), { _tag: "Open", of })
          // What ended before ends nothing of the next one.
          yield* ended(probe, first, { _tag: "none" })
          assert.deepInclude(yield* turnAt(first), { _tag: "Open", of })
          assert.deepStrictEqual(yield* ended(next, first, { _tag: "ok" }), [{ of, to: "closed", forMs: 0 }])
        }
      })
    )

    it.effect(
      "lets nobody else try while who tries has made its turn longer, and the next one when it asked nobody",
      () =>
        Effect.gen(function* () {
          const store = yield* RefreshStore
          for (const of of ["provider", "client"] as const) {
            const failures = of === "provider" ? 5 : 3
            const { given, probe, route, short } = yield* inTime((holdMs) =>
              Effect.gen(function* () {
                const route = newRoute()
                for (let count = 0; count < failures; count++) yield* exchanged(route, { _tag: of }, {}, noTime)
                const probe = yield* turnAt(route, { holdMs })
                assert(probe._tag === "Taken")
                // As long as the probe, before it was made longer.
                const [short, given] = [newRoute(), { parallel: 1, holdMs }]
                yield* turnAt(short, given)
                const isKept = yield* store.keepTurn(probe.turnId, route, 60_000)
                return isKept ? { given, probe, route, short } : undefined
              })
            )
            yield* over(short, given)
            assert.deepInclude(yield* turnAt(route), { _tag: "Open", of })
            yield* ended(probe, route, { _tag: "none" })
            assert.strictEqual((yield* turnAt(route))._tag, "Taken")
          }
        })
    )

    it.effect("opens a client's circuit for that client alone, until the entry was changed", () =>
      Effect.gen(function* () {
        const first = newRoute()
        const second = { ...newRoute(), circuit: first.circuit, provider: first.provider }
        const due = yield* dueAt(first)
        for (let count = 0; count < 2; count++) yield* exchanged(first, { _tag: "client" })
        assert.deepStrictEqual(yield* exchanged(first, { _tag: "client" }), [
          { of: "client", to: "open", forMs: 5_000 }
        ])
        assert.deepInclude(yield* turnAt(first), { _tag: "Open", of: "client" })
        assert.strictEqual((yield* turnAt(second))._tag, "Taken")
        assert.deepStrictEqual(yield* picked(1_000, [due]), [])
        yield* RefreshStore.use((store) => store.forgetCircuits(first.provider))
        // What is due there is looked at again at once, and not when the circuit would have let one try.
        assert.deepStrictEqual(yield* picked(1_000, [due]), [due.credentialId])
        assert.strictEqual((yield* turnAt(first))._tag, "Taken")
      })
    )

    it.effect("picks nothing of a client before the time that its provider asked for, whatever a circuit says", () =>
      Effect.gen(function* () {
        const limited = { _tag: "limited", retryAfterMs: 600_000 } as const
        // A circuit that is open for a shorter time than that.
        const failing = newRoute()
        const due = yield* dueAt(failing)
        yield* exchanged(failing, limited)
        for (let count = 0; count < 3; count++) yield* exchanged(failing, { _tag: "client" }, {}, noTime)
        assert.deepStrictEqual(yield* picked(1_000, [due]), [])
        // One that somebody tries for a shorter time.
        const tried = yield* inTime((holdMs) =>
          Effect.gen(function* () {
            const [route, short] = [newRoute(), newRoute()]
            const due = yield* dueAt(route)
            yield* exchanged(route, limited)
            for (let count = 0; count < 3; count++) yield* exchanged(route, { _tag: "client" }, {}, noTime)
            assert.strictEqual((yield* turnAt(route, { holdMs }))._tag, "Taken")
            const given = { parallel: 1, holdMs }
            yield* turnAt(short, given)
            const isTried = (yield* turnAt(route))._tag === "Open"
            return isTried ? { due, given, short } : undefined
          })
        )
        yield* over(tried.short, tried.given)
        assert.deepStrictEqual(yield* picked(1_000, [tried.due]), [])
      })
    )

    it.effect("forgets rows of versions that no history shows, and none that holds a secret", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const store = yield* RefreshStore
        const credential = credentialRow({ tenantId, version: 1_010, secretVersion: 1_010, refresh: refreshed() })
        const versions = Array.from({ length: 1_010 }, (_, index) => {
          const row = versionRow({ ...credential, version: index + 1, secretVersion: index + 1 })
          const isKept = index === 0 || index === 1_009
          return isKept ? row : { ...row, state: "superseded" as const, sealed: null, keyId: null }
        })
        yield* write(tenantId, { inserted: [credential], versions })
        assert.strictEqual(yield* store.pruneVersions("another", credential.credentialId), 0)
        assert.strictEqual(yield* store.pruneVersions(tenantId, credential.credentialId), 9)
        assert.strictEqual(yield* store.pruneVersions(tenantId, credential.credentialId), 0)
        const left = yield* store.standing(tenantId, credential.credentialId)
        assert.deepStrictEqual(
          left?.versions.map(({ version }) => version),
          [1, 1_010]
        )
      })
    )

    it.effect("reads a tenant's providers and those of global with what is sealed for them", () =>
      Effect.gen(function* () {
        const tenantId = yield* newTenant
        const store = yield* RefreshStore
        yield* TenantStore.use((tenants) => tenants.createTenant("global", null))
        const entry = (of: string, called: string) => ({
          tenantId: of,
          name: called,
          providerId: nextId(),
          version: 1,
          definition: { name: called, token_url: "https://provider.example/token" },
          clientId: "id",
          secrets: 1,
          hasKey: false,
          updatedAt: 5
        })
        const [own, global] = [entry(tenantId, "mine"), entry("global", `ours-${tenants}`)]
        const sealed = { ...versionRow(credentialRow({ tenantId })), credentialId: own.providerId, version: 1 }
        yield* write(tenantId, { providers: [own], versions: [sealed] })
        yield* write("global", { providers: [global] })
        const all = yield* store.providers(tenantId, null)
        assert.deepInclude(all, { entry: own, sealed: sealed.sealed! })
        assert.deepInclude(all, { entry: global, sealed: undefined })
        assert.deepStrictEqual(
          (yield* store.providers(tenantId, "mine")).map(({ entry }) => entry),
          [own]
        )
        yield* write(tenantId, { providersDeleted: ["mine"] })
        assert.deepStrictEqual(yield* store.providers(tenantId, "mine"), [])
      })
    )

    it.effect("counts a tenant's providers and rotators for a change, and says which of them a credential means", () =>
      Effect.gen(function* () {
        yield* TenantStore.use((tenants) => tenants.createTenant("global", null))
        const [one, two] = [yield* newTenant, yield* newTenant]
        const [shared, own, gone] = [`shared-${one}`, `own-${one}`, `gone-${one}`]
        const provider = (tenantId: string, name: string) => ({
          ...{
            tenantId,
            name,
            providerId: nextId(),
            version: 1,
            clientId: null,
            secrets: 0,
            hasKey: false,
            updatedAt: 5
          },
          definition: { name, token_url: "https://provider.example/token" }
        })
        const rotator = (tenantId: string, name: string): RotatorEntry => ({
          ...{ tenantId, name, version: 1, updatedAt: 5 },
          definition: { name, seal_to: "X" } as RotatorEntry["definition"]
        })
        const counted = (tenantId: string) =>
          TenantStore.use((tenants) =>
            tenants.transact(
              tenantId,
              loadOf({ providers: [shared, own, gone], rotators: [shared, own, gone] }),
              ({ credentials }) => ({
                changes: changesOf({}),
                result: {
                  providers: [credentials?.providerCount, ...(credentials?.providersInUse ?? [])],
                  rotators: [credentials?.rotatorCount, ...(credentials?.rotatorsInUse ?? [])]
                }
              })
            )
          )
        const before = yield* counted("global")
        assert.deepStrictEqual(yield* counted(one), { providers: [0], rotators: [0] })
        yield* write(one, { providers: [provider(one, own)], rotators: [rotator(one, own)] })
        yield* write("global", { providers: [provider("global", shared)], rotators: [rotator("global", shared)] })
        const refreshedAt = (serviceName: string, name: string, over: Partial<Credential> = {}) =>
          credentialRow({ tenantId: one, serviceName, refresh: refreshed({ provider: name }), ...over })
        const rotatedAt = (serviceName: string, name: string) =>
          credentialRow({ tenantId: one, serviceName, rotating: newRotating(name, 60_000, 5) })
        yield* write(one, {
          inserted: [
            refreshedAt("a", own),
            refreshedAt("b", shared),
            refreshedAt("c", gone, { state: "revoked" }),
            rotatedAt("d", own),
            rotatedAt("e", shared)
          ]
        })
        const both = [shared, own].toSorted()
        const shown = yield* counted(one)
        assert.deepStrictEqual([shown.providers[0], shown.rotators[0]], [1, 1])
        assert.deepStrictEqual([shown.providers.slice(1).toSorted(), shown.rotators.slice(1).toSorted()], [both, both])
        assert.deepStrictEqual(yield* counted(two), { providers: [0], rotators: [0] })
        const [providersBefore, rotatorsBefore] = [before.providers[0] as number, before.rotators[0] as number]
        // The tenant has none of its own of that name, so its credential means the one of global.
        const ofGlobal = yield* counted("global")
        assert.deepStrictEqual(
          [ofGlobal.providers, ofGlobal.rotators],
          [
            [providersBefore + 1, shared],
            [rotatorsBefore + 1, shared]
          ]
        )
        yield* write(one, { providers: [provider(one, shared)], rotators: [rotator(one, shared)] })
        assert.deepStrictEqual(yield* counted("global"), {
          providers: [providersBefore + 1],
          rotators: [rotatorsBefore + 1]
        })
      })
    )
  })
