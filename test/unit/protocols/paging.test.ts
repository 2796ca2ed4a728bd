// Verifies R-BUS-6, R-BUS-13, R-LIM-3.
/** A cursor is good for the list that gave it: the same operation, tenant, filter and order. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { afterAll, beforeAll } from "vitest"
import * as Pieces from "../../../src/observability/Pieces.ts"
import { operations } from "../../../src/protocols/OperationTable.ts"
import { answerPage, pieceMax } from "../../../src/protocols/Paging.ts"
import { decodeCursor, encodeCursor } from "../../../src/schema/Cursor.ts"
import { type ProtocolWorld, protocolWorld } from "../../support/protocolWorld.ts"
import { turnsOfLoop } from "../../support/turnsOfLoop.ts"

interface List {
  readonly method: string
  readonly base: Readonly<Record<string, unknown>>
  /** Another value for each field that is neither limit nor cursor; by `base`'s own or without one. */
  readonly others: Readonly<Record<string, unknown>>
  /** A place in it. */
  readonly place: string
  /** What is none, though a cursor may say so. */
  readonly noPlaces: ReadonlyArray<string>
}

const id = {
  place: "01900000-0000-7000-8000-0000000000aa",
  noPlaces: ["abc", "7", "01900000-0000-7000-8000-0000000000AA", "01900000-0000-7000-8000-0000000000aa "]
}
const name = { place: "place", noPlaces: ["a b", "a.b", "%", "ä", "a".repeat(65)] }

const lists: Readonly<Record<string, List>> = {
  "application.list": { method: "listApplications", base: {}, others: {}, ...name },
  "token.list": {
    method: "listTokens",
    base: {
      appName: "a",
      endpointId: "e",
      createdBy: "bus",
      unusedSince: "2026-01-01T00:00:00.000Z",
      expiringBefore: "2027-01-01T00:00:00.000Z",
      status: ["Active", "Revoked"],
      order: "DESC"
    },
    others: {
      appName: "b",
      endpointId: "f",
      createdBy: "ADMIN/alice",
      unusedSince: "2026-01-02T00:00:00.000Z",
      expiringBefore: "2027-01-02T00:00:00.000Z",
      status: ["Active"],
      order: "ASC"
    },
    ...id
  },
  "credential.list": {
    method: "list",
    base: { service_name: "a", is_active: true, expiring_within: "P1D" },
    others: { service_name: "b", is_active: false, expiring_within: "P2D" },
    ...id
  },
  "client-credential.list": {
    method: "clientsList",
    base: { clientId: "a", kind: "basic", status: ["Active", "Revoked"] },
    others: { clientId: "b", kind: "certificate", status: ["Active"] },
    ...id
  },
  "service.list": { method: "services", base: {}, others: {}, ...name },
  "audit.list": {
    method: "auditList",
    base: { entityId: "a", from: 1, to: "2027-01-01T00:00:00.000Z" },
    others: { entityId: "b", from: 2, to: "2028-01-01T00:00:00.000Z" },
    place: "42",
    noPlaces: ["abc", "-1", "0", "1.5", "1e3", "0x10", " 1", "1 ", "NaN", "Infinity", "9".repeat(16)]
  },
  "admin audit.list": {
    method: "auditListAny",
    base: { tenantId: "demo", entityId: "a", from: 1, to: "2027-01-01T00:00:00.000Z" },
    others: { tenantId: "other", entityId: "b", from: 2, to: "2028-01-01T00:00:00.000Z" },
    place: "42",
    noPlaces: ["abc", "-1", "0", "1.5"]
  },
  "tenants.list": { method: "listTenants", base: {}, others: {}, ...name },
  "keys.list": { method: "listKeys", base: {}, others: {}, ...id },
  "outbox.list": {
    method: "listBlocked",
    base: {},
    others: {},
    place: "42",
    noPlaces: ["abc", "-1", "0", "1.5", "1e3", " 1", "NaN", "9".repeat(16)]
  }
}

/**
 * A cursor of the same list that says another place, made of nothing but one that was answered: FNV-1a
 * can be gone back over the bytes of the place, to where the list's name ended.
 */
const madeUp = (cursor: string, place: string, wrong: string): string => {
  const bytes = Buffer.from(cursor, "base64url")
  let hash = bytes.readUInt32BE(1)
  // 0x359c449b is the inverse of FNV's prime, modulo 2^32.
  for (const byte of Buffer.from(place).toReversed()) hash = Math.imul(hash, 0x359c449b) ^ byte
  const body = Buffer.from(wrong)
  for (const byte of body) hash = Math.imul(hash ^ byte, 0x01000193)
  const made = Buffer.concat([bytes.subarray(0, 5), body])
  made.writeUInt32BE(hash >>> 0, 1)
  return made.toString("base64url")
}

