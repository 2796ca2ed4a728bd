/**
 * The checker itself: each rule on small histories by hand, right ones and wrong ones.
 */
import { assert, describe, it } from "vitest"
import { checkAnswers, clockErrorMs, staleRefusalMs, type Violation } from "./answers.ts"
import { checkFacts, type Facts, type RevokedEvent, type TokenEvent } from "./facts.ts"
import { type Change, type ChangeKind, type History, Recorder, type TokenInfo, wrongIds } from "./History.ts"

const id = "01900000-0000-7000-8000-000000000001"

class Written {
  readonly history = new Recorder()
  readonly token: TokenInfo

  constructor(expiresInMs: number | null = null) {
    const { wallOffsetMs } = this.history
    const expiresAtMs = expiresInMs === null ? null : expiresInMs + wallOffsetMs
    this.token = this.history.token({ tenantId: "t", appName: "a", endpointId: "e", value: "v", expiresAtMs })
    this.token.tokenId = id
  }

  change(kind: ChangeKind, sentMs: number, answeredMs: number, over: Partial<Change> = {}): this {
    const token = kind === "remove-application" ? -1 : this.token.index
    const change: Change = {
      kind,
      token,
      appName: "a",
      successor: -1,
      overlapMs: 0,
      sentMs,
      answeredMs,
      outcome: "done",
      version: null,
      ...over
    }
    this.history.changes.push(change)
    return this
  }

  validation(sentMs: number, answeredMs: number, status: number): this {
    const row = this.history.validations.add(this.token.index, sentMs)
    if (status !== 0) this.history.validations.answer(row, answeredMs, status)
    return this
  }

  rules(): ReadonlyArray<string> {
    return checkAnswers(this.history).violations.map(({ rule }) => rule)
  }
}

describe("a 200", () => {
  for (const kind of ["revoke", "delete", "rotate", "remove-application"] as const) {
    it(`is stale when it was sent after a ${kind} was answered, and not when it was sent before`, () => {
      const written = new Written().change(kind, 10, 20)
      assert.deepStrictEqual(written.validation(19, 500, 200).rules(), [])
      assert.deepStrictEqual(written.validation(21, 22, 410).rules(), [])
      assert.deepStrictEqual(written.validation(21, 22, 200).rules(), ["stale 200"])
    })
  }

  it("is not judged by changes whose answer says nothing", () => {
    for (const outcome of ["refused", "unknown", "late", "pending"] as const) {
      assert.deepStrictEqual(
        new Written().change("revoke", 10, 20, { outcome }).validation(30, 31, 200).rules(),
        [],
        outcome
      )
    }
  })

  it("after a suspension is right only if a later activation was sent before it came", () => {
    const suspended = () => new Written().change("suspend", 10, 20, { version: 5 })
    assert.deepStrictEqual(suspended().validation(21, 22, 200).rules(), ["stale 200"])
    const activated = suspended().change("activate", 30, 40, { version: 6 })
    assert.deepStrictEqual(activated.validation(25, 29, 200).rules(), ["stale 200"])
    assert.deepStrictEqual(suspended().change("activate", 30, 40, { version: 6 }).validation(25, 31, 200).rules(), [])
    assert.deepStrictEqual(suspended().change("activate", 30, 40, { version: 6 }).validation(50, 51, 200).rules(), [])
  })

  it("is not excused by an activation that came before the suspension, but by one that is not known", () => {
    const around = (change: Partial<Change>) =>
      new Written()
        .change("suspend", 10, 20, { version: 5 })
        .change("activate", 5, 30, change)
        .validation(40, 41, 200)
        .rules()
    assert.deepStrictEqual(around({ version: 4 }), ["stale 200"])
    assert.deepStrictEqual(around({ outcome: "refused" }), ["stale 200"])
    assert.deepStrictEqual(around({ outcome: "unknown" }), [])
    assert.deepStrictEqual(around({ outcome: "late" }), [])
  })

  it("is judged by the newest suspension that was answered before it was sent", () => {
    const written = new Written()
      .change("suspend", 10, 20, { version: 5 })
      .change("activate", 30, 40, { version: 6 })
      .change("suspend", 50, 60, { version: 7 })
    assert.deepStrictEqual(written.validation(59, 70, 200).rules(), [])
    assert.deepStrictEqual(written.validation(61, 70, 200).rules(), ["stale 200"])
  })

  it("is stale after the token's own end and after the end of an overlap, beyond the clock error", () => {
    assert.deepStrictEqual(new Written(100).validation(100, 110, 200).rules(), [])
    assert.deepStrictEqual(new Written(100).validation(101 + clockErrorMs, 110, 200).rules(), ["stale 200"])
    const rotated = () => new Written().change("rotate-overlap", 10, 20, { overlapMs: 1_000 })
    assert.deepStrictEqual(rotated().validation(1_000, 1_001, 200).rules(), [])
    assert.deepStrictEqual(
      rotated()
        .validation(1_021 + clockErrorMs, 1_030, 200)
        .rules(),
      ["stale 200"]
    )
  })

  it("that names another token is wrong whenever it comes", () => {
    assert.deepStrictEqual(new Written().validation(1, 2, 200 + wrongIds).rules(), ["another token's 200"])
  })
})

