/**
 * Backs up what a system cannot make again: `npm run backup -- <folder> [--without-keys]`.
 *
 * Writes `database.sql` (one moment of all tables, by `mariadb-dump`, which must be on the path), `keys.json` (the local
 * master key, where there is one) and `backup.json` (when, and a hash of each). Everything else is made anew: streams
 * and caches. Whoever has both files has every secret: keep them apart, or encrypt the folder.
 *
 * DATABASE_URL and CM_KEY_FILE as the service has them; without them the stack that `npm start` runs. The service goes on.
 */
import { createHash } from "node:crypto"
import {
  chmodSync,
  closeSync,
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { argumentsOf } from "./lib/arguments.mjs"
import { dump, query } from "./lib/databaseTools.mjs"
import { localDirOf, runningIn } from "./lib/localDir.mjs"
import { orExplain, Refusal, say } from "./lib/report.mjs"
import { placesOf } from "./lib/restoreMark.mjs"

const sha256 = async (file) => {
  const hash = createHash("sha256")
  for await (const chunk of createReadStream(file)) hash.update(chunk)
  return hash.digest("hex")
}

const { operands, values } = argumentsOf(import.meta.filename, {
  call: "npm run backup --",
  operands: { shown: "<folder>", least: 1, most: 1 },
  options: { "without-keys": { type: "boolean" } }
})
await orExplain(async () => {
  const [folder] = operands
  const { databaseUrl, keyFile } = placesOf(process.env, runningIn(localDirOf(process.env)))
  if (databaseUrl === undefined) throw new Refusal("nothing runs here, and DATABASE_URL is not set")
  if (existsSync(join(folder, "backup.json"))) throw new Refusal(`${folder} holds a backup already`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  // Before the dump: all that was committed by then is in it.
  const at = Number(await query(databaseUrl, "SELECT CAST(ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000) AS SIGNED);"))
  const files = { "database.sql": "" }
  const output = openSync(join(folder, "database.sql"), "wx", 0o600)
  await dump(databaseUrl, output).finally(() => closeSync(output))
  if (values["without-keys"] !== true && keyFile !== undefined && existsSync(keyFile)) {
    copyFileSync(keyFile, join(folder, "keys.json"))
    chmodSync(join(folder, "keys.json"), 0o600)
    files["keys.json"] = ""
  }
  for (const name of Object.keys(files)) files[name] = await sha256(join(folder, name))
  // Last: a folder without it is no backup.
  writeFileSync(join(folder, "backup.json"), `${JSON.stringify({ version: 1, at, files }, null, 2)}\n`, { mode: 0o600 })
  say(`backed up ${Object.keys(files).join(" and ")} as of ${new Date(at).toISOString()} into ${folder}`)
})
