/**
 * `npm run platform`: the service, the HTTP gateway and everything around them, on loopback, in the foreground.
 *
 * A stand-in Tekton and Tenant Manager, an OpenID provider for each of two tenants, `npm start` with them, the gateway
 * on its bus. Prints the addresses, two users of each tenant with tokens, and a curl line to paste. With `--demo` it then
 * asks over HTTP and the bus, prints what came back, and ends with 0 only if each answer was right. For development: what stands in
 * for other systems is that of the tests. Ends like `npm start`.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { connect } from "@nats-io/transport-node"
import { everyScope, oidcIssuer } from "../test/support/oidcIssuer.ts"
import { startTekton } from "../test/support/standIns/tekton.ts"
import { startTenantManager } from "../test/support/standIns/tenantManager.ts"
import { argumentsOf } from "./lib/arguments.mjs"
import { tlsOf } from "./lib/bus.mjs"
import { checkout } from "./lib/find.mjs"
import { localDirOf, runningIn } from "./lib/localDir.mjs"

const { values } = argumentsOf(import.meta.filename, {
  call: "npm run platform --",
  options: { demo: { type: "boolean", default: false } }
})
const say = (line) => process.stdout.write(`${line}\n`)
const tenantIds = ["acme", "beta"]
const readScopes = "endpoint:read application:read tenant:credentials:read tenant:audit:read"

const tekton = await startTekton({ instance: "cm" })
const manager = await startTenantManager()
const issuers = new Map()
for (const tenantId of tenantIds) {
  const issuer = await oidcIssuer()
  issuers.set(tenantId, issuer)
  manager.put(tenantId, { security: { issuer: issuer.issuer, audience: issuer.audience } })
  tekton.applications.set(tenantId, new Set([`${tenantId}-meters`]))
}

const children = []
let stopping = false
const start = (script, env) => {
  const child = spawn(process.execPath, [join(checkout, "scripts", script)], {
    cwd: checkout,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"]
  })
  const ended = new Promise((done) => child.once("exit", (code) => done(code ?? 1)))
  children.unshift({ child, ended })
  ended.then(() => stop(1))
  return new Promise((done) => {
    let text = ""
    const look = (chunk) => {
      text += chunk
      const line = /^ready.*$/mu.exec(text)?.[0]
      if (line === undefined) return
      child.stdout.off("data", look)
      child.stdout.resume()
      done(line)
    }
    child.stdout.on("data", look)
  })
}
const stop = async (code) => {
  if (stopping) return
  stopping = true
  for (const { child, ended } of children) {
    child.kill("SIGTERM")
    await ended
  }
  process.exit(code)
}
for (const name of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(name, () => stop(0))

await start("start.mjs", { CM_TEKTON_ENABLED: "true", ...tekton.environment, ...manager.environment })
const line = await start("gateway.mjs", { CM_GATEWAY_PORT: process.env.CM_GATEWAY_PORT ?? "0" })
const url = /https?:\/\/\S+/u.exec(line)[0]
const { natsCa, natsUrl, users } = runningIn(localDirOf(process.env))
say(`ready: the gateway on ${url} (${url}/docs), the bus on ${natsUrl}`)
say(`Tekton ${tekton.url}, Tenant Manager ${manager.url}`)
for (const [tenantId, issuer] of issuers) {
  const tokens = { administrator: await issuer.token(everyScope), reader: await issuer.token(readScopes) }
  say(`\n${tenantId}, whose issuer is ${issuer.issuer}:`)
  for (const [user, token] of Object.entries(tokens)) say(`  ${user}: ${token}`)
  say(`  try: curl -s -H 'Authorization: Bearer ${tokens.administrator}' ${url}/api/v1/applications`)
}

// ---- the demo -------------------------------------------------------------------

const wrong = []
const ask = async (token, method, path, body, expected) => {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" })
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  const text = await response.text()
  const right = response.status === expected
  if (!right) wrong.push(`${method} ${path}`)
  say(`${right ? "✓" : "✗"} ${method} ${path} ${response.status} ${text.slice(0, 160)}`)
  return text === "" ? {} : JSON.parse(text)
}

/** As a front end asks it, on the bus: `expected` is the verdict. */
const validate = async (appName, token, expected) => {
  const { inboxPrefix, password, user } = users.comms
  const nc = await connect({ servers: natsUrl, user, pass: password, inboxPrefix, ...tlsOf(natsUrl, { ca: natsCa }) })
  const message = await nc.request("cm.v1.acme.token.validate", JSON.stringify({ appName, token }), { timeout: 10_000 })
  const { endpointId, statusCode } = message.json()
  await nc.close()
  if (statusCode !== expected) wrong.push(`validation of ${appName}`)
  say(`${statusCode === expected ? "✓" : "✗"} cm.v1.acme.token.validate ${statusCode} endpoint ${endpointId}`)
}

if (values.demo) {
  const acme = issuers.get("acme")
  const token = await acme.token(everyScope)
  const reader = await acme.token(readScopes)
  const stranger = await issuers.get("beta").token(everyScope)
  const endpoint = `/api/v1/endpoints/demo-${process.pid}/tokens`
  say("\n# An endpoint's token: made and revoked over HTTP, validated on the bus")
  const made = await ask(token, "POST", endpoint, { appName: "acme-meters" }, 201)
  await validate("acme-meters", made.token, 200)
  await ask(reader, "GET", endpoint, undefined, 200)
  await ask(reader, "PATCH", `${endpoint}/${made.tokenId}`, { status: "Revoked" }, 403)
  await ask(stranger, "GET", `${endpoint}/${made.tokenId}`, undefined, 404)
  await ask(token, "PATCH", `${endpoint}/${made.tokenId}`, { status: "Revoked" }, 200)
  await validate("acme-meters", made.token, 410)
  say("\n# A provider's secret, for who is named")
  const service_name = `demo-${process.pid}`
  const secret = {
    service_name,
    type: "api_key",
    credentials: { api_key: "an example" },
    allowed_consumers: ["bearer:acme/robot"]
  }
  const stored = await ask(token, "POST", "/api/v1/credentials", secret, 201)
  await ask(token, "GET", `/api/v1/credentials/${stored.credential_id}`, undefined, 200)
  await ask(reader, "GET", `/api/v1/credentials/${stored.credential_id}?secret=true`, undefined, 403)
  await ask(stranger, "GET", `/api/v1/credentials/${stored.credential_id}`, undefined, 404)
  await ask(token, "POST", `/api/v1/credentials/${stored.credential_id}/revoke`, { reason: "demo" }, 200)
  await ask(token, "GET", `/api/v1/credentials/${stored.credential_id}?secret=true`, undefined, 410)
  await ask(token, "POST", "/api/v1/audit/verify", {}, 200)
  say(`\n${wrong.length} answers wrong`)
  await stop(wrong.length === 0 ? 0 : 1)
}
