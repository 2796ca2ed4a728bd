/** Where the programs are that a running system needs: on the path, or built once into the checkout. */
import { execFileSync } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"
import { fileURLToPath } from "node:url"

export const checkout = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "")

/** What is built is kept here, once a checkout, whatever `CM_LOCAL_DIR` is. */
export const builtBinaries = join(checkout, ".local", "bin")

/** The lowest server that is taken without building one: older ones ignore newer features in silence. */
export const natsServerLowest = [2, 12]

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

/** `[major, minor, patch]` of what `nats-server --version` prints, or undefined. */
export const versionOf = (text) => {
  const match = /v?(\d+)\.(\d+)\.(\d+)/.exec(text)
  return match === null ? undefined : match.slice(1, 4).map(Number)
}

const isNewEnough = (file) => {
  try {
    const version = versionOf(execFileSync(file, ["--version"], { encoding: "utf8", timeout: 10_000 }))
    if (version === undefined) return false
    const [major, minor] = version
    return major > natsServerLowest[0] || (major === natsServerLowest[0] && minor >= natsServerLowest[1])
  } catch {
    return false
  }
}

/** The path of a NATS server that is new enough, or undefined. */
export const findNatsServer = () =>
  [...onPath("nats-server"), join(builtBinaries, "nats-server")].filter(isExecutable).find(isNewEnough)

/**
 * The paths of MariaDB's server and of the program that makes its data folder, or undefined. That
 * program needs another one, which Debian keeps among the client's.
 */
export const findMariadb = () => {
  const server = onPath("mariadbd")[0]
  const install = onPath("mariadb-install-db")[0]
  const whole = server !== undefined && install !== undefined && onPath("my_print_defaults").length > 0
  return whole ? { server, install } : undefined
}