describe("another answer", () => {
  it("is a refusal without reason when nothing had been sent that could end the right", () => {
    const born = () => new Written().change("provision", 0, 10, { version: 1 })
    const later = 11 + staleRefusalMs
    for (const status of [403, 404, 410]) {
      assert.deepStrictEqual(
        born()
          .validation(later, later + 1, status)
          .rules(),
        ["refused without reason"]
      )
      assert.deepStrictEqual(
        born()
          .validation(later - 2, later, status)
          .rules(),
        []
      )
      const threatened = born().change("suspend", 20, 30, { outcome: "unknown" })
      assert.deepStrictEqual(threatened.validation(later, later + 1, status).rules(), [])
    }
    assert.deepStrictEqual(
      born()
        .validation(later, later + 1, 503)
        .rules(),
      []
    )
    assert.deepStrictEqual(
      born()
        .validation(later, later + 1, 500)
        .rules(),
      ["an answer that nothing calls for"]
    )
  })

  it("must come, but for requests that were on their way when a process or a cable died", () => {
    assert.deepStrictEqual(new Written().validation(50_000, 0, 0).rules(), ["unanswered"])
    const disturbed = (losesRequests: boolean) => {
      const written = new Written().validation(50_000, 0, 0)
      written.history.disturbances.push({ what: "kill", fromMs: 49_000, toMs: 52_000, losesRequests })
      return written.rules()
    }
    assert.deepStrictEqual(disturbed(true), [])
    assert.deepStrictEqual(disturbed(false), ["unanswered"])
  })
})

// ---- what is left ---------------------------------------------------------------

const event = (version: number, type: string, status: string, previousStatus: string | null): TokenEvent => ({
  id: `${id}-${version}`,
  type: `token.${type}`,
  tokenId: id,
  endpointId: "e",
  version,
  status,
  previousStatus,
  timestamp: String(version)
})
const revoked = (version: number): RevokedEvent => ({
  id: `r${version}`,
  appName: "a",
  endpointId: "e",
  tokenIds: [id],
  version
})

/** Provisioned, used, suspended, and activated again. */
const events = [
  event(1, "provisioned", "Inactive", null),
  event(2, "activated", "Active", "Inactive"),
  event(3, "suspended", "Suspended", "Active"),
  event(4, "reactivated", "Active", "Suspended")
]
const facts: Facts = {
  rows: [{ tokenId: id, endpointId: "e", status: "Active", version: 4 }],
  audit: events.map(({ type: action }) => ({ tokenId: id, action })),
  events,
  revocations: [revoked(7)],
  answered: new Map([[0, 200]])
}
const history = (): History =>
  new Written()
    .change("provision", 0, 1, { version: 1 })
    .change("suspend", 2, 3, { version: 3 })
    .change("activate", 4, 5, { version: 4 }).history

