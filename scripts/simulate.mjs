/**
 * `npm run simulate`: plays barriers and leases at sizes that this machine has not.
 *
 * Options go on to bench/simulation/main.ts, which says what they are. Installs what is
 * missing; docs/scale.md says what the figures mean.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { checkout } from "./lib/find.mjs"
import { provide } from "./lib/install.mjs"
import { nodeArguments } from "./lib/nodeArguments.mjs"
import { orExplain } from "./lib/report.mjs"

await orExplain(async () => {
  await provide()
  const node = join(checkout, "node_modules", ".bin", "node")
  const args = [...nodeArguments, join("bench", "simulation", "main.ts"), ...process.argv.slice(2)]
  const child = spawn(node, args, { cwd: checkout, stdio: "inherit" })
  process.once("exit", () => child.kill("SIGTERM"))
  // Ctrl-C reaches the child too, which ends what it has started: that is waited for.
  process.removeAllListeners("SIGINT")
  process.on("SIGINT", () => {})
  process.exitCode = await new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)))
})
