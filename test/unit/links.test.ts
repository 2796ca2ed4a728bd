/**
 * Every link of every Markdown page leads somewhere: the file is there, and so is the heading.
 *
 * Nothing is asked of the network: of a link to elsewhere only its form is looked at.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join, relative, resolve, sep } from "node:path"
import { assert, describe, it } from "vitest"
import { anchorsIn, anchorsOf, linksIn } from "../support/markdown.ts"

const root = resolve(import.meta.dirname, "../..")
/** Not of the repository. */
const left = new Set(["node_modules", ".git", ".local", "coverage", "dist"])

const pagesIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return left.has(entry.name) ? [] : pagesIn(join(folder, entry.name))
    return entry.isFile() && entry.name.endsWith(".md") ? [join(folder, entry.name)] : []
  })
const pages = pagesIn(root)

const anchors = new Map<string, ReadonlySet<string>>()
const anchorsKept = (file: string) => {
  const known = anchors.get(file) ?? anchorsOf(file)
  anchors.set(file, known)
  return known
}

/** What is wrong with a link of a page, or undefined. */
const wrongWith = (page: string, target: string): string | undefined => {
  if (/^[a-z][a-z+.-]*:/u.test(target)) {
    if (!URL.canParse(target)) return "is no URL"
    return /^(?:https?:\/\/[^/]|mailto:.+@)/u.test(target) ? undefined : "is neither http, https nor mailto"
  }
  const [path = "", anchor, ...more] = target.split("#")
  if (more.length > 0 || target === "") return "is no link"
  if (path.startsWith("/") || path.includes("?")) return "is not relative to its page"
  const file = path === "" ? page : resolve(dirname(page), decodeURIComponent(path))
  const within = relative(root, file)
  if (within.startsWith("..") || within.split(sep).some((name) => left.has(name))) return "leaves the repository"
  if (!existsSync(file)) return "leads to no file"
  if (anchor === undefined) return undefined
  if (statSync(file).isDirectory() || !file.endsWith(".md")) return "has an anchor into what has no headings"
  return anchorsKept(file).has(decodeURIComponent(anchor)) ? undefined : "leads to no heading"
}

describe("links of the Markdown pages", () => {
  it("are found", () => {
    assert.isAbove(pages.length, 80)
    assert.isAbove(pages.flatMap((page) => linksIn(readFileSync(page, "utf8"))).length, 300)
  })

  it("lead to files that are there, at headings that they have", () => {
    const wrong = pages.flatMap((page) =>
      linksIn(readFileSync(page, "utf8")).flatMap(({ line, target }) => {
        const said = wrongWith(page, target)
        return said === undefined ? [] : [`${relative(root, page)}:${line}: ${target} ${said}`]
      })
    )
    assert.deepStrictEqual(wrong, [])
  })

  it("are judged one by one", () => {
    const page = join(root, "docs/keys.md")
    const told = (target: string) => wrongWith(page, target)
    for (const good of [
      "#rotating",
      "audit.md",
      "audit.md#cutting",
      "decisions",
      "../README.md",
      "https://nats.io/a#b"
    ])
      assert.isUndefined(told(good), good)
    assert.deepStrictEqual(
      ["#rotated", "audits.md", "audit.md#Cutting", "decisions#a", "../../x", "../node_modules", "/README.md", ""].map(
        told
      ),
      [
        "leads to no heading",
        "leads to no file",
        "leads to no heading",
        "has an anchor into what has no headings",
        "leaves the repository",
        "leaves the repository",
        "is not relative to its page",
        "is no link"
      ]
    )
    assert.deepStrictEqual(["https://", "https:///a", "ftp://nats.io/", "mailto:", "a.md#b#c"].map(told), [
      "is no URL",
      "is neither http, https nor mailto",
      "is neither http, https nor mailto",
      "is neither http, https nor mailto",
      "is no link"
    ])
  })
})

describe("a page", () => {
  it("has the anchors that GitHub makes of its headings", () => {
    const text = [
      "# One, two & `three_four`",
      "## The [link](a.md#b): **bold** — dash",
      "## Again",
      "## Again ##",
      "### Again-1",
      "```",
      "# Not one",
      "```",
      "#Neither",
      '<a id="by-hand"></a>',
      "## 16/ECAP: Größe?"
    ].join("\n")
    assert.deepStrictEqual(
      [...anchorsIn(text)],
      ["by-hand", "one-two--three_four", "the-link-bold--dash", "again", "again-1", "again-1-1", "16ecap-größe"]
    )
  })

  it("links by its text, its images, its definitions and its HTML, and not by its code", () => {
    const text = [
      "[a](a.md) and [two",
      'lines](b.md#c "title"), ![i](i.svg), [`code`](d(1).md)',
      "`[no](no.md)` ``[`no`](no.md)``",
      "```md",
      "[no](no.md)",
      "```",
      "[ref]: e.md",
      '<img src="f.png"> <https://nats.io>'
    ].join("\n")
    assert.deepStrictEqual(
      linksIn(text).map(({ line, target }) => [line, target]),
      [
        [1, "a.md"],
        [2, "b.md#c"],
        [2, "i.svg"],
        [2, "d(1).md"],
        [7, "e.md"],
        [8, "f.png"],
        [8, "https://nats.io"]
      ]
    )
  })
})
