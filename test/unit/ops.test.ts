/** What stands beside the source fits it: alert rules and dashboard ask only for metrics that the service has. */
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "vitest"
import { nodeArguments } from "../../scripts/stack.mjs"

const root = join(import.meta.dirname, "../..")
const source = globSync("src/**/*.ts", { cwd: root })
  .map((file) => readFileSync(join(root, file), "utf8"))
  .join("\n")
const declared = new Set(
  [...source.matchAll(/Metric\.(?:counter|gauge|histogram|summary|frequency)\(\s*"([a-z_]+)"/gu)].map(
    ([, name]) => name!
  )
)
/** The names that Prometheus makes of a histogram. */
const known = (name: string) => declared.has(name) || declared.has(name.replace(/_(?:bucket|sum|count)$/u, ""))
const metric = /\b(?:cm|credential)_[a-z_]+\b/gu
const unknownIn = (text: string) =>
  [...text.matchAll(metric)].map(([name]) => name).filter((name) => !known(name) && name !== "credential_management")

it("Dockerfile calls Node as npm start does", () => {
  const command = /^CMD (\[.*\])$/mu.exec(readFileSync(join(root, "Dockerfile"), "utf8"))?.[1]
  assert.deepStrictEqual(JSON.parse(command ?? "null"), ["node", ...nodeArguments, "src/main.ts"])
})

it("ops/alerts.yaml", () => {
  const text = readFileSync(join(root, "ops/alerts.yaml"), "utf8")
  const expressions = [...text.matchAll(/expr: (?:>\n((?: {10,}.*\n)+)|(.*))/gu)].map(
    ([, folded, line]) => folded ?? line!
  )
  assert.isAbove(expressions.length, 10)
  assert.deepStrictEqual(expressions.flatMap(unknownIn), [])
})

it("ops/dashboard.json", () => {
  interface Panel {
    readonly id: number
    readonly targets?: ReadonlyArray<{ readonly expr: string }>
  }
  const { panels } = JSON.parse(readFileSync(join(root, "ops/dashboard.json"), "utf8")) as {
    readonly panels: ReadonlyArray<Panel>
  }
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  assert.isAbove(expressions.length, 10)
  assert.deepStrictEqual(expressions.flatMap(unknownIn), [])
  assert.strictEqual(new Set(panels.map(({ id }) => id)).size, panels.length)
})

it("nats.conf keeps what promises stand on: an acknowledged message is on disk, and the largest one fits", () => {
  const text = readFileSync(join(root, "nats.conf"), "utf8").replace(/#[^\n]*/gu, "")
  assert.match(text, /jetstream \{[^}]*\bsync_interval: always\b[^}]*\}/u)
  assert.match(text, /^max_payload: 8MB$/mu)
  assert.notMatch(text, /allow_responses/u)
})

it("the metrics that the component document names are there", () => {
  assert.isTrue(declared.has("credential_active_total") && declared.has("credential_expired_total"))
})
