/** Pages that leave rows out: what a page did not reach comes with the next. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { inject } from "vitest"
import type { Page } from "../../../../src/domain/Page.ts"
import type { Token } from "../../../../src/domain/Token.ts"
import { Mariadb } from "../../../../src/store/maria/Mariadb.ts"
import { readTokenPage } from "../../../../src/store/maria/TokenPages.ts"
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
          }
        }
      })
    )
  }
})
