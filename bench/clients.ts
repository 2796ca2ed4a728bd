/**
 * What checks of client credentials cost, as ratios; nothing is promised here, so the exit code says only
 * whether all was answered rightly.
 *
 * - an unknown name against a known one with a wrong password, one after the other in turns: the ratio of the
 *   medians should be near 1, since time must not tell which it is;
 * - first logins in a second (each hashes), and those that are known (each compares);
 * - a hot certificate against a hot token, by the load of the other benchmarks, in turns.
 *
 * `node bench/clients.ts [rounds=5] [milliseconds=2000] [inFlight=128] [attempts=40]`
 */
import { connectClient } from "../test/support/client.ts"
import { clientAsker, wire } from "../test/support/clientWire.ts"
import * as ecap from "../test/support/ecap.ts"
import { freshDatabase } from "../test/support/freshDatabase.ts"
import { startPair } from "../test/support/servers.ts"
import { startService } from "../test/support/service.ts"
import { startLoad } from "./support/children.ts"
import { median, printMachine, spread } from "./support/report.ts"

const [rounds = 5, milliseconds = 2_000, inFlight = 128, attempts = 40] = process.argv.slice(2).map(Number)
const names = 1_000
const instance = "bench"
const issuer = "CN=Bench CA,O=Example"
const now = () => performance.now()

printMachine()
const pair = await startPair()
const database = await freshDatabase(pair.mariadb.url)
const service = await startService({ natsUrl: pair.nats.url, databaseUrl: database.url, instance, asShipped: true })
const client = await connectClient({ natsUrl: pair.nats.url, instance })
const ask = clientAsker(client.nc, instance)
const must = async (operation: string, body: unknown) => {
  const answer = await client.ask("demo", operation, body)
  if (answer.status >= 300) throw new Error(`${operation}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}
const limits = { loginsPerSecond: 10_000_000 }
const configured = await client.admin("tenants.configure", { tenantId: "demo", limits })
if (configured.status !== 200) throw new Error(`tenants.configure: ${configured.status}`)
let isRight = true
const login = async (username: string, password: string, expected: number): Promise<number> => {
  const before = now()
  const { statusCode } = await ask("ecap.client-username-password-request", { username, password })
  isRight &&= statusCode === expected
  return now() - before
}

// ---- unknown and known names
await must("client-credential.create-basic", { username: "known", password: "right" })
const unknown: Array<number> = []
const known: Array<number> = []
for (let n = 0; n < attempts; n++) {
  unknown.push(await login(`nobody-${n}`, "wrong", 401))
  known.push(await login("known", `wrong-${n}`, 401))
}
const shown = (values: ReadonlyArray<number>) => `${median(values).toFixed(1)} ms`
console.log(`an unknown name: ${shown(unknown)}; a known one, wrong password: ${shown(known)}`)
console.log(`ratio of the medians: ${(median(unknown) / median(known)).toFixed(3)}`)

// ---- logins
const users = Array.from({ length: attempts }, (_, n) => `user-${n}`)
for (const username of users) await must("client-credential.create-basic", { username, password: "right" })
const began = now()
await Promise.all(users.map((username) => login(username, "right", 200)))
const first = (attempts * 1_000) / (now() - began)
const again = now()
const repeats = 50
for (let n = 0; n < repeats; n++) await Promise.all(users.map((username) => login(username, "right", 200)))
const hot = (attempts * repeats * 1_000) / (now() - again)
console.log(`first logins: ${first.toFixed(0)}/s; known logins: ${hot.toFixed(0)}/s (by one client in bursts)`)

// ---- a hot certificate against a hot token
await must("application.register", { appName: "meters" })
const items = Array.from({ length: names }, () => ({ endpointId: crypto.randomUUID() }))
const { results } = await must("token.provision-batch", { appName: "meters", items })
for (let n = 0; n < names; n += 100) {
  await Promise.all(
    Array.from({ length: 100 }, (_, m) =>
      must("client-credential.create-certificate", { issuer, serialNumber: String(1_000_000 + n + m), clientId: "c" })
    )
  )
}
const common = { correlationId: "br7si8mg10l7an82que0", timestamp: Date.now(), timeout: 0 }
const tokenRequests = results.map(({ token }: { readonly token: string }) =>
  ecap.ValidationRequest.toBuffer({ ...common, appName: "meters", token }).toString("base64")
)
const certificateRequests = Array.from({ length: names }, (_, n) =>
  wire["ecap.client-certificate-request"].request
    .toBuffer({ ...common, issuer, serialNumber: String(1_000_000 + n) })
    .toString("base64")
)
const id = crypto.randomUUID()
const verdict = { statusCode: 200, reasonPhrase: null }
const kinds = [
  {
    name: "hot token",
    subject: `kaa.v1.service.${instance}.ecap.ep-token-request`,
    load: await startLoad({ natsUrl: pair.nats.url, requests: tokenRequests, inFlight }),
    replyBytes: ecap.ValidationResponse.toBuffer({ ...common, tokenId: id, endpointId: id, ...verdict }).length,
    rates: [] as Array<number>
  },
  {
    name: "hot certificate",
    subject: `kaa.v1.service.${instance}.ecap.client-certificate-request`,
    load: await startLoad({ natsUrl: pair.nats.url, requests: certificateRequests, inFlight }),
    replyBytes: wire["ecap.client-certificate-request"].answer.toBuffer({
      ...common,
      credentialId: id,
      clientId: "c",
      ...verdict
    }).length,
    rates: [] as Array<number>
  }
]
for (let round = -1; round < rounds; round++) {
  for (const { load, rates, replyBytes, subject } of kinds) {
    const { perSecond, wrong } = await load.run({ subject, milliseconds, replyBytes })
    // The first round warms up.
    if (round < 0) continue
    rates.push(perSecond)
    isRight &&= wrong === 0
  }
}
for (const { name, rates } of kinds) console.log(`${name}: ${spread(rates)} checks a second`)
console.log(
  `a hot certificate's rate, in hot tokens': ${(median(kinds[1]!.rates) / median(kinds[0]!.rates)).toFixed(2)}`
)
if (!isRight) console.log("something was not answered rightly")

for (const { load } of kinds) await load.stop()
await client.close()
await service.stop()
await database.drop()
await pair.stop()
process.exitCode = isRight ? 0 : 1
