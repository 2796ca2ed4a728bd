/**
 * What the checker says of what is left when everything has come to rest: rows, audit, streams, and
 * what the service answers about them. Pure functions.
 *
 * - every row of the audit is announced once, and nothing else is;
 * - the events of a token are its versions 1, 2, 3 …, each once, in that order;
 * - the row is what the last event says, and gone after `deleted`;
 * - the revocations say of each token what its events say, once each, in order per endpoint;
 * - what was answered is there; what was refused is not;
 * - the service answers what the rows say.
 */
import type { Violation } from "./answers.ts"
import type { Change, History } from "./History.ts"

export interface TokenRow {
  readonly tokenId: string
  readonly endpointId: string
  readonly status: string
  readonly version: number
}

export interface TokenEvent {
  readonly id: string
  /** `token.suspended` … */
  readonly type: string
  readonly tokenId: string
  readonly endpointId: string
  readonly version: number
  readonly status: string
  readonly previousStatus: string | null
  /** When its transaction was, by the database's clock. */
  readonly timestamp: string
}

export interface RevokedEvent {
  readonly id: string
  readonly appName: string
  readonly endpointId: string
  readonly tokenIds: ReadonlyArray<string>
  readonly version: number
}

export interface Facts {
  readonly rows: ReadonlyArray<TokenRow>
  /** Of tokens only. */
  readonly audit: ReadonlyArray<{ readonly tokenId: string; readonly action: string }>
  /** In the order of the stream, of tokens only. */
  readonly events: ReadonlyArray<TokenEvent>
  /** In the order of the stream. */
  readonly revocations: ReadonlyArray<RevokedEvent>
  /** What the service answers to a last validation, by the token's index in the history. */
  readonly answered: ReadonlyMap<number, number>
}

const tally = (keys: Iterable<string>): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  return counts
}

const differences = (expected: Map<string, number>, found: Map<string, number>): ReadonlyArray<string> =>
  [...new Set([...expected.keys(), ...found.keys()])].flatMap((key) => {
    const [wanted, got] = [expected.get(key) ?? 0, found.get(key) ?? 0]
    return wanted === got ? [] : [`${key}: ${wanted} committed, ${got} announced`]
  })

const repeatedIds = (rule: string, ids: ReadonlyArray<string>): ReadonlyArray<Violation> =>
  [...tally(ids)].flatMap(([id, count]) => (count === 1 ? [] : [{ rule, detail: `${id} ${count} times` }]))

// ---- events -------------------------------------------------------------------

const announcedOnce = ({ audit, events, revocations }: Facts): ReadonlyArray<Violation> => [
  ...differences(
    tally(audit.map(({ action, tokenId }) => `${tokenId} ${action}`)),
    tally(events.map(({ tokenId, type }) => `${tokenId} ${type}`))
  ).map((detail) => ({ rule: "an event is missing, doubled, or of nothing", detail })),
  ...repeatedIds(
    "an event id twice",
    events.map(({ id }) => id)
  ),
  ...repeatedIds(
    "a revocation id twice",
    revocations.map(({ id }) => id)
  )
]

const inOrder = (events: ReadonlyMap<string, ReadonlyArray<TokenEvent>>): ReadonlyArray<Violation> =>
  [...events].flatMap(([tokenId, ofToken]) => {
    const versions = ofToken.map(({ version }) => version)
    return versions.every((version, index) => version === index + 1)
      ? []
      : [{ rule: "events out of order", detail: `${tokenId}: ${versions.join(" ")}` }]
  })

const usable = new Set<string | null>(["Inactive", "Active"])

const endsSessions = ({ previousStatus, status, type }: TokenEvent): boolean =>
  type === "token.deleted" || (usable.has(previousStatus) && !usable.has(status))

/** What one transaction does to a token is announced in one revocation, however often it took the right away. */
const revocationsCounted = ({ events, revocations }: Facts): ReadonlyArray<Violation> => {
  const ended = Map.groupBy(events.filter(endsSessions), ({ tokenId }) => tokenId)
  const announced = tally(revocations.flatMap(({ tokenIds }) => tokenIds))
  return [...new Set([...ended.keys(), ...announced.keys()])].flatMap((tokenId) => {
    const endings = ended.get(tokenId) ?? []
    const transactions = new Set(endings.map(({ timestamp }) => timestamp)).size
    const count = announced.get(tokenId) ?? 0
    return count >= transactions && count <= endings.length
      ? []
      : [
          {
            rule: "a revocation is missing, doubled, or of nothing",
            detail: `${tokenId}: ${endings.length} in ${transactions} transactions, ${count} announced`
          }
        ]
  })
}

const revocationsInOrder = ({ revocations }: Facts): ReadonlyArray<Violation> =>
  [...Map.groupBy(revocations, ({ appName, endpointId }) => `${appName}/${endpointId}`)].flatMap(
    ([endpoint, ofEndpoint]) =>
      ofEndpoint.every(({ version }, index) => index === 0 || version > ofEndpoint[index - 1]!.version)
        ? []
        : [{ rule: "revocations out of order", detail: endpoint }]
  )

