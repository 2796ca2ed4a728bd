/**
 * Real servers for tests: a NATS server and a MariaDB of the test's own, on free loopback ports.
 *
 * `startPair` makes them in a temporary folder; `stop` ends them and removes it. A test that kills or
 * pauses a server starts its own pair; the suites of the "integration" project share the one that
 * `globalSetup` starts. Whatever a test run leaves behind ends with it.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as stack from "../../scripts/stack.mjs"
import { roleAccounts } from "./roleAccounts.ts"

export type { MariadbOptions, NatsOptions, Server } from "../../scripts/stack.mjs"

type NatsOptions = stack.NatsOptions
type MariadbOptions = stack.MariadbOptions
type Server = stack.Server

// ---- ports ---------------------------------------------------------------------

/** Whose each port is, as a file with the id of its process. */
const claims = join(tmpdir(), `cm-test-ports-${process.getuid?.() ?? 0}`)

/**
 * A port that is this process's for as long as it lives, also while nobody listens on it: a server that a test ends and
 * starts again finds it free, whatever other suites start meanwhile.
 */
export const freePort = async (): Promise<number> => {
  mkdirSync(claims, { recursive: true })
  for (;;) {
    const port = await stack.freePort()
    try {
      writeFileSync(join(claims, String(port)), String(process.pid), { flag: "wx" })
      return port
    } catch (error) {
      // Another process has it.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    }
  }
}

/** What processes that are gone had claimed is anybody's again. */
export const forgetPorts = (): void => {
  mkdirSync(claims, { recursive: true })
  for (const name of readdirSync(claims)) {
    const file = join(claims, name)
    try {
      process.kill(Number(readFileSync(file, "utf8")), 0)
    } catch {
      rmSync(file, { force: true })
    }
  }
}

const withPort = async <Options extends { readonly port?: number; readonly mayMove?: boolean }>(options: Options) =>
  options.port === undefined ? { ...options, port: await freePort(), mayMove: true } : options
export const startNats = async (options: NatsOptions): Promise<Server> => stack.startNats(await withPort(options))

/** The environment's name for the data of a MariaDB that was never started: making it takes four times as long as a copy. */
const unusedData = "CM_TEST_MARIADB_DATA"

/** Made once for the whole run, in a folder of its own; the processes that tests run in begin after this. */
export const makeUnusedData = async (folder: string): Promise<void> => {
  const data = join(folder, "data")
  await stack.makeMariadbData(data)
  process.env[unusedData] = data
}

export const startMariadb = async (options: MariadbOptions): Promise<Server> => {
  const data = join(options.dir, "data")
  const unused = process.env[unusedData]
  if (unused !== undefined && !existsSync(data)) {
    // Whole or not at all.
    cpSync(unused, `${data}.copied`, { recursive: true })
    renameSync(`${data}.copied`, data)
  }
  return stack.startMariadb(await withPort(options))
}

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
