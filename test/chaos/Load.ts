/**
 * Validations over several connections, many in flight, each in the history.
 *
 * A tick a few milliseconds long sends what the rate allows while fewer than the limit are in flight.
 * `burst` asks about one token at once on every connection: sent right after an answer that took a
 * right away, these are the requests that a mistake shows in. A request without an answer is given up
 * after `answerLimitMs`, so that every run ends.
 */
import { connect, type Msg, type NatsConnection } from "@nats-io/transport-node"
import * as ecap from "../support/ecap.ts"
import { eventually } from "../support/eventually.ts"
import { noResponders, type Recorder, type TokenInfo, wrongIds } from "./History.ts"

export const answerLimitMs = 10_000
const tickMs = 4
/** Many, because those that a stopped replica holds must not keep the others from being asked. */
const inFlightPerConnectionMax = 4_096
const connections = 4
const burstPerConnection = 2
/** Tokens that were changed last; half of the validations ask about them. */
const touchedMax = 64

export interface LoadOptions {
  readonly natsUrl: string
  readonly instance: string
  readonly recorder: Recorder
  readonly random: () => number
  /** Validations a second, at most. */
  readonly rate: number
}

class Line {
  readonly nc: NatsConnection
  readonly inbox: string
  readonly inFlight = new Set<number>()

  constructor(nc: NatsConnection, number: number, instance: string) {
    this.nc = nc
    this.inbox = `_INBOX.${instance}.${number}`
  }
}

export class Load {
  private readonly options: LoadOptions
  private readonly subject: string
  private readonly lines: Array<Line> = []
  private readonly touched: Array<TokenInfo> = []
  /** Tokens that may be usable: nine of ten other validations ask about one of these. */
  readonly live = new Set<TokenInfo>()
  private liveList: ReadonlyArray<TokenInfo> = []
  private ticks: ReturnType<typeof setInterval> | undefined
  private budget = 0
  private tickedMs = performance.now()

  constructor(options: LoadOptions) {
    this.options = options
    this.subject = `kaa.v1.service.${options.instance}.ecap.ep-token-request`
  }

  async start(): Promise<void> {
    const { instance, natsUrl } = this.options
    for (let number = 0; number < connections; number++) {
      const nc = await connect({
        servers: natsUrl.split(","),
        noAsyncTraces: true,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 50,
        pingInterval: 1_000
      })
      const line = new Line(nc, number, instance)
      nc.subscribe(`${line.inbox}.*`, { callback: (error, message) => this.take(line, error, message) })
      await nc.flush()
      this.lines.push(line)
    }
    this.ticks = setInterval(() => this.tick(), tickMs)
  }

  touch(token: TokenInfo): void {
    this.touched.push(token)
    if (this.touched.length > touchedMax) this.touched.shift()
  }

  burst(token: TokenInfo): void {
    for (const line of this.lines) for (let times = 0; times < burstPerConnection; times++) this.send(line, token)
  }

  /** Waits until everything that was sent is answered or given up. */
  async quiet(): Promise<void> {
    await eventually(
      () => {
        this.giveUp()
        return this.lines.reduce((sum, { inFlight }) => sum + inFlight.size, 0)
      },
      (inFlight) => inFlight === 0,
      { limitMs: 2 * answerLimitMs, what: "every validation answered or given up" }
    )
  }

  /** Sends no more, and waits until everything is answered or given up. */
  async stop(): Promise<void> {
    this.budget = 0
    clearInterval(this.ticks)
    await this.quiet()
    await Promise.all(this.lines.map(({ nc }) => nc.close()))
  }

  private tick(): void {
    const now = performance.now()
    this.budget = Math.min(this.options.rate / 20, this.budget + ((now - this.tickedMs) * this.options.rate) / 1_000)
    this.tickedMs = now
    this.giveUp()
    this.liveList = this.live.size === this.liveList.length ? this.liveList : [...this.live]
    let idle = 0
    for (let turn = 0; this.budget >= 1 && idle < this.lines.length; turn++) {
      const line = this.lines[turn % this.lines.length]!
      const token = this.pick()
      if (token === undefined) return
      if (line.inFlight.size >= inFlightPerConnectionMax) idle++
      else {
        this.budget--
        this.send(line, token)
      }
    }
  }

  private giveUp(): void {
    const overdue = performance.now() - answerLimitMs
    const { validations } = this.options.recorder
    for (const { inFlight } of this.lines) {
      // In the order in which they were sent.
      for (const row of inFlight) {
        if (validations.sentMs[row]! > overdue) break
        inFlight.delete(row)
      }
    }
  }

  private pick(): TokenInfo | undefined {
    const { random, recorder } = this.options
    const chance = random()
    const from =
      chance < 0.5 && this.touched.length > 0 ? this.touched : chance < 0.95 ? this.liveList : recorder.tokens
    return from[Math.floor(random() * from.length)] ?? recorder.tokens[0]
  }

  private send(line: Line, token: TokenInfo): void {
    const { validations } = this.options.recorder
    const { appName, value } = token
    const request = ecap.ValidationRequest.toBuffer({
      correlationId: "c",
      timestamp: 1_700_000_000_000,
      timeout: 0,
      appName,
      token: value
    })
    const row = validations.add(token.index, performance.now())
    line.inFlight.add(row)
    line.nc.publish(this.subject, request, { reply: `${line.inbox}.${row}` })
  }

  private take(line: Line, error: Error | null, message: Msg): void {
    if (error !== null) return
    const row = Number(message.subject.slice(line.inbox.length + 1))
    if (!line.inFlight.delete(row)) return
    const { tokens, validations } = this.options.recorder
    const token = tokens[validations.token[row]!]!
    validations.answer(row, performance.now(), statusOf(message, token))
  }
}

const statusOf = (message: Msg, token: TokenInfo): number => {
  if (message.headers?.code === 503 && message.data.length === 0) return noResponders
  const { endpointId, statusCode, tokenId } = ecap.ValidationResponse.fromBuffer(
    Buffer.from(message.data)
  ) as ecap.Validated
  const isRight = endpointId === token.endpointId && (token.tokenId === null || tokenId === token.tokenId)
  return statusCode === 200 && !isRight ? 200 + wrongIds : statusCode
}
