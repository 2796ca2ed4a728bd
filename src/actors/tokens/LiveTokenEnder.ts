/** What the sweeps ask of tenants, as commands of the tenant's actor. */

import { Effect, Layer } from "effect"
import { Keyring } from "../../crypto/Keyring.ts"
import * as errors from "../../domain/errors.ts"
import type { Page, TokenQuery } from "../../domain/Page.ts"
import type { Token } from "../../domain/Token.ts"
import { pieceAt, placeAfter } from "../../domain/TokenPopulation.ts"
import * as Seldom from "../../observability/Seldom.ts"
import type { RevokeAll } from "../../store/RevokeAll.ts"
import { TenantStore } from "../../store/TenantStore.ts"
import * as Background from "../tenant/Background.ts"
import { InForce } from "../tenant/InForce.ts"
import { revokeAllChanged, revokeAllHolds } from "../tenant/RowTagging.ts"
import { TenantActors } from "../tenant/TenantActors.ts"
import { finishRevokeAll, revokePiece } from "./commands/revokeAll.ts"
import * as commands from "./commands/tokens.ts"
import { TokenEnder } from "./TokenEnder.ts"

const sweep = Background.caller("sweep")

/** Pages without a token of the population that are passed before how far one came is written. */
const emptyPagesMax = 20

/** One that goes on is more than one that ends, with as many on it. */
const isMore = (page: Page<Token>, than: Page<Token>): boolean =>
  page.content.length > than.content.length ||
  (page.content.length === than.content.length && than.next === null && page.next !== null)

const unavailable = () => new errors.Unavailable({ part: "database", committed: false })

export const layer = Layer.effect(
  TokenEnder,
  Effect.gen(function* () {
    const actors = yield* TenantActors
    const store = yield* TenantStore
    const inForce = yield* InForce
    const keyring = yield* Keyring
    const changedRows = yield* Seldom.make

    /**
     * A page that is not full is read twice, and the one with more in it is believed: to a reading that somebody ends
     * (`KILL QUERY`) MariaDB may answer as if there were no more rows, and what a walk passes over stays good.
     */
    const wholePage = (tenantId: string, piece: TokenQuery) => {
      const read = Effect.mapError(store.listTokens(tenantId, piece), unavailable)
      return Effect.flatMap(read, (first) =>
        first.content.length >= piece.limit
          ? Effect.succeed(first)
          : Effect.map(read, (second) => (isMore(second, first) ? second : first))
      )
    }

    const revokeAllPiece = Effect.fnUntraced(function* (one: RevokeAll, limit: number) {
      const { population, tenantId } = one
      let place = one.place
      for (let page = 1; ; page++) {
        const piece = pieceAt(population, place, limit)
        if (piece === null) break
        const { content, next } = yield* wholePage(tenantId, piece)
        place = placeAfter(place, next)
        if (content.length === 0 && page < emptyPagesMax) continue
        const tokenIds = content.map(({ tokenId }) => tokenId)
        return yield* actors.ask(tenantId, revokePiece(one, tokenIds, place))
      }
      // What others have taken away of it, too: who reads "done" meets none of it any more.
      yield* Effect.catchTag(inForce.all(tenantId), "StoreUnavailable", () => Effect.fail(unavailable()))
      yield* actors.ask(tenantId, finishRevokeAll(one))
      return 0
    })

    return {
      endTokens: (tenantId, tokenIds) =>
        Effect.flatMap(sweep, (caller) => actors.ask(tenantId, commands.endTokens(tokenIds, caller))),
      purgeTokens: (tenantId, tokenIds) =>
        Effect.flatMap(sweep, (caller) => actors.ask(tenantId, commands.purgeTokens(tokenIds, caller))),
      openRevokeAlls: store.openRevokeAlls,
      revokeAllPiece: (one, limit) =>
        // Before its asker's name is used at all.
        (revokeAllHolds(one, keyring) ? revokeAllPiece(one, limit) : revokeAllChanged(one, changedRows)).pipe(
          // Its tokens went with the tenant.
          Effect.catchTag("TenantNotFound", () =>
            Effect.as(Effect.mapError(store.dropRevokeAlls(one.tenantId), unavailable), 0)
          )
        )
    }
  })
)
