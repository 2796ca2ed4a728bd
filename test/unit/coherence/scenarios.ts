/**
 * What the model is walked through. `scale` 1 fits into every test run; `CM_MODEL_SCALE=2` and more
 * allow more time, renewals and listings, for a walk of minutes.
 */
import type { Scenario } from "./model.ts"

const one = {
  tokens: 1,
  commits: [0, null],
  reads: [false, true],
  kind: "token",
  ticks: 4,
  renewals: 2,
  listings: 2,
  lag: false
} as const

const scenarios = {
  plain: { ...one, name: "one replica, paused at will, messages lost at will" },
  eviction: { ...one, name: "a replica that renews and does not acknowledge", ticks: 5, renewals: 3, listings: 3 },
  deposed: {
    ...one,
    name: "a follower that lags, a deposed leader, a barrier stored late",
    lag: true,
    slowBarrier: true
  },
  lostRenewal: { ...one, name: "a renewal whose answer is lost", lostRenewals: 1 },
  lapse: { ...one, name: "a lost connection", lapses: 1 },
  trimming: { ...one, name: "tombstones trimmed, a coverage that arrives late", lazyCoverage: true, trims: 1 },
  restart: { ...one, name: "a replica or the committer dies and starts again", restarts: 1 },
  recreation: { ...one, name: "the lease bucket is made anew", recreations: 1 },
  recreationSeen: {
    ...one,
    name: "the lease bucket is made anew, and its sequence goes on from below",
    recreations: 1,
    reads: [true, true],
    ticks: 3,
    renewals: 1
  },
  copying: { ...one, name: "somebody writes over entries with copies of others", copies: 2 },
  vanishing: { ...one, name: "a lease entry vanishes", vanishings: 1 },
  suspension: { ...one, name: "a suspended machine", suspensions: 2 },
  statement: { ...one, name: "a statement in flight", statements: 1 },
  untold: {
    ...one,
    name: "the store is told after the answer, and the relay goes on before it",
    untold: 1,
    restarts: 1,
    ticks: 3
  },
  overlap: { ...one, name: "a rotation with overlap", kind: "overlap" },
  tenant: { ...one, name: "a whole tenant", kind: "tenant" },
  twoCommitters: {
    ...one,
    name: "two replicas, each revokes a token of the other",
    tokens: 2,
    commits: [0, 1],
    reads: [true, true],
    ticks: 2,
    renewals: 0,
    listings: 2
  },
  threeReplicas: {
    ...one,
    name: "three replicas",
    commits: [0, null, null],
    reads: [false, true, true],
    ticks: 3,
    renewals: 1,
    listings: 2
  },
  deadCommitter: {
    ...one,
    name: "three replicas, one dies and the relay of another goes on",
    commits: [0, null, null],
    reads: [false, true, false],
    ticks: 3,
    renewals: 1,
    listings: 1,
    restarts: 1
  }
} satisfies Record<string, Scenario>

/** Too many states to walk them all; `wander` takes random ways. */
export const allFaults: Scenario = {
  name: "every fault",
  tokens: 2,
  commits: [0, 1, null],
  reads: [true, true, true],
  kind: "token",
  ticks: 10,
  renewals: 8,
  listings: 8,
  lag: true,
  slowBarrier: true,
  lazyCoverage: true,
  lostRenewals: 2,
  lapses: 2,
  restarts: 1,
  recreations: 1,
  copies: 2,
  suspensions: 2,
  trims: 2,
  untold: 2
}

export type ScenarioName = keyof typeof scenarios

export const scenarioOf = (name: ScenarioName, scale: number): Scenario => {
  const scenario: Scenario = scenarios[name]
  const more = scale - 1
  return {
    ...scenario,
    ticks: scenario.ticks + more,
    renewals: scenario.renewals + more,
    listings: scenario.listings + more
  }
}

export const scenarioNames = Object.keys(scenarios) as ReadonlyArray<ScenarioName>
