// Verifies R-PLT-10, R-RUN-13.
/**
 * `npm run platform`, from outside: everything is up and reachable as it says, its demo tells right from wrong, and whoever dies
 * or says stop, nothing is left.
 */
import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, afterEach, assert, it, vi } from "vitest"
import { eventually } from "../support/eventually.ts"
import { http } from "../support/gateway.ts"
import { isRunning, notedIn, npmStart, type Started } from "../support/npmStart.ts"
import { rawClient } from "../support/rawClient.ts"
import { temporaryFolder } from "../support/servers.ts"

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const folder = temporaryFolder()
/** What the first start has made stays there for the next ones. */
const dir = join(folder.path, "local")
const script = [process.execPath, "scripts/platform.mjs"]
const port = "0"
const running: Array<Started> = []
afterEach(async () => {
  for (const started of running.splice(0)) {
    started.kill("SIGTERM")
    await started.exitCode
  }
})
afterAll(() => folder.remove())

/** The process and all that it started, and they, and so on. */
const treeOf = (root: number): ReadonlyArray<number> => {
  const parents = readdirSync("/proc").flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${Number(name)}/stat`, "utf8")
      return [[Number(name), Number(stat.slice(stat.lastIndexOf(")") + 4).split(" ")[0])] as const]
    } catch {
      return []
    }
  })
  const found = new Set([root])
  for (let before = 0; before < found.size; ) {
    before = found.size
    for (const [pid, parent] of parents) if (found.has(parent)) found.add(pid)
  }
  return [...found]
}
const namedIn = (pids: ReadonlyArray<number>, part: string): number | undefined =>
  pids.find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(part)
    } catch {
      // It has ended since it was listed.
      return false
    }
  })

const nothingIsLeft = async (pids: ReadonlyArray<number>) => {
  await eventually(
    () => pids.filter(isRunning),
    (left) => left.length === 0,
    { limitMs: 120_000, what: "the end of everything that was started" }
  )
  assert.deepStrictEqual(notedIn(dir), [])
}

const start = (env: Record<string, string> = {}, command: ReadonlyArray<string> = script): Started => {
  const started = npmStart({ dir, command, env: { CM_GATEWAY_PORT: port, ...env } })
  running.push(started)
  return started
}

const shell = (line: string) =>
  new Promise<string>((done, fail) =>
    execFile("sh", ["-c", line], (error, stdout) => (error === null ? done(stdout) : fail(error)))
  )

it("it says where everything is, each line is true, and a stop leaves nothing and ends with 0", async () => {
  const started = start()
  const { natsUrl, users } = await started.ready()
  // No tenant but the Tenant Manager's, and the reserved one.
  const operator = await rawClient({ port: Number(new URL(natsUrl).port), ...users.operator! })
  const listed = await operator.ask({ subject: "cm.admin.v1.tenants.list" })
  operator.close()
  assert.deepStrictEqual(
    JSON.parse(listed.data.toString()).content.map(({ tenantId }: { readonly tenantId: string }) => tenantId),
    ["acme", "beta", "global"]
  )
  const output = await eventually(started.output, (text) => (text.match(/^ {2}try: /gmu) ?? []).length === 2, {
    limitMs: 120_000,
    what: "a line to paste for each tenant"
  })
  const url = /^ready: the gateway on (\S+) \((\S+)\/docs\), the bus on nats:\/\/\S+$/mu.exec(output)!
  assert.strictEqual(url[1], url[2])
  assert.strictEqual((await http(url[1]!, "GET", "/ready")).status, 200)
  assert.match((await http(url[1]!, "GET", "/docs")).text, /<html/u)
  for (const tenantId of ["acme", "beta"]) {
    const [, issuer, about] = new RegExp(`^${tenantId}, whose issuer is (\\S+):\\n([\\s\\S]*?try: .*)$`, "mu").exec(
      output
    )!
    const [, administrator] = /^ {2}administrator: (\S+)$/mu.exec(about!)!
    const [, reader] = /^ {2}reader: (\S+)$/mu.exec(about!)!
    assert.strictEqual(JSON.parse(Buffer.from(reader!.split(".")[1]!, "base64url").toString()).iss, issuer)
    const pasted = JSON.parse(await shell(/^ {2}try: (.*)$/mu.exec(about!)![1]!))
    assert.deepStrictEqual(
      pasted.content.map(({ appName }: { appName: string }) => appName),
      [`${tenantId}-meters`]
    )
    const made = { token: administrator!, body: { appName: `${tenantId}-meters` } }
    assert.strictEqual((await http(url[1]!, "POST", "/api/v1/endpoints/e1/tokens", made)).status, 201)
    assert.strictEqual(
      (await http(url[1]!, "POST", "/api/v1/endpoints/e1/tokens", { ...made, token: reader! })).status,
      403
    )
  }
  const pids = treeOf(started.pid)
  for (const part of ["nats-server", "mariadb", "src/main.ts", "src/gatewayMain.ts"]) {
    assert.isDefined(namedIn(pids, part), part)
  }
  started.kill("SIGTERM")
  assert.strictEqual(await started.exitCode, 0, started.output())
  await nothingIsLeft(pids)
})

it("its demo plays both halves, and ends with 0 when each answer was right", async () => {
  const started = start({}, ["npm", "run", "platform", "--", "--demo"])
  await started.ready()
  const pids = treeOf(started.pid)
  assert.strictEqual(await started.exitCode, 0, started.output())
  const lines = started.output().split("\n")
  assert.strictEqual(lines.filter((line) => line.startsWith("✗")).length, 0)
  assert.isAbove(lines.filter((line) => /^✓ (?:GET|POST|PATCH) /u.test(line)).length, 10)
  assert.strictEqual(lines.filter((line) => line.startsWith("✓ cm.v1.acme.token.validate")).length, 2)
  assert.include(lines, "0 answers wrong")
  await nothingIsLeft(pids)
})

it("a service that answers wrongly makes the demo end with 1, and say which answers were wrong", async () => {
  // Whoever has a token may do anything: the demo's reader can revoke.
  const started = start({ CM_AUTHORIZATION: "authentication-only" }, [...script, "--demo"])
  await started.ready()
  const pids = treeOf(started.pid)
  assert.strictEqual(await started.exitCode, 1, started.output())
  assert.match(started.output(), /^✗ PATCH \S+ 200 /mu)
  assert.match(started.output(), /^[1-9]\d* answers wrong$/mu)
  await nothingIsLeft(pids)
})

it("when a part of it dies, all of it ends, with 1", async () => {
  const started = start()
  await started.ready()
  await eventually(started.output, (text) => text.includes("try: "), { limitMs: 120_000, what: "the tokens" })
  const pids = treeOf(started.pid)
  const service = namedIn(pids, "src/main.ts")!
  process.kill(namedIn(pids, "src/gatewayMain.ts")!, "SIGKILL")
  await eventually(
    () => isRunning(service),
    (is) => !is,
    { what: "the end of the service, whose gateway has died" }
  )
  assert.strictEqual(await started.exitCode, 1, started.output())
  await nothingIsLeft(pids)
})
