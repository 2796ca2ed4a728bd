/**
 * Asks over HTTP or over the bus, so many at a time, each again as soon as it is answered: how many a second, and how
 * long each took. One answer that is not as long as expected, or of another status, is wrong.
 */
import { Agent, request as httpRequest } from "node:http"
import { connect, headers as natsHeaders } from "@nats-io/transport-node"

export interface HttpLoad {
  readonly callers: number
  readonly token: string
  readonly bus: { readonly url: string; readonly user: string; readonly password: string; readonly inboxPrefix: string }
}
export type HttpRound = { readonly milliseconds: number; readonly bytes: number } & (
  | { readonly url: string; readonly path: string }
  | { readonly subject: string; readonly body: string }
)
export interface HttpResult {
  readonly perSecond: number
  readonly p50: number
  readonly p99: number
  readonly wrong: number
}

const at = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN

const main = async ({ bus, callers, token }: HttpLoad): Promise<void> => {
  const agent = new Agent({ keepAlive: true, maxSockets: callers })
  const authorization = `Bearer ${token}`
  const connection = await connect({
    servers: bus.url,
    user: bus.user,
    pass: bus.password,
    inboxPrefix: bus.inboxPrefix,
    noAsyncTraces: true
  })
  const overHttp = (url: string, path: string, bytes: number) => {
    const { hostname, port } = new URL(url)
    return () =>
      new Promise<boolean>((done) => {
        const asking = httpRequest({ hostname, port, path, agent, headers: { authorization } }, (response) => {
          let length = 0
          response.on("data", (chunk: Buffer) => {
            length += chunk.length
          })
          response.on("end", () => done(response.statusCode === 200 && length === bytes))
          response.on("error", () => done(false))
        })
        asking.on("error", () => done(false)).end()
      })
  }
  const overBus = (subject: string, body: string, bytes: number) => () => {
    const sent = natsHeaders()
    sent.set("Authorization", authorization)
    return connection.request(subject, body, { timeout: 30_000, headers: sent }).then(
      (message) => message.headers?.get("Cm-Status") === "200" && message.data.length === bytes,
      () => false
    )
  }
  process.on("message", async (round: HttpRound) => {
    const ask =
      "url" in round ? overHttp(round.url, round.path, round.bytes) : overBus(round.subject, round.body, round.bytes)
    const times: Array<number> = []
    let wrong = 0
    const began = performance.now()
    const one = async () => {
      while (performance.now() - began < round.milliseconds) {
        const before = performance.now()
        if (!(await ask())) wrong++
        times.push(performance.now() - before)
      }
    }
    await Promise.all(Array.from({ length: callers }, one))
    const seconds = (performance.now() - began) / 1_000
    times.sort((a, b) => a - b)
    process.send?.({ perSecond: times.length / seconds, p50: at(times, 0.5), p99: at(times, 0.99), wrong })
  })
  process.send?.("ready")
}

process.once("message", (given: HttpLoad) => void main(given))
process.once("disconnect", () => process.exit(0))
