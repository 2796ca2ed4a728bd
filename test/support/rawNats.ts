/**
 * The NATS protocol spoken by hand, to see what the server itself says about a single PUB or SUB.
 *
 * A client library reports a refusal somewhere else than where it was caused; here each attempt is
 * followed by a PING, and what comes before its PONG is the answer.
 */
import { connect } from "node:net"

export interface RawNats {
  /** False when the server refuses the publication. */
  readonly mayPublish: (subject: string) => Promise<boolean>
  /** False when the server refuses the subscription, with a queue group when one is given. */
  readonly maySubscribe: (subject: string, queue?: string) => Promise<boolean>
  /** Publishes with header lines as they are written, and gives the whole answer, headers and body. */
  readonly request: (subject: string, body: string, lines: ReadonlyArray<string>) => Promise<string>
  readonly close: () => void
}

export const rawNats = async (port: number, user: string, password: string): Promise<RawNats> => {
  const socket = connect({ host: "127.0.0.1", port })
  let text = ""
  let waiting:
    | { readonly resolve: (lines: ReadonlyArray<string>) => void; readonly reject: (error: Error) => void }
    | undefined
  let answered: ((answer: string) => void) | undefined
  socket.setEncoding("utf8")
  socket.on("data", (chunk: string) => {
    text += chunk
    const answer = /^HMSG \S+ \d+ \d+ \d+\r\n([\s\S]*\})\r\n/mu.exec(text)?.[1]
    if (answer !== undefined && answered !== undefined) {
      text = ""
      answered(answer)
      answered = undefined
    }
    if (!text.includes("PONG\r\n")) return
    const lines = text.split("\r\n")
    text = ""
    waiting?.resolve(lines)
  })
  socket.on("error", (error) => waiting?.reject(error))
  socket.on("close", () => waiting?.reject(new Error(`the server closed the connection: ${text}`)))

  const exchange = (protocol: string): Promise<ReadonlyArray<string>> =>
    new Promise((resolve, reject) => {
      waiting = { resolve, reject }
      socket.write(`${protocol}PING\r\n`)
    })
  const isAccepted = async (protocol: string): Promise<boolean> =>
    !(await exchange(protocol)).some((line) => line.startsWith("-ERR 'Permissions Violation"))

  const options = {
    user,
    pass: password,
    verbose: false,
    pedantic: false,
    protocol: 1,
    headers: true,
    lang: "test",
    version: "0"
  }
  const greeting = await exchange(`CONNECT ${JSON.stringify(options)}\r\n`)
  if (greeting.some((line) => line.startsWith("-ERR"))) throw new Error(greeting.join("\n"))

  let sid = 0
  return {
    mayPublish: (subject) => isAccepted(`PUB ${subject} 0\r\n\r\n`),
    maySubscribe: async (subject, queue) => {
      sid++
      const accepted = await isAccepted(`SUB ${subject} ${queue === undefined ? "" : `${queue} `}${sid}\r\n`)
      if (accepted) await exchange(`UNSUB ${sid}\r\n`)
      return accepted
    },
    request: async (subject, body, lines) => {
      const inbox = `_INBOX.${user}.raw${++sid}`
      const head = `NATS/1.0\r\n${lines.join("\r\n")}\r\n\r\n`
      const bytes = Buffer.byteLength(head)
      await exchange(`SUB ${inbox} ${sid}\r\n`)
      const answer = new Promise<string>((resolve) => {
        answered = resolve
      })
      socket.write(`HPUB ${subject} ${inbox} ${bytes} ${bytes + Buffer.byteLength(body)}\r\n${head}${body}\r\n`)
      return answer
    },
    close: () => socket.destroy()
  }
}
