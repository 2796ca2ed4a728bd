/** Where the programs are that a running system needs: on the path, or built once into the checkout. */
import { execFileSync } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

export const checkout = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "")

/** What is built is kept here, once a checkout, whatever `CM_LOCAL_DIR` is. */
export const builtBinaries = join(checkout, ".local", "bin")

/** The lowest server that is taken without building one: older ones ignore newer features in silence. */
export const natsServerLowest = [2, 12]

/** The lowest MariaDB that the service runs on. */
export const mariadbLowest = [10, 11]

const isExecutable = (file) => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Every executable of that name on the path, and in the folders where servers live but users do not look. */
export const onPath = (name, env = process.env) =>
  [...(env.PATH ?? "").split(delimiter), "/usr/local/sbin", "/usr/sbin"]
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .filter(isExecutable)

/** `[major, minor, patch]` of what a server prints when it is asked for its version, or undefined. */
const versionOf = (file) => {
  try {
    const text = execFileSync(file, ["--version"], { encoding: "utf8", stdio: "pipe", timeout: 10_000 })
    const match = /v?(\d+)\.(\d+)\.(\d+)/.exec(text)
    return match === null ? undefined : match.slice(1, 4).map(Number)
  } catch {
    return undefined
  }
}

const isAtLeast =
  ([lowestMajor, lowestMinor]) =>
  (file) => {
    const [major, minor] = versionOf(file) ?? [0, 0]
    return major > lowestMajor || (major === lowestMajor && minor >= lowestMinor)
  }

/** The path of a NATS server that is new enough, or undefined. */
export const findNatsServer = () =>
  [...onPath("nats-server"), join(builtBinaries, "nats-server")].filter(isExecutable).find(isAtLeast(natsServerLowest))

/**
 * The paths of a MariaDB server that is new enough and of the program that makes its data folder, or
 * undefined. That program needs another one, which Debian keeps among the client's.
 */
export const findMariadb = (env = process.env) => {
  const server = onPath("mariadbd", env).find(isAtLeast(mariadbLowest))
  if (server === undefined || onPath("my_print_defaults", env).length === 0) return undefined
  const beside = join(dirname(server), "mariadb-install-db")
  const install = isExecutable(beside) ? beside : onPath("mariadb-install-db", env)[0]
  return install === undefined ? undefined : { server, install }
}

/** The servers on the path that are too old, each with its version. */
export const oldMariadbs = (env = process.env) =>
  onPath("mariadbd", env)
    .filter((server) => !isAtLeast(mariadbLowest)(server))
    .map((server) => `${server} is ${versionOf(server)?.join(".") ?? "of no version"}`)
