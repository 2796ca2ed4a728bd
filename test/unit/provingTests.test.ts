/**
 * Three ways in which a test passes without proving anything, refused: an error that nobody looks at, an answer made up where
 * one failed, and an assertion that fails inside a callback of the bus, where the client library swallows it.
 *
 * Who means it says why, in a comment that begins with `May fail:`, on the line or at most three above.
 */
import { globSync, readFileSync } from "node:fs"
import { resolve } from "node:path"
import { assert, it } from "vitest"

const root = resolve(import.meta.dirname, "../..")
const reason = /\/\/ May fail: \S/u

const lineOf = (text: string, at: number): number => text.slice(0, at).split("\n").length

const isSaid = (text: string, at: number): boolean => {
  const line = lineOf(text, at)
  return text
    .split("\n")
    .slice(Math.max(0, line - 4), line)
    .some((one) => reason.test(one))
}

const droppedErrors = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/\.catch\(\s*\(\)\s*=>\s*(?:undefined|null|\{\s*\}|\[\]|false|true|"[^"]*")\s*\)/gu)]
    .filter(({ index }) => !isSaid(text, index))
    .map(({ 0: code, index }) => `${lineOf(text, index)}: ${code} drops an error`)

const emptyCatches = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/\bcatch\s*(?:\([^)]*\)\s*)?\{\s*\}/gu)].map(
    ({ index }) => `${lineOf(text, index)}: an empty catch drops an error`
  )

/** What stands between the bracket at `from` and the one that closes it. */
const within = (text: string, from: number): string => {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    if ("({[".includes(text[at]!)) depth++
    if (")}]".includes(text[at]!) && --depth === 0) return text.slice(from, at)
  }
  return text.slice(from)
}

const assertingCallbacks = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/\.subscribe\(/gu)]
    .filter(({ 0: code, index }) => /\bassert\b/u.test(within(text, index + code.length - 1)))
    .map(({ index }) => `${lineOf(text, index)}: an assertion inside a callback of the bus fails unseen`)

const rules = [droppedErrors, emptyCatches, assertingCallbacks]
const wrong = (text: string): ReadonlyArray<string> => rules.flatMap((rule) => rule(text))

it.each([
  ["an error that is dropped", "const answer = await ask().catch(() => undefined)"],
  ["an answer made up", "const rows = await read().catch(() => [])"],
  ["an empty catch", "try { read() } catch {\n}"],
  ["an assertion in a callback", "nc.subscribe(subject, { callback: (_, { data }) => assert.lengthOf(data, 2) })"]
])("%s is found", (_, text) => assert.lengthOf(wrong(text), 1))

it("an error that somebody looks at, one whose reason is said, and an assertion afterwards are not", () => {
  for (const text of [
    "await ask().catch((error) => errors.push(error))",
    "// May fail: the server is gone.\nawait close().catch(() => undefined)",
    "nc.subscribe(subject, { callback: (_, { data }) => void heard.push(data) })\nassert.lengthOf(heard, 2)"
  ]) {
    assert.deepStrictEqual(wrong(text), [])
  }
})

it("no test drops an error or asserts where nobody sees it", () => {
  const files = globSync("test/**/*.ts", { cwd: root }).filter(
    (file) => !file.startsWith("test/mutants/") && file !== "test/unit/provingTests.test.ts"
  )
  assert.isAbove(files.length, 300)
  assert.deepStrictEqual(
    files.flatMap((file) => wrong(readFileSync(resolve(root, file), "utf8")).map((what) => `${file}:${what}`)),
    []
  )
})