const fieldsOf = (request: Schema.Constraint): ReadonlyArray<string> =>
  Object.keys((Schema.toJsonSchemaDocument(request).schema as { readonly properties?: object }).properties ?? {})

/** By its name; one that stands in both families by its family, too. */
const keyOf = ({ family, name }: { readonly family: string; readonly name: string }): string =>
  family === "admin" && operations.some((other) => other.family === "tenant" && other.name === name)
    ? `admin ${name}`
    : name

const paged = operations.filter(({ request }) => fieldsOf(request).includes("cursor"))

describe("a cursor", () => {
  let world: ProtocolWorld
  beforeAll(async () => {
    world = await protocolWorld()
    for (const { method, place } of Object.values(lists)) {
      Object.assign(world.tenants.script, { [method]: () => Effect.succeed({ content: [], next: place }) })
    }
  })
  afterAll(() => world.close())

  it("is asked for by the lists that are tried here, and all their filters are", () => {
    assert.sameMembers(Object.keys(lists), paged.map(keyOf))
    for (const { family, name, request } of paged) {
      assert.sameMembers(
        fieldsOf(request).filter((field) => field !== "cursor" && field !== "limit"),
        Object.keys(lists[keyOf({ family, name })]!.others)
      )
    }
  })

  for (const { family, name } of paged) {
    const key = keyOf({ family, name })
    const { base, method, others, place } = lists[key]!
    const ask = (body: unknown, tenantId = "demo") =>
      world.ask(family === "admin" ? `cm.admin.v1.${name}` : `cm.v1.${tenantId}.${name}`, body)
    const cursorOf = async () => {
      const { body } = await ask({ ...base, limit: 7 })
      return (body.nextCursor ?? body.next_cursor) as string
    }
    /** Where the store was asked to go on, for the last request. */
    const placeOf = () => {
      const { args } = world.tenants.calls.findLast((call) => call.method === method)!
      return (
        args.find((arg) => typeof arg === "object" && arg !== null && "after" in arg) as {
          readonly after: string | null
        }
      ).after
    }

    it(`of ${keyOf({ family, name })} leads on with the same filter, whatever the limit`, async () => {
      const cursor = await cursorOf()
      for (const limit of [7, 1, 1_000]) {
        assert.strictEqual((await ask({ ...base, limit, cursor })).status, 200)
        assert.strictEqual(placeOf(), place)
      }
      assert.isAtMost(cursor.length, Math.ceil(((place.length + 5) * 4) / 3))
    })

    it(`of ${keyOf({ family, name })} is refused with any other filter, without one, and in another tenant`, async () => {
      const cursor = await cursorOf()
      const wrong = [
        ...Object.entries(others).flatMap(([field, value]) => {
          const { [field]: _, ...without } = base
          return [{ ...base, [field]: value }, ...(field === "order" || field === "tenantId" ? [] : [without])]
        })
      ].map((body) => ask({ ...body, cursor }))
      if (family === "tenant") wrong.push(ask({ ...base, cursor }, "other"), ask({ ...base, cursor }, "Demo"))
      for (const other of Object.keys(lists)) {
        if (other === key) continue
        const subject = operations.find((operation) => keyOf(operation) === other)!
        const { base: filter } = lists[other]!
        wrong.push(
          world.ask(subject.family === "admin" ? `cm.admin.v1.${subject.name}` : `cm.v1.demo.${subject.name}`, {
            ...filter,
            cursor
          })
        )
      }
      for (const { body, status } of await Promise.all(wrong)) {
        assert.deepStrictEqual([status, body.error?.code], [400, "INVALID_CURSOR"])
      }
    })
  }

  for (const { family, name } of paged) {
    it(`of ${keyOf({ family, name })} is refused when it was made up and says what is no place in it`, async () => {
      const { base, method, noPlaces, place } = lists[keyOf({ family, name })]!
      const ask = (body: object) => world.ask(family === "admin" ? `cm.admin.v1.${name}` : `cm.v1.demo.${name}`, body)
      const { body } = await ask(base)
      const cursor: string = body.nextCursor ?? body.next_cursor
      const asked = () => world.tenants.calls.filter((call) => call.method === method).length
      const before = asked()
      for (const wrong of noPlaces) {
        const answer = await ask({ ...base, cursor: madeUp(cursor, place, wrong) })
        assert.deepStrictEqual([answer.status, answer.body.error?.code], [400, "INVALID_CURSOR"], wrong)
      }
      assert.strictEqual(asked(), before, "the store was asked")
      assert.strictEqual((await ask({ ...base, cursor: madeUp(cursor, place, place) })).status, 200)
    })
  }

  it("of token.list does not mind the order in which statuses are named", async () => {
    const ask = (status: ReadonlyArray<string>, cursor?: string) =>
      world.tenant("token.list", { status, ...(cursor === undefined ? {} : { cursor }) })
    const { nextCursor } = (await ask(["Active", "Revoked"])).body
    assert.strictEqual((await ask(["Revoked", "Active"], nextCursor)).status, 200)
  })
})

