/** Every setting is documented as it is declared, and what compose.yaml sets exists. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { Schema } from "effect"
import { assert, it } from "vitest"
import { settingsPage } from "../../scripts/settings.mjs"
import { declared } from "../../src/observability/Setting.ts"

const root = join(import.meta.dirname, "../..")

it("docs/settings.md is what the source declares (npm run settings writes it)", async () => {
  assert.strictEqual(readFileSync(join(root, "docs/settings.md"), "utf8"), await settingsPage())
})

it("every setting says what it is, in which unit and range", async () => {
  await settingsPage()
  const incomplete = declared().filter(
    ({ about, range, secret, unit }) => about === "" || unit === "" || (range === "" && !secret)
  )
  assert.deepStrictEqual(incomplete, [])
})

it("compose.yaml sets only what there is", async () => {
  await settingsPage()
  const block = /service-environment\n([\s\S]*?)\n {2}volumes:/u.exec(
    readFileSync(join(root, "compose.yaml"), "utf8")
  )![1]!
  const names = [...block.matchAll(/^ {4}([A-Z_]+):/gmu)].map(([, name]) => name!)
  assert.isAbove(names.length, 5)
  assert.includeMembers(
    declared().map(({ name }) => name),
    names
  )
})

it("a duration's default is written as the environment takes it", async () => {
  await settingsPage()
  const durations = declared().filter(({ unit }) => unit === "duration")
  assert.isAbove(durations.length, 10)
  for (const { byDefault, range } of durations) {
    for (const text of [byDefault, ...range.split(" to ")]) Schema.decodeUnknownSync(Schema.DurationFromString)(text)
  }
})
