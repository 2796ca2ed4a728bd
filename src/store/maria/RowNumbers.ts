/**
 * Tables whose rows the database numbers, and what is done when their numbers ran away.
 *
 * A row with a high number, written by somebody else, makes the next ones higher still, also once it is gone: what is beyond
 * 2^53 cannot be read, and behind the last one there is none, so that no tenant could change anything. Nobody comes
 * near such numbers by counting. What stands that high is numbered anew in its order, behind the others, and the count goes on there.
 */
import * as Columns from "./Columns.ts"
import type { Session } from "./MariadbConnection.ts"

interface Numbered {
  readonly table: string
  readonly column: string
  /** Tables with numbers that came from there: none is given twice. */
  readonly others: ReadonlyArray<string>
}

const tables: ReadonlyArray<Numbered> = [
  { table: "outbox", column: "id", others: ["outbox_aside"] },
  { table: "provider_turns", column: "turn_id", others: [] }
]

/** From the second on, the count has run away; what is above the first is numbered anew. Between them is room. */
const [keptMax, awayFrom] = [2 ** 51, 2 ** 52]
/** Whoever changes something meanwhile waits for so long at most. */
const waitSeconds = 2

export const numbersAwaySql = `SELECT TABLE_NAME FROM information_schema.TABLES
  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (${tables.map(({ table }) => `'${table}'`).join(", ")})
    AND AUTO_INCREMENT > ${awayFrom}`
const keptSql = ({ column, others, table }: Numbered): string =>
  `SELECT GREATEST(${[table, ...others]
    .map((name) => `(SELECT COALESCE(MAX(${column}), 0) FROM ${name} WHERE ${column} <= ${keptMax})`)
    .concat("0")
    .join(", ")})`

const putBack = async (session: Session, numbered: Numbered): Promise<void> => {
  const { column, others, table } = numbered
  const locked = [`${table} WRITE`, ...others.map((name) => `${name} READ`)].join(", ")
  await session.command(`LOCK TABLES ${locked} WAIT ${waitSeconds}`)
  try {
    const [kept = []] = await session.rows(keptSql(numbered))
    await session.command(`SET @number := ${Columns.whole(kept, 0)}`)
    await session.run(
      `UPDATE ${table} SET ${column} = (@number := @number + 1) WHERE ${column} > ${keptMax} ORDER BY ${column}`
    )
    const [last = []] = await session.rows("SELECT CAST(@number AS SIGNED)")
    // The server takes the next one behind the highest that stands there, if that is higher.
    await session.command(`ALTER TABLE ${table} AUTO_INCREMENT = ${Columns.whole(last, 0) + 1}`)
  } finally {
    await session.command("UNLOCK TABLES")
  }
}

/** Names the tables that it put right. */
export const putNumbersBack = async (session: Session): Promise<ReadonlyArray<string>> => {
  const away = (await session.rows(numbersAwaySql)).map((row) => Columns.text(row, 0))
  for (const numbered of tables) if (away.includes(numbered.table)) await putBack(session, numbered)
  return away
}
