/**
 * `npm run compose:env`: writes `.env` for compose.yaml, with a random password for every user of the
 * bus and of the database, and the key file of its replicas. What is there already is left alone: it is in use.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { busUsers, newPassword } from "./lib/bus.mjs"
import { checkout } from "./lib/find.mjs"
import { say } from "./lib/report.mjs"

const file = join(checkout, ".env")
const names = [...busUsers.map((user) => `CM_BUS_${user.toUpperCase()}`), "CM_DATABASE_PASSWORD"]
try {
  const owner = `CM_KEY_OWNER=${process.getuid?.() ?? 1000}:${process.getgid?.() ?? 1000}`
  const lines = [...names.map((name) => `${name}=${newPassword()}`), owner]
  writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600, flag: "wx" })
  say(`wrote ${file}`)
} catch (error) {
  if (error.code !== "EEXIST") throw error
  say(`${file} is there already and was left alone`)
}

const keys = join(checkout, "compose/keys/keys.json")
if (existsSync(keys)) say(`${keys} is there already and was left alone`)
else {
  mkdirSync(join(checkout, "compose/keys"), { recursive: true, mode: 0o700 })
  writeFileSync(keys, '{"version":1,"masterKeys":[]}\n', { mode: 0o600, flag: "wx" })
  execFileSync(process.execPath, [join(checkout, "scripts/master-key.mjs"), keys])
  say(`wrote ${keys}: back it up, whoever loses it loses every token and secret`)
}
