/**
 * What a validation costs when there are more replicas. Its limit is what one replica takes, and what a second bare echo adds to
 * a first: each gets half of what a read of the socket holds, and none does less with a read than an echo.
 */
import { type Child, type Load, rightRound, startAskingEcho, startLoad } from "../support/children.ts"
import {
  type Placed,
  provision,
  quiet,
  registered,
  validationBytes,
  validationRequest,
  validationSubject
} from "../support/ground.ts"
import type { Group, Side } from "../support/measure.ts"
import { median, threadSeconds } from "../support/report.ts"

export const replicas: Group = {
  id: "replicas",
  title: "processor time of a validation, one replica and two",
  prepare: async ({ isQuick, milliseconds }, ground) => {
    const alone = await ground.service("alone")
    const first = await ground.service("both")
    const second = await ground.service("both", { beside: first, replica: "two" })
    const { natsUrl, onStop } = ground
    const echo = async (name: string): Promise<Child> => {
      const asked = { natsUrl, subject: validationSubject(name), bytes: validationBytes }
      const one = await startAskingEcho("least", asked)
      onStop(one.stop)
      return one
    }
    const oneEcho = await echo("least")
    const twoEchoes = [await echo("leasts"), await echo("leasts")]
    let apps = 0
    const side = async (placed: Placed, pids: ReadonlyArray<number>, asked = placed.instance): Promise<Side> => {
      const app = `app-${++apps}`
      await registered(placed.client, "demo", app)
      const made = await provision(placed.client, isQuick ? 100 : 1_000, { app })
      const requests = made.map(({ token }) => validationRequest(token, app))
      const load: Load = await startLoad({ natsUrl, requests, inFlight: 256 })
      onStop(load.stop)
      const subject = validationSubject(asked)
      const round = { subject, milliseconds, replyBytes: validationBytes }
      await rightRound(load, round)
      await rightRound(load, round)
      for (const pid of pids) await quiet(pid)
      return async () => {
        const before = pids.map(threadSeconds)
        const { replies } = await rightRound(load, round)
        const used = pids.reduce((sum, pid, index) => sum + threadSeconds(pid) - before[index]!, 0)
        return (used / replies) * 1e6
      }
    }
    const rounds = new Map<string, Array<number>>()
    const remembered =
      (name: string, of: Side): Side =>
      async () => {
        const value = await of()
        rounds.set(name, [...(rounds.get(name) ?? []), value])
        return value
      }
    const ofAll = (name: string) => median(rounds.get(name) ?? [])
    const least = "one replica, and what a second echo adds"
    const pidsOfTwo = twoEchoes.map(({ pid }) => pid)
    return {
      sides: {
        "two replicas": await side(first, [first.service.pid, second.service.pid]),
        "one replica": remembered("replica", await side(alone, [alone.service.pid])),
        "NATS server": await side(alone, [ground.pair.nats.pid]),
        "two echoes": remembered("echoes", await side(alone, pidsOfTwo, "leasts")),
        "one echo": remembered("echo", await side(alone, [oneEcho.pid], "least")),
        // Of all rounds of those so far, and none of its own: before the first ones, which are not counted, it is no number.
        [least]: () => Promise.resolve(ofAll("replica") + ofAll("echoes") - ofAll("echo"))
      },
      rows: [
        {
          measure: "two replicas' summed processor time for a validation",
          ours: "two replicas",
          baseline: "one replica",
          unit: "us",
          goal: { atMost: 1.1 },
          limits: [least]
        },
        { measure: "the same of two bare echoes", ours: "two echoes", baseline: "one echo", unit: "us" },
        { measure: "the NATS server's processor time for a validation", ours: "NATS server", unit: "us" }
      ]
    }
  }
}
