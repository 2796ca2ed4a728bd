// Verifies R-RUN-1, R-RUN-5.
/** A start waits for what is not there yet, says what for, and is told to stop at any time. */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, inject, it, vi } from "vitest"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { temporaryFolder } from "../../support/servers.ts"
import { type Service, type ServiceOptions, startService } from "../../support/service.ts"
import { type Passing, statementGate } from "../../support/statementGate.ts"

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

let database: FreshDatabase
const folder = temporaryFolder()
/** Of all of them: the first makes it. */
const keyFile = join(folder.path, "keys.json")
const services: Array<Service> = []
beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
})
afterAll(async () => {
  for (const service of services) service.kill()
  await database?.drop()
  folder.remove()
})

let instances = 0
const start = async (options: Partial<ServiceOptions>): Promise<Service> => {
  const service = await startService({
    natsUrl: inject("natsUrl"),
    databaseUrl: database.url,
    instance: `starting-${++instances}`,
    keyFile,
    ...options
  })
  services.push(service)
  return service
}

const throughPort = (url: string, port: number): string => Object.assign(new URL(url), { port: String(port) }).href
const gateTo = (url: string) => {
  const { hostname, port } = new URL(url)
  return statementGate({ host: hostname, port: Number(port) })
}

/** By what the log says that the start waits for: a statement of it. */
const questions = new Map([
  ["data that needs a key file", /EXISTS \(SELECT 1 FROM tokens\)/u],
  ["what its keys were made with", /INTO master_keys/u],
  ["the service's keys", /INTO data_keys.*row-tag/su],
  ["the audit's keys", /INTO data_keys.*audit-signing/su],
  ["the seal of replicas", /INTO data_keys.*replica-seal/su],
  ["its first tenants", /INTO tenants/u]
])

describe("a start", () => {
  it("asks MariaDB again for whatever was not answered, and says what for", async () => {
    const gate = await gateTo(database.url)
    const left = new Map(questions)
    /** Each of them gets no answer the first time. */
    const isNew = ({ text }: Passing): boolean => {
      for (const [what, is] of left) if (is.test(text)) return left.delete(what)
      return false
    }
    const stopEach = (): void => void gate.stopAt(isNew, "before").then(stopEach)
    stopEach()
    try {
      const service = await start({
        databaseUrl: throughPort(database.url, gate.port),
        env: { CM_DB_TIMEOUT: "2 seconds" }
      })
      assert.deepStrictEqual(Array.from(left.keys()), [])
      for (const what of questions.keys()) assert.include(service.output(), `"for":"${what}"`)
      assert.strictEqual(await service.stop(), 0)
    } finally {
      await gate.close()
    }
  })

  it("gives up after CM_DB_CONNECT_LIMIT, in one line that says what was not answered", async () => {
    const gate = await gateTo(database.url)
    // Never fails.
    const stopEach = (): void =>
      void gate.stopAt(({ text }) => text.includes("EXISTS (SELECT 1 FROM tokens)"), "before").then(stopEach)
    stopEach()
    try {
      const service = await start({
        databaseUrl: throughPort(database.url, gate.port),
        env: { CM_DB_TIMEOUT: "2 seconds", CM_DB_CONNECT_LIMIT: "10 seconds" },
        unready: true
      })
      assert.strictEqual(await service.exited, 1)
      const [said, ...more] = service
        .output()
        .split("\n")
        .filter((line) => line.startsWith("NotAnswered"))
      assert.deepStrictEqual(more, [])
      assert.strictEqual(
        said,
        "NotAnswered: MariaDB did not answer within 10s when asked for what its keys were made with, last KeyStore.hasData failed, outcome none: TIMED_OUT (0)"
      )
    } finally {
      await gate.close()
    }
  })

  it("ends at once, and says why, where waiting helps nothing", async () => {
    const raw = await connectSql(database.url)
    const name = `mute${process.pid}`
    const schema = new URL(database.url).pathname.slice(1)
    try {
      await raw.query(`CREATE USER '${name}'@'%' IDENTIFIED BY 'mute'`)
      // May read which steps of the schema were run, and nothing else.
      await raw.query(
        `INSERT INTO mysql.tables_priv (Host, Db, User, Table_name, Grantor, Table_priv)
          VALUES ('%', ?, ?, 'schema_migrations', '', 'Select,Create')`,
        [schema, name]
      )
      await raw.query("FLUSH PRIVILEGES")
      const service = await start({
        databaseUrl: Object.assign(new URL(database.url), { username: name, password: "mute" }).href,
        env: { CM_DB_CONNECT_LIMIT: "1 hour" },
        unready: true
      })
      assert.strictEqual(await service.exited, 1)
      assert.include(
        service.output(),
        "NotAnswered: MariaDB does not give what its keys were made with: KeyStore.hasData failed, outcome none: ER_TABLEACCESS_DENIED_ERROR"
      )
      assert.notInclude(service.output(), "waiting for MariaDB")
    } finally {
      await raw.query(`DROP USER '${name}'@'%'`)
      await raw.end()
    }
  })
})

