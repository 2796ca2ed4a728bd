/** Secrets: opened, read with their row of the audit, stored, moved to another key. */
import { pageMax } from "../../src/crypto/KeyMover.ts"
import { connectSql, freshDatabase } from "../../test/support/freshDatabase.ts"
import { administrator } from "../../test/support/roleAccounts.ts"
import { rightRound, startEcho, startLoad, startOpener } from "../support/children.ts"
import { base64, must } from "../support/ground.ts"
import { samplesOf, startLeast } from "../support/least.ts"
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
          goal: { atLeast: 0.6 },
          note: "answered by the service's own lines"
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
    const placed = await ground.service("bench")
    const { client, database, instance } = placed
    const bare = await bareCommits(database.url)
    onStop(bare.end)
    const sql = await connectSql(database.url)
    onStop(() => sql.end())
    const { credential_id } = await must(client, "demo", "credential.store", {
      service_name: "bench",
      type: "api_key",
      credentials: { api_key: "x".repeat(secretBytes) },
      allowed_consumers: ["mail"]
    })
    const body = { service_name: "service-number--", type: "api_key", credentials: { api_key: "k" } }
    const kinds = {
      reads: { user: "mail", operation: "credential.get.mail", body: { credential_id }, tables: ["audit"], first: {} },
      stores: {
        user: administrator,
        operation: "credential.store",
        body,
        numbered: "number--",
        tables: ["credentials", "credential_versions", "audit", "outbox"],
        first: { service_name: "service-sample--" }
      }
    }
    const recordSql = `SELECT c.*, v.* FROM credentials c JOIN credential_versions v
      ON v.credential_id = c.credential_id AND v.version = c.secret_version WHERE c.tenant_id = 'demo' AND c.credential_id = ?`
    const record = { sql: recordSql, values: [Buffer.from(credential_id.replaceAll("-", ""), "hex")] }
    const answered = new Map<string, number>()
    /** Of the service, and of programs that do the least for the same; one load asks all of them. */
    const sidesOf = async (kind: (typeof kinds)["reads" | "stores"]) => {
      const { first, operation, tables, user } = kind
      const numbered = "numbered" in kind ? { numbered: kind.numbered } : {}
      let replyBytes = 0
      const ask = async () => {
        replyBytes = JSON.stringify(await must(client, "demo", operation, { ...kind.body, ...first })).length
      }
      const rows = await samplesOf(sql, tables, ask)
      const load = await startLoad({ natsUrl, user, requests: [base64(kind.body)], inFlight: callers, ...numbered })
      onStop(load.stop)
      const rate = (of: string): Side => {
        const round = { subject: `${of}.v1.demo.${operation}`, milliseconds, replyBytes }
        return async () => {
          const { perSecond, replies } = await rightRound(load, round)
          const key = `${of}: ${operation}`
          answered.set(key, (answered.get(key) ?? 0) + replies)
          return perSecond
        }
      }
      const least = async (program: string, more: { readonly atOnce?: number; readonly publishes?: boolean }) => {
        const shared = { program, operation, answer: Buffer.alloc(replyBytes), rows, ...more }
        const own = user === "mail" ? { read: [record] } : { told: { service_name: "service_name" } }
        const count = await startLeast({ ground, placed, sql }, { ...shared, ...own })
        checks.push(async () => {
          const [written, told] = [await count("audit"), answered.get(`${program}: ${operation}`)]
          if (written !== told) throw new Error(`${program}: ${written} of ${told} stand in the audit`)
        })
        return rate(program)
      }
      return { ours: rate(instance), least }
    }
    const checks: Array<() => Promise<void>> = []
    const [reads, stores] = [await sidesOf(kinds.reads), await sidesOf(kinds.stores)]
    const baseline = "an UPDATE loop"
    const withEvents = "the least program, events published too"
    return {
      sides: {
        "audited reads": reads.ours,
        "reads, one group at a time": await reads.least("leastread", {}),
        "reads, two groups under way": await reads.least("leastreads", { atOnce: 2 }),
        stores: stores.ours,
        "stores, one group at a time": await stores.least("leaststore", {}),
        "stores, two groups under way": await stores.least("leaststores", { atOnce: 2 }),
        [withEvents]: await stores.least("leastevents", { atOnce: 2, publishes: true }),
        [baseline]: () => bare.perSecond(milliseconds)
      },
      rows: [
        {
          measure: "audited secret reads, 64 callers",
          ours: "audited reads",
          baseline,
          unit: "/s",
          goal: { atLeast: 10 },
          limits: ["reads, one group at a time", "reads, two groups under way"]
        },
        {
          measure: "stores, 64 callers",
          ours: "stores",
          baseline,
          unit: "/s",
          goal: { atLeast: 3 },
          limits: ["stores, one group at a time", "stores, two groups under way"]
        },
        { measure: `stores: ${withEvents}`, ours: withEvents, baseline, unit: "/s" }
      ],
      check: async () => {
        const [audited] = await sql.query("SELECT COUNT(*) AS n FROM audit WHERE action = 'credential.read'")
        const reads = 1 + answered.get(`${instance}: ${kinds.reads.operation}`)!
        if (Number(audited.n) !== reads) throw new Error(`${audited.n} of ${reads} reads stand in the audit`)
        for (const check of checks) await check()
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
