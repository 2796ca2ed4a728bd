// Verifies R-SEC-13.
/** Refusals that are counted while the database is away, answers in doubt, and the service told to stop. */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { type Server, startMariadb, temporaryFolder } from "../../support/servers.ts"
import { type Service, startService } from "../../support/service.ts"
import { type StatementProxy, statementProxy } from "../../support/statementProxy.ts"

interface Refused {
  readonly action: string
  readonly diff: { readonly count?: number }
}

const refusedRows = async (client: Client): Promise<ReadonlyArray<number>> =>
  (await client.ask("demo", "audit.list", { limit: 1000 })).body.content
    .filter(({ action }: Refused) => action === "credential.refused")
    .map(({ diff }: Refused) => diff.count ?? 1)
const sum = (rows: ReadonlyArray<number>): number => rows.reduce((a, b) => a + b, 0)

const storeOne = async (client: Client, service_name: string): Promise<string> => {
  const secret = { service_name, type: "api_key", credentials: { api_key: "k" } }
  const stored = await client.ask("demo", "credential.store", secret)
  assert.strictEqual(stored.status, 201)
  return stored.body.credential_id
}
const refuse = async (client: Client, credential_id: string, times: number) => {
  for (let n = 0; n < times; n++) {
    assert.strictEqual((await client.ask("demo", "credential.get.mallory", { credential_id })).status, 403)
  }
}
const saysThatTheyWait = (service: Service, times = 1) =>
  eventually(
    () => service.output().split("counted refusals wait for the next turn").length - 1,
    (lines) => lines >= times,
    { limitMs: 120_000, what: "a line of the log that counted refusals wait" }
  )

describe("with a database that is stopped", () => {
  const instance = "refused"
  const folder = temporaryFolder()
  const password = "of-this-test"
  let server: Server
  let service: Service
  let client: Client
  beforeAll(async () => {
    server = await startMariadb({ dir: folder.path, password })
    service = await startService({
      natsUrl: inject("natsUrl"),
      databaseUrl: server.url,
      instance,
      env: { CM_AUDIT_REFUSAL_WINDOW: "3 seconds" }
    })
    client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  })
  afterAll(async () => {
    await client?.close()
    await service?.stop()
    await server?.stop()
    folder.remove()
  })

  it("the audit has the number of all that were refused when it is back", async () => {
    const credential_id = await storeOne(client, "one")
    await refuse(client, credential_id, 20)
    server.kill("SIGKILL")
    await server.exited
    // Tried and failed more than once: nothing of the number is lost by that.
    await saysThatTheyWait(service, 2)
    server = await startMariadb({ dir: folder.path, password, port: server.port })
    await eventually(
      () => client.ask("demo", "audit.list"),
      ({ status }) => status === 200,
      { limitMs: 120_000 }
    )
    await refuse(client, credential_id, 5)
    await eventually(
      () => refusedRows(client),
      (rows) => sum(rows) === 25,
      { limitMs: 120_000, what: "the number of all refusals" }
    )
    assert.isTrue((await client.ask("demo", "audit.verify")).body.valid)
  })
})

describe("with a connection that breaks", () => {
  const instance = "doubted"
  let database: FreshDatabase
  let proxy: StatementProxy
  let service: Service
  let client: Client
  beforeAll(async () => {
    database = await freshDatabase(inject("databaseUrl"))
    const { hostname, port } = new URL(database.url)
    proxy = await statementProxy({ host: hostname, port: Number(port) })
    const url = new URL(database.url)
    url.port = String(proxy.port)
    service = await startService({
      natsUrl: inject("natsUrl"),
      databaseUrl: url.toString(),
      instance,
      env: { CM_AUDIT_REFUSAL_WINDOW: "2 seconds" }
    })
    client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  })
  afterAll(async () => {
    await client?.close()
    await service?.stop()
    await proxy?.close()
    await database?.drop()
  })

  it.each(["answered", "before"] as const)("at their commit (%s), they are told of once", async (when) => {
    const before = sum(await refusedRows(client))
    const credential_id = await storeOne(client, when)
    const lines = service.output().split("counted refusals wait").length - 1
    const isCut = proxy.cutAt("COMMIT", when, '"count":')
    await refuse(client, credential_id, 20)
    await isCut
    await saysThatTheyWait(service, lines + 1)
    const told = await eventually(
      () => refusedRows(client),
      (rows) => sum(rows) >= before + 20,
      { limitMs: 120_000, what: "the number of all refusals" }
    )
    assert.strictEqual(sum(told), before + 20)
    // When the next number is written, what was in doubt is settled: it is given before anything new.
    await refuse(client, credential_id, 2)
    const all = await eventually(
      () => refusedRows(client),
      (rows) => sum(rows) >= before + 22,
      { limitMs: 120_000, what: "the next number" }
    )
    assert.strictEqual(sum(all), before + 22)
  })
})

describe("a service that is told to stop", () => {
  it.each(["SIGTERM", "drain"] as const)("by %s writes what it has counted before it ends", async (how) => {
    const database = await freshDatabase(inject("databaseUrl"))
    const options = { natsUrl: inject("natsUrl"), databaseUrl: database.url, instance: `stopped-${how.toLowerCase()}` }
    const env = { CM_AUDIT_REFUSAL_WINDOW: "1 hour" }
    let service = await startService({ ...options, env })
    const client = await connectClient({ natsUrl: options.natsUrl, instance: options.instance })
    try {
      const credential_id = await storeOne(client, "one")
      await refuse(client, credential_id, 20)
      assert.deepStrictEqual(await refusedRows(client), [1])
      // Under way while it is told to stop: what is answered is counted.
      const asked = Array.from({ length: 50 }, () =>
        client.ask("demo", "credential.get.mallory", { credential_id }).then(
          ({ status }) => status,
          () => null
        )
      )
      if (how === "SIGTERM") service.kill("SIGTERM")
      else assert.strictEqual((await client.admin("drain")).status, 200)
      assert.strictEqual(await service.exited, 0)
      const refused = (await Promise.all(asked)).filter((status) => status === 403).length
      service = await startService({ ...options, keyFile: service.keyFile, env })
      assert.deepStrictEqual(await refusedRows(client), [1, 19 + refused])
    } finally {
      await client.close()
      await service.stop()
      await database.drop()
    }
  })
})
