/** A real OpenBao or Vault in development mode with a transit key `cm`, or null where neither is on the path. */
import { spawn } from "node:child_process"
import { accessSync, constants } from "node:fs"
import { createServer } from "node:net"
import { delimiter, join } from "node:path"
import { watchOver } from "../../scripts/stack.mjs"
import { eventually } from "./eventually.ts"

const find = (program: string): string | null => {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const file = join(folder, program)
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {
      // Not in this folder.
    }
  }
  return null
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once("error", reject)
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

export const startVaultDevServer = async () => {
  const program = find("bao") ?? find("vault")
  if (program === null) return null
  const port = await freePort()
  const token = "dev-root"
  const address = `http://127.0.0.1:${port}`
  const child = spawn(
    program,
    ["server", "-dev", `-dev-root-token-id=${token}`, `-dev-listen-address=127.0.0.1:${port}`, "-dev-no-store-token"],
    { stdio: "ignore" }
  )
  watchOver(child)
  const stop = () =>
    new Promise<void>((resolve) => {
      if (child.exitCode !== null) return resolve()
      child.once("exit", () => resolve())
      child.kill("SIGTERM")
    })
  const post = (path: string, body: object) =>
    fetch(`${address}/v1/${path}`, { method: "POST", headers: { "x-vault-token": token }, body: JSON.stringify(body) })
  await eventually(
    () => fetch(`${address}/v1/sys/health`).then(({ status }) => status),
    (status) => status === 200,
    { what: "the development server's health" }
  )
  await post("sys/mounts/transit", { type: "transit" })
  await post("transit/keys/cm", {})
  return { program, address, token, stop }
}