describe("a page that no message can carry", () => {
  const names = Array.from({ length: 23 }, (_, n) => `a${String(n).padStart(2, "0")}`)
  /** Every item is of so many characters; the list is read to its end. */
  const readAll = (characters: number, bytesMax: number) =>
    Effect.gen(function* () {
      const pages: Array<ReadonlyArray<string>> = []
      let cursor: string | undefined
      do {
        const page: { readonly content: ReadonlyArray<{ readonly name: string }>; readonly nextCursor?: string } =
          yield* answerPage({
            list: "some.list",
            of: ["demo"],
            place: /^a\d\d$/u,
            cursor,
            limit: 20,
            bytesMax,
            fetch: (limit, after) => {
              const content = names.filter((name) => after === null || name > after).slice(0, limit)
              const last = content.at(-1)
              return Effect.succeed({ content, next: last === names.at(-1) || last === undefined ? null : last })
            },
            encode: (name: string) => ({ name, text: "x".repeat(characters) })
          })
        pages.push(page.content.map(({ name }) => name))
        cursor = page.nextCursor
      } while (cursor !== undefined)
      return pages
    })

  it.effect("is asked for again, shorter, until it fits; everything is shown once and in order", () =>
    Effect.gen(function* () {
      const pages = yield* readAll(300, 1_024)
      assert.deepStrictEqual(pages.flat(), names)
      assert.isTrue(pages.every(({ length }) => length > 0 && length <= 3))
      assert.deepStrictEqual(
        (yield* readAll(1, 1_048_576)).map(({ length }) => length),
        [20, 3]
      )
    })
  )

  it.effect("is refused when a single thing is too large", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(readAll(2_000, 1_024)))._tag, "PayloadTooLarge")
    })
  )

  it.effect("is answered where it fits to the byte, in one piece or in several", () =>
    Effect.gen(function* () {
      for (const count of [1, 300]) {
        const items = Array.from({ length: count }, (_, at) => `item ${at}`)
        const answer = (bytesMax: number) =>
          answerPage({
            list: "some.list",
            of: [],
            place: /^\d+$/u,
            cursor: undefined,
            limit: count,
            bytesMax,
            fetch: (limit, after) => {
              const [from, to] = [Number(after ?? 0), Number(after ?? 0) + limit]
              return Effect.succeed({ content: items.slice(from, to), next: to < count ? String(to) : null })
            },
            encode: (text: string) => ({ text })
          })
        const whole = JSON.stringify({ content: items.map((text) => ({ text })) }).length
        assert.lengthOf((yield* answer(whole)).content, count)
        const shorter = yield* Effect.result(answer(whole - 1))
        assert.isTrue(Result.isFailure(shorter) ? count === 1 : shorter.success.content.length < count)
      }
    })
  )

  it("goes on at no place that is longer than one can be", () => {
    const longest = "x".repeat(512)
    const list = "some.list"
    assert.strictEqual(decodeCursor(list, encodeCursor(list, longest)), longest)
    assert.isNull(decodeCursor(list, encodeCursor(list, `${longest}x`)))
  })
})

it.effect("a page is written in pieces that leave the thread to others", () =>
  Effect.gen(function* () {
    const turns = turnsOfLoop()
    const rows = Array.from({ length: pieceMax }, (_, n) => ({ n }))
    const writtenIn: Array<number> = []
    const page = yield* answerPage({
      list: "token.list",
      of: ["demo"],
      place: /^x$/u,
      cursor: undefined,
      limit: pieceMax,
      bytesMax: 1_000_000,
      fetch: () => Effect.succeed({ content: rows, next: null }),
      encode: (row) => {
        writtenIn.push(turns.now())
        return row
      }
    })
    turns.end()
    assert.deepStrictEqual(page.content, rows)
    assert.isAtLeast(new Set(writtenIn).size, Math.floor(pieceMax / Pieces.pieceMax))
  })
)
