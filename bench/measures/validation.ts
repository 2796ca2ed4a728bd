/** Validations of hot and of cold tokens, against responders that do less, or ask something else for each. */
import {
  type Load,
  rightRound,
  startAskingEcho,
  startEcho,
  startLeastRead,
  startLoad,
  startRedis
} from "../support/children.ts"
import {
  appName,
  base64,
  provision,
  quiet,
  registered,
  validationBytes,
  validationRequest,
  validationSubject
} from "../support/ground.ts"
import { hotTokenBytes } from "../support/hotBytes.ts"
import { copyTokens, type LeastReadSetup } from "../support/leastRead.ts"
import type { Group, Row, Side } from "../support/measure.ts"

const inFlight = 256
const batchSize = 1_000
/** Which grouping is best depends on the machine. */
const leastOf: Readonly<Record<string, Pick<LeastReadSetup, "most" | "connections" | "tags">>> = {
  "least program: 128 in a statement, 2 connections": { most: 128, connections: 2 },
  "least program: 256 in a statement, 1 connection": { most: 256, connections: 1 },
  "least program: 64 in a statement, 4 connections": { most: 64, connections: 4 },
  "least program: 128, 2, tags of rows compared": { most: 128, connections: 2, tags: true }
}

export const validation: Group = {
  id: "validation",
  title: "validations by 16/ECAP, 1,000 tokens",
  prepare: async ({ isQuick, milliseconds }, ground) => {
    const { natsUrl, onStop, pair } = ground
    const tokens = isQuick ? 100 : 1_000
    const hot = await ground.service("hot")
    const cold = await ground.service("cold", { env: { CM_HOT_TOKENS_MAX: "0", CM_KV_CACHE: "false" } })
    const requests: Record<string, ReadonlyArray<string>> = {}
    const values: Array<string> = []
    for (const { client, instance } of [hot, cold]) {
      await registered(client, "demo")
      // Nor is how many misses a second a tenant may have what is measured.
      const limited = await client.admin("tenants.configure", {
        tenantId: "demo",
        limits: { missesPerSecond: 1_000_000 }
      })
      if (limited.status !== 200) throw new Error(`tenants.configure: ${limited.status}`)
      const made = await provision(client, tokens)
      requests[instance] = made.map(({ token }) => validationRequest(token))
      if (instance === "hot") values.push(...made.map(({ token }) => token))
    }
    await copyTokens(cold.database.url)
    const redis = await startRedis()
    if (redis !== null) onStop(redis.stop)
    const bytes = validationBytes
    const echoes = [
      await startEcho(natsUrl, validationSubject("echo"), bytes),
      await startAskingEcho("kv", { natsUrl, subject: validationSubject("kv"), bytes }),
      await startAskingEcho("select", { natsUrl, subject: validationSubject("select"), bytes, url: cold.database.url })
    ]
    if (redis !== null) {
      const url = String(redis.port)
      echoes.push(await startAskingEcho("redis", { natsUrl, subject: validationSubject("redis"), bytes, url }))
    }
    for (const echo of echoes) onStop(echo.stop)

    const load = async (of: ReadonlyArray<string>, window = inFlight): Promise<Load> => {
      const one = await startLoad({ natsUrl, requests: of, inFlight: window })
      onStop(one.stop)
      return one
    }
    const rate = async (name: string, of: ReadonlyArray<string>): Promise<Side> => {
      const one = await load(of)
      const round = { subject: validationSubject(name), milliseconds, replyBytes: bytes }
      return async () => (await rightRound(one, round)).perSecond
    }
    const sides: Record<string, Side> = {
      echo: await rate("echo", requests.hot!),
      hot: await rate("hot", requests.hot!),
      cold: await rate("cold", requests.cold!),
      "a KV get each": await rate("kv", requests.hot!),
      "a MariaDB select each": await rate("select", requests.hot!)
    }
    if (redis !== null) sides["a Redis GET each"] = await rate("redis", requests.hot!)
    const least = isQuick ? Object.entries(leastOf).slice(0, 1) : Object.entries(leastOf)
    for (const [index, [name, grouped]] of least.entries()) {
      const asked = { natsUrl, subject: validationSubject(`least${index}`), bytes, url: cold.database.url }
      onStop((await startLeastRead({ ...asked, ...grouped })).stop)
      sides[name] = await rate(`least${index}`, requests.cold!)
    }

    // A batch needs values that are there: as many as it may hold, those that are there over and over.
    const items = Array.from({ length: batchSize }, (_, n) => ({ appName, token: values[n % values.length]! }))
    const batches = await load([base64({ items })], 8)
    const singles = await load(values.map((token) => base64({ appName, token })))
    sides["tokens in batches"] = async () =>
      (await rightRound(batches, { subject: "hot.v1.demo.token.validate-batch", milliseconds })).perSecond * batchSize
    sides["single requests"] = async () =>
      (await rightRound(singles, { subject: "hot.v1.demo.token.validate", milliseconds })).perSecond

    await quiet(hot.service.pid)
    await quiet(pair.mariadb.pid)
    const unit = "/s"
    const rows: ReadonlyArray<Row> = [
      { measure: "hot validation, 1,000 tokens", ours: "hot", baseline: "echo", unit, goal: { atLeast: 0.95 } },
      { measure: "hot validation", ours: "hot", baseline: "a KV get each", unit, goal: { atLeast: 5 } },
      { measure: "hot validation", ours: "hot", baseline: "a MariaDB select each", unit, goal: { atLeast: 12 } },
      ...(redis === null
        ? []
        : [{ measure: "hot validation", ours: "hot", baseline: "a Redis GET each", unit, goal: { atLeast: 1.5 } }]),
      {
        measure: "validate-batch of 1,000, tokens",
        ours: "tokens in batches",
        baseline: "single requests",
        unit,
        goal: { atLeast: 8 }
      },
      {
        measure: "every validation a coalesced MariaDB read",
        ours: "cold",
        baseline: "echo",
        unit,
        goal: { atLeast: 0.5 },
        limits: least.map(([name]) => name)
      }
    ]
    if (redis === null) console.log("redis-server is not installed: the row against it is left out")
    return { sides, rows }
  }
}

export const memory: Group = {
  id: "memory",
  title: "what a hot token takes",
  prepare: ({ isQuick }) =>
    Promise.resolve({
      sides: { bytes: () => Promise.resolve(hotTokenBytes(isQuick ? 20_000 : 200_000)) },
      rows: [{ measure: "a hot token, all memory", ours: "bytes", unit: "bytes", goal: { atMost: 160 } }],
      roundsMax: 1,
      warms: false
    })
}
