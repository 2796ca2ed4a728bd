/** The example consumers, run as their README says, on the shipped nats.conf with their own bus users. */
import { execFile } from "node:child_process"
import { resolve } from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, it } from "vitest"
import { type Client, connectClient } from "../support/client.ts"
import { npmStart, type Started, startScript } from "../support/npmStart.ts"
import { temporaryFolder } from "../support/servers.ts"

const root = resolve(import.meta.dirname, "../..")
const folder = temporaryFolder()
const planted = { mail: "Mail-Planted-77ad", chat: "Chat-Planted-13f0", whatsapp: "Whatsapp-Planted-9be2" }
let started: Started
let admin: Client

beforeAll(async () => {
  started = npmStart({ dir: folder.path, command: startScript })
  const run = await started.ready()
  const { inboxPrefix, password, user } = run.users.admin!
  admin = await connectClient({ natsUrl: run.natsUrl, instance: run.instance, user, password, inboxPrefix })
  const stored = [
    ["demo", "outlook", "basic", { username: "u@example.com", password: planted.mail }, "mail"],
    ["demo", "slack", "oauth", { access_token: planted.chat }, "chat"],
    ["global", "whatsapp-business", "api_key", { api_key: planted.whatsapp }, "whatsapp"]
  ] as const
  for (const [tenant, service_name, type, credentials, consumer] of stored) {
    const body = { service_name, type, credentials, allowed_consumers: [consumer] }
    const answer = await admin.ask(tenant, "credential.store", body)
    assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
  }
}, 300_000)
afterAll(async () => {
  await admin?.close()
  started?.kill("SIGTERM")
  await started?.exitCode
  folder.remove()
}, 300_000)

const run = (name: string, ...args: ReadonlyArray<string>) =>
  promisify(execFile)(process.execPath, [`examples/${name}/${name}.mjs`, "demo", ...args], {
    cwd: root,
    env: { ...process.env, CM_LOCAL_DIR: folder.path }
  })

const cases: ReadonlyArray<readonly [keyof typeof planted, ReadonlyArray<string>, RegExp]> = [
  ["mail", [], /signing in to outlook for demo as u@example\.com with \*{8} \(17 characters\)/u],
  ["chat", [], /posting with \*{8} \(17 characters\)/u],
  ["whatsapp", ["anna"], /sending for anna with the key of everybody/u]
]
it.each(cases)("%s fetches its own secret, shows none, and cannot fetch another's", async (name, args, expected) => {
  const { stdout } = await run(name, ...args)
  assert.match(stdout, expected)
  assert.match(stdout, /in the name of \w+: .*permission/iu)
  for (const secret of Object.values(planted)) assert.notInclude(stdout, secret)
})

it("an administrator stores secrets and cannot read them", async () => {
  const answer = await admin.ask("demo", "credential.get", { service_name: "outlook" }).catch((error: Error) => error)
  assert.match(String(answer), /permission/iu)
  const described = await admin.ask("demo", "credential.describe", { service_name: "outlook" })
  assert.strictEqual(described.status, 200)
  assert.notInclude(JSON.stringify(described.body), planted.mail)
})
