/**
 * Revocations, one after the other by one to three replicas, and a thousand at once.
 *
 * Each number of replicas is a group with servers of its own, where nothing else runs: other services that stand idle
 * would take the processors from what is measured, and the baseline, which wakes up a quarter as often, would feel little of it.
 */
import { connect } from "@nats-io/transport-node"
import { connectClient } from "../../test/support/client.ts"
import { connectSql } from "../../test/support/freshDatabase.ts"
import { startEcho } from "../support/children.ts"
import { type Ground, type MadeToken, must, type Placed, provision, quiet, registered } from "../support/ground.ts"
import { copyTokens, samplesOf, startLeast } from "../support/least.ts"
import { leastTable } from "../support/leastRows.ts"
import type { Group, Options, Side } from "../support/measure.ts"
import { p99 } from "../support/report.ts"
import { bareCommits } from "./changes.ts"

const app = "meters"

const timed = async (run: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now()
  await run()
  return performance.now() - begun
}

/** Of a round, one after the other; and before the first, so that all of it is compiled as it is where a service runs for long. */
const sizes = ({ isQuick, rounds }: Options) => {
  const eachRound = isQuick ? 10 : 200
  const before = isQuick ? 10 : 1_500
  const together = isQuick ? 50 : 1_000
  return {
    eachRound,
    before,
    together,
    alone: before + (rounds + 1) * eachRound,
    atOnce: (rounds + 1) * (together + 1)
  }
}

/** A least program for revocations, beside a service: rows, one barrier for a group, and the answers. */
const leastRevoker = async (ground: Ground, placed: Placed, count: number) => {
  const { client, database } = placed
  const [program, operation] = ["leastrevoke", "token.revoke"]
  const [token] = await provision(client, 1, { app })
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

/** A service of so many replicas, whose tenant has an application. */
const started = async (ground: Ground, replicas: number): Promise<Placed> => {
  const placed = await ground.service("cm")
  for (let more = 1; more < replicas; more++) await ground.service("cm", { beside: placed, replica: `r${more}` })
  await registered(placed.client, "demo", app)
  return placed
}

const revokeBy =
  ({ client }: Placed) =>
  ({ tokenId }: Pick<MadeToken, "tokenId">) =>
    must(client, "demo", "token.revoke", { tokenId })

const oneByOne = (replicas: number): Group => ({
  id: `revocation-${replicas}`,
  title: `revocations, one after the other, ${replicas} replica(s)`,
  prepare: async (options, ground) => {
    const { before, eachRound, alone } = sizes(options)
    const { natsUrl, onStop } = ground
    const placed = await started(ground, replicas)
    const echo = await startEcho(natsUrl, "bench.echo", 64)
    onStop(echo.stop)
    const caller = await connect({ servers: natsUrl, noAsyncTraces: true })
    onStop(() => caller.close())
    const bare = await bareCommits(placed.database.url)
    onStop(bare.end)
    const trip = () => caller.request("bench.echo", "x", { timeout: 30_000 })
    const statement = async () => {
      await trip()
      await bare.once()
      await trip()
    }
    const least = await leastRevoker(ground, placed, alone)
    const revoke = revokeBy(placed)
    const made = [...(await provision(placed.client, alone, { app }))]
    const takes: Record<string, (times: number) => Promise<ReadonlyArray<number>>> = {
      "UPDATE and two round trips": async (times) => {
        const taken: Array<number> = []
        for (let n = 0; n < times; n++) taken.push(await timed(statement))
        return taken
      },
      "the least program": least.oneByOne,
      revocation: async (times) => {
        const taken: Array<number> = []
        for (const token of made.splice(0, times)) taken.push(await timed(() => revoke(token)))
        return taken
      }
    }
    const sides: Record<string, Side> = {}
    for (const [name, take] of Object.entries(takes)) {
      await take(before)
      sides[name] = async () => {
        // What the side before left to do behind its answers is done first.
        await quiet(placed.service.pid)
        return p99(await take(eachRound))
      }
    }
    return {
      sides,
      rows: [
        {
          measure: `revoke p99, healthy, ${replicas} replica(s)`,
          ours: "revocation",
          baseline: "UPDATE and two round trips",
          unit: "ms",
          goal: { atMost: 1.5 },
          limits: ["the least program"]
        }
      ],
      check: least.check
    }
  }
})

const atOnce: Group = {
  id: "revocations",
  title: "revocations at once",
  prepare: async (options, ground) => {
    const { atOnce: count, before, together } = sizes(options)
    const placed = await started(ground, 2)
    const revoke = revokeBy(placed)
    const least = await leastRevoker(ground, placed, before + count)
    const many = [...(await provision(placed.client, before + count, { app }))]
    const oursTogether = (times: number) => Promise.all(many.splice(0, times).map(revoke))
    await oursTogether(before)
    await least.together(before)
    const afterQuiet =
      (run: () => Promise<unknown>): Side =>
      async () => {
        await quiet(placed.service.pid)
        return timed(run)
      }
    return {
      sides: {
        "1,000 at once": afterQuiet(() => oursTogether(together)),
        "one alone": afterQuiet(() => oursTogether(1)),
        "at once by the least program": afterQuiet(() => least.together(together)),
        "one alone by the least program": afterQuiet(() => least.together(1))
      },
      rows: [
        {
          measure: `${together.toLocaleString("en")} revocations at once, until the last is in force`,
          ours: "1,000 at once",
          baseline: "one alone",
          unit: "ms",
          goal: { atMost: 10 },
          limits: ["at once by the least program"]
        },
        {
          measure: `${together.toLocaleString("en")} revocations at once, all by the least program`,
          ours: "at once by the least program",
          baseline: "one alone by the least program",
          unit: "ms"
        }
      ],
      check: least.check
    }
  }
}

export const revocations: ReadonlyArray<Group> = [oneByOne(1), oneByOne(2), oneByOne(3), atOnce]
