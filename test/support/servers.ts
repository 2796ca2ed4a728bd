/**
 * Real servers for tests: a NATS server and a MariaDB of the test's own, on free loopback ports.
 *
 * `startPair` makes them in a temporary folder; `stop` ends them and removes it. A test that kills or
 * pauses a server starts its own pair; the suites of the "integration" project share the one that
 * `globalSetup` starts. Whatever a test run leaves behind ends with it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type NatsOptions, type Server, startMariadb, startNats } from "../../scripts/stack.mjs"
import { roleAccounts } from "./roleAccounts.ts"

export {
  freePort,
  type MariadbOptions,
  type NatsOptions,
  type Server,
  startMariadb,
  startNats
} from "../../scripts/stack.mjs"

/** A folder for one suite and the way to be rid of it. */
export const temporaryFolder = (): { readonly path: string; readonly remove: () => void } => {
  const path = mkdtempSync(join(tmpdir(), "cm-test-"))
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) }
}

export interface Pair {
  readonly dir: string
  readonly nats: Server
  readonly mariadb: Server
  readonly stop: () => Promise<void>
}

/** A NATS server with an account for each role (`roleAccounts`), which `connectClient` without a user needs. */
export const startRolesNats = (options: Omit<NatsOptions, "configFile">): Promise<Server> => {
  mkdirSync(options.dir, { recursive: true })
  const configFile = join(options.dir, "roles.conf")
  writeFileSync(configFile, roleAccounts())
  return startNats({ ...options, configFile })
}

/** Such a NATS server, and a MariaDB whose user may create databases. */
export const startPair = async (): Promise<Pair> => {
  const folder = temporaryFolder()
  const [nats, mariadb] = await Promise.all([
    startRolesNats({ dir: join(folder.path, "nats") }),
    startMariadb({ dir: join(folder.path, "mariadb"), mayCreateDatabases: true })
  ])
  return {
    dir: folder.path,
    nats,
    mariadb,
    stop: async () => {
      await Promise.all([nats.stop(), mariadb.stop()])
      folder.remove()
    }
  }
}