const rulesOf = (changed: Partial<Facts>, of: History = history()): ReadonlyArray<string> =>
  checkFacts(of, { ...facts, ...changed }).map(({ rule }: Violation) => rule)

describe("what is left", () => {
  it("is right as it is", () => {
    assert.deepStrictEqual(rulesOf({}), [])
  })

  it("an event that is missing, doubled, or of nothing is seen", () => {
    const rule = "an event is missing, doubled, or of nothing"
    assert.include(rulesOf({ events: events.slice(0, 3) }), rule)
    assert.include(rulesOf({ events: [...events, { ...events[3]!, id: "again" }] }), rule)
    assert.include(rulesOf({ audit: facts.audit.slice(0, 3) }), rule)
    assert.include(rulesOf({ events: [...events, events[3]!] }), "an event id twice")
  })

  it("events out of order are seen", () => {
    assert.include(rulesOf({ events: [events[0]!, events[2]!, events[1]!, events[3]!] }), "events out of order")
  })

  it("a revocation that is missing, doubled or out of order is seen", () => {
    const rule = "a revocation is missing, doubled, or of nothing"
    assert.deepStrictEqual(rulesOf({ revocations: [] }), [rule])
    assert.deepStrictEqual(rulesOf({ revocations: [revoked(7), revoked(8)] }), [rule])
    assert.include(rulesOf({ revocations: [revoked(8), revoked(7)] }), "revocations out of order")
  })

  it("what one transaction ends is announced once, what several end once each", () => {
    const ends = [event(3, "suspended", "Suspended", "Active"), event(5, "deleted", "Active", "Active")]
    const of = (timestamps: ReadonlyArray<string>, count: number) =>
      rulesOf({
        rows: [],
        audit: [...facts.audit, { tokenId: id, action: "token.deleted" }],
        events: [
          ...events.slice(0, 2),
          { ...ends[0]!, timestamp: timestamps[0]! },
          events[3]!,
          { ...ends[1]!, timestamp: timestamps[1]! }
        ],
        revocations: [revoked(7), revoked(8)].slice(0, count),
        answered: new Map([[0, 404]])
      })
    assert.deepStrictEqual(of(["1", "1"], 1), [])
    assert.deepStrictEqual(of(["1", "2"], 2), [])
    assert.deepStrictEqual(of(["1", "2"], 1), ["a revocation is missing, doubled, or of nothing"])
  })

  it("a row that is not what its last event says is seen", () => {
    const row = facts.rows[0]!
    const rule = "row and events differ"
    assert.include(rulesOf({ rows: [{ ...row, status: "Suspended" }] }), rule)
    assert.include(rulesOf({ rows: [{ ...row, version: 5 }] }), rule)
    assert.include(rulesOf({ rows: [] }), rule)
    assert.include(rulesOf({ rows: [row, { ...row, tokenId: "other" }] }), rule)
  })

  it("an answered change that is not there, and a refused one that is, are seen", () => {
    const lost = "an answered change is lost"
    const asked = (kind: ChangeKind, over: Partial<Change>) => new Written().change(kind, 0, 1, over).history
    assert.deepStrictEqual(rulesOf({}, asked("suspend", { version: 4 })), [lost])
    assert.deepStrictEqual(rulesOf({}, asked("suspend", { version: 9 })), [lost])
    assert.deepStrictEqual(rulesOf({}, asked("delete", {})), [lost])
    assert.deepStrictEqual(rulesOf({}, asked("revoke", { outcome: "late" })), [lost])
    assert.deepStrictEqual(rulesOf({}, asked("remove-application", {})), [lost])
    assert.deepStrictEqual(rulesOf({}, asked("provision", { outcome: "refused" })), [
      "a refused change was carried out"
    ])
    assert.deepStrictEqual(rulesOf({}, asked("delete", { outcome: "unknown" })), [])
  })

  it("a service that answers otherwise than its rows say is seen", () => {
    assert.deepStrictEqual(rulesOf({ answered: new Map([[0, 403]]) }), ["the service and its rows differ"])
  })
})
