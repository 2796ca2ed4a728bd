/** `RestoreMark` on MariaDB. */
import { Effect, Layer } from "effect"
import { RestoreMark } from "../RestoreMark.ts"
import * as Columns from "./Columns.ts"
import { Mariadb } from "./Mariadb.ts"

const pendingSql = "SELECT backup_at, accept_gap FROM restore_mark WHERE replayed_at IS NULL ORDER BY id LIMIT 1"
const replayedSql = `UPDATE restore_mark SET replayed_at = ${Columns.nowSql} WHERE replayed_at IS NULL`

const make = Effect.map(Mariadb, ({ query }) =>
  RestoreMark.of({
    pending: query("RestoreMark.pending", async (session) => {
      const [row] = await session.rows(pendingSql)
      return row === undefined ? null : { backupAt: Columns.whole(row, 0), acceptGap: Columns.whole(row, 1) === 1 }
    }),
    replayed: Effect.asVoid(query("RestoreMark.replayed", (session) => session.run(replayedSql)))
  })
)

export const layer: Layer.Layer<RestoreMark, never, Mariadb> = Layer.effect(RestoreMark, make)
