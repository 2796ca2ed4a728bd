/**
 * Builds of the service that lack one safeguard of the life of a grant: copies of `src` in which exact texts
 * are replaced. The same run must find lost grants in each; a text that does not stand there once is an error.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { copySource, type SourceCopy } from "../sourceCopy.ts"
import type { Focus } from "./run.ts"

interface Edit {
  readonly file: string
  readonly from: string
  readonly to: string
}

export interface GrantMutant {
  readonly name: string
  readonly edits: ReadonlyArray<Edit>
  readonly focus: Focus
}

const nobody = { secretThatLives: 0, manyRefreshes: 0, copyByHand: 0, connectedAnew: 0 }
const life = "domain/GrantLife.ts"
const attempt = "rotation/RefreshAttempt.ts"
const exchange = "rotation/GrantExchange.ts"
const answers = "rotation/StoredAnswers.ts"
const commands = "actors/credentials/RefreshCommands.ts"

export const grantMutants: Readonly<Record<"claim" | "answer" | "fence", GrantMutant>> = {
  claim: {
    name: "the claim is off",
    edits: [
      {
        file: life,
        from: "  const { claim } = state\n  if (claim !== null && now < claim.until) return ClaimDecision.Busy({ until: claim.until })",
        to: "  const claim = null as Claim | null"
      },
      { file: life, from: "    state.claim?.term === claim.term &&\n", to: "" },
      {
        file: attempt,
        from: "      if (claim !== null && now < claim.until) {\n",
        to: "      if (claim !== null && now < 0) {\n"
      }
    ],
    focus: { shares: { ...nobody, manyRefreshes: 100 }, troubles: [], slow: 400 }
  },
  answer: {
    name: "the provider's answer is looked at before it is stored",
    edits: [
      {
        file: exchange,
        from: "    return (yield* keepAnswer(job.tenantId, answer)) ? { kept, standing } : null\n",
        to: "    return { kept, standing }\n"
      },
      {
        file: answers,
        from: "    if (request.granted === null || request.failure !== null) return undefined\n    return yield* settle(job, { ...request, seenVersion: version })",
        to: "    return yield* settle(job, request)"
      },
      {
        file: commands,
        from: '    if (oldest?.version !== place) return Result.succeed({ _tag: "Gone" })\n',
        to: ""
      },
      { file: commands, from: "    if (isOfAnother) {", to: "    if (false) {" }
    ],
    focus: { shares: { ...nobody, manyRefreshes: 100 }, troubles: ["cut off from MariaDB"], slow: 400 }
  },
  fence: {
    name: "what was answered is written back whatever is stored meanwhile",
    edits: [
      {
        file: life,
        from: '  if (current.term < term) return "promote"\n',
        to: '  if (term > 0) return "promote"\n'
      },
      {
        file: life,
        from: "    spares: [holding.current, ...kept].map(",
        to: "    spares: kept.slice(kept.length).map("
      }
    ],
    focus: { shares: { ...nobody, connectedAnew: 100 }, troubles: [], slow: 400 }
  }
}

/** A checkout with the mutated source. */
export const makeGrantMutant = ({ edits, name }: GrantMutant): SourceCopy => {
  const copy = copySource()
  for (const { file, from, to } of edits) {
    const path = join(copy.path, "src", file)
    const parts = readFileSync(path, "utf8").split(from)
    if (parts.length !== 2) {
      copy.remove()
      throw new Error(`mutant "${name}": its text stands ${parts.length - 1} times in ${file}`)
    }
    writeFileSync(path, parts.join(to))
  }
  return copy
}
