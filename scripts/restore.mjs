/**
 * Puts a backup back into an empty database: `npm run restore -- <folder> [--accept-gap]`.
 *
 * Stop every replica first, and keep the streams: what ended after the backup is known from them alone. The database
 * is marked, and no replica answers before it has carried out again what ended since (see docs/operations.md). With
 * `--accept-gap` it starts also when the streams do not reach back to the backup: rights that ended in between live again.
 *
 * DATABASE_URL names an empty database; the key file goes to CM_KEY_FILE, which must not be there, or be the same.
 * `mariadb` must be on the path.
 */
import { createHash } from "node:crypto"
import { chmodSync, closeSync, copyFileSync, createReadStream, existsSync, openSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { argumentsOf } from "./lib/arguments.mjs"
import { load, query } from "./lib/databaseTools.mjs"
import { orExplain, Refusal, say } from "./lib/report.mjs"
import { mark, placesOf } from "./lib/restoreMark.mjs"

const sha256 = async (file) => {
  const hash = createHash("sha256")
  for await (const chunk of createReadStream(file)) hash.update(chunk)
  return hash.digest("hex")
}

const { operands, values } = argumentsOf(import.meta.filename, {
  call: "npm run restore --",
  operands: { shown: "<folder>", least: 1, most: 1 },
  options: { "accept-gap": { type: "boolean" } }
})
await orExplain(async () => {
  const [folder] = operands
  const { databaseUrl, keyFile } = placesOf(process.env, undefined)
  if (databaseUrl === undefined) throw new Refusal("DATABASE_URL is not set: it names the empty database")
  const manifest = join(folder, "backup.json")
  if (!existsSync(manifest)) throw new Refusal(`${folder} is no backup, or an unfinished one`)
  const { at, files, version } = JSON.parse(readFileSync(manifest, "utf8"))
  if (version !== 1 || !Number.isSafeInteger(at)) throw new Refusal(`${manifest} is of another version`)
  for (const [name, hash] of Object.entries(files)) {
    if ((await sha256(join(folder, name))) !== hash) throw new Refusal(`${name} is not what was backed up`)
  }
  const keys = join(folder, "keys.json")
  const hasKeys = files["keys.json"] !== undefined
  const hasOwn = keyFile !== undefined && existsSync(keyFile)
  if (hasKeys && hasOwn && (await sha256(keyFile)) !== files["keys.json"]) {
    throw new Refusal(`${keyFile} is another key file: with it nothing of the backup can be opened`)
  }
  const tables = await query(
    databaseUrl,
    "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE();"
  )
  if (tables !== "0") throw new Refusal("the database is not empty: nothing is overwritten")
  const input = openSync(join(folder, "database.sql"), "r")
  await load(databaseUrl, input).finally(() => closeSync(input))
  await mark(databaseUrl, at, values["accept-gap"] === true)
  if (hasKeys && keyFile !== undefined && !hasOwn) {
    copyFileSync(keys, keyFile)
    chmodSync(keyFile, 0o600)
  }
  say(`put back as of ${new Date(at).toISOString()}; the next replica that starts carries out again what ended since`)
})
