// Verifies R-RUN-3.
/** Every setting is documented as it is declared, and what compose.yaml sets exists. */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Schema } from "effect"
import { assert, it } from "vitest"
import type { Declared } from "../../src/observability/Setting.ts"

const root = join(import.meta.dirname, "../..")

// In a process of its own: here other tests may have declared settings of theirs.
const { page, settings } = JSON.parse(
  execFileSync(process.execPath, [join(root, "scripts/settings.mjs"), "--json"], { encoding: "utf8" })
) as { readonly settings: ReadonlyArray<Declared>; readonly page: string }

it("docs/settings.md is what the source declares (npm run settings writes it)", () => {
  assert.strictEqual(readFileSync(join(root, "docs/settings.md"), "utf8"), page)
})

it("every setting says what it is, in which unit and range", () => {
  const isIncomplete = ({ about, range, secret, unit }: Declared) =>
    about === "" || unit === "" || (range === "" && !secret)
  assert.deepStrictEqual(settings.filter(isIncomplete), [])
})

it("a duration's default and range are written as the environment takes them", () => {
  const durations = settings.filter(({ unit }) => unit === "duration")
  assert.isAbove(durations.length, 10)
  for (const { byDefault, range } of durations) {
    for (const text of [byDefault, ...range.split(" to ")]) Schema.decodeUnknownSync(Schema.DurationFromString)(text)
  }
})

it("compose.yaml sets only what there is", () => {
  const block = /service-environment\n([\s\S]*?)\n {2}volumes:/u.exec(
    readFileSync(join(root, "compose.yaml"), "utf8")
  )![1]!
  const names = [...block.matchAll(/^ {4}([A-Z_]+):/gmu)].map(([, name]) => name!)
  assert.isAbove(names.length, 5)
  assert.includeMembers(
    settings.map(({ name }) => name),
    names
  )
})
