/**
 * `npm run compose:env`: writes `.env` for compose.yaml, with a random password for every user of the
 * bus and of the database. An `.env` that is there already is left alone: its passwords are in use.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { busUsers, newPassword } from "./lib/bus.mjs"
import { checkout } from "./lib/find.mjs"
import { say } from "./lib/report.mjs"

const file = join(checkout, ".env")
const names = [...busUsers.map((user) => `CM_BUS_${user.toUpperCase()}`), "CM_DATABASE_PASSWORD"]
try {
  writeFileSync(file, `${names.map((name) => `${name}=${newPassword()}`).join("\n")}\n`, { mode: 0o600, flag: "wx" })
  say(`wrote ${file}`)
} catch (error) {
  if (error.code !== "EEXIST") throw error
  say(`${file} is there already and was left alone`)
}
