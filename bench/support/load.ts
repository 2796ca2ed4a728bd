/**
 * The load: one process, many requests in flight, replies counted and nothing else.
 *
 * It is forked, is told its server and requests once, and then runs rounds when asked to. It publishes
 * with reply subjects of one wildcard inbox instead of `request`, whose bookkeeping would cost more
 * than the service that is measured.
 */
import { connect } from "@nats-io/transport-node"

export interface LoadSetup {
  readonly natsUrl: string
  /** Request payloads in base64; sent in turns. */
  readonly requests: ReadonlyArray<string>
  /** Where a request holds this text, a running number of its length stands in what is sent. */
  readonly numbered?: string
  readonly inFlight: number
}
export interface Round {
  readonly subject: string
  readonly milliseconds: number
  /** The length that a right reply has, a few bytes more or less; others are counted as wrong. */
  readonly replyBytes: number
}
export interface RoundResult {
  readonly perSecond: number
  readonly replies: number
  readonly wrong: number
}

const main = async (setup: LoadSetup): Promise<void> => {
  const nc = await connect({ servers: setup.natsUrl, noAsyncTraces: true })
  const requests = setup.requests.map((request) => new Uint8Array(Buffer.from(request, "base64")))
  const inbox = "_INBOX.load"
  let onReply: (bytes: number) => void = () => {}
  nc.subscribe(`${inbox}.*`, {
    callback: (error, message) => (error === null ? onReply(message.data.length) : undefined)
  })
  await nc.flush()
  let next = 0
  const { numbered = "" } = setup
  const marks = requests.map((request) => (numbered === "" ? -1 : Buffer.from(request).indexOf(numbered)))
  let count = 0
  const take = (): Uint8Array => {
    if (next === requests.length) next = 0
    const [request, mark] = [requests[next]!, marks[next]!]
    next++
    if (mark === -1) return request
    // The client keeps what it is given until it writes, so each has its own bytes.
    const own = Buffer.from(request)
    own.write(String(count++).padStart(numbered.length, "0"), mark, "latin1")
    return own
  }

  const run = ({ milliseconds, replyBytes, subject }: Round): Promise<RoundResult> =>
    new Promise((resolve) => {
      let sent = 0
      let replies = 0
      let wrong = 0
      let over = false
      const startedAt = performance.now()
      const options = { reply: `${inbox}.1` }
      const send = () => {
        sent++
        nc.publish(subject, take(), options)
      }
      onReply = (bytes) => {
        replies++
        if (Math.abs(bytes - replyBytes) > 4) wrong++
        // The clock is looked at once in a while only.
        if ((replies & 63) === 0 && performance.now() - startedAt >= milliseconds) over = true
        if (!over) send()
        else if (replies === sent) {
          const seconds = (performance.now() - startedAt) / 1_000
          resolve({ perSecond: replies / seconds, replies, wrong })
        }
      }
      for (let index = 0; index < setup.inFlight; index++) send()
    })

  process.on("message", (message: Round | "stop") => {
    if (message === "stop") void nc.close().then(() => process.exit(0))
    else void run(message).then((result) => process.send?.(result))
  })
  process.send?.("ready")
}

process.once("message", (setup: LoadSetup) => void main(setup))
