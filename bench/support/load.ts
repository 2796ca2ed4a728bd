/**
 * The load: one process, many requests in flight, replies counted, and a promise for none of them.
 *
 * It is forked, is told its server and requests once, and then runs rounds when asked to. It publishes
 * with reply subjects of one wildcard inbox instead of `request`, whose bookkeeping would cost more
 * than the service that is measured. A round keeps a window of requests in flight, or, given a rate,
 * sends at that rate whatever the answers do; then the reply subject says which request it answers, and
 * each one's time counts from the moment it was due, not from the moment it was sent.
 */
import { readFileSync } from "node:fs"
import { connect, type NatsConnection } from "@nats-io/transport-node"

export interface LoadSetup {
  readonly natsUrl: string
  /** Of a bus of accounts: whose requests these are. Without: the service's own account. */
  readonly user?: string
  /** Request payloads in base64, or a file of many, each as long as the first; sent in turns. */
  readonly requests: ReadonlyArray<string> | { readonly file: string; readonly bytes: number }
  /** Where a request holds this text, a running number of its length stands in what is sent. */
  readonly numbered?: string
  readonly inFlight: number
}
export interface Round {
  readonly subject: string
  readonly milliseconds: number
  /** The length that a right reply has, a few bytes more or less; others are counted as wrong. Without: any. */
  readonly replyBytes?: number
  /** Requests a second; without it, as many as the window lets through. */
  readonly perSecond?: number
  /** Of the requests, the first so many; without it, all. */
  readonly first?: number
}
export interface RoundResult {
  readonly perSecond: number
  readonly replies: number
  readonly wrong: number
  /** The first that was wrong, in base64. */
  readonly firstWrong?: string
  /** Milliseconds; 0 without a rate. */
  readonly p50: number
  readonly p99: number
}

/** Requests under way at once in a round with a rate; more are not sent, and the round is worthless then. */
const slots = 1 << 16
const tickMs = 1

interface Sender {
  readonly nc: NatsConnection
  readonly inbox: string
  readonly take: () => Uint8Array
  onReply: (subject: string, data: Uint8Array) => void
}

const isWrong = (bytes: number, wanted: number | undefined): boolean =>
  wanted === undefined ? bytes === 0 : Math.abs(bytes - wanted) > 4

/** Counts what is wrong, and keeps the first of it. */
class Wrongs {
  count = 0
  private first: string | undefined
  private readonly wanted: number | undefined
  constructor({ replyBytes }: Round) {
    this.wanted = replyBytes
  }
  look(data: Uint8Array): void {
    if (!isWrong(data.length, this.wanted)) return
    this.count++
    this.first ??= Buffer.from(data).toString("base64")
  }
  get shown() {
    return { wrong: this.count, ...(this.first === undefined ? {} : { firstWrong: this.first }) }
  }
}

/** A round in which nothing came for so long has lost a reply, and would wait for it without an end. */
const stallMs = 60_000
const failsWhenStalled = (replies: () => number, fail: (error: Error) => void): (() => void) => {
  let seen = -1
  const timer = setInterval(() => {
    if (replies() === seen) fail(new Error(`no reply for ${stallMs / 1_000} s, after ${seen}`))
    seen = replies()
  }, stallMs)
  return () => clearInterval(timer)
}

/** A window of requests in flight. */
const closedLoop = (sender: Sender, round: Round, inFlight: number): Promise<RoundResult> =>
  new Promise((resolve, reject) => {
    const { inbox, nc, take } = sender
    const wrongs = new Wrongs(round)
    let [sent, replies, over] = [0, 0, false]
    const startedAt = performance.now()
    const options = { reply: `${inbox}.1` }
    const ended = failsWhenStalled(() => replies, reject)
    const send = () => {
      sent++
      nc.publish(round.subject, take(), options)
    }
    sender.onReply = (_subject, data) => {
      replies++
      wrongs.look(data)
      // The clock is looked at once in a while only, and always where each answer takes long.
      if ((inFlight < 128 || (replies & 63) === 0) && performance.now() - startedAt >= round.milliseconds) over = true
      if (!over) send()
      else if (replies === sent) {
        ended()
        const seconds = (performance.now() - startedAt) / 1_000
        resolve({ perSecond: replies / seconds, replies, ...wrongs.shown, p50: 0, p99: 0 })
      }
    }
    for (let index = 0; index < inFlight; index++) send()
  })

