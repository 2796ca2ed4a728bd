/**
 * What was asked and answered in one round: the only thing that the checker believes.
 *
 * Validations are many and stand in columns; changes are few and are records. All moments are
 * milliseconds of this process's monotonic clock, taken before a request is handed to the connection
 * and after its answer came out of it; so whatever the service did lies between the two. Ends of tokens
 * are wall-clock milliseconds, because that is what the service is told; `wallOffsetMs` leads from one
 * clock to the other.
 */

export interface TokenInfo {
  readonly index: number
  readonly tenantId: string
  readonly appName: string
  readonly endpointId: string
  readonly value: string
  /** Wall clock; null for a token without an end of its own. */
  readonly expiresAtMs: number | null
  /** Null until an answer named it. */
  tokenId: string | null
}

export type ChangeKind =
  | "provision"
  | "suspend"
  | "activate"
  | "revoke"
  | "delete"
  | "rotate"
  | "rotate-overlap"
  | "remove-application"

/**
 * `done`: the answer says it is so. `late`: committed, not yet in force. `refused`: certainly not carried
 * out. `unknown`: no answer, or one that leaves it open. `pending`: nothing came yet.
 */
export type Outcome = "pending" | "done" | "late" | "refused" | "unknown"

export interface Change {
  readonly kind: ChangeKind
  /** The token it is about; -1 for an application. */
  readonly token: number
  readonly appName: string
  /** The new token of a rotation, or -1. */
  readonly successor: number
  readonly overlapMs: number
  readonly sentMs: number
  answeredMs: number
  outcome: Outcome
  /** The entity's version that the answer named, or null. */
  version: number | null
}

/** A request that nobody answered: 0 in the status column. */
export const unanswered = 0
/** The bus said at once that nobody listens. */
export const noResponders = 1
/** Added to a 200 that named another token or endpoint than the right one. */
export const wrongIds = 10_000

const startCapacity = 65_536

export class Validations {
  count = 0
  token = new Int32Array(startCapacity)
  sentMs = new Float64Array(startCapacity)
  /** NaN while there is no answer. */
  answeredMs = new Float64Array(startCapacity)
  status = new Uint16Array(startCapacity)

  /** Answers the number of the new row. */
  add(token: number, sentMs: number): number {
    const row = this.count++
    if (row === this.token.length) this.grow()
    this.token[row] = token
    this.sentMs[row] = sentMs
    this.answeredMs[row] = Number.NaN
    this.status[row] = unanswered
    return row
  }

  answer(row: number, answeredMs: number, status: number): void {
    this.answeredMs[row] = answeredMs
    this.status[row] = status
  }

  private grow(): void {
    const [token, sentMs, answeredMs, status] = [this.token, this.sentMs, this.answeredMs, this.status]
    const capacity = token.length * 2
    this.token = new Int32Array(capacity)
    this.sentMs = new Float64Array(capacity)
    this.answeredMs = new Float64Array(capacity)
    this.status = new Uint16Array(capacity)
    this.token.set(token)
    this.sentMs.set(sentMs)
    this.answeredMs.set(answeredMs)
    this.status.set(status)
  }
}

/** A time in which the nemesis was at work, with its name. */
export interface Disturbance {
  what: string
  readonly fromMs: number
  toMs: number
  /** Requests that were on their way may be lost with it: a process died or a cable was cut. */
  readonly losesRequests: boolean
}

export interface History {
  readonly tokens: ReadonlyArray<TokenInfo>
  readonly changes: ReadonlyArray<Change>
  readonly validations: Validations
  readonly disturbances: ReadonlyArray<Disturbance>
  /** Wall clock minus monotonic clock. */
  readonly wallOffsetMs: number
}

export class Recorder implements History {
  readonly tokens: Array<TokenInfo> = []
  readonly changes: Array<Change> = []
  readonly validations = new Validations()
  readonly disturbances: Array<Disturbance> = []
  readonly wallOffsetMs = Date.now() - performance.now()

  token(info: Omit<TokenInfo, "index" | "tokenId">): TokenInfo {
    const token = { ...info, index: this.tokens.length, tokenId: null }
    this.tokens.push(token)
    return token
  }

  begin(kind: ChangeKind, about: Partial<Pick<Change, "token" | "appName" | "successor" | "overlapMs">>): Change {
    const change: Change = {
      kind,
      token: -1,
      appName: "",
      successor: -1,
      overlapMs: 0,
      ...about,
      sentMs: performance.now(),
      answeredMs: Number.POSITIVE_INFINITY,
      outcome: "pending",
      version: null
    }
    this.changes.push(change)
    return change
  }

  end(change: Change, outcome: Outcome, version: number | null = null): void {
    change.answeredMs = performance.now()
    change.outcome = outcome
    change.version = version
  }
}
