/**
 * Exports a tenant's audit to a file, signed at its end: `npm run audit:export -- out.jsonl --tenant demo`.
 *
 * Lines of JSON: rows as `admin.v1.audit.list` answers them, oldest first, then one checkpoint, the signed head up
 * to which they reach. Started again with the same file it goes on behind the last whole row that is there; a
 * line that was cut off by a crash is dropped. `npm run audit:verify` checks such a file without the service.
 *
 * Asks as the user of NATS_USER and NATS_PASSWORD (or NATS_CREDS) at NATS_URL, who needs the operator's rights; without
 * NATS_URL the stack that `npm start` runs, as `operator`. Prints one line of JSON; exit code 0: whole and signed,
 * 1: the service did not give all rows up to its signed head, 2: it was not reached, or refused.
 */
import { appendFileSync, existsSync, readFileSync, truncateSync } from "node:fs"
import { connect, credsAuthenticator } from "@nats-io/transport-node"
import { argumentsOf } from "./lib/arguments.mjs"
import { tlsOf } from "./lib/bus.mjs"
import { localDirOf, runningIn } from "./lib/localDir.mjs"

const stop = (text) => {
  process.stderr.write(text)
  process.exit(2)
}
const { misused, operands, values } = argumentsOf(import.meta.filename, {
  call: "npm run audit:export --",
  operands: { shown: "<out.jsonl> --tenant=<id>", least: 1, most: 1 },
  options: { tenant: { type: "string" }, page: { type: "string", default: "1000" } }
})
const [file] = operands
const { page, tenant } = values
if (tenant === undefined) misused("--tenant is missing")
if (!/^[1-9][0-9]{0,3}$/u.test(page)) misused("--page is a number of rows from 1 to 9999")

const busOf = () => {
  const { CM_INSTANCE_NAME: instance = "cm", NATS_CREDS, NATS_PASSWORD, NATS_URL, NATS_USER } = process.env
  if (NATS_URL === undefined) {
    const running = runningIn(localDirOf(process.env))
    if (running === undefined) return stop("nothing runs here, and NATS_URL is not set\n")
    const { inboxPrefix, password, user } = running.users.operator
    const { instance, natsCa: ca, natsUrl: servers } = running
    return { instance, options: { servers, user, pass: password, inboxPrefix, ...tlsOf(servers, { ca }) } }
  }
  const inbox = NATS_USER === undefined ? {} : { inboxPrefix: `_INBOX.${NATS_USER}` }
  const { NATS_CA: ca, NATS_CERT: cert, NATS_KEY: key } = process.env
  const tls = tlsOf(NATS_URL, { ca, cert, key })
  const options = { servers: NATS_URL.split(","), user: NATS_USER, pass: NATS_PASSWORD, ...inbox, ...tls }
  return NATS_CREDS === undefined
    ? { instance, options }
    : { instance, options: { ...options, authenticator: credsAuthenticator(readFileSync(NATS_CREDS)) } }
}

/** The last row of an export that was begun; what follows its last whole line is dropped. */
const lastRow = () => {
  if (!existsSync(file)) return 0
  const bytes = readFileSync(file)
  const end = bytes.lastIndexOf(0x0a) + 1
  if (end < bytes.length) truncateSync(file, end)
  const lines = bytes.subarray(0, end).toString("utf8").split("\n").filter(Boolean)
  for (const line of lines.toReversed()) {
    const value = JSON.parse(line)
    if (value.signature === undefined) return value.seq
  }
  return 0
}

const { instance, options } = busOf()
/** What is written already stays: the same command goes on behind it. */
const unanswered = (what) => (error) => stop(`${what}: ${error.message}\n`)
const nc = await connect(options).catch(unanswered("the bus was not reached"))
const ask = async (operation, body) => {
  const message = await nc
    .request(`${instance}.admin.v1.${operation}`, JSON.stringify(body), { timeout: 30_000 })
    .catch(unanswered(`${operation} was not answered`))
  const answer = message.json()
  if (message.headers?.get("Cm-Status") === "200") return answer
  const { code, reasonPhrase } = answer.error ?? {}
  await nc.close()
  return stop(`${operation}: ${code} ${reasonPhrase}\n`)
}

let last = lastRow()
const from = last + 1
// Signed first: the rows must reach at least so far.
const checkpoint = await ask("audit.sign", { tenantId: tenant })
let cursor
while (last < checkpoint.seq) {
  const body = { tenantId: tenant, from, to: checkpoint.seq, limit: Number(page) }
  const { content, nextCursor } = await ask("audit.list", cursor === undefined ? body : { ...body, cursor })
  appendFileSync(file, content.map((row) => `${JSON.stringify(row)}\n`).join(""))
  last = content.at(-1)?.seq ?? last
  cursor = nextCursor
  if (cursor === undefined) break
}
const isWhole = last === checkpoint.seq
if (isWhole) appendFileSync(file, `${JSON.stringify(checkpoint)}\n`)
await nc.close()
process.stdout.write(
  `${JSON.stringify({ tenant, from, to: last, signed: isWhole, publicKey: checkpoint.public_key })}\n`
)
process.exit(isWhole ? 0 : 1)
