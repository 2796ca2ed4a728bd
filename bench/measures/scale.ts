/** What changes with the number of tokens and tenants: hot validations, and the time to start. */

import { once } from "node:events"
import { createWriteStream } from "node:fs"
import { join } from "node:path"
import type { Client } from "../../test/support/client.ts"
import { eventually } from "../../test/support/eventually.ts"
import { connectSql } from "../../test/support/freshDatabase.ts"
import { startService } from "../../test/support/service.ts"
import { rightRound, startLoad } from "../support/children.ts"
import {
  type Ground,
  must,
  type Placed,
  provision,
  quiet,
  registered,
  validationBytes,
  validationRequest,
  validationSubject
} from "../support/ground.ts"
import type { Curve, Group } from "../support/measure.ts"

const atOnce = 8

/** Runs the tasks, a few at a time. */
const inTurns = async <A>(
  tasks: ReadonlyArray<A>,
  run: (task: A) => Promise<unknown>,
  width = atOnce
): Promise<void> => {
  const left = [...tasks]
  const worker = async () => {
    for (let task = left.shift(); task !== undefined; task = left.shift()) await run(task)
  }
  await Promise.all(Array.from({ length: width }, worker))
}

interface Population {
  readonly file: string
  /** Length of each request. */
  readonly bytes: number
  readonly count: number
}

/** Tokens of many tenants, and a file of the requests that validate them. */
const populate = async (ground: Ground, client: Client, tenants: number, each: number): Promise<Population> => {
  const file = join(ground.pair.dir, "requests.bin")
  const out = createWriteStream(file)
  let bytes = 0
  await inTurns(
    Array.from({ length: tenants }, (_, n) => String(n).padStart(6, "0")),
    async (number) => {
      const tenant = `tenant-${number}`
      const app = `application-${number}`
      const { status } = await client.admin("tenants.create", { tenantId: tenant })
      if (status >= 300) throw new Error(`tenants.create: ${status}`)
      await registered(client, tenant, app)
      for (const { token } of await provision(client, each, { app, tenant })) {
        const request = Buffer.from(validationRequest(token, app), "base64")
        bytes = request.length
        if (!out.write(request)) await once(out, "drain")
      }
    }
  )
  out.end()
  await once(out, "finish")
  return { file, bytes, count: tenants * each }
}

const credentials = (placed: Placed, count: number): Promise<void> =>
  inTurns(
    Array.from({ length: count }, (_, n) => n),
    (n) =>
      must(placed.client, "demo", "credential.store", {
        service_name: `service-${n}`,
        type: "api_key",
        credentials: { api_key: "k".repeat(32) }
      }),
    64
  )

export const scale: Group = {
  id: "scale",
  title: "a million tokens in a thousand tenants",
  prepare: async ({ isQuick, milliseconds, plot, rounds }, ground) => {
    const [tenants, each, stored] = isQuick ? [4, 250, 200] : [1_000, 1_000, 100_000]
    const env = {
      CM_HOT_TOKENS_MAX: "1100000",
      CM_EVENTS_BYTES_MAX: "4294967296",
      CM_TOKENS_BYTES_MAX: "4294967296"
    }
    const large = await ground.service("large", { env })
    const population = await populate(ground, large.client, tenants, each)
    await credentials(large, stored)
    // A thread that rests does not say that all events have left.
    const eventsHaveLeft = async () =>
      String((await large.client.admin("metrics")).body).includes("\ncm_outbox_rows 0\n")
    const atRest = async () => {
      await eventually(eventsHaveLeft, (have) => have, { limitMs: 900_000, what: "the relay having nothing left" })
      await quiet(large.service.pid, 300_000)
    }
    await atRest()
    // Before anybody asks: first and last uses of a million tokens are written for minutes behind the answers.
    const started = async () => {
      const began = performance.now()
      const more = await startService({
        asShipped: true,
        natsUrl: ground.natsUrl,
        databaseUrl: large.database.url,
        instance: "large",
        replica: "late",
        keyFile: large.service.keyFile,
        env
      })
      const seconds = (performance.now() - began) / 1_000
      await more.stop()
      return seconds
    }
    const starts: Array<number> = []
    for (let round = 0; round <= rounds; round++) starts.push(await started())
    const load = await startLoad({ natsUrl: ground.natsUrl, requests: population, inFlight: 256 })
    ground.onStop(load.stop)
    const subject = validationSubject("large")
    const rate = (first: number, time = milliseconds) =>
      rightRound(load, { subject, milliseconds: time, replyBytes: validationBytes, first }).then(
        ({ perSecond }) => perSecond
      )
    // Each has to become hot first, by being asked for, and its first use is written, which takes longer.
    const sql = await connectSql(large.database.url)
    const areHot = async () =>
      String((await large.client.admin("metrics")).body).includes(`\ncm_hot_tokens ${population.count}\n`)
    const areUsed = async () =>
      Number((await sql.query("SELECT COUNT(*) AS n FROM tokens WHERE status = 0"))[0].n) === 0
    await eventually(
      async () => {
        await rate(population.count, isQuick ? 500 : 10_000)
        return (await areHot()) && (await areUsed())
      },
      (are) => are,
      { limitMs: 900_000, what: "all tokens being hot, and their first uses written" }
    )
    await sql.end()
    await atRest()
    const sizes = [1_000, 10_000, 100_000, 1_000_000].filter((size) => size <= population.count)
    const curve: Curve = { name: "hot validations", points: [] }
    for (const size of sizes) {
      await rate(size, milliseconds / 2)
      ;(curve.points as Array<readonly [number, number]>).push([size, await rate(size)])
    }
    plot({
      file: "cost-against-size.svg",
      title: "Hot validations against the number of tokens",
      xAxis: "tokens that are asked for in turns",
      yAxis: "validations a second",
      isLogarithmic: true,
      curves: [curve]
    })
    const [all, few] = [population.count, Math.min(1_000, population.count)]
    // Last uses are written for half a second of every five: a round sees two of those, and not one or none.
    const long = isQuick ? milliseconds : Math.max(milliseconds, 10_000)
    return {
      sides: {
        "all tokens": () => rate(all, long),
        "1,000 tokens": () => rate(few, long),
        start: () => Promise.resolve(starts.shift()!)
      },
      rows: [
        {
          measure: `hot validation, ${all.toLocaleString("en")} tokens in ${tenants.toLocaleString("en")} tenants`,
          ours: "all tokens",
          baseline: "1,000 tokens",
          unit: "/s",
          goal: { atLeast: 0.95 }
        },
        {
          measure: "ready after start, servers up",
          ours: "start",
          unit: "s",
          goal: { atMost: 1 },
          note: `${all.toLocaleString("en")} tokens and ${stored.toLocaleString("en")} credentials stored, process start included`
        }
      ]
    }
  }
}
