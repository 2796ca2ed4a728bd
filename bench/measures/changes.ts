/** Changes of one tenant, against statements of the same database. */
import type { Connection } from "mariadb"
import { connectSql } from "../../test/support/freshDatabase.ts"
import { administrator } from "../../test/support/roleAccounts.ts"
import { rightRound, startLoad } from "../support/children.ts"
import { base64, must, registered } from "../support/ground.ts"
import { samplesOf, startLeast } from "../support/least.ts"
import type { Group, Side } from "../support/measure.ts"

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
