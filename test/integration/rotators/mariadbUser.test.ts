// Verifies R-REF-25, R-ROT-7, R-ROT-8.
/**
 * `mariadb-user` changes the very database user that the service signs in with, under load: two accounts in turn, a
 * file that the service reads at each connection, and a reader who keeps that file as an operator's agent would.
 */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createCurve } from "@nats-io/nkeys"
import { Effect } from "effect"
import type { Connection, SqlError } from "mariadb"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { builtInRotators } from "../../../src/domain/Rotator.ts"
import { mariadbUser } from "../../../src/rotation/MariadbUser.ts"
import type { StepQuestion } from "../../../src/rotation/RotatorStep.ts"
import { type Answer, type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql } from "../../support/freshDatabase.ts"
import { type Server, startMariadb } from "../../support/servers.ts"
import { type Service, startService } from "../../support/service.ts"

const instance = "rmu"
const folder = mkdtempSync(join(tmpdir(), "cm-rotators-"))
const loginFile = join(folder, "login.json")
let server: Server & { readonly url: string }
let root: Connection
let service: Service
let client: Client
let port: number
let running: ReturnType<typeof load> | undefined
const events: Array<Record<string, unknown>> = []
const firstPassword = "first-planted-password"
const adminPassword = "admin-planted-password"

const ask = (operation: string, body: unknown = {}) => client.ask("demo", operation, body)
const refusal = (answer: Answer) => [answer.status, answer.code]
const writeLogin = (login: { readonly username: string; readonly password: string }) => {
  writeFileSync(`${loginFile}.new`, JSON.stringify(login), { mode: 0o600 })
  renameSync(`${loginFile}.new`, loginFile)
}
/** The event is sent behind the answer, and an operator's agent comes behind the event. */
const written = (user: string) =>
  eventually(
    () => (JSON.parse(readFileSync(loginFile, "utf8")) as { readonly username: string }).username,
    (username) => username === user,
    { limitMs: 120_000, what: `${user} is written down for the service` }
  )
const signsIn = async (user: string, password: string): Promise<boolean> => {
  try {
    const connection = await connectSql({ host: "127.0.0.1", port, user, password })
    await connection.end()
    return true
  } catch (error) {
    // Anything else says nothing of the password.
    if (!["ER_ACCESS_DENIED_ERROR", "ER_ACCOUNT_HAS_BEEN_LOCKED"].includes((error as SqlError).code ?? "")) throw error
    return false
  }
}
const usersAtWork = async (): Promise<ReadonlySet<string>> =>
  new Set(
    (
      (await root.query("SELECT user FROM information_schema.processlist WHERE db = 'own'")) as ReadonlyArray<{
        readonly user: string
      }>
    ).map(({ user }) => user)
  )

