/**
 * The short forms of the benchmark and of the simulation run, whole, and write what they say that they write.
 * Their figures are looked at by nobody: a machine that is busy has others.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { temporaryFolder } from "../support/servers.ts"

const root = resolve(import.meta.dirname, "../..")
const folder = temporaryFolder()
afterAll(folder.remove)

const run = async (file: string, ...args: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, [join(root, "bench", file), ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"]
  })
  let printed = ""
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      printed += chunk.toString()
    })
  }
  const [code] = (await once(child, "close")) as [number | null]
  return { code, printed }
}

describe("npm run bench -- --quick", () => {
  it("measures every group and writes table, figures and plots", async () => {
    const out = join(folder.path, "bench")
    const { code, printed } = await run("main.ts", "--quick", `--out=${out}`)
    expect(code, printed).toBe(0)
    const results = JSON.parse(readFileSync(join(out, "results.json"), "utf8"))
    const { code: listed, printed: list } = await run("main.ts", "--list")
    expect(listed).toBe(0)
    const groups = list
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[0]!)
    expect(new Set(results.measured.map(({ group }: { readonly group: string }) => group))).toEqual(new Set(groups))
    for (const { measure, ours } of results.measured) expect(ours.median, measure).toBeGreaterThan(0)
    expect(
      readFileSync(join(out, "table.md"), "utf8")
        .split("\n")
        .filter((line) => line.startsWith("| "))
    ).toHaveLength(results.measured.length + 2)
    const plots = readdirSync(out).filter((name) => name.endsWith(".svg"))
    expect(plots).toContain("latency-against-load.svg")
    expect(plots).toContain("cost-against-size.svg")
  })
  it("refuses a group that there is not", async () => {
    const { code, printed } = await run("main.ts", "--groups=nothing")
    expect(code).not.toBe(0)
    expect(printed).toContain("no such group: nothing")
    expect(printed, "nothing was measured before").not.toContain("wrong verdicts")
  })
})

describe("npm run simulate -- --quick", () => {
  it("finds no answer while a replica could still say otherwise", async () => {
    const { code, printed } = await run("simulation/main.ts", "--quick", `--out=${join(folder.path, "simulation")}`)
    expect(code, printed).toBe(0)
    expect(printed).toMatch(/seed \d+: 0 answers while a replica could still say otherwise, 0 never answered/u)
  })
})
