/**
 * What the checker says of the answers in a history. Pure functions; `facts.ts` judges what the
 * service left behind.
 *
 * The central rule: a 200 is stale when the request was sent after an answer was received that says the
 * right is gone, and nothing that could have given it back in between was sent before the 200 came.
 * Versions decide what came before what: a token's changes are numbered by the service, and an answer
 * names the number. A change whose number is not known counts as whatever excuses the 200.
 */
import { type Change, type History, noResponders, unanswered, wrongIds } from "./History.ts"

export interface Violation {
  readonly rule: string
  readonly detail: string
}

/** How far the clocks of one machine's processes may differ, with the rounding of both. */
export const clockErrorMs = 5
/** How long a refusal may be remembered after the right appeared, with what a busy machine adds. */
export const staleRefusalMs = 3_000
/** A request that is lost with a process or a cable was sent this near to that. */
export const lossNearMs = 5_000

// ---- a token's life, as answers tell it ---------------------------------------

export interface Life {
  /** From here on it was answered to be gone for good. Monotonic, as all here. */
  readonly goneMs: number
  /** From here on its own time is over. */
  readonly endsMs: number
  readonly suspensions: ReadonlyArray<{ readonly version: number; readonly answeredMs: number }>
  /** `version` null: not known. */
  readonly activations: ReadonlyArray<{ readonly version: number | null; readonly sentMs: number }>
  /** When its provision was answered. */
  readonly bornMs: number
  /** When the first change that could take it away was sent. */
  readonly threatenedMs: number
}

const never = Number.POSITIVE_INFINITY

interface Draft {
  goneMs: number
  endsMs: number
  suspensions: Array<{ version: number; answeredMs: number }>
  activations: Array<{ version: number | null; sentMs: number }>
  bornMs: number
  threatenedMs: number
}

const tell = (life: Draft, change: Change): void => {
  const done = change.outcome === "done"
  if (change.outcome === "refused") return
  if (change.kind === "activate") {
    life.activations.push({ version: done ? change.version : null, sentMs: change.sentMs })
    return
  }
  life.threatenedMs = Math.min(life.threatenedMs, change.sentMs)
  if (!done) return
  if (change.kind === "suspend") {
    if (change.version !== null) life.suspensions.push({ version: change.version, answeredMs: change.answeredMs })
  } else if (change.kind === "rotate-overlap") {
    life.endsMs = Math.min(life.endsMs, change.answeredMs + change.overlapMs)
  } else life.goneMs = Math.min(life.goneMs, change.answeredMs)
}

/** One life for each token of the history. */
export const livesOf = ({ changes, tokens, wallOffsetMs }: History): ReadonlyArray<Life> => {
  const lives = tokens.map(
    ({ expiresAtMs }): Draft => ({
      goneMs: never,
      endsMs: expiresAtMs === null ? never : expiresAtMs - wallOffsetMs,
      suspensions: [],
      activations: [],
      bornMs: never,
      threatenedMs: never
    })
  )
  const ofApplication = Map.groupBy(tokens, ({ appName }) => appName)
  for (const change of changes) {
    const born = change.kind === "provision" ? change.token : change.successor
    if (born >= 0 && change.outcome === "done") {
      const life = lives[born]!
      life.bornMs = Math.min(life.bornMs, change.answeredMs)
    }
    if (change.kind === "provision") continue
    const about =
      change.kind === "remove-application" ? (ofApplication.get(change.appName) ?? []) : [tokens[change.token]!]
    for (const { index } of about) tell(lives[index]!, change)
  }
  return lives
}

/** Why a 200 for a request sent then and answered then was wrong, or null. */
export const staleness = (life: Life, sentMs: number, answeredMs: number): string | null => {
  if (life.goneMs < sentMs) return `sent ${(sentMs - life.goneMs).toFixed(1)} ms after it was answered to be gone`
  if (life.endsMs + clockErrorMs < sentMs) return `sent ${(sentMs - life.endsMs).toFixed(1)} ms after its end`
  let newest = -1
  let since = 0
  for (const suspension of life.suspensions) {
    if (suspension.answeredMs >= sentMs || suspension.version <= newest) continue
    newest = suspension.version
    since = suspension.answeredMs
  }
  if (newest < 0) return null
  const excused = life.activations.some(
    (activation) => activation.sentMs < answeredMs && (activation.version === null || activation.version > newest)
  )
  return excused ? null : `sent ${(sentMs - since).toFixed(1)} ms after its suspension (version ${newest}) was answered`
}

// ---- the rules ----------------------------------------------------------------

const refusals = new Set([403, 404, 410])

/** A refusal although the right was there well before, and nothing that could end it had been sent. */
const wronglyRefused = (life: Life, sentMs: number, answeredMs: number): boolean =>
  life.bornMs + staleRefusalMs < sentMs && life.threatenedMs > answeredMs && life.endsMs > answeredMs + clockErrorMs

const isExcused = (history: History, sentMs: number): boolean =>
  history.disturbances.some(
    ({ fromMs, losesRequests, toMs }) => losesRequests && sentMs > fromMs - lossNearMs && sentMs < toMs + lossNearMs
  )

export interface AnswersChecked {
  readonly violations: ReadonlyArray<Violation>
  /** Validations by status. */
  readonly byStatus: ReadonlyMap<number, number>
  /** 200s that were sent after some answer that took a right of their token away. */
  readonly decisive: number
  /** Sent in calm times and never answered; lost with a process or a cable. */
  readonly lost: number
}

/** Judges every answer of a history. */
export const checkAnswers = (history: History): AnswersChecked => {
  const { tokens, validations } = history
  const lives = livesOf(history)
  const violations: Array<Violation> = []
  const byStatus = new Map<number, number>()
  let decisive = 0
  let lost = 0
  for (let row = 0; row < validations.count; row++) {
    const status = validations.status[row]!
    const sentMs = validations.sentMs[row]!
    const answeredMs = validations.answeredMs[row]!
    const token = tokens[validations.token[row]!]!
    const life = lives[token.index]!
    byStatus.set(status, (byStatus.get(status) ?? 0) + 1)
    const wrong = (rule: string, detail: string) =>
      violations.push({ rule, detail: `${token.tokenId ?? token.endpointId}: ${detail}` })
    if (life.goneMs < sentMs || life.endsMs < sentMs || life.suspensions.some((one) => one.answeredMs < sentMs)) {
      decisive++
    }
    if (status === 200 || status === 200 + wrongIds) {
      const stale = staleness(life, sentMs, answeredMs)
      if (stale !== null) wrong("stale 200", stale)
      if (status !== 200) wrong("another token's 200", `sent at ${sentMs.toFixed(0)}`)
    } else if (refusals.has(status)) {
      if (wronglyRefused(life, sentMs, answeredMs)) {
        wrong("refused without reason", `${status}, sent ${(sentMs - life.bornMs).toFixed(0)} ms after it was born`)
      }
    } else if (status === unanswered) {
      if (isExcused(history, sentMs)) lost++
      else wrong("unanswered", `sent at ${sentMs.toFixed(0)}`)
    } else if (status !== noResponders && status !== 503 && status !== 429) {
      wrong("an answer that nothing calls for", String(status))
    }
  }
  return { violations, byStatus, decisive, lost }
}
