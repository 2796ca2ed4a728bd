/**
 * Every numbered requirement stands in a test, and no test names one that there is not; and the page says of each which faults
 * of the catalogue its tests noticed, or that nothing has proven them.
 */
import { globSync, readFileSync } from "node:fs"
import { resolve } from "node:path"
import { assert, it } from "vitest"
import { catalogue } from "../mutants/catalogue.ts"

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

/** Of docs/mutants.md: what each fault breaks, and whether a test noticed it. */
const mutantsPage = readFileSync(resolve(root, "docs/mutants.md"), "utf8")
const tried = [...mutantsPage.matchAll(/^\| `([a-z0-9-]+)` \| [^|]* \| ([^|]*) \| (.*) \|$/gmu)].map(
  ([, id, breaks, noticed]) => ({
    id: id!,
    breaks: breaks!,
    isKilled: !/^(?:not tried|\*\*survived\*\*)/u.test(noticed!)
  })
)
const byHand = "`npm run mutants -- --page` writes it anew"

it("the page of faults is about the catalogue", () => {
  assert.deepStrictEqual(
    tried.map(({ breaks, id }) => `${id} ${breaks}`),
    catalogue.map(({ breaks, id }) => `${id} ${breaks.join(" ")}`),
    byHand
  )
})

it("every requirement shows the faults that its tests noticed, or that it is unproven", () => {
  const namedMax = 4
  const killed = tried.filter(({ isKilled }) => isKilled)
  const wrong = page.split("\n").flatMap((line) => {
    const [, number, shown] = /^\| (R-[A-Z]{3}-\d+) \|(?:[^|]*\|){2} (.*) \|$/u.exec(line) ?? []
    if (number === undefined) return line.startsWith("| R-") ? [`no faults: ${line.slice(0, 20)}`] : []
    const ids = killed.filter(({ breaks }) => breaks.split(" ").includes(number)).map(({ id }) => `\`${id}\``)
    const more = ids.length > namedMax ? [`and ${ids.length - namedMax} more`] : []
    const expected = ids.length === 0 ? "**unproven**" : [...ids.slice(0, namedMax), ...more].join(" ")
    return shown === expected ? [] : [`${number} shows ${shown}, and ${expected} is true`]
  })
  assert.deepStrictEqual(wrong, [], byHand)
})
