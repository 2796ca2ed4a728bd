/** Changes and revocations, against statements of the same database. */
import { connect } from "@nats-io/transport-node"
import type { Connection } from "mariadb"
import { connectSql } from "../../test/support/freshDatabase.ts"
import { administrator } from "../../test/support/roleAccounts.ts"
import { rightRound, startEcho, startLoad } from "../support/children.ts"
import { base64, must, provision, quiet, registered } from "../support/ground.ts"
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
    const { client, database, instance } = await ground.service("bench")
    await registered(client, "demo", "meters")
    const bare = await bareCommits(database.url)
    onStop(bare.end)
    const request = base64({ appName: "meters", endpointId: "endpoint-number---" })
    const load = await startLoad({
      natsUrl,
      user: administrator,
      requests: [request],
      numbered: "number---",
      inFlight: callers
    })
    onStop(load.stop)
    const first = await client.ask("demo", "token.provision", { appName: "meters", endpointId: "first" })
    const replyBytes = JSON.stringify(first.body).length + "endpoint-number---".length - "first".length
    const subject = `${instance}.v1.demo.token.provision`
    return {
      sides: {
        changes: async () => (await rightRound(load, { subject, milliseconds, replyBytes })).perSecond,
        "an UPDATE loop": () => bare.perSecond(milliseconds)
      },
      rows: [
        {
          measure: "changes in one tenant, 64 callers",
          ours: "changes",
          baseline: "an UPDATE loop",
          unit: "/s",
          goal: { atLeast: 3 }
        }
      ]
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
        goal: { atMost: 1.5 }
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
        goal: { atMost: 10 }
      })
    }
    await quiet(first.service.pid)
    return { sides, rows }
  }
}