beforeAll(async () => {
  server = (await startMariadb({ dir: join(folder, "mariadb"), mayCreateDatabases: true })) as typeof server
  const url = new URL(server.url)
  port = Number(url.port)
  root = await connectSql(server.url)
  // The rights to give rights, which the test's user lacks.
  await root.query(
    "UPDATE mysql.global_priv SET priv = JSON_SET(priv, '$.access', 18446744073709551615) WHERE user = ?",
    [url.username]
  )
  await root.query("FLUSH PRIVILEGES")
  await root.end()
  root = await connectSql(server.url)
  for (const statement of [
    "CREATE DATABASE own CHARACTER SET utf8mb4",
    `CREATE USER cm_a@'127.0.0.1' IDENTIFIED BY '${firstPassword}'`,
    "CREATE USER cm_b@'127.0.0.1' IDENTIFIED BY 'nobodys' ACCOUNT LOCK",
    "GRANT ALL PRIVILEGES ON own.* TO cm_a@'127.0.0.1'",
    "GRANT ALL PRIVILEGES ON own.* TO cm_b@'127.0.0.1'",
    // All that the rotator's own account may do.
    `CREATE USER cm_rotator@'127.0.0.1' IDENTIFIED BY '${adminPassword}'`,
    "GRANT CREATE USER ON *.* TO cm_rotator@'127.0.0.1'"
  ]) {
    await root.query(statement)
  }
  writeLogin({ username: "cm_a", password: firstPassword })
  service = await startService({
    natsUrl: inject("natsUrl"),
    databaseUrl: `mariadb://unused:unused@127.0.0.1:${port}/own`,
    instance,
    env: {
      CM_DATABASE_LOGIN_FILE: loginFile,
      CM_REFRESH_INTERVAL: "100 millis",
      CM_ROTATOR_HOSTS_ALLOWED: `127.0.0.1:${port},db.example.com`,
      CM_ROTATOR_TIMEOUT: "10 seconds",
      CM_ROTATOR_OVERLAP: "10 seconds"
    }
  })
  client = await connectClient({ natsUrl: inject("natsUrl"), instance, timeoutMs: 75_000 })
  client.nc.subscribe(`${instance}.events.v1.>`, { callback: (_, message) => void events.push(message.json()) })
  await client.nc.flush()
}, 300_000)
afterAll(async () => {
  await running?.stop()
  await client?.close()
  await service?.stop()
  await root?.end()
  await server?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const params = { user_a: "cm_a", user_b: "cm_b", host: "127.0.0.1" }
let services = 0
const request = (over: object = {}, credentials: object = {}) => ({
  service_name: `own${++services}`,
  type: "mariadb",
  credentials: {
    username: "cm_a",
    password: firstPassword,
    host: "127.0.0.1",
    port: String(port),
    admin_username: "cm_rotator",
    admin_password: adminPassword,
    ...credentials
  },
  allowed_consumers: ["mail"],
  rotation: { rotator: "mariadb-user", every: "P30D", params },
  ...over
})
const secretOf = async (id: string) =>
  (await ask("credential.get.mail", { credential_id: id })).body.credentials as Record<string, string>

/** The rotator's own account is no reader's. */
const readable = ["host", "password", "port", "username"]

/** Requests of several kinds, one after the other in each of a few lanes, until it is stopped. */
const load = (app: string, id: string) => {
  let isOver = false
  const failed: Array<string> = []
  let count = 0
  const kinds: ReadonlyArray<(turn: number) => Promise<unknown>> = [
    (turn) => ask("token.provision", { appName: app, endpointId: `e${turn}` }),
    () => ask("credential.get.mail", { credential_id: id }),
    () => ask("token.list", { appName: app, limit: 5 }),
    () => ask("credential.update", { credential_id: id, scopes: [`s${count}`] })
  ]
  const lane = async (first: number) => {
    for (let turn = first; !isOver; turn += kinds.length) {
      const answer = (await kinds[first]!(turn).catch((error: unknown) => ({
        status: 0,
        body: String(error)
      }))) as Answer
      count++
      if (answer.status < 200 || answer.status > 299) failed.push(`${first}: ${answer.status} ${answer.code}`)
    }
  }
  const lanes = Promise.all(kinds.map((_, first) => lane(first)))
  return {
    failed,
    count: () => count,
    stop: async () => {
      isOver = true
      await lanes
    }
  }
}

describe("the service's own database user", () => {
  it("is changed under load, twice, without a failed request; the old password signs in no more", async () => {
    assert.strictEqual((await ask("application.register", { appName: "load" })).status, 201)
    const stored = await ask("credential.store", request())
    assert.strictEqual(stored.status, 201, JSON.stringify(stored.body))
    const id = stored.body.credential_id as string
    const first = await secretOf(id)
    assert.deepStrictEqual(Object.keys(first).toSorted(), readable)
    const reader = createCurve()
    const sealed = (await ask("credential.get.mail", { credential_id: id, seal_to: reader.getPublicKey() })).body
    const opened = reader.open(Buffer.from(sealed.sealed, "base64"), sealed.sealed_by)
    assert.deepStrictEqual(Object.keys(JSON.parse(Buffer.from(opened!).toString())).toSorted(), readable)
    // An operator's agent: what is rotated is read, and written down for the service.
    let agents = Promise.resolve()
    const agent = client.nc.subscribe(`${instance}.events.v1.demo.credential.rotated`, {
      callback: (_, message) => {
        if (message.json<{ credential_id: string }>().credential_id !== id) return
        agents = agents.then(async () => writeLogin((await secretOf(id)) as { username: string; password: string }))
        // May fail: it is thrown where the agents are waited for.
        agents.catch(() => undefined)
      }
    })
    await client.nc.flush()
    running = load("load", id)
    const secrets = [first]
    for (const [from, to] of [
      ["cm_a", "cm_b"],
      ["cm_b", "cm_a"]
    ] as const) {
      const old = secrets.at(-1)!
      const answer = await ask("credential.rotate", { credential_id: id })
      assert.strictEqual(answer.status, 200, JSON.stringify(answer.body))
      assert.isTrue(await signsIn(from, old.password!), "it is promised to its readers for a while")
      const fresh = await secretOf(id)
      assert.strictEqual(fresh.username, to)
      assert.isTrue(await signsIn(to, fresh.password!))
      await eventually(
        () => signsIn(from, old.password!),
        (does) => !does,
        { limitMs: 120_000, everyMs: 100, what: `${from} does not sign in any more` }
      )
      secrets.push(fresh)
      await eventually(
        async () => (await ask("credential.list", { limit: 100 })).body.content[0],
        (one) => one.refresh.state === "fresh" && one.retire_pending.length === 0,
        { limitMs: 120_000, what: "it has ended" }
      )
    }
    await written("cm_a")
    const during = running.count()
    await eventually(running.count, (count) => count > during + 50, { limitMs: 120_000, what: "the load goes on" })
    await running.stop()
    assert.deepStrictEqual(running.failed, [])
    process.stdout.write(`rotators: ${running.count()} requests during two rotations, none failed (under load)\n`)
    await ask("credential.rotate", { credential_id: id })
    await eventually(
      () => secretOf(id),
      ({ username }) => username === "cm_b",
      { what: "the third" }
    )
    await written("cm_b")
    agent.unsubscribe()
    await agents
    // Connections that stood are closed at the server: the next ones sign in as the file says.
    await root.query("KILL USER cm_a")
    await eventually(
      () => ask("token.provision", { appName: "load", endpointId: "after" }),
      ({ status }) => status === 201,
      { limitMs: 120_000, what: "the service is back" }
    )
    // One that was killed is listed until its thread has ended.
    await eventually(usersAtWork, (users) => users.size === 1 && users.has("cm_b"), {
      limitMs: 120_000,
      what: "only the other user is at work"
    })
    for (const { password } of secrets) {
      assert.isFalse((await signsIn("cm_a", password!)) && password !== secrets.at(-1)!.password)
      assert.notInclude(service.output(), password!)
      assert.notInclude(JSON.stringify(events), password!)
    }
    assert.notInclude(service.output(), adminPassword)
  }, 300_000)
})

describe("what a tenant writes", () => {
  const hostile = [
    "cm_a' IDENTIFIED BY 'x",
    "cm_a\\",
    'cm"a',
    "cm`a",
    "cm a",
    "cm_a\u0000",
    "cmä",
    "cm_a;",
    "root",
    "",
    "a".repeat(81)
  ]
  it.each(hostile)("is refused as a user: %j", async (user) => {
    for (const over of [{ user_a: user }, { user_b: user }]) {
      const answer = await ask(
        "credential.store",
        request({ rotation: { rotator: "mariadb-user", every: "P1D", params: { ...params, ...over } } })
      )
      assert.strictEqual(answer.status, 400, JSON.stringify(answer.body))
      assert.match(answer.body.error.details.path, /^rotation\.params/u)
    }
  })

  it.each(["127.0.0.1' --", "%' OR '1", "a\\", "\u0000", ""])("is refused as an account's host: %j", async (host) => {
    const rotation = { rotator: "mariadb-user", every: "P1D", params: { ...params, host } }
    const answer = await ask("credential.store", request({ rotation }))
    assert.strictEqual(answer.body.error.details.path, "rotation.params.host")
  })

  it.each([
    ["another port", { port: "1" }, "credentials.host"],
    ["another host", { host: "169.254.169.254" }, "credentials.host"],
    ["another name of it", { host: "localhost" }, "credentials.host"],
    ["a port that is none", { port: "99999" }, "credentials.port"],
    ["a user that is neither", { username: "other" }, "credentials.username"],
    ["an administrator that is one of the two", { admin_username: "cm_b" }, "credentials.admin_username"]
  ])("reaches no %s", async (_, credentials, path) => {
    const answer = await ask("credential.store", request({}, credentials))
    assert.strictEqual(answer.status, 400)
    assert.strictEqual(answer.body.error.details.path, path)
  })

  it("is not sent in clear to another machine: a listed one is asked for TLS, and not told a password", async () => {
    const stored = await ask("credential.store", request({}, { host: "db.example.com", port: "3306" }))
    assert.strictEqual(stored.status, 201, JSON.stringify(stored.body))
    const answer = await ask("credential.rotate", { credential_id: stored.body.credential_id })
    assert.deepStrictEqual(refusal(answer), [502, "ROTATOR_FAILED"])
  })
})

describe("a database that refuses", () => {
  const stored = async (credentials: object, over: object = {}) => {
    const answer = await ask("credential.store", request(over, credentials))
    assert.strictEqual(answer.status, 201, JSON.stringify(answer.body))
    return answer.body.credential_id as string
  }
  /** Who asks is told after ten seconds that it goes on; how it ends is told to who asks again. */
  const rotate = (id: string) =>
    eventually(
      () => ask("credential.rotate", { credential_id: id }),
      ({ code }) => code !== "REFRESH_PENDING",
      { what: "the end of a rotation" }
    )

  it("the administrator's password: failing, until it is mended", async () => {
    const answer = await rotate(await stored({ admin_password: "wrong-planted" }))
    assert.deepInclude(answer.body.error.details, { reason: "invalid_client", permanent: false })
    assert.notInclude(service.output(), "wrong-planted")
  })

  it("for want of rights, or of the account: for good", async () => {
    await root.query("CREATE USER cm_weak@'127.0.0.1' IDENTIFIED BY 'weak-planted'")
    const weak = await rotate(await stored({ admin_username: "cm_weak", admin_password: "weak-planted" }))
    assert.deepInclude(weak.body.error.details, { reason: "unauthorized_client", permanent: true })
    const absent = { ...params, user_b: "cm_absent" }
    const id = await stored({}, { rotation: { rotator: "mariadb-user", every: "P1D", params: absent } })
    assert.deepInclude((await rotate(id)).body.error.details, { reason: "unknown", permanent: true })
    // Undone where there is nothing: it stays on the list, and readers keep what they had.
    assert.strictEqual((await secretOf(id)).password, firstPassword)
  })

  it("the new password, which it said it had set: the other one stays in force, and it is undone", async () => {
    // Taken with a certificate only, which nobody here has.
    await root.query("CREATE USER cm_strict@'127.0.0.1' IDENTIFIED BY 'nobodys' REQUIRE X509 ACCOUNT LOCK")
    const strict = { ...params, user_b: "cm_strict" }
    const id = await stored({}, { rotation: { rotator: "mariadb-user", every: "P1D", params: strict } })
    assert.deepInclude((await rotate(id)).body.error.details, { reason: "invalid_grant", permanent: true })
    const { password, username } = await secretOf(id)
    assert.deepStrictEqual([username, password], ["cm_a", firstPassword])
    await eventually(
      async () =>
        (
          await root.query(
            "SELECT JSON_VALUE(priv, '$.account_locked') AS locked FROM mysql.global_priv WHERE user = 'cm_strict'"
          )
        )[0],
      ({ locked }: { readonly locked: unknown }) => Number(locked) === 1 || locked === "true",
      { limitMs: 120_000, what: "it is locked again" }
    )
  })
})

describe("a step that may not begin any more, as in a stop", () => {
  const secrets = { old: "old-planted-password", fresh: "fresh-planted-password" }
  const reached = { host: "127.0.0.1", admin_username: "cm_rotator", admin_password: adminPassword }
  const perform = (over: Partial<StepQuestion>, mayBegin: StepQuestion["mayBegin"]) => {
    const current = { ...reached, port: String(port), username: "cm_one", password: secrets.old }
    const question: StepQuestion = {
      rotator: builtInRotators.get("mariadb-user")!,
      use: {
        rotator: "mariadb-user",
        everyMs: 86_400_000,
        params: { user_a: "cm_one", user_b: "cm_two", host: "127.0.0.1" }
      },
      tenantId: "demo",
      credentialId: "c1",
      type: "mariadb",
      generation: 1,
      step: "set",
      current,
      secret: { ...current, username: "cm_two", password: secrets.fresh },
      inUse: new Set(["cm_one", "cm_two"]),
      mayBegin,
      ...over
    }
    const options = { allowedHosts: new Set([`127.0.0.1:${port}`]), timeoutMs: 20_000, marginMs: 100 }
    return Effect.runPromise(mariadbUser(question, options))
  }
  /** Sign-ins of each that the server has let in. */
  const signIns = async (): Promise<ReadonlyArray<number>> => {
    const rows: ReadonlyArray<{ readonly user: string; readonly n: unknown }> = await root.query(
      "SELECT user, total_connections AS n FROM information_schema.user_statistics"
    )
    return ["cm_rotator", "cm_one", "cm_two"].map((name) => Number(rows.find(({ user }) => user === name)?.n ?? 0))
  }
  const never = Effect.succeed(null)
  const longEnough = Effect.succeed(60_000)

  it("signs in nowhere; one that has changed an account sees itself refused, and so ends", async () => {
    await root.query("SET GLOBAL userstat = 1")
    await root.query(`CREATE USER cm_one@'127.0.0.1' IDENTIFIED BY '${secrets.old}'`)
    await root.query("CREATE USER cm_two@'127.0.0.1' IDENTIFIED BY 'nobodys' ACCOUNT LOCK")
    const retire: Partial<StepQuestion> = {
      step: "retire",
      secret: { ...reached, port: String(port), username: "cm_one", password: secrets.old }
    }
    const unused: Partial<StepQuestion> = { ...retire, inUse: new Set(["cm_two"]) }
    const steps: ReadonlyArray<Partial<StepQuestion>> = [{ step: "set" }, { step: "test" }, retire, unused]
    const before = await signIns()
    for (const step of steps) assert.deepStrictEqual(await perform(step, never), { _tag: "Late" })
    assert.deepStrictEqual(await signIns(), before)

    assert.strictEqual((await perform({ step: "set" }, longEnough))._tag, "Done")
    assert.strictEqual((await perform({ step: "test" }, longEnough))._tag, "Done")
    // Begun after its last look: the account is changed, and there is nothing that is left to another replica.
    let looks = 0
    const stopsAfterwards = Effect.sync(() => (looks++ < 2 ? 60_000 : null))
    assert.strictEqual((await perform(unused, stopsAfterwards))._tag, "Done")
    assert.isFalse(await signsIn("cm_one", secrets.old))
    const [admin, , two] = await signIns()
    assert.deepStrictEqual([admin! - before[0]!, two! - before[2]!], [2, 1])
  }, 300_000)
})
