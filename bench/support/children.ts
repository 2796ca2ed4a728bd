/** The processes of a benchmark: each in its own, ended by asking it. */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
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

export interface Echo extends Stoppable {
  readonly pid: number
}

const startResponder = async (name: string, natsUrl: string, subject: string, bytes: number): Promise<Echo> => {
  const child = fork(file(name), [natsUrl, subject, String(bytes)])
  await nextMessage(child)
  return {
    pid: child.pid!,
    stop: () => {
      child.send("stop")
      return ended(child)
    }
  }
}

export const startEcho = (natsUrl: string, subject: string, bytes: number): Promise<Echo> =>
  startResponder("./echo.ts", natsUrl, subject, bytes)

/** Opens a sealed record of that many bytes for each request. */
export const startOpener = (natsUrl: string, subject: string, bytes: number): Promise<Echo> =>
  startResponder("./opener.ts", natsUrl, subject, bytes)

export interface Load extends Stoppable {
  readonly pid: number
  readonly run: (round: Round) => Promise<RoundResult>
}

export const startLoad = async (setup: LoadSetup): Promise<Load> => {
  const child = fork(file("./load.ts"))
  const ready = nextMessage(child)
  child.send(setup)
  await ready
  return {
    pid: child.pid!,
    run: (round) => {
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
