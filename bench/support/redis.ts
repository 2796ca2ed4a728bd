/** As much of the Redis protocol (RESP 2) as a baseline needs: SET and GET, pipelined, in order. */
import { connect, type Socket } from "node:net"

export interface Redis {
  readonly set: (key: string, value: string) => Promise<void>
  readonly get: (key: string) => Promise<string | null>
}

const command = (...parts: ReadonlyArray<string>): string =>
  `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join("")}`

/** One reply from the beginning of a text, and the text behind it; `null` while it is not whole. */
const readReply = (text: string): { readonly value: string | null; readonly rest: string } | null => {
  const end = text.indexOf("\r\n")
  if (end === -1) return null
  const line = text.slice(1, end)
  if (text[0] !== "$") return { value: line, rest: text.slice(end + 2) }
  if (line === "-1") return { value: null, rest: text.slice(end + 2) }
  const until = end + 2 + Number(line)
  if (text.length < until + 2) return null
  return { value: text.slice(end + 2, until), rest: text.slice(until + 2) }
}

export const connectRedis = async (port: number): Promise<Redis> => {
  const socket: Socket = connect({ host: "127.0.0.1", port, noDelay: true })
  const waiting: Array<(value: string | null) => void> = []
  let text = ""
  socket.setEncoding("latin1")
  socket.on("data", (chunk: string) => {
    text += chunk
    for (let reply = readReply(text); reply !== null; reply = readReply(text)) {
      text = reply.rest
      waiting.shift()?.(reply.value)
    }
  })
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve)
    socket.once("error", reject)
  })
  const ask = (text: string): Promise<string | null> =>
    new Promise((resolve) => {
      waiting.push(resolve)
      socket.write(text)
    })
  return {
    get: (key) => ask(command("GET", key)),
    set: async (key, value) => void (await ask(command("SET", key, value)))
  }
}
