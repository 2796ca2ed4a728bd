/**
 * The catalogue of faults is what it says: each fault's text stands in its file once, what it makes of it is still a program,
 * its tests are there, and what it breaks is promised. Whether a test notices a fault is for `npm run mutants`.
 */
import { existsSync, readFileSync, statSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import { join, resolve } from "node:path"
import { assert, it } from "vitest"
import { makeCopy } from "../../scripts/lib/mutantCopy.mjs"
import { catalogue } from "../mutants/catalogue.ts"
import type { Mutant } from "../mutants/Mutant.ts"

const root = resolve(import.meta.dirname, "../..")
const texts = new Map<string, string>()
const textOf = (file: string): string => {
  const text = texts.get(file) ?? readFileSync(join(root, file), "utf8")
  texts.set(file, text)
  return text
}
const requirements = textOf("docs/requirements.md")
const promised = new Set([
  ...(requirements.match(/\bR-[A-Z]{3}-\d+\b/gu) ?? []),
  ...Array.from({ length: 10 }, (_, at) => `P${at + 1}`)
])

const wrong = ({ breaks, file, from, tests, to }: Mutant): ReadonlyArray<string> => {
  const parts = existsSync(join(root, file)) ? textOf(file).split(from) : []
  if (parts.length !== 2) return [`its text stands ${Math.max(0, parts.length - 1)} times in ${file}`]
  const found = [
    ...(from === to ? ["it changes nothing"] : []),
    ...(tests.length === 0 ? ["it names no test"] : []),
    ...tests.map((test) => test.split("#")[0]!).flatMap((test) => (existsSync(join(root, test)) ? [] : [`no ${test}`])),
    ...(breaks.length === 0 ? ["it breaks nothing"] : []),
    ...breaks.flatMap((number) => (promised.has(number) ? [] : [`${number} is no promise`]))
  ]
  if (file.endsWith(".ts")) {
    try {
      stripTypeScriptTypes(parts.join(to))
    } catch (error) {
      return [...found, `it is no program: ${error instanceof Error ? error.message : String(error)}`]
    }
  }
  return found
}

it("every fault can be made, is tried by tests that there are, and breaks something that is promised", () => {
  assert.deepStrictEqual(
    catalogue.flatMap((mutant) => wrong(mutant).map((what) => `${mutant.id}: ${what}`)),
    []
  )
})

it("a fault whose text is gone, stands there twice, or makes no program is found", () => {
  const [one] = catalogue
  const found = (changes: Partial<Mutant>) => wrong({ ...one!, ...changes })
  assert.deepStrictEqual(found({}), [])
  assert.lengthOf(found({ from: "no such text" }), 1)
  assert.lengthOf(found({ from: "export" }), 1)
  assert.lengthOf(found({ to: "(" }), 1)
  assert.lengthOf(found({ tests: ["test/unit/gone.test.ts"], breaks: ["P11"] }), 2)
})

it("no two have one name, and there are many, in every room", () => {
  assert.strictEqual(new Set(catalogue.map(({ id }) => id)).size, catalogue.length)
  assert.isAtLeast(catalogue.length, 150)
  const rooms = new Set(catalogue.map(({ file }) => file.split("/").slice(0, 2).join("/")))
  for (const room of [
    "access",
    "actors",
    "cache",
    "coherence",
    "crypto",
    "domain",
    "gateway",
    "nats",
    "observability"
  ]) {
    assert.isTrue(rooms.has(`src/${room}`), room)
  }
  for (const room of ["outbox", "platform", "protocols", "rotation", "schema", "store"]) {
    assert.isTrue(rooms.has(`src/${room}`), room)
  }
  assert.isTrue(rooms.has("nats.conf") && rooms.has("scripts/lib"))
  assert.isTrue(catalogue.some(({ file }) => file.endsWith(".sql")))
})

it("a copy for a fault keeps its files' times, so that nothing in it installs the checkout's modules anew", () => {
  const copy = makeCopy()
  try {
    const timeOf = (folder: string) => statSync(join(folder, "package-lock.json")).mtimeMs
    // Times of files are kept to the millisecond, rounded up or down.
    assert.isAtMost(timeOf(copy.path), timeOf(root) + 1)
  } finally {
    copy.remove()
  }
})
