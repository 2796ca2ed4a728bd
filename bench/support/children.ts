/** The processes of a benchmark: each in its own, ended by asking it. */
import { type ChildProcess, fork, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as ecap from "../../test/support/ecap.ts"
import { eventually } from "../../test/support/eventually.ts"
import { freePort } from "../../test/support/servers.ts"
import type { Flooded } from "./flood.ts"
import type { LeastSetup } from "./leastProgram.ts"
import type { LeastReadSetup } from "./leastRead.ts"
import type { LoadSetup, Round, RoundResult } from "./load.ts"

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

const nextMessage = <A>(child: ChildProcess): Promise<A> =>
  new Promise((resolve, reject) => {
    const ended = () => reject(new Error(`a process of the benchmark ended with ${child.exitCode ?? child.signalCode}`))
    child.once("message", (message) => {
      child.off("exit", ended)
      resolve(message as A)
    })
    child.once("exit", ended)
  })

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null ? Promise.resolve() : new Promise((resolve) => child.once("exit", () => resolve()))

export interface Stoppable {
  readonly stop: () => Promise<void>
}

export interface Child extends Stoppable {
  readonly pid: number
}

const start = async (name: string, args: ReadonlyArray<string>): Promise<Child> => {
  const child = fork(file(name), [...args])
  await nextMessage(child)
  return {
    pid: child.pid!,
    stop: () => {
      child.send("stop")
      return ended(child)
    }
  }
}

export const startEcho = (natsUrl: string, subject: string, bytes: number): Promise<Child> =>
  start("./echo.ts", [natsUrl, subject, String(bytes)])

/** An echo that asks something else once for each request: `url` is MariaDB's, or Redis' port. Least: it asks nothing. */
export const startAskingEcho = (
  kind: "kv" | "select" | "redis" | "least",
  { bytes, natsUrl, subject, url = "" }: { natsUrl: string; subject: string; bytes: number; url?: string }
): Promise<Child> => start("./echo.ts", [natsUrl, subject, String(bytes), kind, url])

/** The least program for validations that MariaDB answers; `copyTokens` comes before. */
export const startLeastRead = (setup: LeastReadSetup): Promise<Child> =>
  start("./leastRead.ts", [JSON.stringify(setup)])

/** A flood, which ends when it is asked to, and says what it was. */
export const startFlood = async (
  args: ReadonlyArray<string>
): Promise<{ readonly pid: number; readonly end: () => Promise<Flooded> }> => {
  const child = fork(file("./flood.ts"), [...args])
  await nextMessage(child)
  return {
    pid: child.pid!,
    end: async () => {
      const said = nextMessage<Flooded>(child)
      child.send("stop")
      const flooded = await said
      await ended(child)
      return flooded
    }
  }
}

/** Opens a sealed record of that many bytes for each request. */
export const startOpener = (natsUrl: string, subject: string, bytes: number): Promise<Child> =>
  start("./opener.ts", [natsUrl, subject, String(bytes)])

export interface TokenProvider extends Child {
  readonly host: string
  readonly count: () => Promise<number>
}

/** Its access tokens live for so many seconds. */
export const startTokenProvider = async (expiresIn: number): Promise<TokenProvider> => {
  const child = fork(file("./tokenProvider.ts"), [String(expiresIn)])
  const host = await nextMessage<string>(child)
  return {
    host,
    pid: child.pid!,
    count: () => {
      const counted = nextMessage<number>(child)
      child.send("count")
      return counted
    },
    stop: () => {
      child.send("stop")
      return ended(child)
    }
  }
}

export interface Load extends Child {
  readonly run: (round: Round) => Promise<RoundResult>
}

export const startLoad = async (setup: LoadSetup): Promise<Load> => {
  const child = fork(file("./load.ts"))
  const ready = nextMessage(child)
  child.send(setup)
  await ready
  return {
    pid: child.pid!,
    run: async (round) => {
      const result = nextMessage<RoundResult>(child)
      child.send(round)
      return result
    },
    stop: () => {
      child.send("stop")
      return ended(child)
    }
  }
}

/** A least program (`leastProgram.ts`), which hears one subject. */
export const startLeastProgram = async (setup: LeastSetup): Promise<Child> => {
  const child = fork(file("./leastProgram.ts"), { serialization: "advanced" })
  const ready = nextMessage(child)
  child.send(setup)
  await ready
  return {
    pid: child.pid!,
    stop: () => {
      child.send("stop")
      return ended(child)
    }
  }
}

/** What an answer says: the status of one of 16/ECAP, or the beginning of its text. */
const said = (base64 = ""): string => {
  const bytes = Buffer.from(base64, "base64")
  try {
    const { reasonPhrase, statusCode } = ecap.ValidationResponse.fromBuffer(bytes)
    return `${statusCode} ${reasonPhrase}`
  } catch {
    return bytes.toString("utf8").slice(0, 120)
  }
}

/** A round of which every answer must be right. */
export const rightRound = async (load: Load, round: Round): Promise<RoundResult> => {
  const result = await load.run(round)
  if (result.wrong === 0) return result
  const { firstWrong, replies, wrong } = result
  throw new Error(`${round.subject}: ${wrong} of ${replies} replies were wrong, the first of them: ${said(firstWrong)}`)
}

export interface RedisServer extends Stoppable {
  readonly port: number
}

/** Debian's redis-server, without persistence, on a free port; `null` where there is none. */
export const startRedis = async (): Promise<RedisServer | null> => {
  if (spawnSync("redis-server", ["--version"]).status !== 0) return null
  const port = await freePort()
  const dir = mkdtempSync(join(tmpdir(), "cm-redis-"))
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir]
  const child = spawn("redis-server", args, { stdio: "ignore" })
  const answers = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect({ host: "127.0.0.1", port })
      socket.once("connect", () => resolve(socket.end() !== undefined))
      socket.once("error", () => resolve(false))
    })
  await eventually(answers, (isUp) => isUp, { limitMs: 10_000, what: "redis-server" })
  return {
    port,
    stop: async () => {
      child.kill("SIGTERM")
      if (child.exitCode === null) await once(child, "exit")
      rmSync(dir, { recursive: true, force: true })
    }
  }
}
