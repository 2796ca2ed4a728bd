/**
 * Waits until a world has come to rest, and reads what is left of a round: MariaDB's tables, the two
 * streams, and a last answer about every token. Read past the service, but for the last answers.
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream"
import { connect, type NatsConnection } from "@nats-io/transport-node"
import type { Connection } from "mariadb"
import type { Client } from "../support/client.ts"
import * as ecap from "../support/ecap.ts"
import { eventually } from "../support/eventually.ts"
import { connectSql } from "../support/freshDatabase.ts"
import type { Facts, RevokedEvent, TokenEvent, TokenRow } from "./facts.ts"
import type { History } from "./History.ts"
import type { World } from "./World.ts"

const statuses = ["Inactive", "Active", "Suspended", "Revoked"] as const
const restLimitMs = 180_000
const batchMax = 500

/** What still has to happen by itself, as numbers that must all be 0. */
const openSql = `SELECT
  (SELECT COUNT(*) FROM outbox) AS outbox,
  (SELECT COUNT(*) FROM pending_revocations) AS pending,
  (SELECT COUNT(*) FROM tokens WHERE due_at IS NOT NULL) AS due,
  (SELECT COUNT(*) FROM applications WHERE removed_at IS NOT NULL) AS removed`

const numbersOf = async (connection: Connection, sql: string): Promise<Record<string, number>> => {
  const [row] = await connection.query(sql)
  return Object.fromEntries(Object.entries(row as Record<string, bigint>).map(([name, value]) => [name, Number(value)]))
}

const atRest = (connection: Connection): Promise<unknown> =>
  eventually(
    () => numbersOf(connection, openSql),
    (open) => Object.values(open).every((value) => value === 0),
    { limitMs: restLimitMs, everyMs: 100, what: "the outbox, revocations, expiries and removals being done" }
  )

/** The status of each token by the service's own word, which is also a use. */
const lastAnswers = async (client: Client, history: History): Promise<ReadonlyMap<number, number>> => {
  const answered = new Map<number, number>()
  for (const [tenant, tokens] of Map.groupBy(history.tokens, ({ tenantId }) => tenantId)) {
    for (let at = 0; at < tokens.length; at += batchMax) {
      const page = tokens.slice(at, at + batchMax)
      const items = page.map(({ appName, value }) => ({ appName, token: value }))
      const results = await eventually(
        async () => {
          const { body, status } = await client.ask(tenant, "token.validate-batch", { items })
          const codes: ReadonlyArray<number> =
            status === 200 ? body.results.map((result: { statusCode: number }) => result.statusCode) : [503]
          return codes
        },
        (codes) => codes.every((code) => code !== 503 && code !== 429),
        { limitMs: restLimitMs, everyMs: 200, what: "an answer about every token" }
      )
      for (const [index, token] of page.entries()) answered.set(token.index, results[index]!)
    }
  }
  return answered
}

const uuidOf = (bytes: Buffer): string =>
  bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/u, "$1-$2-$3-$4-$5")

const readRows = async (connection: Connection): Promise<ReadonlyArray<TokenRow>> => {
  const rows: ReadonlyArray<{ token_id: Buffer; endpoint_id: string; status: number; version: number }> =
    await connection.query("SELECT token_id, endpoint_id, status, version FROM tokens")
  return rows.map(({ endpoint_id: endpointId, status, token_id: id, version }) => ({
    tokenId: uuidOf(id),
    endpointId,
    status: statuses[status]!,
    version
  }))
}

const readAudit = async (connection: Connection) => {
  const rows: ReadonlyArray<{ entity_id: string; action: string }> = await connection.query(
    "SELECT entity_id, action FROM audit WHERE entity_type = 'token'"
  )
  return rows.map(({ action, entity_id: tokenId }) => ({ tokenId, action }))
}

interface Message {
  readonly subject: string
  readonly data: Uint8Array
  readonly header: (name: string) => string
}

const readStream = async (nc: NatsConnection, stream: string): Promise<ReadonlyArray<Message>> => {
  const manager = await jetstreamManager(nc, { timeout: 60_000 })
  const { state } = await manager.streams.info(stream)
  if (state.messages === 0) return []
  const consumer = await jetstream(nc, { timeout: 60_000 }).consumers.get(stream)
  const messages: Array<Message> = []
  for await (const message of await consumer.consume({ max_messages: 1_000 })) {
    messages.push({
      subject: message.subject,
      data: message.data.slice(),
      header: (name) => message.headers?.get(name) ?? ""
    })
    if (message.seq >= state.last_seq) break
  }
  return messages
}

const tokenEventOf = ({ data, header }: Message): TokenEvent => {
  const body = JSON.parse(new TextDecoder().decode(data))
  return {
    id: header("Nats-Msg-Id"),
    type: body.eventType,
    tokenId: body.tokenId,
    endpointId: body.endpointId,
    version: Number(header("ce-entityversion")),
    status: body.status,
    previousStatus: body.previousStatus,
    timestamp: body.timestamp
  }
}

const revokedEventOf = ({ data, header }: Message): RevokedEvent => {
  const { appName, endpointId, tokenIds } = ecap.RevokedEvent.fromBuffer(Buffer.from(data))
  return { id: header("Nats-Msg-Id"), version: Number(header("ce-entityversion")), appName, endpointId, tokenIds }
}

const readStreams = async (world: World) => {
  const nc = await connect({ servers: world.ground.natsUrl.split(","), noAsyncTraces: true })
  const prefix = world.instance.toUpperCase()
  const events = await readStream(nc, `${prefix}_EVENTS`)
  const revocations = await readStream(nc, `${prefix}_REVOCATIONS`)
  await nc.close()
  return {
    events: events.filter(({ header }) => header("ce-type").startsWith("token.")).map(tokenEventOf),
    revocations: revocations.filter(({ subject }) => subject.endsWith(".endpoint.token.revoked")).map(revokedEventOf)
  }
}

/** Tokens that were answered 200 are used, and so Active soon. */
const usedAreActive = (connection: Connection, used: ReadonlyArray<string>): Promise<unknown> =>
  eventually(
    async () => {
      const inactive: ReadonlyArray<{ token_id: Buffer }> = await connection.query(
        "SELECT token_id FROM tokens WHERE status = 0"
      )
      const ids = new Set(inactive.map((row) => uuidOf(row.token_id)))
      return used.filter((tokenId) => ids.has(tokenId))
    },
    (left) => left.length === 0,
    { limitMs: 180_000, everyMs: 100, what: "every used token being Active" }
  )

/** Everything that is left once nothing moves any more. Fails when it goes on moving. */
export const readFacts = async (world: World, client: Client, history: History): Promise<Facts> => {
  const connection = await connectSql(world.database.url)
  try {
    await atRest(connection)
    const answered = await lastAnswers(client, history)
    const used = history.tokens.flatMap(({ index, tokenId }) =>
      tokenId !== null && answered.get(index) === 200 ? [tokenId] : []
    )
    await usedAreActive(connection, used)
    await atRest(connection)
    const rows = await readRows(connection)
    const audit = await readAudit(connection)
    return { rows, audit, ...(await readStreams(world)), answered }
  } finally {
    await connection.end()
  }
}
