/**
 * Looks for planted secrets where a run leaves something behind: in every column of text or bytes of the
 * database, and in the files of the bus's streams and buckets.
 */
import { createReadStream, readdirSync } from "node:fs"
import { join } from "node:path"
import type { Pool } from "mariadb"
import { forms } from "./planted.ts"

const kindsOfText = [
  "char",
  "varchar",
  "text",
  "mediumtext",
  "longtext",
  "json",
  "blob",
  "mediumblob",
  "longblob",
  "varbinary",
  "binary"
]

const inDatabase = async (pool: Pool, database: string): Promise<ReadonlyArray<string>> => {
  const columns = await pool.query(
    `SELECT table_name AS t, column_name AS c FROM information_schema.columns
      WHERE table_schema = ? AND data_type IN (${kindsOfText.map(() => "?").join(", ")})`,
    [database, ...kindsOfText]
  )
  const found: Array<string> = []
  for (const { c, t } of columns as ReadonlyArray<{ readonly c: string; readonly t: string }>) {
    const where = forms.map(() => `LOCATE(?, CAST(\`${c}\` AS BINARY)) > 0`).join(" OR ")
    const [row] = await pool.query(`SELECT COUNT(*) AS n FROM \`${t}\` WHERE ${where}`, [...forms])
    if (Number(row.n) > 0) found.push(`${row.n} rows of ${t}, column ${c}`)
  }
  return found
}

const holds = async (file: string): Promise<boolean> => {
  const overlap = Math.max(...forms.map(({ length }) => length))
  let rest = ""
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
    const text = rest + (chunk as Buffer).toString("latin1")
    if (forms.some((form) => text.includes(form))) return true
    rest = text.slice(-overlap)
  }
  return false
}

const inFiles = async (folder: string): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name)
    if (!entry.isFile() || !/[/]nats/u.test(file)) continue
    // May fail: what is compacted away meanwhile is gone.
    if (await holds(file).catch(() => false)) found.push(`the bus's file ${file}`)
  }
  return found
}

export const searchEverywhere = async (
  pool: Pool,
  database: string,
  folder: string
): Promise<ReadonlyArray<string>> => [...(await inDatabase(pool, database)), ...(await inFiles(folder))]
