/**
 * Marks a database that was put back by other means (a snapshot, a replica, MariaDB's own backup):
 * `npm run replay-revocations -- --since 2026-01-31T12:00:00Z [--accept-gap]`.
 *
 * Stop every replica first. The next one that starts carries out again every end of a right that was announced
 * since then, before it answers anything. Too early a moment costs time, too late a one revives rights. Without
 * `--since` what a restore marked is kept, and `--accept-gap` lets it start though the streams do not reach back.
 */
import { argumentsOf } from "./lib/arguments.mjs"
import { query } from "./lib/databaseTools.mjs"
import { localDirOf, runningIn } from "./lib/localDir.mjs"
import { orExplain, Refusal, say } from "./lib/report.mjs"
import { mark, placesOf } from "./lib/restoreMark.mjs"

const { values } = argumentsOf(import.meta.filename, {
  call: "npm run replay-revocations --",
  options: { since: { type: "string" }, "accept-gap": { type: "boolean" } }
})
await orExplain(async () => {
  const { databaseUrl } = placesOf(process.env, runningIn(localDirOf(process.env)))
  if (databaseUrl === undefined) throw new Refusal("nothing runs here, and DATABASE_URL is not set")
  const acceptGap = values["accept-gap"] === true
  const marked = async () => {
    const found = await query(databaseUrl, "SELECT backup_at FROM restore_mark WHERE replayed_at IS NULL;")
    if (found === "") throw new Refusal("nothing is marked: say since when with --since")
    return Number(found)
  }
  const since = values.since === undefined ? await marked() : Date.parse(values.since)
  if (Number.isNaN(since)) throw new Refusal("--since takes a moment: 2026-01-31T12:00:00Z")
  await mark(databaseUrl, since, acceptGap)
  say(`marked: the next replica that starts carries out again what ended since ${new Date(since).toISOString()}`)
})
