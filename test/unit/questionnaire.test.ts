/** Every answer of the questionnaire names what shows it, and all of that is there. */
import { existsSync, readFileSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { assert, describe, it } from "vitest"
import { anchorsOf } from "../support/markdown.ts"

const root = resolve(import.meta.dirname, "../..")
const docs = join(root, "docs")
const text = readFileSync(join(docs, "questionnaire.md"), "utf8")

interface Answer {
  readonly section: string
  readonly question: string
  readonly row: string
}
const answers: ReadonlyArray<Answer> = text
  .split(/^## /mu)
  .slice(1)
  .flatMap((part) => {
    const [section = "", ...lines] = part.split("\n")
    const rows = lines.filter((line) => line.startsWith("|")).slice(2)
    return rows.map((row) => ({ section, question: row.split("|")[1]!.trim(), row }))
  })

const scripts = (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> })
  .scripts
const quoted = (row: string) => Array.from(row.matchAll(/`([^`]+)`/gu), ([, name]) => name!)
const isFile = (name: string) => /^(?:test|ops|scripts|src)\/|\.test\.ts$/u.test(name)

describe("the questionnaire", () => {
  it("has answers", () => {
    assert.isAbove(answers.length, 25)
  })

  it.each(answers)("$section: $question names a test, a file or a command, and each is there", ({ row }) => {
    const files = quoted(row).filter(isFile)
    // A name alone is of a file beside the one named before it.
    let folder = ""
    for (const name of files) {
      const path = name.includes("/") ? name : `${folder}/${name}`
      folder = dirname(path)
      assert.isTrue(existsSync(join(root, path)), path)
    }
    for (const name of quoted(row)) {
      const [, script] = /^npm run ([a-z:-]+)/u.exec(name) ?? []
      if (script !== undefined) assert.property(scripts, script)
    }
    const isShown = files.some((name) => basename(name).endsWith(".test.ts"))
    const isSaidNotToBe = /\*\*not\b/u.test(row)
    const isAPage = /SECURITY\.md\)|keys\.md#when-something-leaked/u.test(row)
    assert.isTrue(isShown || isSaidNotToBe || isAPage, "nothing shows it")
  })

  it("leads to pages and headings that are there", () => {
    for (const [, target] of text.matchAll(/\]\(([^)]+)\)/gu)) {
      const [page = "", anchor] = target!.split("#")
      const file = page === "" ? join(docs, "questionnaire.md") : join(docs, page)
      assert.isTrue(existsSync(file), target)
      if (anchor !== undefined) assert.isTrue(anchorsOf(file).has(anchor), target)
      assert.isTrue(dirname(file).startsWith(root))
    }
  })
})
