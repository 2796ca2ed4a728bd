/** Every numbered requirement stands in a test, and no test names one that there is not. */
import { globSync, readFileSync } from "node:fs"
import { resolve } from "node:path"
import { assert, it } from "vitest"

const root = resolve(import.meta.dirname, "../..")
const numberPattern = /\bR-[A-Z]{3}-\d+\b/gu
const numbersIn = (text: string): ReadonlyArray<string> => text.match(numberPattern) ?? []

const page = readFileSync(resolve(root, "docs/requirements.md"), "utf8")
const required = new Set(numbersIn(page))
const tested = new Map<string, Array<string>>()
for (const file of globSync("test/**/*.test.ts", { cwd: root })) {
  for (const number of numbersIn(readFileSync(resolve(root, file), "utf8"))) {
    tested.set(number, [...(tested.get(number) ?? []), file])
  }
}

it("no two requirements have the same number", () => {
  const numbers = page.split("\n").flatMap((line) => /^\| (R-[A-Z]{3}-\d+) \|/u.exec(line)?.[1] ?? [])
  assert.sameMembers([...required], numbers)
})

it("every requirement has a test", () => {
  assert.deepStrictEqual(
    [...required].filter((number) => !tested.has(number)),
    []
  )
})

it("every number that a test names is a requirement", () => {
  assert.deepStrictEqual(
    [...tested.keys()].filter((number) => !required.has(number)),
    []
  )
})
