/** Changes and revocations, against statements of the same database. */
import { connect } from "@nats-io/transport-node"
import type { Connection } from "mariadb"
import { connectClient } from "../../test/support/client.ts"
import { connectSql } from "../../test/support/freshDatabase.ts"
import { administrator } from "../../test/support/roleAccounts.ts"
import { rightRound, startEcho, startLoad } from "../support/children.ts"
import { base64, type Ground, must, type Placed, provision, quiet, registered } from "../support/ground.ts"
import { copyTokens, samplesOf, startLeast } from "../support/least.ts"
import { leastTable } from "../support/leastRows.ts"
import type { Group, Row, Side } from "../support/measure.ts"

const callers = 64

/** A table of one row, and a loop that commits changes of it. */
export const bareCommits = async (databaseUrl: string) => {
  const sql: Connection = await connectSql(databaseUrl)
  await sql.query("CREATE TABLE bench_commits (id INT PRIMARY KEY, n BIGINT NOT NULL) ENGINE=InnoDB")
  await sql.query("INSERT INTO bench_commits VALUES (1, 0)")
  const once = () => sql.query("UPDATE bench_commits SET n = n + 1 WHERE id = 1")
  return {
    once,
    perSecond: async (milliseconds: number): Promise<number> => {
      const startedAt = performance.now()
      let done = 0
      for (; performance.now() - startedAt < milliseconds; done++) await once()
      return done / ((performance.now() - startedAt) / 1_000)
    },
    end: () => sql.end()
  }
}

export const changes: Group = {
  id: "changes",
  title: "changes of one tenant, 64 callers",
  prepare: async ({ milliseconds }, ground) => {
    const { natsUrl, onStop } = ground
    const placed = await ground.service("bench")
    const { client, database, instance } = placed
    await registered(client, "demo", "meters")
    const bare = await bareCommits(database.url)
    onStop(bare.end)
    const operation = "token.provision"
    const load = await startLoad({
      natsUrl,
      user: administrator,
      requests: [base64({ appName: "meters", endpointId: "endpoint-number---" })],
      numbered: "number---",
      inFlight: callers
    })
    onStop(load.stop)
    const first = await client.ask("demo", operation, { appName: "meters", endpointId: "first" })
    const replyBytes = JSON.stringify(first.body).length + "endpoint-number---".length - "first".length
    const sql = await connectSql(database.url)
    onStop(() => sql.end())
    const provision = () => must(client, "demo", operation, { appName: "meters", endpointId: "sample" })
    const rows = await samplesOf(sql, ["tokens", "audit", "outbox"], provision)
    const answered = new Map<string, number>()
    const rate = (of: string): Side => {
      const round = { subject: `${of}.v1.demo.${operation}`, milliseconds, replyBytes }
      return async () => {
        const { perSecond, replies } = await rightRound(load, round)
        answered.set(of, (answered.get(of) ?? 0) + replies)
        return perSecond
      }
    }
    const place = { ground, placed, sql }
    const shared = { operation, answer: Buffer.alloc(replyBytes), rows, told: { endpoint_id: "endpointId" } }
    const countRows = {
      least: await startLeast(place, { ...shared, program: "least" }),
      leasttwo: await startLeast(place, { ...shared, program: "leasttwo", atOnce: 2 }),
      leastevents: await startLeast(place, { ...shared, program: "leastevents", atOnce: 2, publishes: true })
    }
    const baseline = "an UPDATE loop"
    const withEvents = "the least program, events published too"
    return {
      sides: {
        changes: rate(instance),
        "one group at a time": rate("least"),
        "two groups under way": rate("leasttwo"),
        [withEvents]: rate("leastevents"),
        [baseline]: () => bare.perSecond(milliseconds)
      },
      rows: [
        {
          measure: "changes in one tenant, 64 callers",
          ours: "changes",
          baseline,
          unit: "/s",
          goal: { atLeast: 3 },
          limits: ["one group at a time", "two groups under way"]
        },
        { measure: `changes: ${withEvents}`, ours: withEvents, baseline, unit: "/s" }
      ],
      check: async () => {
        for (const [program, count] of Object.entries(countRows)) {
          const [written, told] = [await count("tokens"), answered.get(program)]
          if (written !== told) throw new Error(`${program}: ${written} tokens of ${told}`)
        }
      }
    }
  }
}

const timed = async (run: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now()
  await run()
  return performance.now() - begun
}

const p99 = (times: ReadonlyArray<number>): number =>
  times.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(times.length * 0.99) - 1)]!

