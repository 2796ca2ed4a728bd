/**
 * Builds of the service with one safeguard off, and the scenario in which the checker sees it.
 *
 * A mutant is a copy of `src` in a temporary folder in which one exact text is replaced. A text that is
 * not there, or there twice, is an error: a mutant that changes nothing would prove nothing.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { playScenario, type ScenarioName, scenarioEnvironment } from "./scenarios.ts"
import { copySource, type SourceCopy } from "./sourceCopy.ts"
import { allHold, type Ground, startWorld } from "./World.ts"

export interface Mutant {
  readonly name: string
  readonly file: string
  readonly from: string
  readonly to: string
  readonly scenario: ScenarioName
  /** Belongs to `npm test`. */
  readonly isQuick?: true
}

export const mutants: ReadonlyArray<Mutant> = [
  {
    name: "the lease is not looked at",
    file: "coherence/Coherence.ts",
    from: "return monotonicMs < this.trustedUntilMonotonicMs && wallMs < this.trustedUntilWallMs",
    to: "return true",
    scenario: "control connection cut"
  },
  {
    name: "the barrier is not waited for",
    file: "coherence/Rounds.ts",
    from: "yield* outlast(begin(listing, known), messages)",
    to: "begin(listing, known)",
    scenario: "apply messages lost",
    isQuick: true
  },
  {
    name: "what arrives late is kept untested",
    file: "actors/validation/HotState.ts",
    from: "if (this.hot.max === 0 || !fits(token.tokenId) || !this.believes(token, leaseHolds)) return",
    to: "if (this.hot.max === 0 || !fits(token.tokenId)) return",
    scenario: "row read before, arrived after",
    isQuick: true
  },
  {
    name: "what was revoked is not remembered",
    file: "actors/validation/HotState.ts",
    from: "this.tombstones.bury(tenant, target.tokenId, seq)",
    to: "",
    scenario: "row read before, arrived after"
  },
  {
    name: "a rotation with overlap has no barrier",
    file: "actors/tokens/commands/rotate.ts",
    from: "workspace.takeAway(workspace.tokenTarget(old, atOnce ? null : endOf(old)))",
    to: "if (atOnce) workspace.takeAway(workspace.tokenTarget(old))",
    scenario: "apply messages lost"
  },
  {
    name: "a removed application has no barrier",
    file: "actors/tokens/commands/applications.ts",
    from: 'workspace.takeAway({ kind: "application", appName })',
    to: "",
    scenario: "removals while apply messages are lost"
  },
  {
    name: "coverage outlives a lapse",
    file: "actors/validation/HotState.ts",
    from: "return tenant.coveredGeneration === this.lease.generation ? tenant.coveredSeq : null",
    to: "return tenant.coveredSeq",
    scenario: "control connection cut"
  },
  {
    name: "already so is answered at once",
    file: "actors/tenant/GroupCommit.ts",
    from: "? Effect.andThen(whenEarlierInForce(tenantId, seqBefore, decided.answer), barrier)",
    to: "? Effect.void",
    scenario: "repetitions while apply messages are lost"
  },
  {
    name: "already so does not wait for its own group",
    file: "actors/tenant/GroupCommit.ts",
    from: "Effect.andThen(whenEarlierInForce(tenantId, seqBefore, decided.answer), barrier)",
    to: "whenEarlierInForce(tenantId, seqBefore, decided.answer)",
    scenario: "repetitions while apply messages are lost"
  }
]

/** A checkout with the mutated source. */
export const makeMutant = (mutant: Mutant): SourceCopy => {
  const copy = copySource()
  const file = join(copy.path, "src", mutant.file)
  const parts = readFileSync(file, "utf8").split(mutant.from)
  if (parts.length !== 2) {
    copy.remove()
    throw new Error(`mutant "${mutant.name}": its text stands ${parts.length - 1} times in ${mutant.file}`)
  }
  writeFileSync(file, parts.join(mutant.to))
  return copy
}

/** How many stale 200s the checker finds in the mutant's scenario; tries again, since chance decides who takes a request. */
export const catchMutant = async (mutant: Mutant, ground: Ground, triesMax = 60): Promise<number> => {
  const folder = makeMutant(mutant)
  const world = await startWorld(ground, { replicas: 2, cwd: folder.path, env: scenarioEnvironment })
  await allHold(world)
  let stale = 0
  for (let tries = 0; tries < triesMax && stale === 0; tries++) {
    const { violations } = await playScenario(mutant.scenario, world)
    stale = violations.filter(({ rule }) => rule === "stale 200").length
  }
  await world.stop()
  folder.remove()
  return stale
}