// ---- told to stop while it waits -----------------------------------------------------

/** Takes connections and says nothing, or closes them. */
const nobody = async (answer: (client: Socket) => void) => {
  let taken = 0
  const clients = new Set<Socket>()
  const server: Server = createServer((client) => {
    taken += 1
    clients.add(client)
    client.on("error", () => undefined)
    answer(client)
  })
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening))
  return {
    port: (server.address() as AddressInfo).port,
    taken: () => taken,
    close: () => {
      for (const client of clients) client.destroy()
      server.close()
    }
  }
}
const silent = () => nobody(() => undefined)
const closing = () => nobody((client) => client.destroy())

/** Every wait is far longer than a test. */
const patient = {
  CM_DB_CONNECT_LIMIT: "1 hour",
  CM_DB_CONNECT_TIMEOUT: "30 seconds",
  CM_DB_TIMEOUT: "60 seconds",
  CM_NATS_CONNECT_LIMIT: "1 hour",
  CM_NATS_DIAL_TIMEOUT: "30 seconds"
}
/** Well below the shortest of them, and well above what a busy machine needs to end a process. */
const heededWithinMs = 25_000

describe("a start that is told to stop", () => {
  const assertHeeded = async (service: Service, signal: "SIGTERM" | "SIGINT"): Promise<void> => {
    const since = performance.now()
    service.kill(signal)
    assert.strictEqual(await service.exited, 0, service.output())
    assert.isBelow(performance.now() - since, heededWithinMs)
    assert.notInclude(service.output(), '"level":"error"')
  }

  for (const [whom, given] of [
    ["MariaDB", (port: number) => ({ databaseUrl: throughPort(database.url, port) })],
    ["the bus", (port: number) => ({ natsUrl: `nats://127.0.0.1:${port}` })]
  ] as const) {
    it(`while ${whom} takes the connection and says nothing, ends with 0`, async () => {
      const other = await silent()
      try {
        const service = await start({ ...given(other.port), env: patient, unready: true })
        await eventually(other.taken, (taken) => taken > 0, { limitMs: 120_000, what: "its connection" })
        await assertHeeded(service, "SIGTERM")
      } finally {
        other.close()
      }
    })

    it(`while ${whom} takes no connection, ends with 0`, async () => {
      const other = await closing()
      try {
        const service = await start({ ...given(other.port), env: patient, unready: true })
        await eventually(other.taken, (taken) => taken > 2, { limitMs: 120_000, what: "its third attempt" })
        await assertHeeded(service, "SIGINT")
      } finally {
        other.close()
      }
    })
  }

  it("while MariaDB does not answer what it asks, ends with 0", async () => {
    const gate = await gateTo(database.url)
    try {
      const stopped = gate.stopAt(({ text }) => text.includes("FROM data_keys"), "before")
      const service = await start({
        databaseUrl: throughPort(database.url, gate.port),
        env: patient,
        unready: true
      })
      await stopped
      await assertHeeded(service, "SIGTERM")
    } finally {
      await gate.close()
    }
  })

  it("while another replica migrates, ends with 0 and leaves nothing locked", async () => {
    const other = await connectSql(database.url)
    const lockSql = "CONCAT('cm-migrate-', SHA1(DATABASE()))"
    try {
      await other.query(`SELECT GET_LOCK(${lockSql}, 0)`)
      const service = await start({ env: patient, unready: true })
      const waiting = async (): Promise<number> => {
        const rows: ReadonlyArray<{ readonly n: bigint }> = await other.query(
          "SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE STATE = 'User lock' AND DB = DATABASE()"
        )
        return Number(rows[0]!.n)
      }
      await eventually(waiting, (n) => n === 1, { limitMs: 120_000, what: "its waiting for the lock" })
      await assertHeeded(service, "SIGTERM")
      await eventually(waiting, (n) => n === 0, { limitMs: 120_000, what: "nobody waiting" })
    } finally {
      await other.end()
    }
  })
})
