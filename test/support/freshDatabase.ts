/**
 * A database of a suite's own, randomly named, on the server of a given URL.
 *
 * The URL's user must be allowed to create databases.
 */
import { randomBytes } from "node:crypto"
import { type Connection, type ConnectionConfig, createConnection } from "mariadb"

export interface FreshDatabase {
  readonly name: string
  /** As the service takes it: `mariadb://user:password@host:port/name`. */
  readonly url: string
  readonly drop: () => Promise<void>
}

/** A connection of the test's own. The library gives up after a second, in which a busy machine answers nobody. */
export const connectSql = async (to: string | ConnectionConfig): Promise<Connection> => {
  const connectTimeout = 30_000
  const url = typeof to === "string" ? new URL(to) : null
  url?.searchParams.set("connectTimeout", String(connectTimeout))
  const connection = await createConnection(url?.href ?? { connectTimeout, ...(to as ConnectionConfig) })
  // Its server may end before it does; whoever asks it after that is told.
  connection.on("error", () => undefined)
  return connection
}

const run = async (url: string, statement: string): Promise<void> => {
  const connection = await connectSql(url)
  await connection.query(statement).finally(() => connection.end())
}

export const freshDatabase = async (serverUrl: string): Promise<FreshDatabase> => {
  const name = `test_${randomBytes(6).toString("hex")}`
  await run(serverUrl, `CREATE DATABASE ${name} CHARACTER SET utf8mb4`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return { name, url: url.href, drop: () => run(serverUrl, `DROP DATABASE IF EXISTS ${name}`) }
}
