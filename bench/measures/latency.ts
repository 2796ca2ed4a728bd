/** The time of one validation: at half of the largest load, beside the echo; and of one that misses. */
import { type Load, rightRound, startAskingEcho, startEcho, startLeastRead, startLoad } from "../support/children.ts"
import {
  provision,
  quiet,
  registered,
  validationBytes,
  validationRequest,
  validationSubject
} from "../support/ground.ts"
import { copyTokens } from "../support/leastRead.ts"
import type { Curve, Group } from "../support/measure.ts"

/** Parts of the largest rate at which the curves have their points. */
const parts = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]

export const latency: Group = {
  id: "latency",
  title: "p99 at half of the largest load",
  prepare: async ({ isQuick, milliseconds, plot }, ground) => {
    const { natsUrl, onStop } = ground
    const { client, service } = await ground.service("hot")
    await registered(client, "demo")
    const made = await provision(client, isQuick ? 100 : 1_000)
    const requests = made.map(({ token }) => validationRequest(token))
    const echo = await startEcho(natsUrl, validationSubject("echo"), validationBytes)
    onStop(echo.stop)
    const load: Load = await startLoad({ natsUrl, requests, inFlight: 256 })
    onStop(load.stop)
    const round = (name: string, perSecond?: number) =>
      rightRound(load, {
        subject: validationSubject(name),
        milliseconds,
        replyBytes: validationBytes,
        ...(perSecond === undefined ? {} : { perSecond })
      })
    await round("hot")
    await quiet(service.pid)
    const largest = (await round("hot")).perSecond
    const curves: ReadonlyArray<Curve> = await Promise.all([
      { name: "service p99", points: [] },
      { name: "echo p99", points: [] }
    ])
    for (const part of isQuick ? parts.slice(0, 2) : parts) {
      for (const [index, name] of ["hot", "echo"].entries()) {
        const { p99 } = await round(name, largest * part)
        ;(curves[index]!.points as Array<readonly [number, number]>).push([Math.round(largest * part), p99])
      }
    }
    plot({
      file: "latency-against-load.svg",
      title: "p99 of a hot validation against load",
      xAxis: "requests a second",
      yAxis: "milliseconds",
      curves
    })
    const half = largest / 2
    return {
      sides: { hot: async () => (await round("hot", half)).p99, echo: async () => (await round("echo", half)).p99 },
      rows: [
        {
          measure: "p99 at half of the largest load",
          ours: "hot",
          baseline: "echo",
          unit: "ms",
          goal: { atMost: 1.2 },
          note: `${Math.round(half).toLocaleString("en")} a second`
        }
      ]
    }
  }
}

export const miss: Group = {
  id: "miss",
  title: "one validation that misses, one after the other",
  prepare: async ({ isQuick, milliseconds }, ground) => {
    const { natsUrl, onStop } = ground
    const { client, database, service } = await ground.service("cold", {
      env: { CM_HOT_TOKENS_MAX: "0", CM_KV_CACHE: "false" }
    })
    await registered(client, "demo")
    const made = await provision(client, isQuick ? 100 : 1_000)
    const kv = await startAskingEcho("kv", { natsUrl, subject: validationSubject("kv"), bytes: validationBytes })
    onStop(kv.stop)
    await copyTokens(database.url)
    const asked = { natsUrl, subject: validationSubject("least"), bytes: validationBytes, url: database.url }
    onStop((await startLeastRead({ ...asked, most: 1, connections: 1 })).stop)
    const requests = made.map(({ token }) => validationRequest(token))
    const load = await startLoad({ natsUrl, requests, inFlight: 1 })
    onStop(load.stop)
    await quiet(service.pid)
    // One at a time: a round's time over its replies is one reply's.
    const took = async (name: string) => {
      const subject = validationSubject(name)
      const { perSecond } = await rightRound(load, { subject, milliseconds, replyBytes: validationBytes })
      return 1_000 / perSecond
    }
    return {
      sides: { miss: () => took("cold"), "one KV get": () => took("kv"), "least program": () => took("least") },
      rows: [
        {
          measure: "one miss, latency",
          ours: "miss",
          baseline: "one KV get",
          unit: "ms",
          goal: { atMost: 1.3 },
          limits: ["least program"]
        }
      ]
    }
  }
}
