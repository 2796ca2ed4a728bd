/**
 * `TokenLookup` on MariaDB: one prepared statement for up to 256 hashes, on connections of its own.
 *
 * The statement joins the tenant's revocation sequence, so each row and its `readSeq` come from one
 * snapshot, and leaves out what belongs to an application that is removed or out of service, or to a removed tenant.
 */
import { Effect, Layer } from "effect"
import { type HotToken, tagOf } from "../../domain/HotToken.ts"
import { endingOf, endOf, tokenStatuses } from "../../domain/Token.ts"
import { TokenLookup } from "../TokenLookup.ts"
import * as Columns from "./Columns.ts"
import { Mariadb } from "./Mariadb.ts"
import type { Row } from "./MariadbConnection.ts"
import { endsOf } from "./TokenRow.ts"

/** The order of tables and the index are said, so that young statistics cannot choose a scan. */
export const byHashSql = (marks: string): string =>
  `SELECT t.tenant_id, t.app_name, t.token_id, t.endpoint_id, t.status, t.version, t.expires_at, t.overlap_ends_at,
    t.ended_by, c.revocation_seq, t.hash, t.mac
  FROM tokens t FORCE INDEX (PRIMARY)
    STRAIGHT_JOIN applications a FORCE INDEX (PRIMARY) ON a.app_name = t.app_name AND a.removed_at IS NULL
      AND a.out_of_service IS NULL
    STRAIGHT_JOIN tenants n FORCE INDEX (PRIMARY) ON n.tenant_id = t.tenant_id AND n.removed_at IS NULL
    STRAIGHT_JOIN tenant_counters c FORCE INDEX (PRIMARY) ON c.tenant_id = t.tenant_id
  WHERE t.hash IN (${marks})`

const applicationsSql = (marks: string): string =>
  `SELECT a.app_name, a.tenant_id FROM applications a JOIN tenants n ON n.tenant_id = a.tenant_id
  WHERE a.app_name IN (${marks}) AND a.removed_at IS NULL AND a.out_of_service IS NULL AND n.removed_at IS NULL`

const hashColumn = 10
const hotTokenOf = (row: Row): HotToken => {
  const token = { status: Columns.literal(row, 4, tokenStatuses), ...endsOf(row, 6) }
  const { mac } = Columns.macOf(row, hashColumn + 1)
  const hot = {
    tenantId: Columns.text(row, 0),
    appName: Columns.text(row, 1),
    tokenId: Columns.uuid(row, 2),
    endpointId: Columns.text(row, 3),
    status: token.status,
    version: Columns.whole(row, 5),
    endsAt: endOf(token),
    ending: endingOf(token),
    readSeq: Columns.whole(row, 9),
    cacheKey: Columns.bytes(row, hashColumn).toString("hex")
  }
  return mac === undefined ? hot : { ...hot, tag: tagOf(token, mac) }
}

/** A row that this service cannot have written: without its tag it is nobody's right. */
const changedTokenOf = (row: Row): HotToken => ({
  tenantId: Columns.text(row, 0),
  appName: Columns.text(row, 1),
  tokenId: Columns.uuid(row, 2),
  endpointId: Columns.text(row, 3),
  status: "Revoked",
  version: 0,
  endsAt: null,
  ending: "revoked",
  readSeq: 0,
  cacheKey: Columns.bytes(row, hashColumn).toString("hex")
})

const safe = Number.MAX_SAFE_INTEGER
/** A number that no whole one is sure of stands at the end of those: somebody else wrote it. */
const cut = (value: unknown): unknown =>
  typeof value === "number" && !Number.isSafeInteger(value) ? Math.max(-safe, Math.min(safe, value)) : value

const readOrNull = (row: Row): HotToken | null => {
  try {
    return hotTokenOf(row)
  } catch {
    return null
  }
}

/** Total: a statement asks for many tenants, and one row that somebody else wrote must not take the others' answers. */
const readOf = (row: Row): HotToken => readOrNull(row) ?? readOrNull(row.map(cut)) ?? changedTokenOf(row)

/** A string of one character a byte: a key for a map at half the price of hexadecimal. */
const keyOf = (hash: Buffer): string => hash.toString("latin1")

/** The token for each hash, in their order. */
const inOrderOf = (hashes: ReadonlyArray<Buffer>, rows: ReadonlyArray<Row>): ReadonlyArray<HotToken | undefined> => {
  const found = new Map(rows.map((row) => [keyOf(Columns.bytes(row, hashColumn)), readOf(row)]))
  return hashes.map((hash) => found.get(keyOf(hash)))
}

const make = Effect.gen(function* () {
  const { lookup } = yield* Mariadb
  const [sqlByHash, sqlOfApplications] = [Columns.remembered(byHashSql), Columns.remembered(applicationsSql)]
  return TokenLookup.of({
    byHash: (hashes) =>
      lookup("TokenLookup.byHash", (reader) => {
        const asked = hashes.map(Columns.sameBytes)
        return Columns.lookUp(reader, sqlByHash, asked).then((rows) => inOrderOf(asked, rows))
      }),
    applications: (appNames) =>
      lookup("TokenLookup.applications", (reader) =>
        Columns.lookUp(reader, sqlOfApplications, Array.from(new Set(appNames))).then((rows) =>
          rows.map((row) => ({ appName: Columns.text(row, 0), tenantId: Columns.text(row, 1) }))
        )
      )
  })
})

export const layer: Layer.Layer<TokenLookup, never, Mariadb> = Layer.effect(TokenLookup, make)
