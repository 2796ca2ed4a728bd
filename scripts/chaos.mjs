/**
 * `npm run chaos -- --seed=7 --minutes=10`: replicas under a nemesis for a while, and a checker's verdict.
 *
 * Options: `--seed`, `--minutes` (5), `--replicas` (2), `--bus` servers (1 or 3), `--rate` validations a
 * second at most (4000); `--mutants` tries builds with a safeguard off instead. docs/chaos.md says more.
 * Installs what is missing; the exit code is 0 only when nothing was wrong.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { checkout } from "./lib/find.mjs"
import { provide } from "./lib/install.mjs"
import { orExplain } from "./lib/report.mjs"

await orExplain(async () => {
  await provide()
  const node = join(checkout, "node_modules", ".bin", "node")
  const args = [join("test", "chaos", "main.ts"), ...process.argv.slice(2)]
  const child = spawn(node, args, { cwd: checkout, stdio: "inherit" })
  process.once("exit", () => child.kill("SIGTERM"))
  // Ctrl-C reaches the child too, which ends what it has started: that is waited for.
  process.removeAllListeners("SIGINT")
  process.on("SIGINT", () => {})
  process.exitCode = await new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)))
})
