/**
 * The least that moving sealed records to another key comes to, whoever does it: each record read, opened and sealed
 * anew by AES-256-GCM, and written, in transactions of as many rows as the baseline's. While a page is written the
 * next one is read and made; a hundred rows are written by one statement. No lock of a tenant, no comparing with what
 * was read, no tag, no count of uses.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from "node:crypto"
import type { UpsertResult } from "mariadb"
import { connectSql } from "../../test/support/freshDatabase.ts"

const algorithm = "aes-256-gcm"
const [nonceLength, tagLength] = [12, 16]
/** The service's records begin with their format and the id of their key, which belong to what is authenticated. */
const headerLength = 17
const overhead = headerLength + nonceLength + tagLength
const table = "bench_least_versions"
/** Of a statement: many open the table as often, more are looked for in a longer list. */
const statementRows = 100

interface Key {
  readonly id: Buffer
  readonly secret: KeyObject
}

const newKey = (): Key => ({ id: randomBytes(16), secret: createSecretKey(randomBytes(32)) })

const seal = ({ id, secret }: Key, nonce: Buffer, plaintext: Buffer): Buffer => {
  const record = Buffer.allocUnsafe(overhead + plaintext.length)
  record[0] = 1
  id.copy(record, 1)
  nonce.copy(record, headerLength)
  const cipher = createCipheriv(algorithm, secret, nonce, { authTagLength: tagLength })
  cipher.setAAD(record.subarray(0, headerLength))
  record.set(cipher.update(plaintext), headerLength + nonceLength)
  cipher.final()
  record.set(cipher.getAuthTag(), record.length - tagLength)
  return record
}

const open = ({ secret }: Key, record: Buffer): Buffer => {
  const nonceEnd = headerLength + nonceLength
  const end = record.length - tagLength
  const decipher = createDecipheriv(algorithm, secret, record.subarray(headerLength, nonceEnd), {
    authTagLength: tagLength
  })
  decipher.setAAD(record.subarray(0, headerLength))
  decipher.setAuthTag(record.subarray(end))
  const plaintext = decipher.update(record.subarray(nonceEnd, end))
  decipher.final()
  return plaintext
}

export interface LeastMoverSetup {
  readonly databaseUrl: string
  readonly rows: number
  readonly pageRows: number
  readonly secretBytes: number
}

export const makeLeastMover = async ({ databaseUrl, pageRows, rows, secretBytes }: LeastMoverSetup) => {
  // What is read and what is written beside it have a connection each.
  const [reader, writer] = [await connectSql(databaseUrl), await connectSql(databaseUrl)]
  let key = newKey()
  await writer.query(`CREATE TABLE ${table} LIKE credential_versions`)
  const ids = Array.from({ length: rows }, (_, n) => {
    const id = randomBytes(16)
    id.writeUInt32BE(n)
    return id
  })
  const sealed = () => seal(key, randomBytes(nonceLength), Buffer.alloc(secretBytes, "a"))
  await writer.batch(
    `INSERT INTO ${table} (credential_id, version, tenant_id, state, sealed, key_id, fingerprints, created_at, created_by)
      VALUES (?, 1, 'demo', 0, ?, ?, '{}', 0, 'bench')`,
    ids.map((id) => [id, sealed(), key.id])
  )
  const read = (after: Buffer): Promise<ReadonlyArray<readonly [id: Buffer, version: number, sealed: Buffer]>> =>
    reader.execute(
      {
        rowsAsArray: true,
        sql: `SELECT credential_id, version, sealed FROM ${table} FORCE INDEX (ix_credential_versions_key)
          WHERE key_id = ? AND credential_id > ? ORDER BY key_id, credential_id, version LIMIT ${pageRows}`
      },
      [key.id, after]
    )
  const made = async (after: Buffer, next: Key) => {
    const page = await read(after)
    const nonces = randomBytes(nonceLength * page.length)
    return page.map(([id, version, record], n) => {
      const nonce = nonces.subarray(n * nonceLength, (n + 1) * nonceLength)
      return { id, version, record: seal(next, nonce, open(key, record)) }
    })
  }
  const writeSql = (count: number): string => {
    const list = (each: string) => Array(count).fill(each).join(", ")
    return `UPDATE ${table} FORCE INDEX (PRIMARY)
      SET sealed = ELT(FIELD(credential_id, ${list("?")}), ${list("?")}), key_id = ?
      WHERE (credential_id, version) IN (${list("(?, ?)")})`
  }
  /** Each credential has one version. */
  const write = async (page: Awaited<ReturnType<typeof made>>, to: Buffer): Promise<number> => {
    const begun = writer.query("START TRANSACTION")
    const written: Array<Promise<UpsertResult>> = []
    for (let at = 0; at < page.length; at += statementRows) {
      const rows = page.slice(at, at + statementRows)
      const ids = rows.map(({ id }) => id)
      const values = [
        ...ids,
        ...rows.map(({ record }) => record),
        to,
        ...rows.flatMap(({ id, version }) => [id, version])
      ]
      written.push(writer.execute(writeSql(rows.length), values))
    }
    const results = await Promise.all([begun, ...written])
    await writer.query("COMMIT")
    return results.slice(1).reduce((sum, { affectedRows }) => sum + affectedRows, 0)
  }
  return {
    end: async () => {
      await reader.end()
      await writer.end()
    },
    /** Rows a second. */
    move: async (): Promise<number> => {
      const next = newKey()
      const startedAt = performance.now()
      let moved = 0
      for (let page = await made(Buffer.alloc(16), next); page.length > 0; ) {
        const [written, following] = await Promise.all([write(page, next.id), made(page.at(-1)!.id, next)])
        moved += written
        page = following
      }
      if (moved !== rows) throw new Error(`${moved} of ${rows} rows were moved`)
      key = next
      return rows / ((performance.now() - startedAt) / 1_000)
    }
  }
}
