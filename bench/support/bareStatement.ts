/**
 * One prepared statement on a connection of its own, and nothing between it and the socket: its request is one piece of bytes
 * that is kept, and of its answer rows are counted. What no connector can be below.
 *
 * The connector opens the connection and prepares; from then on the socket is ours. One at a time.
 */
import * as net from "node:net"
import type { Connection, ConnectionConfig } from "mariadb"
import { connectSql } from "../../test/support/freshDatabase.ts"

const headBytes = 4
/** Command, id of the statement, flags, iterations. */
const commandBytes = 1 + 4 + 1 + 4
const execute = 0x17
const [row, end, failed] = [0x00, 0xfe, 0xff]

const openOn = (socket: net.Socket, url: string): Promise<Connection> => {
  const { hostname: host, password, pathname, port, username: user } = new URL(url)
  const stream = () => socket.connect(Number(port), host)
  const options = { host, port: Number(port), user, password, database: pathname.slice(1), prepareCacheLength: 512 }
  // The connector also takes the stream as the function's result; its types know only the callback.
  return connectSql({ ...options, stream } as unknown as ConnectionConfig)
}

/** Of a statement that takes so many values of so many bytes: its request, which holds all but the values. */
const requestOf = (id: number, count: number, valueBytes: number): Buffer => {
  const bare = commandBytes + ((count + 7) >> 3) + 1
  const request = Buffer.alloc(headBytes + bare + count * (1 + valueBytes), valueBytes)
  request.fill(0, 0, headBytes + bare)
  request.writeUIntLE(request.length - headBytes, 0, 3)
  request[headBytes] = execute
  request.writeUInt32LE(id, headBytes + 1)
  request.writeUInt32LE(1, headBytes + 6)
  return request
}

/** Answers how many rows came. */
export type BareRead = (values: ReadonlyArray<Buffer>) => Promise<number>

/** For 1 to `countMax` values, each of so many bytes. `sqlOf` makes the statement of that many. */
export const openBareRead = async (
  url: string,
  sqlOf: (count: number) => string,
  { countMax, valueBytes }: { readonly countMax: number; readonly valueBytes: number }
): Promise<BareRead> => {
  const socket = new net.Socket().setNoDelay(true)
  const connection = await openOn(socket, url)
  await connection.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
  const requests = new Map<number, Buffer>()
  for (let count = 1; count <= countMax; count++) {
    const prepared = await connection.prepare(sqlOf(count))
    // The types of the values are told once.
    await prepared.execute(Array(count).fill(Buffer.alloc(valueBytes)))
    requests.set(count, requestOf(prepared.id, count, valueBytes))
  }
  let [left, rows]: [Buffer, number] = [Buffer.alloc(0), 0]
  let done: (rows: number) => void = () => {}
  socket.removeAllListeners("data").on("data", (read: Buffer) => {
    const data = left.length === 0 ? read : Buffer.concat([left, read])
    let at = 0
    for (;;) {
      const next = at + headBytes + (data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16))
      // What is cut off in its head makes no number.
      if (!(next <= data.length)) break
      const first = data[at + headBytes]
      if (first === failed) throw new Error(data.toString("latin1", at + headBytes, next))
      at = next
      if (first === row) rows++
      // The columns may end likewise, before any row.
      else if (first === end && rows > 0) {
        done(rows)
        rows = 0
      }
    }
    left = data.subarray(at)
  })
  socket.resume()
  return (values) =>
    new Promise((resolve) => {
      const request = requests.get(values.length)!
      let at = request.length - values.length * (1 + valueBytes)
      for (const value of values) {
        request.set(value, at + 1)
        at += 1 + valueBytes
      }
      done = resolve
      socket.write(request)
    })
}
