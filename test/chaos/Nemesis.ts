/**
 * What goes wrong, in an order that its seed decides: replicas are paused for longer than their lease,
 * killed and started again, cut off from the bus (altogether, or one of their two connections, or in
 * one direction) and from MariaDB; servers of the bus are killed or paused; MariaDB is paused or killed.
 *
 * Each action heals what it did. Each kind comes once before any comes twice. While one replica is
 * troubled another is not, unless the action says so; and everything is whole when `run` returns.
 */
import { setTimeout as pause } from "node:timers/promises"
import type { Disturbance, Recorder } from "./History.ts"
import { leaseMs, type Replica, type World } from "./World.ts"

export const actionNames = [
  "pause a replica",
  "kill a replica",
  "cut a replica off the bus",
  "cut a replica's control connection",
  "deafen a replica's control connection",
  "cut a replica's requests connection",
  "cut a replica's validation connection",
  "cut a replica off MariaDB",
  "hold what MariaDB tells a replica",
  "kill a server of the bus",
  "pause a server of the bus",
  "pause MariaDB",
  "kill MariaDB"
] as const
export type ActionName = (typeof actionNames)[number]

export interface NemesisOptions {
  readonly world: World
  readonly recorder: Recorder
  readonly random: () => number
  readonly milliseconds: number
}

const oneOf = <A>(values: ReadonlyArray<A>, random: () => number): A => values[Math.floor(random() * values.length)]!

const shuffled = <A>(values: ReadonlyArray<A>, random: () => number): ReadonlyArray<A> =>
  values
    .map((value) => ({ value, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ value }) => value)

const between = (from: number, to: number, random: () => number): number => from + random() * (to - from)

const losing = new Set<ActionName>([
  "kill a replica",
  "cut a replica off the bus",
  "cut a replica's validation connection",
  "cut a replica's requests connection",
  "kill a server of the bus",
  "pause a server of the bus",
  // Its server gives up on a client that reads nothing, or the client on its server.
  "pause a replica"
])

/** Does it, waits, and heals it; answers what it was done to. */
const act = async (name: ActionName, { random, world }: NemesisOptions): Promise<string> => {
  const replica: Replica = oneOf(world.replicas, random)
  const server = oneOf(world.ground.bus, random)
  const { maria } = world.ground
  const longerThanLease = between(1.3 * leaseMs, 3 * leaseMs, random)
  const around = between(0.4 * leaseMs, 3 * leaseMs, random)
  const busFault = async (fault: "cut" | "deafen", connection: string) => {
    for (const cable of replica.busCables) cable.disturb(fault, connection)
    await pause(around)
    for (const cable of replica.busCables) cable.mend()
  }
  const databaseFault = async (fault: "cut" | "hold", milliseconds: number) => {
    replica.databaseCable.disturb(fault)
    await pause(milliseconds)
    replica.databaseCable.mend()
  }
  const stopped = async (signal: (name: NodeJS.Signals) => void, milliseconds: number) => {
    signal("SIGSTOP")
    await pause(milliseconds)
    signal("SIGCONT")
  }
  const at = (target: { readonly name: string }): string => `${name} (${target.name})`
  switch (name) {
    case "pause a replica":
      await stopped(replica.signal, longerThanLease)
      return at(replica)
    case "kill a replica":
      await replica.kill()
      await replica.start()
      return at(replica)
    case "cut a replica off the bus":
      await busFault("cut", "")
      return at(replica)
    case "cut a replica's control connection":
      await busFault("cut", "control")
      return at(replica)
    case "deafen a replica's control connection":
      await busFault("deafen", "control")
      return at(replica)
    case "cut a replica's validation connection":
      await busFault("cut", "validation")
      return at(replica)
    case "cut a replica's requests connection":
      await busFault("cut", "requests")
      return at(replica)
    case "cut a replica off MariaDB":
      await databaseFault("cut", around)
      return at(replica)
    case "hold what MariaDB tells a replica":
      await databaseFault("hold", between(100, 1_500, random))
      return at(replica)
    case "kill a server of the bus":
      await server.kill()
      await pause(between(0, leaseMs, random))
      await server.start()
      return at(server)
    case "pause a server of the bus":
      await stopped(server.signal, around)
      return at(server)
    case "pause MariaDB":
      await stopped(maria.signal, around)
      return name
    case "kill MariaDB":
      await maria.kill()
      await pause(between(0, leaseMs, random))
      await maria.start()
      return name
  }
}

/** Works for about the given time; answers how often it did what. */
export const runNemesis = async (options: NemesisOptions): Promise<ReadonlyMap<ActionName, number>> => {
  const { milliseconds, random, recorder } = options
  const done = new Map<ActionName, number>()
  const until = performance.now() + milliseconds
  let coming: Array<ActionName> = []
  const next = async (): Promise<void> => {
    if (coming.length === 0) coming = [...shuffled(actionNames, random)]
    const name = coming.pop()!
    const disturbance: Disturbance = {
      what: name,
      fromMs: performance.now(),
      toMs: Number.POSITIVE_INFINITY,
      losesRequests: losing.has(name)
    }
    recorder.disturbances.push(disturbance)
    disturbance.what = await act(name, options)
    disturbance.toMs = performance.now()
    done.set(name, (done.get(name) ?? 0) + 1)
  }
  while (performance.now() < until) {
    await pause(between(100, 1_200, random))
    await next()
  }
  return done
}
