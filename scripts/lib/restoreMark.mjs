/**
 * The mark that a database was put back: until a replica has carried out again what ended since, none answers.
 * The table is the migration's; a backup of an older release does not have it.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { query } from "./databaseTools.mjs"
import { checkout } from "./find.mjs"

const migration = join(checkout, "src/store/maria/migrations/0441_restore_mark.sql")

/** @param backupAt UNIX milliseconds, a whole number */
export const mark = (databaseUrl, backupAt, acceptGap) =>
  query(
    databaseUrl,
    `${readFileSync(migration, "utf8")};
REPLACE INTO restore_mark (id, backup_at, accept_gap, replayed_at) VALUES (1, ${Math.trunc(backupAt)}, ${acceptGap ? 1 : 0}, NULL);`
  )

/** Where the database is, and its keys: as the service is told, or what `npm start` runs here. */
export const placesOf = (env, running) => ({
  databaseUrl: env.DATABASE_URL ?? running?.databaseUrl,
  keyFile: env.CM_KEY_FILE ?? running?.keyFile
})
