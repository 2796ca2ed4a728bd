/**
 * `npm run bench`: measures the service beside baselines of the same run and prints one table.
 *
 * Options go on to bench/main.ts, which says what they are; `--quick` is a short form. Installs what is
 * missing; bench/README.md and docs/performance.md say what the figures mean.
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
  const args = [...nodeArguments, join("bench", "main.ts"), ...process.argv.slice(2)]
  const child = spawn(node, args, { cwd: checkout, stdio: "inherit" })
  process.once("exit", () => child.kill("SIGTERM"))
  // Ctrl-C reaches the child too, which ends what it has started: that is waited for.
  process.removeAllListeners("SIGINT")
  process.on("SIGINT", () => {})
  process.exitCode = await new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)))
})
