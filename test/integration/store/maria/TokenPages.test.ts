// Verifies R-TOK-13.
/** Pages that leave rows out: what a page did not reach comes with the next. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { inject } from "vitest"
import type { Page } from "../../../../src/domain/Page.ts"
import type { Token } from "../../../../src/domain/Token.ts"
import { Mariadb } from "../../../../src/store/maria/Mariadb.ts"
import { readTokenPage } from "../../../../src/store/maria/TokenPages.ts"
import { TenantStore } from "../../../../src/store/TenantStore.ts"
import { aTenant, aToken, insert } from "../../../support/storeFixtures.ts"
import { layerMariaStores } from "../../../support/storeLayers.ts"

layer(layerMariaStores(inject("databaseUrl")), { excludeTestServices: true })("pages of tokens", (it) => {
  for (const order of ["ASC", "DESC"] as const) {
    it.effect(`${order}: every matching row comes once, however few match`, () =>
      Effect.gen(function* () {
        const database = yield* Mariadb
        const { appName, tenantId } = yield* aTenant
        const tokens = Array.from({ length: 53 }, (_, n) =>
          aToken(tenantId, appName, { status: n % 13 === 5 || n === 52 ? "Suspended" : "Active" })
        )
        yield* insert(tokens)
        const wanted = tokens.filter((token) => token.status === "Suspended").map((token) => token.tokenId)
        for (const scanMax of [1, 7, 10, 53, 100]) {
          for (const limit of [1, 2, 10]) {
            const found: Array<string> = []
            let after: string | null = null
            let pages = 0
            do {
              const place: string | null = after
              const page: Page<Token> = yield* database.query("test", (session) =>
                readTokenPage(
                  session,
                  tenantId,
                  { appName, endpointId: null, statuses: ["Suspended"], order, limit, after: place },
                  scanMax
                )
              )
              assert.isAtMost(page.content.length, limit)
              found.push(...page.content.map((token) => token.tokenId))
              after = page.next
              pages += 1
            } while (after !== null && pages < 100)
            assert.deepStrictEqual(found, order === "ASC" ? wanted : wanted.toReversed(), `${scanMax} ${limit}`)
            // No page looked at more than it may.
            assert.isAtLeast(pages, Math.ceil(tokens.length / scanMax), `${scanMax} ${limit}`)
          }
        }
      })
    )
  }

  it.effect("by who made them, by last use and by their end, and what is counted is what is listed", () =>
    Effect.gen(function* () {
      const store = yield* TenantStore
      const { appName, tenantId } = yield* aTenant
      const far = 4_102_444_800_000
      const tokens = [
        aToken(tenantId, appName, { createdBy: "ADMIN/alice", createdAt: 1_000, expiresAt: far }),
        aToken(tenantId, appName, { createdBy: "ADMIN/alice ", createdAt: 2_000, lastUsedAt: 9_000 }),
        aToken(tenantId, appName, { createdBy: "ADMIN/bob", createdAt: 3_000, lastUsedAt: 4_000, expiresAt: 5_000 }),
        aToken(tenantId, appName, { createdBy: "ADMIN/bob", createdAt: 4_000, overlapEndsAt: far - 1, expiresAt: far }),
        aToken(tenantId, appName, { createdBy: "ADMIN/bob", createdAt: 5_000, status: "Revoked", expiresAt: far })
      ]
      yield* insert(tokens)
      const query = { appName: null, endpointId: null, statuses: [], order: "ASC" as const, after: null }
      for (const [asked, places] of [
        [{ createdBy: "ADMIN/alice" }, [0]],
        [{ createdBy: "admin/alice" }, []],
        [{ createdBefore: 3_000 }, [0, 1]],
        [{ unusedSince: 4_000 }, [0]],
        [{ unusedSince: 4_001 }, [0, 2, 3]],
        [{ unusedSince: 4_001, createdBy: "ADMIN/bob" }, [2, 3]],
        [{ expiringBefore: far }, [3]],
        [{ expiringBefore: far + 1 }, [0, 3]],
        [{ expiringBefore: far + 1, statuses: ["Revoked" as const] }, []],
        [{ applications: [appName, "none"], createdBefore: 2_000 }, [0]],
        [{ applications: ["none"] }, []]
      ] as const) {
        const wanted = places.map((place) => tokens[place]!.tokenId)
        const page = yield* store.listTokens(tenantId, { ...query, ...asked, limit: 10 })
        const what = JSON.stringify(asked)
        assert.deepStrictEqual([page.content.map(({ tokenId }) => tokenId), page.next], [wanted, null], what)
        assert.deepStrictEqual(
          yield* store.countTokens(tenantId, { ...query, ...asked }),
          { count: wanted.length, next: null },
          what
        )
      }
    })
  )
})
