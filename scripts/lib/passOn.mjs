/**
 * A command that runs on the checkout's own Node: installs what is missing, passes its arguments on, and ends as it ends.
 * How it is called is told by the file that runs, without that.
 */
import { spawn } from "node:child_process"
import { join } from "node:path"
import { argumentsOf } from "./arguments.mjs"
import { checkout } from "./find.mjs"
import { provide } from "./install.mjs"
import { orExplain } from "./report.mjs"

/** `path`: of the file that runs, in the checkout; `nodeArguments` before it. */
export const passOn = (call, path, nodeArguments = []) =>
  orExplain(async () => {
    const args = process.argv.slice(2)
    const file = join(checkout, path)
    if (args.includes("--help") || args.includes("-h")) argumentsOf(file, { call: `${call} -- [options]` }, ["--help"])
    await provide()
    const node = join(checkout, "node_modules", ".bin", "node")
    const child = spawn(node, [...nodeArguments, file, ...args], { cwd: checkout, stdio: "inherit" })
    process.once("exit", () => child.kill("SIGTERM"))
    // Ctrl-C reaches the child too, which ends what it has started: that is waited for.
    process.removeAllListeners("SIGINT")
    process.on("SIGINT", () => {})
    process.exitCode = await new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)))
  })
