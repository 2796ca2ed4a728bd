/** Secrets: opened, read with their row of the audit, stored, moved to another key. */
import { pageMax } from "../../src/crypto/KeyMover.ts"
import { connectSql, freshDatabase } from "../../test/support/freshDatabase.ts"
import { administrator } from "../../test/support/roleAccounts.ts"
import { rightRound, startEcho, startLoad, startOpener } from "../support/children.ts"
import { base64, must } from "../support/ground.ts"
import { makeLeastMover } from "../support/leastMover.ts"
import type { Group, Side } from "../support/measure.ts"
import { makeMoving } from "../support/mover.ts"
import { bareCommits } from "./changes.ts"

const callers = 64
const secretBytes = 256

export const opening: Group = {
  id: "opening",
  title: "a sealed record opened with a warm key",
  prepare: async ({ milliseconds }, ground) => {
    const { natsUrl, onStop } = ground
    const subjects = { opened: "bench.open", echo: "bench.echo" } as const
    onStop((await startEcho(natsUrl, subjects.echo, secretBytes)).stop)
    onStop((await startOpener(natsUrl, subjects.opened, secretBytes)).stop)
    const load = await startLoad({ natsUrl, requests: [base64({})], inFlight: 256 })
    onStop(load.stop)
    const rate = (subject: string): Side => {
      const round = { subject, milliseconds, replyBytes: secretBytes }
      return async () => (await rightRound(load, round)).perSecond
    }
    return {
      sides: { opened: rate(subjects.opened), echo: rate(subjects.echo) },
      rows: [
        {
          measure: "sealed record opened from a warm key",
          ours: "opened",
          baseline: "echo",
          unit: "/s",
          goal: { atLeast: 0.6 }
        }
      ]
    }
  }
}

export const secrets: Group = {
  id: "secrets",
  title: "reads and stores of secrets, 64 callers",
  prepare: async ({ milliseconds }, ground) => {
    const { natsUrl, onStop } = ground
    const { client, database, instance } = await ground.service("bench")
    const bare = await bareCommits(database.url)
    onStop(bare.end)
    const stored = await must(client, "demo", "credential.store", {
      service_name: "bench",
      type: "api_key",
      credentials: { api_key: "x".repeat(secretBytes) },
      allowed_consumers: ["mail"]
    })
    let reads = 1
    const side = async (user: string, operation: string, body: unknown, numbered?: string): Promise<Side> => {
      const replyBytes = JSON.stringify(await must(client, "demo", operation, body)).length
      const load = await startLoad({
        natsUrl,
        user,
        requests: [base64(body)],
        inFlight: callers,
        ...(numbered === undefined ? {} : { numbered })
      })
      onStop(load.stop)
      const subject = `${instance}.v1.demo.${operation}`
      return async () => {
        const { perSecond, replies } = await rightRound(load, { subject, milliseconds, replyBytes })
        if (user === "mail") reads += replies
        return perSecond
      }
    }
    const { credential_id } = stored
    const body = { service_name: "service-number--", type: "api_key", credentials: { api_key: "k" } }
    const sides = {
      "audited reads": await side("mail", "credential.get.mail", { credential_id }),
      stores: await side(administrator, "credential.store", body, "number--"),
      "an UPDATE loop": () => bare.perSecond(milliseconds)
    }
    const baseline = "an UPDATE loop"
    return {
      sides,
      rows: [
        {
          measure: "audited secret reads, 64 callers",
          ours: "audited reads",
          baseline,
          unit: "/s",
          goal: { atLeast: 10 }
        },
        { measure: "stores, 64 callers", ours: "stores", baseline, unit: "/s", goal: { atLeast: 3 } }
      ],
      check: async () => {
        const sql = await connectSql(database.url)
        const [audited] = await sql.query("SELECT COUNT(*) AS n FROM audit WHERE action = 'credential.read'")
        await sql.end()
        if (Number(audited.n) !== reads) throw new Error(`${audited.n} of ${reads} reads stand in the audit`)
      }
    }
  }
}

export const moving: Group = {
  id: "moving",
  title: "rows sealed with another key",
  prepare: async ({ isQuick }, ground) => {
    const database = await freshDatabase(ground.pair.mariadb.url)
    const rows = isQuick ? 1_000 : 10_000
    const world = await makeMoving({ databaseUrl: database.url, folder: ground.pair.dir, rows, secretBytes })
    ground.onStop(world.end)
    const least = await makeLeastMover({ databaseUrl: database.url, rows, pageRows: pageMax, secretBytes })
    ground.onStop(least.end)
    return {
      sides: { "re-encrypted": world.move, updated: world.update, "least program": least.move },
      rows: [
        {
          measure: "rows re-encrypted",
          ours: "re-encrypted",
          baseline: "updated",
          unit: "/s",
          goal: { atLeast: 0.6 },
          limits: ["least program"]
        }
      ]
    }
  }
}