const openLoop = (sender: Sender, round: Round, perSecond: number): Promise<RoundResult> =>
  new Promise((resolve, reject) => {
    const { inbox, nc, take } = sender
    const due = new Float64Array(slots)
    const times: Array<number> = []
    const wrongs = new Wrongs(round)
    let [sent, replies, isOver] = [0, 0, false]
    const startedAt = performance.now()
    const ended = failsWhenStalled(() => replies, reject)
    const finish = () => {
      ended()
      clearInterval(timer)
      times.sort((a, b) => a - b)
      const at = (share: number) => times[Math.max(0, Math.ceil(times.length * share) - 1)]!
      resolve({
        perSecond: (replies / (performance.now() - startedAt)) * 1_000,
        replies,
        ...wrongs.shown,
        p50: at(0.5),
        p99: at(0.99)
      })
    }
    sender.onReply = (subject, data) => {
      replies++
      wrongs.look(data)
      times.push(performance.now() - due[Number(subject.slice(inbox.length + 1))]!)
      if (isOver && replies === sent) finish()
    }
    const timer = setInterval(() => {
      const elapsed = performance.now() - startedAt
      isOver = elapsed >= round.milliseconds
      const wanted = Math.floor((Math.min(elapsed, round.milliseconds) * perSecond) / 1_000)
      if (wanted - replies > slots) {
        clearInterval(timer)
        reject(new Error("more requests are under way than can be told apart"))
      }
      for (; sent < wanted; sent++) {
        const slot = sent % slots
        due[slot] = startedAt + (sent * 1_000) / perSecond
        nc.publish(round.subject, take(), { reply: `${inbox}.${slot}` })
      }
      if (isOver && replies === sent) finish()
    }, tickMs)
  })

const requestsOf = ({ requests }: LoadSetup): ReadonlyArray<Uint8Array> => {
  if (!("file" in requests)) return requests.map((request) => new Uint8Array(Buffer.from(request, "base64")))
  const all = readFileSync(requests.file)
  const count = all.length / requests.bytes
  return Array.from({ length: count }, (_, n) => all.subarray(n * requests.bytes, (n + 1) * requests.bytes))
}

const main = async (setup: LoadSetup): Promise<void> => {
  const { user } = setup
  const who = user === undefined ? {} : { user, pass: user }
  const nc = await connect({ servers: setup.natsUrl, noAsyncTraces: true, ...who })
  const requests = requestsOf(setup)
  let [next, end] = [0, requests.length]
  const { numbered = "" } = setup
  const marks = requests.map((request) => (numbered === "" ? -1 : Buffer.from(request).indexOf(numbered)))
  let count = 0
  const take = (): Uint8Array => {
    if (next >= end) next = 0
    const [request, mark] = [requests[next]!, marks[next]!]
    next++
    if (mark === -1) return request
    // The client keeps what it is given until it writes, so each has its own bytes.
    const own = Buffer.from(request)
    own.write(String(count++).padStart(numbered.length, "0"), mark, "latin1")
    return own
  }
  const sender: Sender = { nc, inbox: `_INBOX.load${process.pid}`, take, onReply: () => {} }
  nc.subscribe(`${sender.inbox}.*`, {
    callback: (error, message) => {
      if (error === null) sender.onReply(message.subject, message.data)
    }
  })
  await nc.flush()
  const run = (round: Round): Promise<RoundResult> => {
    end = Math.min(round.first ?? requests.length, requests.length)
    return round.perSecond === undefined
      ? closedLoop(sender, round, setup.inFlight)
      : openLoop(sender, round, round.perSecond)
  }

  process.on("message", (message: Round | "stop") => {
    if (message === "stop") void nc.close().then(() => process.exit(0))
    else void run(message).then((result) => process.send?.(result))
  })
  process.send?.("ready")
}

process.once("disconnect", () => process.exit(1))
process.once("message", (setup: LoadSetup) => void main(setup))
