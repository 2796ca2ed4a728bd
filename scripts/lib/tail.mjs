/**
 * Shows a log file on the terminal while it grows.
 *
 * The service writes into the file itself, so a terminal that is slow or held back never holds the
 * service back. On a terminal the JSON lines are made readable; elsewhere they are passed on as they are.
 */
import { closeSync, openSync, readSync } from "node:fs"
import { StringDecoder } from "node:string_decoder"

const everyMs = 100

/** A function from a line of the log to what a person reads, or the identity. */
export const readable = async () => {
  if (!process.stdout.isTTY) return (line) => `${line}\n`
  try {
    const { default: pretty } = await import("pino-pretty")
    return pretty.prettyFactory({ colorize: true, singleLine: true, ignore: "pid,hostname,instance" })
  } catch {
    return (line) => `${line}\n`
  }
}

/** Begins at the start of the file. `stop()` shows what has come since the last look, and ends. */
export const tail = (file, show) => {
  const handle = openSync(file, "r")
  const buffer = Buffer.alloc(64 * 1024)
  const decoder = new StringDecoder("utf8")
  let rest = ""
  const look = () => {
    for (;;) {
      const size = readSync(handle, buffer, 0, buffer.length, null)
      if (size === 0) return
      const lines = (rest + decoder.write(buffer.subarray(0, size))).split("\n")
      rest = lines.pop()
      for (const line of lines) process.stdout.write(show(line))
    }
  }
  const timer = setInterval(look, everyMs)
  return {
    stop: () => {
      clearInterval(timer)
      look()
      closeSync(handle)
    }
  }
}
