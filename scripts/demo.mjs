/**
 * `npm run demo`: the whole story against the running service, printed as a person would type it.
 *
 * Reads run.json of `npm start`, uses the bus's own users with their own rights, and ends with 0 only
 * if every answer was the right one. It cleans up after itself and can be run again and again.
 */
import { randomBytes } from "node:crypto"
import { connect } from "@nats-io/transport-node"
import avsc from "avsc"
import { argumentsOf } from "./lib/arguments.mjs"
import { tlsOf } from "./lib/bus.mjs"
import { localDirOf, runningIn } from "./lib/localDir.mjs"

argumentsOf(import.meta.filename, { call: "npm run demo" })
const dir = localDirOf(process.env)
const running = runningIn(dir)
if (running === undefined) {
  console.error(`nothing runs in ${dir}: start it with \`npm start\``)
  process.exit(1)
}
const { instance, natsCa, natsUrl, users } = running

// ---- the bus, as each user ------------------------------------------------------

const connections = new Map()
const as = async (name) => {
  const { inboxPrefix, password, user } = users[name]
  const open =
    connections.get(name) ??
    connect({ servers: natsUrl, user, pass: password, inboxPrefix, ...tlsOf(natsUrl, { ca: natsCa }) })
  connections.set(name, open)
  return open
}

// ---- what is printed, and whether it was right ----------------------------------

const color = (code, text) => (process.stdout.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text)
let right = 0
const wrong = []

