/**
 * `TokenUse` on MariaDB: one bulk update, by ascending token id, so that two replicas that record the
 * same tokens do not block each other crosswise. It locks no tenant: last use is no part of what a
 * tenant's transactions decide on.
 */
import { Effect, Layer } from "effect"
import { latestUses } from "../latestUses.ts"
import { TokenUse, type TokenUsed } from "../TokenUse.ts"
import * as Columns from "./Columns.ts"
import { fromSession, Mariadb } from "./Mariadb.ts"
import type { Session } from "./MariadbConnection.ts"

const recordSql = "UPDATE tokens SET last_used_at = ? WHERE token_id = ? AND (last_used_at IS NULL OR last_used_at < ?)"

const record = async (session: Session, uses: ReadonlyArray<TokenUsed>): Promise<void> => {
  const rows: Array<[number, Buffer, number]> = []
  for (const [tokenId, usedAt] of latestUses(uses)) {
    const id = Columns.uuidBytesOrNull(tokenId)
    if (id !== null) rows.push([usedAt, id, usedAt])
  }
  await session.batch(recordSql, rows)
}

export const layer: Layer.Layer<TokenUse, never, Mariadb> = Layer.effect(
  TokenUse,
  Effect.map(Mariadb, (database) =>
    TokenUse.of({
      record: (uses) =>
        uses.length === 0
          ? Effect.void
          : database
              .transaction("TokenUse.record", (session) =>
                Effect.as(
                  fromSession(() => record(session, uses)),
                  { value: undefined, wrote: true }
                )
              )
              .pipe(Effect.catchTag("ConstraintBroken", (broken) => Effect.die(broken)))
    })
  )
)
