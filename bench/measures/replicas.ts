/** What a validation costs when there are more replicas. */
import { type Load, rightRound, startLoad } from "../support/children.ts"
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
import { threadSeconds } from "../support/report.ts"

export const replicas: Group = {
  id: "replicas",
  title: "processor time of a validation, one replica and two",
  prepare: async ({ isQuick, milliseconds }, ground) => {
    const alone = await ground.service("alone")
    const first = await ground.service("both")
    const second = await ground.service("both", { beside: first, replica: "two" })
    let apps = 0
    const side = async (placed: Placed, pids: ReadonlyArray<number>): Promise<Side> => {
      const app = `app-${++apps}`
      await registered(placed.client, "demo", app)
      const made = await provision(placed.client, isQuick ? 100 : 1_000, { app })
      const requests = made.map(({ token }) => validationRequest(token, app))
      const load: Load = await startLoad({ natsUrl: ground.natsUrl, requests, inFlight: 256 })
      ground.onStop(load.stop)
      const subject = validationSubject(placed.instance)
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
    return {
      sides: {
        "two replicas": await side(first, [first.service.pid, second.service.pid]),
        "one replica": await side(alone, [alone.service.pid]),
        "NATS server": await side(alone, [ground.pair.nats.pid])
      },
      rows: [
        {
          measure: "two replicas' summed processor time for a validation",
          ours: "two replicas",
          baseline: "one replica",
          unit: "us",
          goal: { atMost: 1.1 }
        },
        { measure: "the NATS server's processor time for a validation", ours: "NATS server", unit: "us" }
      ]
    }
  }
}
