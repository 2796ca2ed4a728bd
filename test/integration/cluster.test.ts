// Verifies R-RUN-7.
/** `npm run cluster`, from outside: two replicas that serve as one, and nothing of it left after Ctrl-C. */
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, expect, it, vi } from "vitest"
import { type Client, connectClient } from "../support/client.ts"
import { eventually } from "../support/eventually.ts"
import { isRunning, notedIn, npmStart, type RunFile, type Started } from "../support/npmStart.ts"
import { temporaryFolder } from "../support/servers.ts"

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

interface ClusterFile extends RunFile {
  readonly replicas: ReadonlyArray<{ readonly replica: string; readonly pid: number }>
}

const folder = temporaryFolder()
const replicas = ["one", "two"]
/** Enough that no replica of two is passed over by chance. */
const many = 60

let started: Started
let run: ClusterFile
const clients: Record<string, Client> = {}

beforeAll(async () => {
  started = npmStart({ dir: folder.path, command: [process.execPath, "scripts/cluster.mjs"] })
  run = (await started.ready()) as ClusterFile
  for (const name of ["admin", "comms", "operator"]) {
    const { inboxPrefix, password, user } = run.users[name]!
    clients[name] = await connectClient({ natsUrl: run.natsUrl, user, password, inboxPrefix })
  }
})

afterAll(async () => {
  for (const client of Object.values(clients)) await client.close()
  started.kill("SIGTERM")
  await started.exitCode
  folder.remove()
})

/** How many requests of `token.validate` each replica has answered, by its own count. */
const validationsBy = async (): Promise<Readonly<Record<string, number>>> => {
  const counts: Record<string, number> = {}
  const { nc } = clients.operator!
  const asked = { strategy: "count", maxMessages: replicas.length, maxWait: 30_000 } as const
  for await (const message of await nc.requestMany("$SRV.STATS", "", asked)) {
    const { endpoints, metadata } = message.json<{
      readonly metadata: { readonly replica: string }
      readonly endpoints: ReadonlyArray<{ readonly name: string; readonly num_requests: number }>
    }>()
    counts[metadata.replica] = endpoints.find(({ name }) => name === "token-validate")!.num_requests
  }
  assert.sameMembers(Object.keys(counts), replicas, "each of them says how many")
  return counts
}

/** Asked so often at once. A replica that gets none of a busy machine loses its lease for a moment, and says so. */
const allReady = (times: number) =>
  eventually(
    () => Promise.all(Array.from({ length: times }, () => clients.operator!.admin("ready"))),
    (answers) => answers.every(({ status }) => status === 200),
    { what: "every replica being ready" }
  )

/** What many validations are answered, each replica having answered some of them. */
const verdicts = async (token: string): Promise<ReadonlySet<number>> => {
  const before = await validationsBy()
  const asked = Array.from({ length: many }, () =>
    clients.comms!.ask("demo", "token.validate", { appName: "app", token })
  )
  const answers = await Promise.all(asked)
  const after = await validationsBy()
  for (const [replica, count] of Object.entries(after)) assert.isAbove(count, before[replica]!, replica)
  return new Set(answers.map(({ body }) => body.statusCode))
}

it("is two replicas on one pair of servers, and ready when both are", async () => {
  assert.deepStrictEqual(
    run.replicas.map(({ replica }) => replica),
    replicas
  )
  const names = started.everything().map(({ name }) => name)
  assert.deepStrictEqual(names.toSorted(), ["mariadbd", "nats-server", "service", "service"])
  const pids = new Set(started.everything().map(({ pid }) => pid))
  for (const { pid } of run.replicas) assert.isTrue(pids.has(pid))
  const answers = await allReady(many)
  assert.deepStrictEqual(new Set(answers.map(({ body }) => body.replicaId)), new Set(replicas))
})

it("refuses on both what one has suspended, from the answer on", async () => {
  const admin = clients.admin!
  assert.strictEqual((await admin.ask("demo", "application.register", { appName: "app" })).status, 201)
  for (let round = 0; round < 5; round++) {
    const provisioned = await admin.ask("demo", "token.provision", { appName: "app", endpointId: `e${round}` })
    const { token, tokenId } = provisioned.body
    assert.deepStrictEqual(await verdicts(token), new Set([200]))
    assert.strictEqual((await admin.ask("demo", "token.suspend", { tokenId })).status, 200)
    assert.deepStrictEqual(await verdicts(token), new Set([403]))
  }
})

it("goes on with the other replica when one is drained, and says so", async () => {
  const { replicaId } = (await clients.operator!.admin("drain")).body
  await eventually(
    started.output,
    (said) => said.includes(`service-${replicaId} ended as it was asked to; the others go on`),
    {
      limitMs: 120_000,
      what: "the word of its end"
    }
  )
  const drained = run.replicas.find(({ replica }) => replica === replicaId)!
  assert.isFalse(isRunning(drained.pid))
  const answers = await allReady(10)
  for (const { body, status } of answers) {
    assert.deepStrictEqual([status, body.replicaId], [200, replicas.find((name) => name !== replicaId)])
  }
})

it("ends with 0 on Ctrl-C and leaves nothing that runs, and nothing that says it does", async () => {
  const pids = started.everything().map(({ pid }) => pid)
  assert.lengthOf(pids, 3)
  started.kill("SIGINT")
  assert.strictEqual(await started.exitCode, 0)
  // What a replica had logged until then may be shown between the two.
  assert.match(started.output(), /^stopping \(SIGINT\): the service first, then its servers\n(?:.*\n)*stopped\n$/mu)
  assert.deepStrictEqual([...pids, ...run.replicas.map(({ pid }) => pid)].filter(isRunning), [])
  assert.deepStrictEqual(notedIn(folder.path), [])
  for (const file of ["run.json", "start.lock"]) assert.isFalse(existsSync(join(folder.path, file)), file)
  expect(readdirSync(folder.path).filter((file) => file.endsWith(".ready"))).toEqual([])
})