const rowsMatch = (
  { rows }: Facts,
  events: ReadonlyMap<string, ReadonlyArray<TokenEvent>>
): ReadonlyArray<Violation> => {
  const byId = new Map(rows.map((row) => [row.tokenId, row]))
  const wrong = [...events].flatMap(([tokenId, ofToken]) => {
    const last = ofToken.at(-1)!
    const row = byId.get(tokenId)
    if (last.type === "token.deleted") return row === undefined ? [] : [`${tokenId} is there after its deletion`]
    if (row === undefined) return [`${tokenId} is gone without an event`]
    return row.version === last.version && row.status === last.status
      ? []
      : [`${tokenId} is ${row.status} ${row.version}, its last event says ${last.status} ${last.version}`]
  })
  const silent = rows
    .filter(({ tokenId }) => !events.has(tokenId))
    .map(({ tokenId }) => `${tokenId} was never announced`)
  const usedTwice = [...events].flatMap(([tokenId, ofToken]) =>
    ofToken.filter(({ type }) => type === "token.activated").length > 1 ? [`${tokenId} was first used twice`] : []
  )
  return [...wrong, ...silent, ...usedTwice].map((detail) => ({ rule: "row and events differ", detail }))
}

// ---- what was answered ---------------------------------------------------------

const statusAfter: Partial<Record<Change["kind"], string>> = {
  provision: "Inactive",
  suspend: "Suspended",
  activate: "Active"
}

/** Why an answered change is not to be found, or null. */
const lostWhy = (
  change: Change,
  history: History,
  events: ReadonlyMap<string, ReadonlyArray<TokenEvent>>
): string | null => {
  const tokenId = history.tokens[change.token]?.tokenId ?? null
  if (tokenId === null) return null
  const ofToken = events.get(tokenId) ?? []
  const wanted = statusAfter[change.kind]
  if (wanted !== undefined && change.version !== null) {
    const event = ofToken[change.version - 1]
    return event?.status === wanted ? null : `version ${change.version} is ${event?.status ?? "not there"}`
  }
  if (change.kind === "delete") return ofToken.at(-1)?.type === "token.deleted" ? null : "it is still there"
  if (change.kind === "revoke") return ofToken.some(({ status }) => status === "Revoked") ? null : "it is not revoked"
  if (change.kind === "rotate" || change.kind === "rotate-overlap") {
    const successorId = history.tokens[change.successor]!.tokenId
    if (!ofToken.some(({ type }) => type === "token.rotated")) return "it was not rotated"
    return successorId === null || events.has(successorId) ? null : "its successor is not there"
  }
  return null
}

const answeredIsThere = (
  history: History,
  { rows }: Facts,
  events: ReadonlyMap<string, ReadonlyArray<TokenEvent>>
): ReadonlyArray<Violation> => {
  const present = new Set(rows.map(({ tokenId }) => tokenId))
  return history.changes.flatMap((change) => {
    if (change.outcome !== "done" && change.outcome !== "late") return []
    if (change.kind === "remove-application") {
      return history.tokens
        .filter(({ appName, tokenId }) => appName === change.appName && tokenId !== null && present.has(tokenId))
        .map(({ tokenId }) => ({ rule: "an answered change is lost", detail: `${tokenId} outlives its application` }))
    }
    const why = lostWhy(change, history, events)
    const token = history.tokens[change.token]!
    return why === null
      ? []
      : [{ rule: "an answered change is lost", detail: `${change.kind} of ${token.tokenId}: ${why}` }]
  })
}

/** A provision that was refused each time it was asked for must have left nothing. */
const refusedIsNotThere = (history: History, { events, rows }: Facts): ReadonlyArray<Violation> => {
  const endpoints = new Set([...rows, ...events].map(({ endpointId }) => endpointId))
  const provisions = Map.groupBy(
    history.changes.filter(({ kind }) => kind === "provision"),
    ({ token }) => token
  )
  return [...provisions].flatMap(([token, asked]) => {
    const { endpointId } = history.tokens[token]!
    return asked.every(({ outcome }) => outcome === "refused") && endpoints.has(endpointId)
      ? [{ rule: "a refused change was carried out", detail: `provision for ${endpointId}` }]
      : []
  })
}

const statusOf: Readonly<Record<string, number>> = { Inactive: 200, Active: 200, Suspended: 403, Revoked: 410 }

const serviceAgrees = (history: History, { answered, rows }: Facts): ReadonlyArray<Violation> => {
  const byId = new Map(rows.map((row) => [row.tokenId, row]))
  return [...answered].flatMap(([index, status]) => {
    const { tokenId } = history.tokens[index]!
    if (tokenId === null) return []
    const row = byId.get(tokenId)
    const wanted = row === undefined ? 404 : statusOf[row.status]!
    return status === wanted
      ? []
      : [
          {
            rule: "the service and its rows differ",
            detail: `${tokenId}: ${row?.status ?? "no row"}, answered ${status}`
          }
        ]
  })
}

/** Judges what is left against the history and against itself. */
export const checkFacts = (history: History, facts: Facts): ReadonlyArray<Violation> => {
  const events = Map.groupBy(facts.events, ({ tokenId }) => tokenId)
  return [
    ...announcedOnce(facts),
    ...inOrder(events),
    ...revocationsCounted(facts),
    ...revocationsInOrder(facts),
    ...rowsMatch(facts, events),
    ...answeredIsThere(history, facts, events),
    ...refusedIsNotThere(history, facts),
    ...serviceAgrees(history, facts)
  ]
}
