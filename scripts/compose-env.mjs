/**
 * `npm run compose:env`: writes `.env` for compose.yaml, with a random password for every user of the
 * bus and of the database, the certificates of a private authority (`compose/tls`, with the `openssl` command), and the
 * key file of its replicas. What is there already is left alone: it is in use; what is missing is added.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { argumentsOf } from "./lib/arguments.mjs"
import { busUsers, newPassword } from "./lib/bus.mjs"
import { makeStackCertificates } from "./lib/certificates.mjs"
import { checkout } from "./lib/find.mjs"
import { say } from "./lib/report.mjs"

argumentsOf(import.meta.filename, { call: "npm run compose:env" })
const file = join(checkout, ".env")
const names = [
  ...busUsers.map((user) => `CM_BUS_${user.toUpperCase()}`),
  "CM_DATABASE_PASSWORD",
  // Between the servers of the cluster.
  "CM_NATS_ROUTE_PASSWORD"
]
const owner = `${process.getuid?.() ?? 1000}:${process.getgid?.() ?? 1000}`
const wanted = [...names.map((name) => [name, newPassword()]), ["CM_KEY_OWNER", owner]]
const before = existsSync(file) ? readFileSync(file, "utf8") : ""
const missing = wanted.filter(([name]) => !new RegExp(`^${name}=`, "mu").test(before))
if (missing.length === 0) say(`${file} is there already and was left alone`)
else {
  const lines = missing.map(([name, value]) => `${name}=${value}`)
  writeFileSync(file, `${before === "" || before.endsWith("\n") ? before : `${before}\n`}${lines.join("\n")}\n`, {
    mode: 0o600
  })
  say(before === "" ? `wrote ${file}` : `added to ${file}: ${missing.map(([name]) => name).join(", ")}`)
}

const tls = join(checkout, "compose/tls")
if (existsSync(join(tls, "client", "ca.pem"))) say(`${tls} is there already and was left alone`)
else {
  makeStackCertificates(tls, ["localhost", "127.0.0.1", "nats-1", "nats-2", "nats-3", "mariadb"])
  say(`wrote ${tls}: certificates of a private authority`)
}

const keys = join(checkout, "compose/keys/keys.json")
if (existsSync(keys)) say(`${keys} is there already and was left alone`)
else {
  mkdirSync(join(checkout, "compose/keys"), { recursive: true, mode: 0o700 })
  writeFileSync(keys, '{"version":1,"masterKeys":[]}\n', { mode: 0o600, flag: "wx" })
  execFileSync(process.execPath, [join(checkout, "scripts/master-key.mjs"), keys])
  say(`wrote ${keys}: back it up, whoever loses it loses every token and secret`)
}
