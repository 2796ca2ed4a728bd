/**
 * `npm run grants`: 100,000 refreshes of OAuth grants at a hostile provider, by three replicas that are killed,
 * paused and cut off meanwhile; ends with 0 only when no grant was lost and no secret was said.
 *
 * Options: `--refreshes=100000`, `--seed`, `--quick` (1,000), `--grants` (600 credentials), `--rest` seconds
 * at most between two troubles (6), `--rate` of people's doings a second (8), `--scale` stretches all
 * terms for a machine that is busy (1), `--minutes` at most, `--round` refreshes (20,000) until every grant is
 * looked at once more; `--out` a file of figures: the whole rounds in it are counted on, so a run that was
 * ended goes on behind the last one. `--mutant=claim|answer|fence` takes one safeguard
 * away from a copy of the source, and ends with 0 when grants are lost. docs/grants.md says more.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { checkout } from "./lib/find.mjs"
import { provide } from "./lib/install.mjs"
import { orExplain } from "./lib/report.mjs"

await orExplain(async () => {
  await provide()
  const node = join(checkout, "node_modules", ".bin", "node")
  const args = [join("test", "chaos", "grants", "main.ts"), ...process.argv.slice(2)]
  const child = spawn(node, args, { cwd: checkout, stdio: "inherit" })
  process.once("exit", () => child.kill("SIGTERM"))
  // Ctrl-C reaches the child too, which ends what it has started: that is waited for.
  process.removeAllListeners("SIGINT")
  process.on("SIGINT", () => {})
  process.exitCode = await new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)))
})
