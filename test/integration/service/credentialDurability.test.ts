/**
 * P2 for credentials: a service that is killed while it stores, rotates and revokes leaves nothing half
 * done and loses nothing that it answered. Verifies: R-DUR-1.
 */
import { afterAll, assert, beforeAll, inject, it } from "vitest"
import { type Client, connectClient } from "../../support/client.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { answerOrEnd, type Service, startService } from "../../support/service.ts"

const instance = "cdu"
const seed = Number(process.env.CM_TEST_SEED ?? 20_261_124)
let database: FreshDatabase
let service: Service
let client: Client
const options = () => ({ natsUrl: inject("natsUrl"), databaseUrl: database.url, instance })

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  service = await startService(options())
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
})
afterAll(async () => {
  await client?.close()
  await service?.stop()
  await database?.drop()
})

const password = (worker: number, step: number) => ({ api_key: `w${worker}-s${step}` })

it(`kills in the middle leave every credential as it was answered (seed ${seed})`, async () => {
  interface Known {
    readonly worker: number
    readonly id: string
    readonly acknowledged: number
    readonly attempted: number
    readonly revoked: boolean
  }
  const known: Array<Known> = []
  let random = seed
  const next = () => {
    random = (Math.imul(random, 1_103_515_245) + 12_345) & 0x7fff_ffff
    return random / 0x7fff_ffff
  }
  for (let round = 0; round < 3; round++) {
    const killAfter = 20 + Math.floor(next() * 80)
    let answered = 0
    let killed = false
    const ask = (operation: string, body: unknown) =>
      answerOrEnd(client.ask("demo", operation, body), service).then(
        (answer) => {
          if (answer === null) return null
          answered += 1
          if (answered === killAfter) {
            killed = true
            service.kill()
          }
          return answer.status < 300 ? answer : null
        },
        () => null
      )
    const work = async (worker: number) => {
      const body = { service_name: `r${round}w${worker}`, type: "api_key", allowed_consumers: ["mail"] }
      const stored = await ask("credential.store", { ...body, credentials: password(worker, 0) })
      if (stored === null) return
      const id = stored.body.credential_id as string
      let acknowledged = 0
      let attempted = 0
      let revoked = false
      while (!killed && attempted < 10) {
        attempted += 1
        const rotated = await ask("credential.rotate", { credential_id: id, credentials: password(worker, attempted) })
        if (rotated === null) break
        acknowledged = attempted
      }
      if (!killed) revoked = (await ask("credential.revoke", { credential_id: id })) !== null
      known.push({ worker, id, acknowledged, attempted, revoked })
    }
    await Promise.all(Array.from({ length: 12 }, (_, worker) => work(worker)))
    if (!killed) service.kill()
    await service.exited
    service = await startService({ ...options(), keyFile: service.keyFile })
  }
  assert.isAbove(known.length, 12)
  for (const { acknowledged, attempted, id, revoked, worker } of known) {
    const got = await client.ask("demo", "credential.get.mail", { credential_id: id })
    if (revoked) {
      assert.strictEqual(got.status, 410)
    } else if (got.status === 200) {
      const possible = [password(worker, acknowledged), password(worker, attempted)].map(({ api_key }) => api_key)
      assert.include(possible, got.body.credentials.api_key)
    } else {
      // A revocation that was on its way when the service was killed.
      assert.strictEqual(got.status, 410)
    }
  }
  assert.isTrue((await client.ask("demo", "audit.verify")).body.valid)
  const connection = await connectSql(database.url)
  const half: ReadonlyArray<unknown> = await connection.query(
    `SELECT c.credential_id FROM credentials c
      LEFT JOIN credential_versions v ON v.credential_id = c.credential_id AND v.version = c.secret_version
      WHERE v.version IS NULL OR (c.is_active = 1) <> (v.sealed IS NOT NULL)`
  )
  assert.lengthOf(half, 0)
  await connection.end()
}, 300_000)