const tell = (text) => console.log(`\n${color(1, `# ${text}`)}`)
const judge = (what, ok, shown) => {
  if (ok) right++
  else wrong.push(what)
  console.log(`${color(ok ? 32 : 31, ok ? "✓" : "✗")} ${shown}`)
}

/** One JSON request. `expected` is the status, and what the body must hold. */
const ask = async (user, operation, body, expected, holds = {}) => {
  const subject = operation.includes(".v1.") ? operation : `${instance}.v1.demo.${operation}`
  const payload = JSON.stringify(body)
  console.log(color(36, `$ nats --context ${user} request ${subject} '${payload}'`))
  const nc = await as(user)
  const message = await nc.request(subject, payload, { timeout: 10_000 })
  const status = Number(message.headers?.get("Cm-Status"))
  const answer = JSON.parse(message.string())
  const ok = status === expected && Object.entries(holds).every(([name, value]) => answer[name] === value)
  judge(subject, ok, `${status} ${message.string()}`)
  return answer
}

// ---- 16/ECAP: Avro, as a front end speaks it ------------------------------------

const record = (name, fields) => avsc.Type.forSchema({ type: "record", name, fields }, { wrapUnions: false })
const common = [
  { name: "correlationId", type: "string" },
  { name: "timestamp", type: "long" },
  { name: "timeout", type: "long", default: 0 }
]
const Request = record("EndpointTokenValidationRequest", [
  ...common,
  { name: "appName", type: "string" },
  { name: "token", type: "string" }
])
const Response = record("EndpointTokenValidationResponse", [
  ...common,
  { name: "tokenId", type: ["string", "null"] },
  { name: "endpointId", type: ["string", "null"] },
  { name: "statusCode", type: "int" },
  { name: "reasonPhrase", type: ["null", "string"], default: null }
])
const RevokedEvent = record("EndpointTokenRevokedEvent", [
  ...common,
  { name: "appName", type: "string" },
  { name: "endpointId", type: "string" },
  { name: "tokenIds", type: { type: "array", items: "string" } },
  { name: "originatorReplicaId", type: "string" }
])

const validate = async (appName, token, expected) => {
  const subject = `kaa.v1.service.${instance}.ecap.ep-token-request`
  const bytes = Request.toBuffer({ correlationId: "demo", timestamp: Date.now(), timeout: 10_000, appName, token })
  console.log(color(36, `$ 16/ECAP ${subject}  (${bytes.length} bytes of Avro, as user comms)`))
  const nc = await as("comms")
  const { endpointId, reasonPhrase, statusCode } = Response.fromBuffer(
    Buffer.from((await nc.request(subject, bytes, { timeout: 10_000 })).data)
  )
  const because = reasonPhrase === null ? "" : ` ${reasonPhrase}`
  judge(`validation of ${appName}`, statusCode === expected, `${statusCode}${because} endpoint ${endpointId}`)
}

const hearRevocations = async () => {
  const heard = []
  const nc = await as("comms")
  nc.subscribe(`kaa.v1.events.${instance}.endpoint.token.revoked`, {
    callback: (_error, message) => heard.push(RevokedEvent.fromBuffer(Buffer.from(message.data)))
  })
  await nc.flush()
  return async (appName, endpointId) => {
    const until = Date.now() + 5_000
    const found = () => heard.find((event) => event.appName === appName && event.endpointId === endpointId)
    while (found() === undefined && Date.now() < until) await new Promise((done) => setTimeout(done, 20))
    const event = found()
    const shown = event === undefined ? "nothing within 5 s" : `kaa.v1.events: revoked ${event.tokenIds.join(", ")}`
    judge("revocation event", event !== undefined, shown)
  }
}

// ---- the story --------------------------------------------------------------------

const suffix = randomBytes(4).toString("hex")
const appName = `meters-${suffix}`
const service = `mailer-${suffix}`

const tokens = async () => {
  const revoked = await hearRevocations()
  tell("An application, and a token for one of its endpoints. The value is shown once.")
  await ask("admin", "application.register", { appName }, 201, { appName })
  const first = await ask("admin", "token.provision", { appName, endpointId: "meter-1" }, 201, { status: "Inactive" })
  tell("A front end asks whether the token is good. Its first use makes it Active.")
  await validate(appName, first.token, 200)
  tell("Suspended: once that was answered, it is good nowhere.")
  await ask("admin", "token.suspend", { tokenId: first.tokenId, reason: "lost" }, 200, { status: "Suspended" })
  await validate(appName, first.token, 403)
  await revoked(appName, "meter-1")
  tell("Found again.")
  await ask("admin", "token.activate", { tokenId: first.tokenId }, 200, { status: "Active" })
  await validate(appName, first.token, 200)
  tell("Rotated: the new value is good, the old one is not.")
  const second = await ask("admin", "token.rotate", { tokenId: first.tokenId }, 201, { endpointId: "meter-1" })
  await validate(appName, first.token, 410)
  await validate(appName, second.token, 200)
  tell("The application goes, and with it everything that was its own.")
  await ask("admin", "application.remove", { appName }, 200)
  await validate(appName, second.token, 404)
}

const credentials = async () => {
  tell("A provider's secret, for the mail service and nobody else.")
  const body = {
    service_name: service,
    type: "api_key",
    credentials: { api_key: randomBytes(12).toString("hex") },
    scopes: ["send"],
    allowed_consumers: ["mail"]
  }
  const stored = await ask("admin", "credential.store", body, 201, { success: true })
  await ask("mail", "credential.get.mail", { service_name: service }, 200, { service_name: service })
  await ask("chat", "credential.get.chat", { service_name: service }, 403)
  await ask("chat", "credential.describe", { service_name: service }, 200, { is_active: true })
  tell("Revoked: handed out no more.")
  await ask("admin", "credential.revoke", { credential_id: stored.credential_id, reason: "demo" }, 200)
  await ask("mail", "credential.get.mail", { credential_id: stored.credential_id }, 410)
  await ask("admin", "credential.delete", { credential_id: stored.credential_id }, 200, { deleted: 1 })
  tell("Every reading and every refusal is in the tenant's audit chain.")
  await ask("admin", "audit.list", { entityId: stored.credential_id, limit: 3 }, 200)
  await ask("admin", "audit.verify", {}, 200, { valid: true })
}

await tokens()
await credentials()
tell("What an operator sees.")
await ask("operator", `${instance}.admin.v1.ready`, {}, 200, { ready: true })

for (const open of connections.values()) await (await open).close()
console.log(`\n${right} answers right, ${wrong.length} wrong`)
for (const what of wrong) console.log(`wrong: ${what}`)
process.exit(wrong.length === 0 ? 0 : 1)