/** A least program for revocations, beside a service of one replica: rows, one barrier for a group, and the answers. */
const leastRevoker = async (ground: Ground, placed: Placed, count: number) => {
  const { client, database } = placed
  const [program, operation] = ["leastrevoke", "token.revoke"]
  await registered(client, "demo", "meters")
  const [token] = await provision(client, 1, { app: "meters" })
  const sql = await connectSql(database.url)
  ground.onStop(() => sql.end())
  let answer: unknown
  const rows = await samplesOf(sql, ["audit", "outbox"], async () => {
    answer = await must(client, "demo", operation, { tokenId: token!.tokenId })
  })
  const left = [...(await copyTokens(sql, program, count))]
  const countRows = await startLeast(
    { ground, placed, sql },
    {
      program,
      operation,
      answer: Buffer.from(JSON.stringify(answer)),
      rows,
      update: `UPDATE ${leastTable(program, "tokens")} SET status = 3, version = version + 1, updated_at = updated_at + 1,
        reason = 'requested', mac = REVERSE(mac) WHERE token_id = ?`,
      pending: {
        table: "pending_revocations",
        columns: ["tenant_id", "seq", "committed_at", "targets"],
        values: ["demo", 0, Date.now(), JSON.stringify([{ tokenId: token!.tokenId }])]
      },
      barrier: "LEAST_LEASES",
      publishes: true,
      atOnce: 2
    }
  )
  const caller = await connectClient({ natsUrl: ground.natsUrl, instance: program, timeoutMs: 120_000 })
  ground.onStop(caller.close)
  const revoke = (tokenId: string) => must(caller, "demo", operation, { tokenId })
  return {
    oneByOne: async (times: number): Promise<ReadonlyArray<number>> => {
      const taken: Array<number> = []
      for (const id of left.splice(0, times)) taken.push(await timed(() => revoke(id)))
      return taken
    },
    together: (times: number) => Promise.all(left.splice(0, times).map(revoke)),
    check: async () => {
      const [row] = await sql.query(`SELECT COUNT(*) AS n FROM ${leastTable(program, "tokens")} WHERE status = 3`)
      const [asked, revoked, audited] = [count - left.length, Number(row.n), await countRows("audit")]
      if (revoked !== asked || audited !== asked)
        throw new Error(`${asked} revocations, ${revoked} rows, ${audited} audited`)
    }
  }
}

export const revocation: Group = {
  id: "revocation",
  title: "revocations, one after the other and at once",
  prepare: async ({ isQuick, rounds }, ground) => {
    const { natsUrl, onStop } = ground
    const eachRound = isQuick ? 10 : 100
    const together = isQuick ? 50 : 1_000
    const echo = await startEcho(natsUrl, "bench.echo", 64)
    onStop(echo.stop)
    const caller = await connect({ servers: natsUrl, noAsyncTraces: true })
    onStop(() => caller.close())
    const rows: Array<Row> = []
    const sides: Record<string, Side> = {}
    const first = await ground.service("one")
    const bare = await bareCommits(first.database.url)
    onStop(bare.end)
    const baseline = async () => {
      await caller.request("bench.echo", "x", { timeout: 30_000 })
      await bare.once()
      await caller.request("bench.echo", "x", { timeout: 30_000 })
    }
    sides["UPDATE and two round trips"] = async () => {
      const times: Array<number> = []
      for (let n = 0; n < eachRound; n++) times.push(await timed(baseline))
      return p99(times)
    }
    const least = await leastRevoker(ground, first, (rounds + 1) * (eachRound + together + 1))
    sides["the least program"] = async () => p99(await least.oneByOne(eachRound))
    sides["at once by the least program"] = () => timed(() => least.together(together))
    sides["one alone by the least program"] = () => timed(() => least.together(1))
    for (const [index, name] of ["one", "two", "three"].entries()) {
      const placed = index === 0 ? first : await ground.service(name)
      for (let more = 1; more <= index; more++) await ground.service(name, { beside: placed, replica: `r${more}` })
      const { client } = placed
      await registered(client, "demo", "meters")
      const made = [...(await provision(client, (rounds + 1) * eachRound, { app: "meters" }))]
      sides[`revoke, ${index + 1} replica(s)`] = async () => {
        const times: Array<number> = []
        for (const { tokenId } of made.splice(0, eachRound)) {
          times.push(await timed(() => must(client, "demo", "token.revoke", { tokenId })))
        }
        return p99(times)
      }
      rows.push({
        measure: `revoke p99, healthy, ${index + 1} replica(s)`,
        ours: `revoke, ${index + 1} replica(s)`,
        baseline: "UPDATE and two round trips",
        unit: "ms",
        goal: { atMost: 1.5 },
        // What one replica takes at least, more of them do.
        limits: ["the least program"]
      })
      if (index !== 1) continue
      const many = [...(await provision(client, (rounds + 1) * (together + 1), { app: "meters" }))]
      const revoke = ({ tokenId }: { readonly tokenId: string }) => must(client, "demo", "token.revoke", { tokenId })
      sides["1,000 at once"] = () => timed(() => Promise.all(many.splice(0, together).map(revoke)))
      sides["one alone"] = () => timed(() => Promise.all(many.splice(0, 1).map(revoke)))
      rows.push({
        measure: `${together.toLocaleString("en")} revocations at once, until the last is in force`,
        ours: "1,000 at once",
        baseline: "one alone",
        unit: "ms",
        goal: { atMost: 10 },
        limits: ["at once by the least program"]
      })
      rows.push({
        measure: `${together.toLocaleString("en")} revocations at once, all by the least program`,
        ours: "at once by the least program",
        baseline: "one alone by the least program",
        unit: "ms"
      })
    }
    await quiet(first.service.pid)
    return { sides, rows, check: least.check }
  }
}
